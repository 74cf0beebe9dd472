/*
 * A crew: jobs that are done in processes of their own, several at a time. What a job does to its process, up to a
 * crash, does not reach the others.
 */
#ifndef CONFORMANCE_CREW_H
#define CONFORMANCE_CREW_H

#include <stdio.h>

struct crew {
    size_t count;  /* of jobs */
    unsigned size; /* how many are done at the same time */
    void *argument;

    /* Does a job, in its own process. What it prints to out is handed to `done`. */
    void (*work)(void *argument, size_t job, FILE *out);

    /* A job is over; called in the order of the jobs. text ends with NUL. accident says how its process ended if not as
     * it should; NULL: well. */
    void (*done)(void *argument, size_t job, const char *text, const char *accident);
};

void crew_run(const struct crew *crew);

#endif
