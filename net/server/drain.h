/*
 * Draining a server: drain.c.
 *
 * Thread: the worker of the server.
 */
#ifndef TROUPE_NET_DRAIN_H
#define TROUPE_NET_DRAIN_H

#include "server_state.h"

/* The server listens again: its connections have no deadline any more. */
void tri_drain_end(tr_server *server);

/* It is closed: what has become of its connections is settled. */
void tri_drain_closed(tr_server *server);

void tri_drain_free(tr_server *server);

#endif
