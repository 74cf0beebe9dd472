/*
 * The actors that take a server's connections on other workers: shares.c.
 *
 * Thread: the worker of the server.
 */
#ifndef TROUPE_NET_SHARES_H
#define TROUPE_NET_SHARES_H

#include "server_state.h"

/* Shares on all other workers that have none. A worker that cannot have one gets no connections. */
void tri_server_spawn_shares(tr_server *server);

/* They may go: nothing more comes to them. */
void tri_server_dismiss_shares(tr_server *server);

/* A share stops: it gets a successor, unless the runtime stops. false: it does. */
bool tri_server_replace_share(tr_server *server, tr_ref share);

/* A share was not born. false: it was an actor of the user's. */
bool tri_server_share_failed(tr_server *server, tr_ref share);

#endif
