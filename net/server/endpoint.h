/*
 * A descriptor that listens, and the servers that share it.
 *
 * Thread: owner of the net.
 */
#ifndef TROUPE_NET_ENDPOINT_H
#define TROUPE_NET_ENDPOINT_H

#include "unix_path.h"
#include "worker_net.h"

#include <troupe/core/timers.h>

struct tri_endpoint {
    uv_poll_t poll;
    struct tri_net *net;
    struct tri_unix_path *path;  /* the file that goes with it; NULL: none of ours */
    struct tri_listener *newest; /* gets the connections; NULL: it is closed */
    int fd;
    bool polled;
    bool no_delay; /* what is accepted from it has no delay already */
};

/* One server's part in an endpoint; part of its struct tr_server. */
struct tri_listener {
    void (*readable)(struct tri_listener *listener); /* connections wait: accepts some */
    struct tri_endpoint *endpoint;                   /* NULL: it is not listening */
    struct tri_listener *older, *newer;              /* of the same endpoint */
    struct tri_timer retry;                          /* of a starved one */
    struct tri_timer pause;                          /* of a paused one; not started: until it is resumed */
    bool starved;                                    /* descriptors or memory have run out */
    bool paused;                                     /* it was asked to */
};

/* Does it want connections? */
static inline bool
tri_listener_accepts(const struct tri_listener *listener)
{
    return listener != NULL && !listener->starved && !listener->paused;
}

/* An endpoint of a descriptor, without a listener. Takes descriptor and path on success. TR_OK, TR_ENOMEM,
 * TR_EEXIST... */
tr_status tri_endpoint_open(struct tri_net *net, int fd, struct tri_unix_path *path, struct tri_endpoint **out);

/* Closes one without a listener. */
void tri_endpoint_close(struct tri_endpoint *endpoint);

/* A listener comes as the newest, which accepts, or goes, if it is in one; the last one closes the endpoint. */
void tri_endpoint_join(struct tri_endpoint *endpoint, struct tri_listener *listener);
void tri_endpoint_leave(struct tri_listener *listener);

/* Waits for connections or not, as the newest wants it. */
void tri_endpoint_poll(struct tri_endpoint *endpoint);

#endif
