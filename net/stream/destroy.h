/*
 * Destroying a socket: destroy.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_DESTROY_H
#define TROUPE_NET_DESTROY_H

#include "socket_state.h"

/* Due when libuv has let go of the descriptor. */
#define TRI_CLOSED_STEPS (TRI_STEP(LOST) | TRI_STEP(CLOSE))

/* Closes the descriptor; close follows. TR_OK for status: without an error event. Again: nothing. */
void tri_socket_destroy(tr_socket *socket, tr_status status, int system, enum tri_socket_call call);

/* The same without an error; but the descriptor stays open, and libuv has it, until tri_socket_let_go(), or until it is
 * destroyed again. The socket, which has its extra, lingers. */
void tri_socket_destroy_and_keep(tr_socket *socket);

/* Closes the descriptor of a socket that lingers. */
void tri_socket_let_go(tr_socket *socket);

/* As tri_socket_destroy(), with an error of the user's own, TR_EUSER. */
void tri_socket_destroy_with(tr_socket *socket, const char *code, enum tri_socket_call call);

/* The same with an error of libuv's or, negative, of the system's. */
void tri_socket_fail(tr_socket *socket, int uv_error, enum tri_socket_call call);

/* Drops what came and could not be given. */
void tri_socket_drop_held(tr_socket *socket);

#endif
