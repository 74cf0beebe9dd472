/*
 * Giving an event: a callback of the user's, or a message to the socket's owner: events.c.
 *
 * Thread: the worker of the socket, unless another is said.
 */
#ifndef TROUPE_NET_EVENTS_INTERNAL_H
#define TROUPE_NET_EVENTS_INTERNAL_H

#include "socket_state.h"

struct tr_secured;

/* Does anybody get data as an event? */
static inline bool
tri_events_has_listener(const tr_socket *socket)
{
    return socket->events->data != NULL || (socket->extra != NULL && socket->extra->owner != TR_NOBODY);
}

/* TR_OK, TR_EBADREF. Thread: any. */
tr_status tri_events_check_owner(const struct tr_runtime *runtime, const struct tr_owner *owner);

/* A server's connection: calls the callback, or tells the owner. TR_OK; TR_ENOMEM: the owner does not know of it. */
tr_status tri_events_connection(tr_socket *socket, void (*connection)(tr_socket *socket));
void tri_events_lookup(tr_socket *socket, const struct tr_error *error, const struct tr_address *address,
                       const char *host);
void tri_events_plain(tr_socket *socket, enum tr_event event); /* those without a payload */
void tri_events_secure(tr_socket *socket, const struct tr_secured *secured);
void tri_events_data(tr_socket *socket, tr_slice data); /* lent */
void tri_events_fd(tr_socket *socket, int fd);          /* taken */
void tri_events_error(tr_socket *socket, const struct tr_error *error);

/* The next event is that of an error: the trace has its code, if it is not that of the status. */
void tri_events_trace_code(const tr_socket *socket, const struct tr_error *error);
void tri_events_close(tr_socket *socket, bool had_error);

/* Must our side stay open after the peer's end, until the owner has answered all events? Then AFTER_END comes again. */
bool tri_events_hold_end(tr_socket *socket);

/* It need not any more. */
void tri_events_release_end(tr_socket *socket);

/* The owner has answered that many events. */
void tri_events_credit(tr_socket *socket, tr_ref from, uint32_t events);

/* An event found nobody. */
void tri_events_owner_gone(tr_socket *socket, tr_ref owner);

/* The socket is to end: if it waits for the owner, is that there at all? */
void tri_events_ask_owner(tr_socket *socket);

/* The socket has its extra. TR_OK, TR_ENOMEM: nothing has changed. */
tr_status tri_events_set_owner(tr_socket *socket, const struct tr_owner *owner);

/* A new life begins, of which the owner, if there is one, will hear the end. TR_OK, TR_ENOMEM. */
tr_status tri_events_begin(tr_socket *socket);

/* It tells nothing any more. The socket has its extra. */
void tri_events_end(tr_socket *socket);

#endif
