/*
 * Commands that have no arguments but directories, and no option but --help.
 */
#ifndef TROUPE_TRACE_PLAIN_H
#define TROUPE_TRACE_PLAIN_H

#include <getopt.h>

#include "reader.h"

extern const struct option plain_options[];

/* What their run() does: print gets the trace that is in the directories, as the pass of trace_pass(). */
int plain_run(int count, char **words, int (*print)(const struct trace *trace, void *nothing));

#endif
