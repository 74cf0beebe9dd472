/*
 * A close that does not reset a peer which is still sending: linger.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_LINGER_H
#define TROUPE_NET_LINGER_H

#include "socket_state.h"

/* Our side has ended, and all of it is in the kernel: the socket is destroyed without an error, and its descriptor
 * closed when the peer has ended too, or its time is over. */
void tri_linger_close(tr_socket *socket);

/* The runtime may have begun to stop: a socket that lingers must be closed before that is over. */
void tri_linger_hurry(tr_socket *socket);

#endif
