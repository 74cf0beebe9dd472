/*
 * Writing again after a lack of memory: retry.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_RETRY_H
#define TROUPE_NET_RETRY_H

#include "socket_state.h"

/* Writes what waits a moment later. false: without memory. */
bool tri_retry_start(tr_socket *socket);
void tri_retry_end(tr_socket *socket);

static inline bool
tri_retry_is_due(const tr_socket *socket)
{
    return TRI_UNLIKELY(socket->extra != NULL) && socket->extra->retry.place > 0;
}

#endif
