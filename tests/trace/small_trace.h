/*
 * A small trace for troupe-trace.
 */
#ifndef TESTS_SMALL_TRACE_H
#define TESTS_SMALL_TRACE_H

#include "traces.h"

#define A TRI_TRACE_REF(0, 7, 3)
#define B TRI_TRACE_REF(1, 8, 4)

/* A sends B a message and gets one from outside. The behavior's name is hostile. */
void write_small(struct traces *traces);
unsigned count_lines(const char *text);

/* With this option a dump has so many lines, and this part. */
void expect_dump(const struct traces *traces, const char *option, const char *value, unsigned lines, const char *part);

#endif
