/*
 * Sockets at the memory limit of their runtime: halt.c. Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_HALT_H
#define TROUPE_NET_HALT_H

#include "socket_state.h"

/* The runtime is at its limit: the socket is not read until that is over. */
void tri_halt_now(tr_socket *socket);

/* The same, if it is. Returns whether. */
static inline bool
tri_halt_if_at_limit(tr_socket *socket)
{
    if (TRI_LIKELY(!socket->home->worker->at_limit))
        return false;
    tri_halt_now(socket);
    return true;
}

/* Sockets of that worker hear from now on that the limit is over. */
void tri_halt_open(struct tri_worker *worker);

#endif
