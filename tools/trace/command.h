/*
 * What troupe-trace can do with a trace. Each function prints to standard output and returns the exit status.
 */
#ifndef TROUPE_TRACE_COMMAND_H
#define TROUPE_TRACE_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "reader.h"

/* What is in it, by stream and by event. */
int command_info(const struct trace *trace);

struct dump_options {
    bool json;
    bool by_actor, by_stream, by_event; /* show only events of the following */
    uint64_t actor;
    uint32_t stream;
    int event; /* id */
};

/* All events in causal order. */
int command_dump(const struct trace *trace, const struct dump_options *options);

/* Whether the rules were kept. strict: lost events are a failure. */
int command_check(const struct trace *trace, bool strict);

#endif
