/*
 * A worker: one thread, one libuv loop, and what the layer above lets live on it.
 *
 * Workers share nothing but four ways in: lanes from other workers, the inbox for all other threads, the doorbell that
 * says whether the worker sleeps, and a few words that the runtime's end uses. worker.c says what happens in a turn.
 * This header is what the layers above may see of it.
 */
#ifndef TROUPE_CORE_WORKER_H
#define TROUPE_CORE_WORKER_H

#include <ck_pr.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/activity.h>
#include <troupe/core/clock.h>
#include <troupe/core/compiler.h>
#include <troupe/core/envelope.h>
#include <troupe/core/layer.h>
#include <troupe/core/level.h>
#include <troupe/core/message.h>
#include <troupe/core/options.h>
#include <troupe/core/pool.h>
#include <troupe/core/runtime.h>
#include <troupe/core/status.h>
#include <troupe/core/timers.h>
#include <troupe/core/trace.h>
#include <uv.h>

struct tri_worker;
struct tri_outbox;
struct tri_inbox;
struct tri_lane;

/* Counters that one worker writes and anybody reads; each is exact when read. */
struct tri_worker_counters {
    uint64_t spawned, ended;
    uint64_t sent, refused, dead_letters, notices_lost;
    uint64_t wakes, sleeps, stalls;
    uint64_t memory_refused; /* for the memory limit */
};

#define TRI_WORKER_TABLES 4u /* layers above this one */

struct tri_worker {
    /* Constant once the thread runs. */
    struct tri_runtime *runtime;
    const struct tri_layer *layer;
    void *host;  /* the layer's own */
    void *guest; /* of the layer above that one; NULL until it is first used. guest_close frees it after layer->close */
    void (*guest_close)(struct tri_worker *worker);
    struct tri_trace_stream *trace; /* NULL: nothing is recorded. Owner: recording.h */
    unsigned index;
    uv_thread_t thread;
    int thread_number; /* the system's, for the watchdog; 0: not known. Atomic */

    /* Owner. */
    uv_loop_t loop;
    uv_prepare_t before_poll;
    struct tri_timers timers;
    struct tri_outbox *outboxes;        /* one for each worker */
    struct tri_inbox_entry *inbox_rest; /* taken out of the inbox, not handed on yet */
    unsigned first_way;                 /* where the next turn begins to take mail: mail.c */
    unsigned *dirty;                    /* the outboxes that hold something */
    unsigned dirty_count;
    unsigned full_count; /* the first of them: their lanes were full when the mail was last sent */
    uint64_t turn_began; /* ticks, when the slice of this turn began */
    uint64_t turn_ended; /* ticks, when the layer had run in the last turn, and its mail was sent */
    uint64_t polled;     /* ticks, when the loop last looked at its descriptors */
    int spin_paid;       /* above 0: work lately came within the spin time */
    unsigned looks;      /* of the runtime's, those that this worker has done */
    unsigned naps;       /* sleeps in whose place a spin may have paid, since one was last tried */
    const struct tri_trace_table *tables[TRI_WORKER_TABLES]; /* of events that the layers here record: recording.h */
    unsigned table_count;
    bool drained;                 /* the layer was told to drain */
    bool quiet;                   /* the layer said that nothing lives here any more */
    bool sealed;                  /* it sends nothing any more, and its inbox takes nothing */
    bool closed;                  /* its own handles are: it has come to its end */
    bool limited;                 /* its runtime has a memory limit; constant */
    bool at_limit;                /* and is at it, as far as this worker knows: ceiling.h */
    struct tri_level_shard level; /* what it counts, if it is limited */

    /* Owner writes, others read. */
    alignas(TRI_CACHE_PAIR) struct tri_worker_activity activity;
    struct tri_worker_counters counters;
    uint32_t free_mail; /* of the layer above, if it is limited: so many messages can be filed without new memory */

    /* Setup, and the watchdog's. */
    int cpu; /* that is claimed to pin it to; -1: none */

    /* Any thread. */
    alignas(TRI_CACHE_PAIR) unsigned bell; /* doorbell.h */
    uv_async_t wakeup;                     /* others may only uv_async_send() it */
    alignas(TRI_CACHE_PAIR) struct tri_inbox *inbox;
    struct tri_lane **lanes;                 /* lanes[w]: from worker w, NULL until it is first used */
    unsigned lanes_open;                     /* those that are not NULL */
    alignas(TRI_CACHE_PAIR) uint32_t coming; /* actors that others are spawning here: see actors/life/spawn.c */
    uint32_t held;                           /* messages that other workers hold for this one beyond its full lanes */
    unsigned mask_held;                      /* mask.h */
    unsigned dozes;                          /* 1: it sleeps, and will ring the watchdog first thing: rest.h */
};

/* The layer was told to drain and nothing lives on this worker any more. Saying it again does no harm. Thread:
 * owner. */
void tri_worker_quiet(struct tri_worker *worker);

/*
 * Stages a message for an actor on another worker; it goes out with the turn, or with the 64th. In two steps: begin
 * gives the envelope, whose fields the caller sets, commit lets it go. Between the two nothing else is staged.
 * `urgent` ignores the limit, which is the receiver's: what all workers together hold for it beyond its full lanes.
 * Thread: owner. begin returns TR_OK, TR_EFULL (options.lane_limit), TR_ESTOPPING (the worker is sealed), TR_ENOMEM;
 * then there is nothing to commit.
 */
tr_status tri_worker_stage(struct tri_worker *worker, unsigned target, bool urgent, struct tri_envelope **out);
void tri_worker_commit(struct tri_worker *worker, unsigned target);

/* Would a message that is not urgent be staged, as far as the limit goes? Thread: owner. */
bool tri_worker_has_room(struct tri_worker *worker, unsigned target);

/* Would one more message be staged, and filed there, without new memory, as far as can be seen here? Of runtimes that
 * have a memory limit. Thread: owner. */
bool tri_worker_has_old_room(const struct tri_worker *worker, unsigned target);

/*
 * How many messages are on their way from this worker to that one, if these are its fair part of what may be on the way
 * there or more; else 0. It comes to 0 when that worker takes its mail, whatever else it does. Thread: owner.
 */
size_t tri_worker_backlog(const struct tri_worker *worker, unsigned target);

/*
 * Hands a message to a worker from a thread that is none. The message moves. Thread: any.
 * Returns TR_OK, TR_EFULL (options.outside_limit), TR_ESTOPPING (the worker is sealed), TR_ENOMEM. `urgent` ignores the
 * limit and does not count for it.
 */
tr_status tri_worker_post(struct tri_worker *worker, tr_ref to, const tr_message *message, bool urgent);

/*
 * The same in two steps, for what goes to several workers or to none: what is prepared counts for the limit, and is
 * posted or let go. Posting returns TR_OK or TR_ESTOPPING; then the entry is still the caller's to let go. Thread: any.
 * prepare returns TR_OK, TR_EFULL, TR_ESTOPPING, TR_ENOMEM.
 */
tr_status tri_worker_prepare(struct tri_worker *worker, struct tri_inbox_entry **out);
tr_status tri_worker_post_prepared(struct tri_worker *worker, struct tri_inbox_entry *entry, tr_ref to,
                                   const tr_message *message);
void tri_worker_let_go(struct tri_worker *worker, struct tri_inbox_entry *entry);

/* What was prepared, and counted as one message, is so many. Thread: any. */
void tri_worker_recount(struct tri_worker *worker, uint64_t count);

/* One posted message that was not urgent is given to its receiver now, or never will be: it counts no more. Thread:
 * owner. */
void tri_worker_outside_read(struct tri_worker *worker);

/* How many messages that are not urgent were ever posted. Thread: any. */
uint64_t tri_worker_posted(const struct tri_worker *worker);

/* The system's number of its thread; 0: it has none yet. Thread: any. */
static inline int
tri_worker_thread_number(const struct tri_worker *worker)
{
    int thread = ck_pr_load_int(&worker->thread_number);
    ck_pr_fence_acquire(); /* P2: pairs with P1 in worker.c */
    TRI_ACQUIRE(&worker->thread_number);
    return thread;
}

/* The worker that the calling thread is, NULL if it is none. Thread: any. */
struct tri_worker *tri_worker_current(void);

/* Ends the process, by tri_mistake(), unless the calling thread is this worker. `function` is what the program called.
 * Thread: any. */
void tri_mistake_unless_owner(const struct tri_worker *worker, const char *function);

#endif
