/*
 * What the rules remember of a worker's stream.
 */
#ifndef TROUPE_TRACE_WORKER_H
#define TROUPE_TRACE_WORKER_H

#include "finding.h"

struct worker {
    bool began;            /* its start is there */
    bool started, stopped; /* its start, or another event of it if that is missing */
    bool attached;         /* its stream began while the program ran */
    bool asleep;
    bool limited;  /* its memory limit is reached */
    bool unpinned; /* it may run on all CPUs, and began on its own */
    /* The handler that runs, or ran last. */
    uint64_t actor, message;
    uint32_t tag;
    bool runs, set_aside;
    /* What the next event of the stream must be. */
    uint64_t asked;                     /* a question, which its asker sends next; 0: none */
    uint64_t asker;                     /* likewise */
    uint64_t forwarder;                 /* who sends next; 0: nobody */
    uint32_t forwarded;                 /* with that tag */
    uint64_t noticed;                   /* who is given the notice of a monitor; 0: nobody */
    uint64_t listener;                  /* who says what load it chose among; 0: nobody */
    uint32_t chosen;                    /* on that worker */
    uint64_t parcel;                    /* that it sent last */
    struct tri_trace_record begin, end; /* its start and its stop, or where it was attached and detached */
    uint32_t off;                       /* of threads outside: the categories that were switched off */
};

/* Of the stream of an event. */
static inline struct worker *
worker_of(const struct check *check, const struct step *step)
{
    return &check->workers[step->stream - check->trace->streams];
}

/* All of them have, and nothing that they recorded is missing. */
bool workers_have_stopped(const struct check *check);

/* Of a number; NULL: the trace has nothing of it. */
struct worker *worker_numbered(const struct check *check, uint32_t number);

#endif
