/*
 * A trace that holds every event, and what `troupe-trace check` must say when one of them is dropped, doubled, swapped
 * with the event beside it in its stream, or altered.
 */
#ifndef TESTS_TRACE_SCORE_H
#define TESTS_TRACE_SCORE_H

#include <stddef.h>
#include <stdint.h>

/* An event that is to be written. */
struct note {
    unsigned stream; /* a worker, TRI_TRACE_OUTSIDE */
    uint16_t id, flags;
    uint32_t arg;
    uint64_t actor, message;
};

extern const struct note score[];
extern const size_t score_length;

/* Names that the trace tells, by their numbers, from 1. */
#define SCORE_NAMES 3
extern const char *const score_names[SCORE_NAMES];

/*
 * What is to be said of an event: the name of a rule, or a reason why nothing can be said, which begins with a dash.
 * NULL is for a field without a meaning, and of that the rule `form` says that it is not 0.
 */
struct verdict {
    const char *event;
    const char *dropped, *doubled, *swapped;
    const char *actor, *flags, *arg, *message; /* altered */
};

extern const struct verdict verdicts[];
extern const size_t verdict_count;

#endif
