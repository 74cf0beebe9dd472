/*
 * What the network layer keeps for each worker: made by the first socket or server that lives there. What its rooms
 * keep are guests, which only they know.
 *
 * Thread: owner of the worker.
 */
#ifndef TROUPE_NET_WORKER_NET_H
#define TROUPE_NET_WORKER_NET_H

#include "later.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/worker.h>
#include <uv.h>

/* What a room above keeps on a worker begins with this. It is closed when the worker is. */
struct tri_guest {
    void (*close)(struct tri_guest *guest); /* frees it. Thread: setup */
};

/* In which order they come; the last is closed first. */
enum tri_guest_place {
    TRI_GUEST_SOCKETS,
    TRI_GUEST_SERVERS,
    TRI_GUEST_HALL,
    TRI_GUEST_STARTS,
    TRI_GUEST_QUESTIONS,
    TRI_GUESTS,
};

struct tri_net {
    struct tri_worker *worker;
    struct tri_guest *guests[TRI_GUESTS]; /* NULL until it is first used */
    struct tri_later_list due, running;
    uv_idle_t loop_idle; /* runs while something is due, and keeps the loop from sleeping */
    uint64_t *fds;       /* a bit for each descriptor that a socket or a server here has */
    size_t fd_words;
    uint64_t live;         /* sockets and servers here that keep the program alive */
    bool is_live;          /* the runtime was told that there are any */
    struct tri_later over; /* to tell it that there are none */
};

struct tri_trace;

/*
 * Describes the events of this layer in a trace, before one is recorded; NULL does nothing. Once is enough. Thread:
 * any.
 */
void tri_net_describe(struct tri_trace *trace, unsigned worker);

/* The worker's own, made if need be. NULL without memory. */
struct tri_net *tri_net_of(struct tri_worker *worker);

/* Adds `change` to the number of this worker's sockets and servers that keep the program running. */
void tri_net_add_live(struct tri_net *net, int change);

/*
 * A descriptor is a socket's or a server's of this worker from now on. libuv would notice a second one only while it
 * polls the first. TR_OK, TR_EEXIST, TR_ENOMEM.
 */
tr_status tri_net_claim(struct tri_net *net, int fd);
void tri_net_disclaim(struct tri_net *net, int fd);

/* A check of a Debug build: the caller is on that worker; NULL: that in whose name it calls, a `what`, has ended. */
void tri_net_check(const struct tri_worker *worker, const char *what, const char *function);

#endif
