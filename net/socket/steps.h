/*
 * What a socket does next: steps.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_STEPS_H
#define TROUPE_NET_STEPS_H

#include "socket_state.h"

/* By enum tri_socket_step. */
extern const tri_step_function tri_socket_steps[TRI_STEPS];

/* The descriptor is ready: a callback of libuv's. */
void tri_socket_ready(uv_poll_t *poll, int status, int events);

/* Ends our side because the peer has ended, unless the user wants to do that. */
void tri_socket_end_with_peer(tr_socket *socket);

#endif
