/*
 * Branches of a listener: where each worker accepts for itself (TR_ACCEPT_SHARED_FD, TR_ACCEPT_REUSEPORT), an actor of
 * each worker that has a descriptor of its own: branch.c.
 *
 * Thread: the listener's worker.
 */
#ifndef TROUPE_NET_BRANCH_H
#define TROUPE_NET_BRANCH_H

#include "bound.h"

struct tri_listener;
struct tri_branch_ring;

/* What a listener knows of its branch on a worker. */
struct tri_branch_entry {
    tr_ref ref;                   /* TR_NOBODY: there is none */
    struct tri_branch_ring *ring; /* with it */
};

/* Branches on all workers where somebody takes connections and there is none; and all look what has changed. Returns
 * TR_OK, or why one cannot be made. */
tr_status tri_branches_update(struct tri_listener *listener);

/* A branch is over, or was never born. false: it was none of this listener. */
bool tri_branch_ended(struct tri_listener *listener, tr_ref branch, bool was_born);

/* Are any left? */
bool tri_branches_are_over(const struct tri_listener *listener);

/* Forgets those that are left: they end by themselves, since the bound is over. */
void tri_branches_forget(struct tri_listener *listener);

#endif
