/*
 * Opening: a socket gets a descriptor that is connected.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_OPEN_H
#define TROUPE_NET_OPEN_H

#include "socket_state.h"

/* Gives a connected descriptor to a socket that has none; sides are enum tr_sides. Takes it on success, which is
 * TR_OK. */
tr_status tri_socket_open(tr_socket *socket, int fd, unsigned sides);

/* Sets on the descriptor what was asked for before there was one; accepted with no delay, it has that: listener.c. */
void tri_socket_apply_options(tr_socket *socket);

#endif
