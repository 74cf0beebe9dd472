/*
 * An event as a line: what dump and follow print.
 */
#ifndef TROUPE_TRACE_LINE_H
#define TROUPE_TRACE_LINE_H

#include "filter.h"
#include "window.h"

struct dump_options {
    bool json;
    struct filter filter;
};

/* Prints an event, if it is wanted. */
void dump_line(const struct trace *trace, const struct dump_options *options, const struct line *line);

#endif
