/*
 * The listener of a server, for tests that look into it.
 */
#ifndef TESTS_NET_LISTENER_OF_H
#define TESTS_NET_LISTENER_OF_H

#include "listener.h"
#include "server_state.h"

/* Thread: the worker of both; no message waits for the listener. */
static inline struct tri_listener *
listener_of(const tr_server *server)
{
    return tr_state(tri_actor_reach(server->net->worker, server->member->bound->listener, &tri_listener_behavior));
}

#endif
