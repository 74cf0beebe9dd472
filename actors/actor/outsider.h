/*
 * A thread that is no worker and waits until somebody lets it go, with a status: for an actor that it spawns, a
 * supervisor that it starts or asks, the outcome of a question. It lies on that thread's stack, so whoever lets it go
 * does so once, and touches nothing of it afterwards.
 */
#ifndef TROUPE_ACTORS_OUTSIDER_H
#define TROUPE_ACTORS_OUTSIDER_H

#include <troupe/core/status.h>
#include <troupe/core/worker.h>

struct tri_outsider {
    uv_sem_t over;
    tr_status status;
    struct tri_stepper *stepper; /* the runtime's, which may be gone when the thread comes to wait; NULL: it has none */
};

/* Returns: TR_OK; what the system says. */
tr_status tri_outsider_init(struct tri_outsider *outsider, const struct tri_runtime *core);
void tri_outsider_fini(struct tri_outsider *outsider);

/* Waits, and gives the status with which it was let go. The runtime may be stopped and freed meanwhile. Thread: any
 * that is no worker. */
tr_status tri_outsider_wait(struct tri_outsider *outsider);

/* Thread: any. */
void tri_outsider_let_go(struct tri_outsider *outsider, tr_status status);

#endif
