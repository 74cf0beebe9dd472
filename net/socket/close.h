/*
 * The end of a socket's actor: close.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_CLOSE_H
#define TROUPE_NET_CLOSE_H

#include "socket_state.h"

/* libuv has let go of the descriptor: a callback of its. */
void tri_socket_closed(uv_handle_t *handle);

/* The actor ends, and everything that it has, as soon as nothing looks at it any more. */
void tri_socket_end_actor(tr_socket *socket);

/* It was asked to stop as soon as its side has ended: at once, or after what was sent to it before. */
void tri_socket_drain(tr_socket *socket);
void tri_socket_drain_in_turn(tr_socket *socket);

/* The stopping callback of its actor. */
bool tri_socket_stopping(tr_actor *self, void *state, enum tr_stop_mode how);

#endif
