/*
 * What the network layer keeps for each worker: made by the first socket or server that lives there.
 */
#ifndef TROUPE_NET_WORKER_NET_H
#define TROUPE_NET_WORKER_NET_H

#include "later.h"
#include "slab.h"

#include <sys/uio.h>
#include <troupe/core/pool.h>
#include <troupe/core/worker.h>
#include <uv.h>

struct tri_deal;
struct tri_endpoint;
struct tri_start;

#define TRI_FILES_FORESEEN 16 /* so many writes in vain after a file, and none is expected any more */

#define TRI_GATHER 1024 /* slices in one writev: what IOV_MAX is on the systems we know */

struct tri_net {
    struct tri_worker *worker;

    /* Owner. */
    struct tri_slabs slabs;
    unsigned files_foreseen; /* writes that may still be held for a file before they are taken for plain: transmit.c */
    size_t held;             /* bytes that sockets here have received and cannot give yet */
    uint64_t named_ms;       /* when a socket here was last named that waits for its owner */
    struct tri_pool writers; /* of struct tri_writer */
    struct tri_pool writes;  /* of struct tri_write */
    struct tri_later_list due, running;
    uv_idle_t loop_idle; /* runs while something is due, and keeps the loop from sleeping */
    uint64_t *fds;       /* a bit for each descriptor that a socket here has */
    size_t fd_words;
    uint64_t lookups;         /* ever begun: they number the questions */
    uint64_t pipes;           /* likewise */
    uint64_t started;         /* words to start: start.h */
    struct tri_start *starts; /* those to be sent in the next turn; the last is valid if there is a first */
    struct tri_start *last_start;
    struct tri_later start;          /* to send them */
    uint64_t live;                   /* sockets and servers here that keep the program alive */
    bool is_live;                    /* the runtime was told that there are any */
    struct tri_endpoint *endpoints;  /* open ones */
    struct tri_later over;           /* to tell it that there are none */
    struct iovec gather[TRI_GATHER]; /* scratch */

    /* Any thread, under the lock: deals whose server lives here. */
    uv_mutex_t lock;
    struct tri_deal *deals;
};

/* The worker's own, made if need be. NULL without memory. Thread: owner. */
struct tri_net *tri_net_of(struct tri_worker *worker);

/* So many more sockets and servers of this worker keep the program alive, or fewer. Thread: owner. */
void tri_net_add_live(struct tri_net *net, int change);

/*
 * A descriptor is a socket's of this worker from now on. libuv would notice a second one only while it polls the first.
 * TR_OK, TR_EEXIST, TR_ENOMEM. Thread: owner.
 */
tr_status tri_net_claim(struct tri_net *net, int fd);
void tri_net_disclaim(struct tri_net *net, int fd);

#endif
