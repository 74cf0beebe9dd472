/*
 * Traces that together hold every event, and what `troupe-trace check` must say when one of them is dropped, doubled,
 * swapped with the event beside it in its stream, or altered.
 */
#ifndef TESTS_TRACE_SCORE_H
#define TESTS_TRACE_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An event that is to be written. */
struct note {
    unsigned stream; /* a worker, TRI_TRACE_OUTSIDE; of a cluster's processes SCORE_OF() */
    uint16_t id, flags;
    uint32_t arg;
    uint64_t actor, message;
};

/* A stream of the process whose serial that is; 0: the parent's. */
#define SCORE_OF(process, stream) ((unsigned)(process) << 16 | (stream))

/* In the place of a message: the process that writes the trace. */
#define SCORE_PID (UINT64_C(1) << 40)

/* A trace as a whole. */
struct scene {
    const char *title;
    const struct note *notes;
    size_t length;
    unsigned processes; /* of a cluster: the parent, whose serial is 0, and its children 0, 1, ...; 0: it is of none */
    bool cut_off;       /* it is not closed */
};

extern const struct scene score; /* of one process, with nothing missing */

/* All of them, the score first. */
extern const struct scene *const scenes[];
extern const size_t scene_count;

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
