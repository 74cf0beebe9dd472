/*
 * The event `secure`, and what a secure socket knows of its connection: secured.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_SECURED_H
#define TROUPE_NET_SECURED_H

#include "socket_state.h"

/* The step SECURE. */
void tri_secured_give(tr_socket *socket);

#endif
