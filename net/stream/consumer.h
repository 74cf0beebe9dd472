/*
 * Whose mailbox a socket's reading heeds: consumer.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_CONSUMER_H
#define TROUPE_NET_CONSUMER_H

#include "socket_state.h"

/* Data was given: if its consumer is crowded now the socket reads nothing until that is relieved. */
void tri_consumer_heed_now(tr_socket *socket);

static inline void
tri_consumer_heed(tr_socket *socket)
{
    if (TRI_UNLIKELY(tri_socket_has_any(socket, TRI_SOCKET_SPECIAL)) && socket->extra->consumer != TR_NOBODY)
        tri_consumer_heed_now(socket);
}

/* The actors' layer says that a socket of the worker, or anybody hosted, is to bring nothing more, or may again. */
void tri_consumer_open(struct tri_worker *worker);

#endif
