/*
 * Whether who writes a trace is there still.
 */
#ifndef TROUPE_TRACE_GONE_H
#define TROUPE_TRACE_GONE_H

#include "reader.h"

/* All processes of a trace have closed theirs, or do not run any more. One of another machine, or of an earlier start
 * of this one, is not known to be gone. */
bool gone_all(const struct trace *trace);

#endif
