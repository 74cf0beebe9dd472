/*
 * Who gets a connection, who gets none: dealer.c.
 *
 * Thread: the worker of the server.
 */
#ifndef TROUPE_NET_DEALER_H
#define TROUPE_NET_DEALER_H

#include "server_state.h"

/* Does it ask where its connections come from? */
bool tri_server_asks_peer(const tr_server *server);

/* An accepted descriptor, which is taken: to a worker, or closed if it is not wanted. peer: if the server asks. */
void tri_server_deal(tr_server *server, int fd, const struct sockaddr *peer);

/* Reports connections that were lost before they came to life, if there are more of them. */
void tri_server_hear_failures(tr_server *server);

/* Shares on all other workers that have none. A worker that cannot have one gets no connections. */
void tri_server_spawn_shares(tr_server *server);

/* They may go: nothing more comes to them. */
void tri_server_dismiss_shares(tr_server *server);

/* A share stops: it gets a successor, unless the runtime stops. false: it does. */
bool tri_server_replace_share(tr_server *server, tr_ref share);

/* A share was not born. false: it was an actor of the user's. */
bool tri_server_share_failed(tr_server *server, tr_ref share);

#endif
