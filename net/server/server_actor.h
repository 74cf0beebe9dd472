/*
 * Servers as actors: server.c.
 */
#ifndef TROUPE_NET_SERVER_ACTOR_H
#define TROUPE_NET_SERVER_ACTOR_H

#include <troupe/actors/actor.h>
#include <troupe/net/server.h>

struct tri_listen_waiter;

/* What the init callback is given. */
struct tri_server_order {
    const struct tr_server_options *options;
    const struct tr_listen_options *listen; /* NULL: not yet */
    struct tri_listen_waiter *waiter;       /* with listen */
};

extern const struct tr_behavior tri_server_behavior; /* its argument is a struct tri_server_order */

/* TR_OK, TR_EINVAL, TR_EBADLIMIT, TR_EBADREF, TR_EBADENCODING, TR_EBADSTATE. Thread: any. */
tr_status tri_server_check_options(const struct tr_runtime *runtime, const struct tr_server_options *options);

#endif
