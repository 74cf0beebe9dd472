/*
 * What a socket's options demand of its peer's pace: pace.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_PACE_H
#define TROUPE_NET_PACE_H

#include "socket_state.h"

/* Do these options set a limit? */
static inline bool
tri_pace_is_wanted(const struct tr_socket_options *options)
{
    return options->first_byte_timeout_ms != 0 || options->min_rate != 0 || options->write_timeout_ms != 0;
}

/* Are their times in order? */
static inline bool
tri_pace_is_possible(const struct tr_socket_options *options)
{
    return options->first_byte_timeout_ms <= INT32_MAX && options->min_rate_interval_ms <= INT32_MAX &&
           options->min_rate_grace_ms <= INT32_MAX && options->write_timeout_ms <= INT32_MAX;
}

/* The socket, which has its extra, gets limits. TR_OK, TR_ENOMEM: nothing is left. */
tr_status tri_pace_new(tr_socket *socket, const struct tr_socket_options *options);

/* The connection is over: nothing is awaited. The second gives the memory back, too. */
void tri_pace_end(tr_socket *socket);
void tri_pace_free(tr_socket *socket);

/* The limit that was not kept: the call of the error event. */
enum tri_socket_call tri_pace_verdict(const tr_socket *socket);

/* A connection begins. */
void tri_pace_begin_limited(tr_socket *socket);

/* Whether bytes of the peer can be taken may have changed. */
void tri_pace_look_limited(tr_socket *socket);

/* Bytes wait for room in the kernel. */
void tri_pace_wait_limited(tr_socket *socket);

static inline bool
tri_pace_is_limited(const tr_socket *socket)
{
    return TRI_UNLIKELY(socket->extra != NULL) && socket->extra->pace != NULL;
}

static inline void
tri_pace_begin(tr_socket *socket)
{
    if (tri_pace_is_limited(socket))
        tri_pace_begin_limited(socket);
}

static inline void
tri_pace_look(tr_socket *socket)
{
    if (tri_pace_is_limited(socket))
        tri_pace_look_limited(socket);
}

static inline void
tri_pace_wait_for_room(tr_socket *socket)
{
    if (tri_pace_is_limited(socket))
        tri_pace_wait_limited(socket);
}

#endif
