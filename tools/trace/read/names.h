/*
 * The names that a trace's events mention by number.
 */
#ifndef TROUPE_TRACE_NAMES_H
#define TROUPE_TRACE_NAMES_H

#include <stdint.h>

#include "source.h"
#include "table.h"

struct names;

struct names *names_new(void);
void names_free(struct names *names);

/* Reads a file of names whose packet's content ends at byte `end`. */
void names_read(struct names *names, const struct source *source, const char *file, uint64_t end);

/* Adds those of another process. numbers, of uint32_t by number, gets the numbers that they have here: equal texts have
 * one. */
void names_join(struct names *names, const struct names *from, struct table *numbers);

/* The name of a tag among the messages of the behavior whose name has a number; NULL: the trace does not tell it. */
const char *names_tag(const struct names *names, uint32_t behavior, uint32_t tag);

/* The text of a number; NULL: the trace does not tell it. */
const char *names_find(const struct names *names, uint32_t number);

#endif
