/*
 * What a parent on another worker is told. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_PARENT_H
#define TROUPE_ACTORS_PARENT_H

#include "actor_internal.h"

/* The order to spawn an actor on another worker. It moves in a message; when it is dropped its waiter is told. */
struct tri_spawn_order {
    const struct tr_behavior *behavior;
    const void *argument;
    tr_ref parent;
    struct tri_outsider *waiter;     /* a thread that waits until init has run, NULL: none */
    struct tri_watcher *watcher;     /* of the parent, that monitors it; NULL: none */
    struct tri_ward *ward;           /* of the parent, which supervises it; NULL: none */
    void (*release)(void *argument); /* when the order is freed; NULL: nothing to do. Any thread */
    bool ends_with_parent;

    /* Of one that has failed. */
    struct tri_owed owed;
    tr_ref ref;
    tr_status failure;
    bool owes_end; /* the parent counts the child, and nobody else reports its end */

    alignas(max_align_t) unsigned char copy[]; /* of the argument, whose type is the program's */
};

/* Frees an order, with all that it still has. Thread: any. */
void tri_spawn_order_free(struct tri_spawn_order *order);

/* Tells the parent, which lives on another worker, that this actor has ended; later, if there is no memory now. */
void tri_parent_tell_end(tr_actor *actor);

/* Tells the parent that the order has failed; takes the order. */
void tri_parent_tell_failure(struct tri_actors *home, struct tri_spawn_order *order);

/* Tries again to tell of the ends that are owed. */
void tri_parents_pay(struct tri_actors *home);

/* The worker's end: no parent can be told any more. */
void tri_parents_forget(struct tri_actors *home);

#endif
