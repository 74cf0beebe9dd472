/*
 * Which traces are read: those in the directories that are given, and what belongs to them.
 */
#ifndef TROUPE_TRACE_GATHER_H
#define TROUPE_TRACE_GATHER_H

#include "reader.h"

/* Opens all of them, as trace_open() tells, as members of the trace, whose paths are set. */
void trace_gather(struct trace *trace);

/* Are there more sub-directories with traces than there were then? */
bool trace_has_grown(const struct trace *trace);

/* Is that the name of a sub-directory in which the recorder may have put another trace? */
bool is_number_of_trace(const char *name);

#endif
