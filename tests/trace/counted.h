/*
 * What a command of troupe-trace costs, counted by one that counts (count_work.c).
 */
#ifndef TESTS_TRACE_COUNTED_H
#define TESTS_TRACE_COUNTED_H

#include <stdint.h>

#include "traces.h"

struct work {
    uint64_t blocks; /* that it ran */
    uint64_t bytes;  /* that it asked for, all together */
    uint64_t most;   /* bytes that it had at a time */
};

/* Runs a command on the trace, with options behind blanks; it may find that a rule was broken. */
struct work work_of(const struct traces *traces, const char *command);

#endif
