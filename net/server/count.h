/*
 * How many connections a server has.
 *
 * Thread: the worker of the server.
 */
#ifndef TROUPE_NET_COUNT_H
#define TROUPE_NET_COUNT_H

#include "server_state.h"

#include <ck_pr.h>

/* Connections assigned and not closed yet: to one worker. */
static inline uint32_t
tri_server_load(const tr_server *server, unsigned worker)
{
    return (uint32_t)(server->dealt[worker] - ck_pr_load_64(&server->deal->ends[worker].closed));
}

/* The same to all. */
uint32_t tri_server_count(const tr_server *server);

/* Are the last events of all connections over? */
bool tri_server_is_drained(const tr_server *server);

/* Connections that were lost before they came to life, on any worker; if there are any, *why is the reason of one. */
uint64_t tri_server_failures(const tr_server *server, tr_status *why);

#endif
