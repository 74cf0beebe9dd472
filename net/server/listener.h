/*
 * Accepting: listener.c.
 *
 * Thread: the worker of the server.
 */
#ifndef TROUPE_NET_LISTENER_H
#define TROUPE_NET_LISTENER_H

#include "endpoint.h"

/* Connections wait: accepts some. Of listeners that are part of a struct tr_server. */
void tri_listener_readable(struct tri_listener *listener);

#endif
