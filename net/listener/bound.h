/*
 * The bound addresses of a runtime, and the servers that listen there.
 *
 *   struct tri_bound    an address with its descriptor; one for each listener, which it outlives
 *   struct tri_member   a server's part in it, from one listening to its end
 *
 * A server joins and leaves by itself, under one lock of the runtime, and then rings the listener, which looks what has
 * changed. So both take effect at once, wherever the two live, and the ring says nothing that could come too late.
 *
 * Thread: any, unless another is said.
 */
#ifndef TROUPE_NET_BOUND_H
#define TROUPE_NET_BOUND_H

#include "admission.h"
#include "unix_path.h"

#include <sys/socket.h>
#include <troupe/net/address.h>
#include <troupe/net/server.h>

/* What is asked for: two that ask for the same may share. */
struct tri_bound_key {
    enum { TRI_BOUND_TCP, TRI_BOUND_PATH, TRI_BOUND_FD } kind;
    int fd;
    bool any_port;
    socklen_t size;
    struct sockaddr_storage address; /* zero after its size */
};

/* What servers that share an address must agree on. */
struct tri_bound_terms {
    int backlog;
    bool ipv6_only, readable_all, writable_all;
    tr_balance_policy balance; /* never NULL */
    enum tr_accept_mode accept;
};

/* A descriptor that listens, and what goes with it. */
struct tri_opened {
    int fd;
    enum {
        TRI_OPENED_HERE,
        TRI_OPENED_LENT, /* by the parent of a cluster: `lease` is the channel to it (channel.h) */
        TRI_OPENED_DEALT /* fd itself is that channel, and connections come on it */
    } whose;
    int lease;
    struct sockaddr_storage own; /* of what is lent or dealt: the address */
    struct tri_unix_path *path;  /* NULL: none of ours */
    bool no_delay;               /* what is accepted from it has none already */
};

/* A wish to listen. */
struct tri_bound_wish {
    struct tri_bound_key key;
    struct tri_bound_terms terms;
    bool exclusive;
    bool unlink_stale, no_delay;
};

/*
 * In a child of a cluster: where descriptors come from that it shares with others, in the place of tri_opened_open().
 * It may wait for the parent, under the lock. Set once, before a runtime starts; NULL elsewhere.
 */
extern tr_status (*tri_bound_source)(const struct tri_bound_wish *wish, struct tri_opened *out, struct tr_error *error);

/* Which of the terms differs, of all that processes must agree on? */
tr_status tri_bound_compare(const struct tri_bound_terms *a, const struct tri_bound_terms *b);

/* Do the two ask for the same? */
bool tri_bound_is_same(const struct tri_bound_key *a, const struct tri_bound_key *b);

struct tri_bounds;
struct tri_listener;
struct tri_member;

struct tri_bound {
    /* Constant while it has members. */
    struct tri_bounds *all;
    struct tri_bound_key key;
    struct tri_bound_key chosen; /* the same with the port that the system has chosen */
    struct tri_opened opened;
    struct tr_address address;

    /* Under the lock. */
    struct tri_bound *next;
    struct tri_bound_terms terms;
    bool exclusive;
    bool over;       /* nobody can join any more */
    tr_ref listener; /* TR_NOBODY: it has ended */
    struct tri_member *members, *leavers;
    unsigned changes; /* of these two, so far; read without it */
    struct tri_bound *next_of_all, *prev_of_all;

    unsigned holds; /* the listener's, and one for each member, leaver and branch; any thread */
    bool had[];     /* of each worker, under the lock: a server of it has been here */
};

struct tri_member {
    struct tri_member *next;
    struct tri_member *above, *below; /* in a row, of which the topmost gets the connections: under the lock */
    struct tri_bound *bound;
    tr_ref listener;       /* of the bound when it joined */
    struct tri_deal *deal; /* held */
    struct tri_word ring;  /* to the listener: the server's worker has it */
    struct tri_word left;  /* to the server: the listener has it */
    struct tri_word last;  /* likewise, when the listener is killed */
    bool rings;            /* there was no memory to ring, and it will ring later */
    unsigned holds;        /* the server's, until it has left, and one while it rings, or the last word waits */
};

/* NULL without memory. Thread: the server's, as of all that follow. */
struct tri_member *tri_member_new(struct tri_deal *deal);

/* If it never joined, or when the listener has given it back. Thread: any. */
void tri_member_release(struct tri_member *member);

/*
 * Joins who listens there, or else opens the descriptor and begins to. Returns TR_OK; otherwise nothing has happened,
 * and error->call says what has failed, or is NULL if the caller has made a mistake.
 */
tr_status tri_member_join(struct tri_member *member, struct tri_net *net, const struct tri_bound_wish *wish,
                          struct tr_error *error);

/* Joins in front of another server of the same worker, which waits behind it; with a backlog of its own. Returns as
 * above. */
tr_status tri_member_cover(struct tri_member *member, struct tri_member *other, int backlog, struct tr_error *error);

/* It gets connections from now on. */
void tri_member_open(struct tri_member *member, struct tri_net *net);

/* Leaves: it gets no connections any more. calls->left() follows, maybe within the call, then with that server. */
void tri_member_leave(struct tri_member *member, struct tri_net *net, void *server);

/* The listener is to look: something has changed that it must know of. */
void tri_member_ring(struct tri_member *member, struct tri_net *net);

/* For the listener, on its worker: under the lock it sees the members, and takes the leavers out. */
void tri_bound_lock(struct tri_bound *bound);
void tri_bound_unlock(struct tri_bound *bound);
struct tri_member *tri_bound_take_leavers(struct tri_bound *bound);

/* Who takes connections on that worker, with a hold; NULL: nobody. Under the lock. */
struct tri_deal *tri_bound_taker(const struct tri_bound *bound, unsigned worker);

/* The connections of that worker, and the sum of all, of workers that take connections now. Returns of how many. */
unsigned tri_bound_loads(struct tri_bound *bound, unsigned worker, uint64_t *own, uint64_t *sum);

void tri_bound_hold(struct tri_bound *bound);
void tri_bound_release(struct tri_bound *bound);

/* Nobody joins any more; under the lock. */
void tri_bound_end(struct tri_bound *bound);

/* The listener ends: nobody joins any more, and who leaves from now on has left at once. Gives those that left
 * before. */
struct tri_member *tri_bound_listener_ends(struct tri_bound *bound);

#endif
