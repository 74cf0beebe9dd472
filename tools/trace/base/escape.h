/*
 * Texts of a trace, which come from any program that can write a file. What a terminal could take for a command is
 * escaped.
 */
#ifndef TROUPE_TRACE_ESCAPE_H
#define TROUPE_TRACE_ESCAPE_H

#include <stdio.h>

/* Control characters, invalid UTF-8 and characters that turn the direction of writing as \xNN, byte by byte. */
void print_escaped(FILE *out, const char *text);

/* A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void print_json_string(FILE *out, const char *text);

/* The same, without < > and &: it may stand in a script element of a page, which no text can end then. */
void print_page_string(FILE *out, const char *text);

#endif
