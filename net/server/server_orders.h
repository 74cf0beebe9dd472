/*
 * Orders of other actors to a server, as remote.h's functions send them.
 */
#ifndef TROUPE_NET_SERVER_ORDERS_H
#define TROUPE_NET_SERVER_ORDERS_H

#include <troupe/actors/runtime.h>
#include <troupe/core/message.h>
#include <troupe/net/server.h>

struct tri_listen_order {
    tr_runtime *runtime; /* which it keeps alive on its way */
    struct tr_listen_options options;
    char texts[];
};

/* Frees it, without its descriptor, or with it: then it is a destructor of messages. Thread: any. */
void tri_listen_order_free(struct tri_listen_order *order);
void tri_listen_order_drop(void *order);

/* Carries out a message with one of the library's own tags. Thread: the server's worker. */
void tri_server_obey(tr_server *server, tr_message *message);

#endif
