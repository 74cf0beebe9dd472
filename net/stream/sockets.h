/*
 * What sockets keep on each worker.
 *
 * Thread: owner of the worker.
 */
#ifndef TROUPE_NET_SOCKETS_H
#define TROUPE_NET_SOCKETS_H

#include "record_layer.h"
#include "slab.h"
#include "worker_net.h"

#include <sys/uio.h>
#include <troupe/core/compiler.h>
#include <troupe/core/pool.h>

#define TRI_FILES_FORESEEN 16 /* so many writes in vain after a file, and none is expected any more */

#define TRI_GATHER 1024 /* slices in one writev: what IOV_MAX is on the systems we know */

struct tri_course;

struct tri_sockets {
    struct tri_guest guest;          /* first */
    const struct tri_course *course; /* what sockets do */
    struct tri_net *net;
    struct tri_worker *worker;
    struct tri_slabs slabs;
    unsigned files_foreseen; /* writes that may still be held for a file before they are taken for plain: transmit.c */
    bool has_halted;         /* the memory limit was reached, and somebody is HALTED: halt.c */
    size_t held;             /* bytes that sockets here have received and cannot give yet */
    uint64_t named_ms;       /* when a socket here was last named that waits for its owner */
    struct tri_pool writers; /* of struct tri_writer */
    struct tri_pool writes;  /* of struct tri_write */
    uint64_t lookups;        /* ever begun: they number the questions */
    uint64_t pipes;          /* likewise */
    union {                  /* scratch */
        struct iovec gather[TRI_GATHER];
        char record[TRI_RECORD_BYTES];
    };
};

/* Makes the worker's own. NULL without memory. */
struct tri_sockets *tri_sockets_open(struct tri_worker *worker, const struct tri_course *course);

/* The worker's own, made if need be, with that course. NULL without memory. */
static inline struct tri_sockets *
tri_sockets_of(struct tri_worker *worker, const struct tri_course *course)
{
    const struct tri_net *net = worker->guest;
    if (TRI_UNLIKELY(net == NULL) || TRI_UNLIKELY(net->guests[TRI_GUEST_SOCKETS] == NULL))
        return tri_sockets_open(worker, course);
    return TRI_CONTAINER_OF(net->guests[TRI_GUEST_SOCKETS], struct tri_sockets, guest);
}

#endif
