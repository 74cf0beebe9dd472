/*
 * When a socket does what is due: turn.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_TURN_H
#define TROUPE_NET_TURN_H

#include "socket_state.h"

#define TRI_TURNS_FOR_MAIL 15u

/* These steps are to be done, as soon as the socket's callbacks have returned. */
void tri_socket_due(tr_socket *socket, uint32_t steps);

/* The same from a callback of libuv: now, if the socket is not waiting for its owner and no message waits for it. */
void tri_socket_step_now(tr_socket *socket, uint32_t steps, uint32_t tag);

/* Connecting begins in the next turn, when the callback that calls tr_socket_connect() has returned. */
void tri_socket_start_later(tr_socket *socket);

/* Does what is due, within a bracket. */
void tri_socket_do_steps(tr_socket *socket);

/* What is due is done in the next turn. */
void tri_socket_later(tr_socket *socket);

/* Tells libuv what to wait for. */
void tri_socket_poll(tr_socket *socket);

/* Waits for room, or not any more. */
void tri_transmit_want_room(tr_socket *socket, bool wanted);

/* The kernel sends what it holds for bytes that have not come. */
void tri_writer_push(tr_socket *socket);

static inline bool
tri_socket_has_steps(const tr_socket *socket)
{
    return (socket->due & TRI_ALL_STEPS) != 0;
}

/* A list of messages may be cut by the end of a turn, as when the worker is kept from running; but each turn handles
 * one of them at least. A socket to which others send all the time waits for no more than these turns. */
static inline bool
tri_socket_waits_for_mail(const tr_socket *socket)
{
    return tri_actor_has_mail(socket->actor) && socket->turns < TRI_TURNS_FOR_MAIL;
}

/* Does what is due, and closes the bracket. */
static inline void
tri_socket_settle(tr_socket *socket)
{
    if (TRI_UNLIKELY(socket->due != 0)) {
        tri_socket_do_steps(socket);
        tri_writer_push(socket);
    }
    tri_socket_clear(socket, TRI_SOCKET_INSIDE);
    if (TRI_UNLIKELY(tri_socket_has_any(socket, TRI_SOCKET_SPECIAL | TRI_SOCKET_PEER_ENDED | TRI_SOCKET_SECURE)) &&
        tri_socket_is_open(socket))
        tri_socket_poll(socket); /* it may wait for its owner now, or not any more, or its peer has ended */
}

/* The same at the end of a message: what another actor does in one callback is one bracket, as a callback of the
 * socket's own would be, so with more messages waiting what is due waits for the last of them. */
static inline void
tri_socket_settle_mail(tr_socket *socket)
{
    if (TRI_LIKELY(!tri_socket_has_steps(socket)) || !tri_actor_has_mail(socket->actor)) {
        tri_socket_settle(socket);
        return;
    }
    tri_socket_later(socket);
    tri_socket_clear(socket, TRI_SOCKET_INSIDE);
}

/* Brackets a callback of the socket that comes from libuv. After leave the socket may be gone. */
static inline struct tri_actor_frame
tri_socket_enter(tr_socket *socket, uint32_t tag)
{
    assert(!tri_socket_has_any(socket, TRI_SOCKET_INSIDE));
    socket->flags |= TRI_SOCKET_INSIDE;
    return tri_actor_enter(socket->actor, tag);
}

static inline void
tri_socket_leave(tr_socket *socket, struct tri_actor_frame frame)
{
    tr_actor *actor = socket->actor;
    tri_socket_settle(socket);
    tri_actor_leave(actor, frame);
}

#endif
