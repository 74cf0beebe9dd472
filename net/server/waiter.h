/*
 * A thread outside that waits in tr_runtime_listen() until its server listens or has failed.
 */
#ifndef TROUPE_NET_WAITER_H
#define TROUPE_NET_WAITER_H

#include "server_state.h"

/* On the thread's own stack. */
struct tri_listen_waiter {
    uv_mutex_t lock;
    uv_cond_t changed;
    bool over;
    tr_status status;
    struct tr_address address;
};

/* TR_OK, TR_ENOMEM. Thread: the one that waits, as of the next two. */
tr_status tri_waiter_init(struct tri_listen_waiter *waiter);
void tri_waiter_fini(struct tri_listen_waiter *waiter);

/* Waits, and gives what the server says. */
tr_status tri_waiter_wait(struct tri_listen_waiter *waiter);

/* The thread that waits for the server, if there is one, goes on with this status. Thread: the worker of the server. */
void tri_server_tell_waiter(tr_server *server, tr_status status);

#endif
