/*
 * A crew: jobs that are done by several processes, each of which does one after the other. What a job does to its
 * process, up to a crash, does not reach those at work beside it; a process that died is replaced.
 */
#ifndef CONFORMANCE_CREW_H
#define CONFORMANCE_CREW_H

#include <stdbool.h>
#include <stdio.h>

struct crew {
    size_t count;  /* of jobs */
    unsigned size; /* how many are done at the same time */
    void *argument;

    /* Does a job, in one of the processes. What it prints to out, a text without NUL, is handed to `done`. */
    void (*work)(void *argument, size_t job, FILE *out);

    /* A job is over; called in the order of the jobs. text ends with NUL. accident says how its process ended in the
     * middle of it; NULL: it did not. */
    void (*done)(void *argument, size_t job, const char *text, const char *accident);
};

/* false: a process that had done its jobs did not end as it should, which stderr says. */
bool crew_run(const struct crew *crew);

#endif
