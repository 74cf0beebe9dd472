/*
 * How a time of a trace is written.
 */
#ifndef TROUPE_TRACE_TEXT_OF_TIME_H
#define TROUPE_TRACE_TEXT_OF_TIME_H

#include <stdint.h>

#include "metadata.h"
#include "text.h"

/* A time as 2026-11-20T12:42:49.369596938Z. */
const char *text_of_time(const struct metadata *metadata, uint64_t ticks, char text[TEXT_SIZE]);

#endif
