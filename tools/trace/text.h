/*
 * How things are written: for people, and for programs as JSON.
 *
 * Texts of a trace come from whoever wrote it. What a terminal could take for a command is escaped.
 */
#ifndef TROUPE_TRACE_TEXT_H
#define TROUPE_TRACE_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "metadata.h"

/* Control characters, invalid UTF-8 and characters that turn the direction of writing as \xNN, byte by byte. */
void print_escaped(FILE *out, const char *text);

/* A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void print_json_string(FILE *out, const char *text);

#define TEXT_SIZE 40 /* bytes that hold any of the following */

/* An actor as worker:slot.generation, a message as stream:count; the stream of threads outside is "outside". */
const char *text_of_ref(uint64_t ref, char text[TEXT_SIZE]);
const char *text_of_message(uint64_t message, char text[TEXT_SIZE]);
const char *text_of_stream(uint32_t number, char text[TEXT_SIZE]);

/* A number with commas. */
const char *text_of_count(uint64_t count, char text[TEXT_SIZE]);

/* A time as 2026-11-20T12:42:49.369596938Z. */
const char *text_of_time(const struct metadata *metadata, uint64_t ticks, char text[TEXT_SIZE]);

/* The reverse of text_of_ref(); plain numbers, 0x... too, are refs as they are. false: it is neither. */
bool parse_ref(const char *text, uint64_t *ref);

/* The reverse of text_of_stream(). */
bool parse_stream(const char *text, uint32_t *number);

#endif
