/*
 * A page for a browser that holds a trace and draws it: one file, that loads nothing.
 */
#ifndef TROUPE_TRACE_PAGE_H
#define TROUPE_TRACE_PAGE_H

#include <stdio.h>

#include "choice.h"

enum page {
    PAGE_TIMELINE,
    PAGE_SEQ,
};

/* Writes it with the events that are chosen, from which choice_begin() has begun. */
void page_write(FILE *out, enum page page, const struct trace *trace, struct choice *choice);

#endif
