/*
 * Plans: a supervisor's options, checked and copied with all that they point to. A plan never changes, so that every
 * life of a supervisor has the same one, on whatever worker. Thread: any, for all functions.
 */
#ifndef TROUPE_ACTORS_PLAN_H
#define TROUPE_ACTORS_PLAN_H

#include "strategy.h"

#include <troupe/core/worker.h>

struct tri_plan;

#define TRI_CHILD_NAME_SIZE (TR_CHILD_NAME_SIZE + 16u) /* with the number of a worker */

struct tri_child_plan {
    char name[TR_CHILD_NAME_SIZE];
    char registered[TR_NAME_SIZE]; /* "": none */
    const struct tr_behavior *behavior;
    struct tri_plan *supervisor; /* NULL: it is an actor of that behavior */
    const void *argument;
    void *copy; /* of the argument; NULL: the pointer alone is passed on */
    size_t argument_size;
    enum tr_placement placement;
    unsigned worker;
    tr_ref with;
    uint64_t key;
    bool one_each_worker, keep_mailbox;
    enum tr_restart restart;
    enum tr_stop_mode stop;
    uint32_t stop_timeout_ms; /* with the default filled in */
};

struct tri_plan {
    unsigned holds;
    enum tr_strategy strategy;
    struct tr_restart_limit limit;
    struct tr_backoff backoff;
    struct tri_outsider *waiter; /* a thread outside that waits for the start; the first life takes it */
    size_t count;
    struct tri_child_plan children[];
};

/* Are these options valid, and those of all supervisors in them? Returns as tr_supervisor_spawn(). */
tr_status tri_plan_check(const struct tri_runtime *runtime, const struct tr_supervisor_options *options);
tr_status tri_plan_check_child(const struct tri_runtime *runtime, const struct tr_child_spec *spec);

/* NULL without memory. The options were checked. */
struct tri_plan *tri_plan_new(const struct tr_supervisor_options *options);

void tri_plan_hold(struct tri_plan *plan);
void tri_plan_release(void *plan); /* NULL: nothing */

#endif
