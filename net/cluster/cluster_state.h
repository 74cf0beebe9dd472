/*
 * The parent of a cluster.
 *
 *   tr_cluster    the loop: cluster.c
 *   tri_slot      a child's number, and the process that has it now: slots.c
 *   tri_lent      a descriptor that listens: lent.c
 *   tri_lease     a child's part in it, and the connections that it was sent: leases.c
 *
 * The loop waits for all descriptors at once and then looks at those that are ready: leases first, so that who asks to
 * listen finds what others have left before. What is over stays in its list until the end of the turn.
 *
 * Thread: the parent's only one.
 */
#ifndef TROUPE_NET_CLUSTER_STATE_H
#define TROUPE_NET_CLUSTER_STATE_H

#include "channel.h"
#include "words.h"

#include <poll.h>
#include <troupe/core/clock.h>
#include <troupe/core/processes.h>
#include <troupe/net/trace.h>

#define TRI_NEVER UINT64_MAX /* a time */

struct tri_slot;

/* The number of descriptors that one child has asked for by the same key: of port 0 each has another port. */
struct tri_order_count {
    struct tri_order_count *next;
    struct tri_bound_key key;
    unsigned asked;
};

/* A message to a child that has no room for it now. The sender's mail is not read until it has gone. */
struct tri_held_mail {
    uint32_t to;
    int fd;
    uint64_t trace; /* its id there */
    size_t size;
    unsigned char bytes[];
};

struct tri_slot {
    unsigned number;
    unsigned serial; /* of the process among all that the cluster ever had, from 1 */
    enum {
        TRI_SLOT_WAITS, /* for due_ns */
        TRI_SLOT_RUNS,
        TRI_SLOT_OVER,
    } state;
    int pid;
    int orders, mail; /* our ends; -1: closed */
    bool asked;       /* to stop */
    bool signalled;   /* as well */
    bool killed;
    bool ready; /* it has begun to listen */
    unsigned failures;
    uint32_t given; /* connections that it was sent, without those that came back */
    uint64_t began_ns, due_ns, asked_ns;
    struct tri_order_count *counts;
    struct tri_held_mail *held;
};

/* A connection that a child was sent and has not answered for. */
struct tri_waiting {
    unsigned number; /* on the lease */
    int fd;
    uint64_t trace; /* its id there */
};

struct tri_lease {
    struct tri_lease *next;
    struct tri_lent *lent;
    struct tri_slot *slot;
    int fd;                 /* -1: it is over */
    unsigned sent, waiting; /* connections; and those of them that are not answered */
    uint64_t back_until_ns; /* it could not take one */
    struct tri_waiting waits[TR_CLUSTER_AHEAD];
};

/* A connection that a child was sent and has not begun. */
struct tri_returned {
    struct tri_returned *next;
    int fd;
};

struct tri_lent {
    struct tri_lent *next;
    struct tri_bound_key key, chosen;
    unsigned order; /* of the key */
    struct tri_bound_terms terms;
    struct tri_opened opened;
    struct tri_lease *leases;
    struct tri_returned *returned;
    unsigned turn;     /* the number after that of the child that got the last connection */
    uint64_t keep_ns;  /* the last lease has gone, but not of the child's own will: until then; 0: it has not */
    uint64_t retry_ns; /* accepting has failed for want of something: until then */
    bool over;
};

/* What a descriptor that is polled is. */
struct tri_polled {
    enum { TRI_POLLED_LEASE, TRI_POLLED_LENT, TRI_POLLED_ORDERS, TRI_POLLED_MAIL, TRI_POLLED_SIGNALS } what;
    void *whose;
};

struct tr_cluster {
    struct tr_cluster_options options; /* with the defaults */
    unsigned count;
    struct tri_slot *slots;
    struct tri_lent *lents;
    unsigned lent_count, lease_count;
    uint32_t *meters; /* of each child: tri_deal_meter. Shared with them */
    struct tri_process_signals signals;
    struct pollfd *fds;
    struct tri_polled *polled;
    size_t room;             /* of these two */
    unsigned char *record;   /* TRI_PARCEL_MAX bytes */
    uint64_t now_ns;         /* of this turn */
    struct tri_trace *trace; /* NULL: nothing is recorded */
    char name[40];           /* of the cluster, in the traces of all its processes: a uuid */
    uint64_t parcels;        /* that the parent has recorded */
    unsigned serials;        /* children that it has begun */
    bool stopping;
    bool rolls; /* children are being replaced, and this one's turn it is */
    unsigned rolling;
    bool rolling_asked;
    tr_status status; /* what tr_cluster_run() will return */
};

static inline void
tri_sooner(uint64_t *soonest_ns, uint64_t at_ns)
{
    if (at_ns < *soonest_ns)
        *soonest_ns = at_ns;
}

static inline uint64_t
tri_ms(uint64_t ms)
{
    return ms * 1000000u;
}

/* cluster.c: room to poll for one more descriptor. false: there is no memory. */
bool tri_cluster_reserve(struct tr_cluster *cluster);

/* slots.c */

/* Forks those that are due, sends signals that are, goes on with replacing. */
void tri_slots_turn(struct tr_cluster *cluster);

/* Looks for children that have ended. */
void tri_slots_reap(struct tr_cluster *cluster);

/* Asks it to stop. */
void tri_slot_ask(struct tr_cluster *cluster, struct tri_slot *slot);

/* A child that says what this library does not say. It is told, and killed. */
void tri_slot_refuse(struct tr_cluster *cluster, struct tri_slot *slot, const char *what);

void tri_slots_soonest(const struct tr_cluster *cluster, uint64_t *soonest_ns);
bool tri_slots_are_over(const struct tr_cluster *cluster);

/* lent.c */

/* A child asks to listen. */
void tri_lent_serve(struct tr_cluster *cluster, struct tri_slot *slot);

/* Connections: those that came back, and if the descriptor is readable new ones. */
void tri_lent_deal(struct tr_cluster *cluster, struct tri_lent *lent, bool readable);

/* A connection that nobody has room for: it waits. */
void tri_lent_return(struct tri_lent *lent, int fd);

/* Is it to be polled? */
bool tri_lent_is_polled(const struct tr_cluster *cluster, const struct tri_lent *lent);

void tri_lents_turn(struct tr_cluster *cluster);
void tri_lents_soonest(const struct tr_cluster *cluster, uint64_t *soonest_ns);

/* Frees what is over. */
void tri_lents_sweep(struct tr_cluster *cluster);

/* In a child that was just forked: closes all of it, and leaves the files. In the parent's end: removes them. */
void tri_lents_close(struct tr_cluster *cluster, bool remove);

/* leases.c */

/* Gives a lease, and the child's end of it in *end. NULL: *error is an errno, negative. */
struct tri_lease *tri_lease_new(struct tr_cluster *cluster, struct tri_lent *lent, struct tri_slot *slot, int *end,
                                int *error);

/* Reads what the child says. */
void tri_lease_read(struct tr_cluster *cluster, struct tri_lease *lease);

/* The child is gone, or nonsense. What it has not begun comes back. */
void tri_lease_lost(struct tr_cluster *cluster, struct tri_lease *lease);

/* Who gets the next connection; NULL: nobody has room. */
struct tri_lease *tri_lease_choose(const struct tr_cluster *cluster, const struct tri_lent *lent);

/* Sends one. On success the lease has it. false: it is still the caller's. */
bool tri_lease_give(struct tr_cluster *cluster, struct tri_lease *lease, int fd);

/* record.c */

/* Opens the recorder, and gives the cluster a name. TR_OK, or what the system answers. */
tr_status tri_cluster_open_trace(struct tr_cluster *cluster);

/* In a child that was just forked: whose trace it writes from now on. */
void tri_cluster_leave_trace(struct tr_cluster *cluster, const struct tri_slot *slot);

/*
 * Records that the parent sends a message to a child, or deals it a connection. Gives its id; 0: nothing is recorded.
 */
uint64_t tri_cluster_record_send(struct tr_cluster *cluster, unsigned number, int fd);
uint64_t tri_cluster_record_deal(struct tr_cluster *cluster, unsigned number);

/* post.c */

/* Reads the messages of a child; all of them if it has ended. */
void tri_parcel_read(struct tr_cluster *cluster, struct tri_slot *slot, bool all);

/* Tries again what found no room. */
void tri_parcel_turn(struct tr_cluster *cluster);

/* Does somebody wait for room in this child's mail? */
bool tri_parcel_wants_room(const struct tr_cluster *cluster, unsigned number);

/* What a child has sent, and somebody had no room for, is lost. */
void tri_parcel_forget(struct tr_cluster *cluster, struct tri_slot *slot);

/* child.c */

/* In the child: runs it. */
_Noreturn void tri_child_run(struct tr_cluster *cluster, const struct tri_slot *slot, int orders, int mail);

/* Is this process a child of a cluster? */
bool tri_child_is_here(void);

#endif
