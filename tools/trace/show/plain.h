/*
 * Commands that have no arguments but directories, and no options of their own.
 */
#ifndef TROUPE_TRACE_PLAIN_H
#define TROUPE_TRACE_PLAIN_H

#include "command.h"
#include "reader.h"

/* What their run() does: print gets the trace that is in the directories, as the pass of trace_pass(). */
int plain_run(const struct command *command, int count, char **words,
              int (*print)(const struct trace *trace, void *nothing));

#endif
