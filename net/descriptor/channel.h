/*
 * Channels between processes: pairs of SOCK_SEQPACKET, whose records come whole or not at all, with descriptors.
 *
 * Nothing here waits, but for tri_channel_await(). What is not done is an errno, negative.
 *
 * Thread: any.
 */
#ifndef TROUPE_NET_CHANNEL_H
#define TROUPE_NET_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define TRI_CHANNEL_FDS 2 /* descriptors of a record */

/* Two ends, non-blocking and closed on exec. 0, or an errno, negative. */
int tri_channel_pair(int ends[2]);

/* A head and a body in one record; the body may be NULL. EAGAIN: there is no room now. 0, or an errno, negative. */
int tri_channel_send(int fd, const void *head, size_t head_size, const void *body, size_t body_size, const int *fds,
                     unsigned count);

/* What came. More descriptors than there is room for are closed, as all are with an error. */
struct tri_channel_record {
    unsigned count;
    int fds[TRI_CHANNEL_FDS];
    bool too_many; /* descriptors */
};

/*
 * The next record. Gives its size, 0 at the end, or an errno, negative: EAGAIN, there is none yet; EMSGSIZE, it is
 * larger than size; EMFILE, a descriptor was lost.
 */
ssize_t tri_channel_receive(int fd, void *memory, size_t size, struct tri_channel_record *record);

/* Closes what came. */
void tri_channel_drop(struct tri_channel_record *record);

/* Waits until there is a record, or the end. */
void tri_channel_await(int fd);

/*
 * A lease: the channel between the parent of a cluster, which keeps a descriptor that listens, and a child that uses
 * it. The child has it for as long as it listens there. Where the parent accepts, connections come on it: each is to be
 * answered.
 */
enum tri_lease_kind {
    TRI_LEASE_CONNECTION, /* to the child: with a descriptor */
    TRI_LEASE_BEGUN,      /* to the parent: the child has it, and answers for it */
    TRI_LEASE_BACK,       /* to the parent: the child cannot take it now */
    TRI_LEASE_LEFT,       /* to the parent: the child does not listen there any more. Without this it has died */
};

struct tri_lease_word {
    unsigned kind;
    unsigned number; /* of the connection, of those on this lease */
    uint64_t trace;  /* its id there; 0: it is not recorded */
};

/* A connection of the parent's, in the place of tri_accept(), and its id in the trace. At the end of the lease it is
 * EINVAL. */
int tri_lease_accept(int fd, struct sockaddr_storage *peer, uint64_t *trace);

/* Says that the child does not listen there any more. */
void tri_lease_leave(int fd);

#endif
