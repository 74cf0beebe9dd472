/*
 * The timeout of a socket: idle.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_IDLE_H
#define TROUPE_NET_IDLE_H

#include "socket_state.h"

/* The socket has a timeout from now on, in its extra, or none. TR_OK, TR_ENOMEM: nothing has changed. */
tr_status tri_socket_idle_set(tr_socket *socket, uint64_t timeout_ms);

/* The timeout is over, and begins anew now that something moves. */
void tri_socket_idle_restart(tr_socket *socket);

/* Notes the time of a movement: the real one, since the callback that moves bytes may have run for long. */
static inline void
tri_socket_idle_moved_now(tr_socket *socket)
{
    socket->moved_ms = (uint32_t)tri_clock_begin_ms();
}

/* Bytes have moved: the idle time begins anew. */
static inline void
tri_socket_idle_moved(tr_socket *socket)
{
    if (TRI_LIKELY(!tri_socket_has_any(socket, TRI_SOCKET_TIMED)))
        return;
    if (TRI_LIKELY(tri_socket_has_any(socket, TRI_SOCKET_IDLE)))
        tri_socket_idle_moved_now(socket);
    else
        tri_socket_idle_restart(socket);
}

/* Nothing is waited for until something moves again. */
void tri_socket_idle_end(tr_socket *socket);
void tri_socket_idle_forget(tr_socket *socket);

#endif
