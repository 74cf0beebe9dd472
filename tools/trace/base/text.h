/*
 * How numbers of a trace are written and read: actors, messages, streams, counts.
 */
#ifndef TROUPE_TRACE_TEXT_H
#define TROUPE_TRACE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#define TEXT_SIZE 40 /* bytes that hold any of the following, and a time */

/*
 * An actor as worker:slot.generation, a message as stream:count; the stream of threads outside is "outside". Of several
 * processes (process.h) the process stands in front: 2/0:5.1, 2/outside:17.
 */
const char *text_of_ref(uint64_t ref, char text[TEXT_SIZE]);
const char *text_of_message(uint64_t message, char text[TEXT_SIZE]);
const char *text_of_stream(uint32_t number, char text[TEXT_SIZE]);

/* A stream as its own process calls it. */
const char *text_of_worker(uint32_t number, char text[TEXT_SIZE]);

/* What goes from process to process, by the id that both ends record: the one that sent it, and its count there. */
const char *text_of_parcel(uint64_t parcel, char text[TEXT_SIZE]);

/* A number with commas. */
const char *text_of_count(uint64_t count, char text[TEXT_SIZE]);

/*
 * The reverse of text_of_ref(); plain numbers, 0x... too, are refs as they are. false: it is neither, or of a process
 * that is not there. Without a process it is of the first. Before a trace is open only the writing is judged.
 */
bool parse_ref(const char *text, uint64_t *ref);

/* The reverse of text_of_message(). false: it is no message. */
bool parse_message(const char *text, uint64_t *message);

/* The reverse of text_of_parcel(). false: it is none. */
bool parse_parcel(const char *text, uint64_t *parcel);

/* The reverse of text_of_stream(). */
bool parse_stream(const char *text, uint32_t *number);

#endif
