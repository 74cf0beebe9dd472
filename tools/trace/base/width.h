/*
 * How wide text is on a terminal, as far as each character takes one column.
 */
#ifndef TROUPE_TRACE_WIDTH_H
#define TROUPE_TRACE_WIDTH_H

#include <stddef.h>

/* The columns of so many bytes of UTF-8. */
unsigned width_of(const char *text, size_t bytes);

/* How many of the bytes fit into so many columns: whole characters. */
size_t width_fitting(const char *text, size_t bytes, unsigned columns);

#endif
