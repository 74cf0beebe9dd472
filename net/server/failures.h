/*
 * Whether a server still has connections, and has lost some.
 *
 * Thread: the worker of the server.
 */
#ifndef TROUPE_NET_FAILURES_H
#define TROUPE_NET_FAILURES_H

#include "server_state.h"

/* Are the last events of all connections over? */
bool tri_server_is_drained(const tr_server *server);

/* Connections that were lost before they came to life, on any worker; if there are any, *why is the reason of one. */
uint64_t tri_server_failures(const tr_server *server, tr_status *why);

/* Reports connections that were lost before they came to life, if there are more of them. */
void tri_server_hear_failures(tr_server *server);

#endif
