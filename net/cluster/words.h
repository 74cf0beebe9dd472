/*
 * What the parent of a cluster and its children say to each other. Both are one program: numbers are as they lie in
 * memory.
 *
 *   orders   a child asks to listen and waits for the answer; one at a time
 *   mail     messages of the program's, both ways. That the parent's side has ended asks the child to stop; so does the
 *            parent's own end
 *   leases   one for each descriptor that a child uses: net/descriptor/channel.h
 */
#ifndef TROUPE_NET_CLUSTER_WORDS_H
#define TROUPE_NET_CLUSTER_WORDS_H

#include "bound.h"

#include <stdint.h>
#include <sys/socket.h>
#include <troupe/core/trace_format.h>
#include <troupe/net/cluster.h>

#define TRI_ASK_LISTEN 0x7c1u
#define TRI_PARCEL_MESSAGE 0x7c2u
#define TRI_CALL_MAX 16 /* bytes of the name of a system call with its NUL */

enum tri_lend_flag {
    TRI_LEND_PATH = 1 << 0, /* else TCP */
    TRI_LEND_ANY_PORT = 1 << 1,
    TRI_LEND_IPV6_ONLY = 1 << 2,
    TRI_LEND_READABLE_ALL = 1 << 3,
    TRI_LEND_WRITABLE_ALL = 1 << 4,
    TRI_LEND_UNLINK_STALE = 1 << 5,
    TRI_LEND_NO_DELAY = 1 << 6,
    TRI_LEND_FLAGS = (1 << 7) - 1,
};

/* A wish to listen, but for the policy of balancing: each child has its own. */
struct tri_lend_ask {
    uint32_t word;  /* TRI_ASK_LISTEN */
    uint32_t flags; /* of enum tri_lend_flag */
    uint32_t size;  /* of the address */
    int32_t backlog;
    struct sockaddr_storage address; /* zero after its end */
};

/* The one from the other. The second: false, it is none. Thread: any. */
void tri_lend_ask_of(const struct tri_bound_wish *wish, struct tri_lend_ask *ask);
bool tri_lend_wish_of(const struct tri_lend_ask *ask, struct tri_bound_wish *wish);

/* With it come the lease, and the descriptor that listens if it is lent. */
struct tri_lend_answer {
    int32_t status; /* not TR_OK: none of these */
    int32_t system;
    char call[TRI_CALL_MAX];
    uint32_t dealt; /* connections come on the lease */
    uint32_t no_delay;
    struct sockaddr_storage own; /* zero after its end */
};

/* In front of the bytes of a message. */
struct tri_parcel_head {
    uint32_t word; /* TRI_PARCEL_MESSAGE */
    uint32_t peer; /* to the parent: who shall have it; from it: who has sent it */
    uint32_t size;
    uint32_t fds;   /* 0 or 1 */
    uint64_t trace; /* its id there; 0: it is not recorded */
};

#define TRI_PARCEL_MAX (sizeof(struct tri_parcel_head) + TR_CLUSTER_MESSAGE_MAX)

/* Sends one. 0, or an errno, negative. Thread: any. */
int tri_parcel_send(int mail, uint32_t peer, uint64_t trace, const void *bytes, size_t size, int fd);

/* The id of what a process of the cluster, 0 the parent, sends as its count-th parcel. Thread: any. */
static inline uint64_t
tri_parcel_id(unsigned serial, uint64_t count)
{
    return TRI_TRACE_MESSAGE(serial & 0xffffu, count);
}

/*
 * A record that was received, as one. false: it is none. Thread: any.
 */
bool tri_parcel_is_sound(const void *record, size_t size, unsigned fds, unsigned children);

#endif
