/*
 * The callbacks of writes and ends: callbacks.c, which says when each of these functions is called.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_CALLBACKS_H
#define TROUPE_NET_CALLBACKS_H

#include "queue.h"

void tri_callbacks_told(tr_socket *socket);
void tri_callbacks_first(tr_socket *socket); /* the first of told */
void tri_callbacks_ends(tr_socket *socket);
void tri_callbacks_late(tr_socket *socket);
void tri_callbacks_lost(tr_socket *socket);
void tri_callbacks_after(tr_socket *socket);

/* Destroying is about to be told: nothing of tri_callbacks_ends() has been. */
static inline bool
tri_callbacks_before_error(const tr_socket *socket)
{
    return (socket->due & TRI_STEP(ENDS)) != 0;
}

/* Our side has ended: the callbacks of those who wait for that are due. */
void tri_callbacks_ended(tr_socket *socket);

/* The first write that waits has failed so, and so have all others and the ends: their callbacks are due. */
void tri_callbacks_fail(tr_socket *socket, tr_status first, tr_status others);

/* The same, but they are called now. */
void tri_callbacks_lose(tr_socket *socket, tr_status first, tr_status others);

/* Drops everything that waits; only those who asked from a distance get a word. */
void tri_callbacks_drop(tr_socket *socket);

/* Calls those of entries that stand in no list of the writer. */
void tri_callbacks_call(tr_socket *socket, struct tri_writes list);

/* The callback of an entry that stands in no list is to be called with this: its place is that of the moment. */
void tri_callback_put(tr_socket *socket, struct tri_write *write, tr_status status);

/* The entry waits for the end of our side. */
void tri_callback_wait_for_end(tr_socket *socket, struct tri_write *write);

/*
 * A write has failed and destroyed the socket, and that has not been told. For Node it is destroyed when it is: what is
 * written until then waits, and fails with the same error before it is told, and our side cannot be ended.
 */
bool tri_callbacks_is_failing(const tr_socket *socket);

/* Those who wait for the end get the socket's error, whatever it is destroyed with after that. */
void tri_callbacks_fail_ends(tr_socket *socket);

#endif
