/*
 * Looking inside a runtime: what lives in it, what waits, what each worker does.
 *
 * The same is there for people and for tools on a unix socket, if options.inspect or the environment variable
 * TR_INSPECT names a path (docs/guide/looking-inside.md). Reading costs the runtime what it costs; counting costs a
 * message an addition, and an actor eight bytes.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended.
 */
#ifndef TROUPE_ACTORS_INSPECT_H
#define TROUPE_ACTORS_INSPECT_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/actors/names.h>
#include <troupe/actors/runtime.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

/* What is to be known of how an actor is. */
enum tr_actor_state {
    TR_ACTOR_SLOW = 1 << 0,    /* its last message took 100 us or more: it gets one for each round of the others */
    TR_ACTOR_CROWDED = 1 << 1, /* so much waits for it that tr_backlog() is above 0 for its senders */
    TR_ACTOR_ASKED = 1 << 2,   /* it was asked to drain, and has not agreed yet */
    TR_ACTOR_CLOSED = 1 << 3,  /* it takes nothing new and ends when its mailbox is empty */
    TR_ACTOR_ENDING = 1 << 4,  /* it ends when its callback returns */
    TR_ACTOR_COMING = 1 << 5,  /* it has a name and mail, and is on its way to its worker; its class is not known yet */
    TR_ACTOR_RESTING = 1 << 6, /* its life has ended, and its supervisor has not begun the next one yet */
    TR_ACTOR_MUTES = 1 << 7,   /* others are muted until its mailbox is relieved: TR_MAILBOX_MUTE */
    TR_ACTOR_MUTED = 1 << 8,   /* it has sent to such a one, and is given no messages; a socket: it reads no more */
};

#define TR_REGISTERED_TOLD 4u /* names of an actor that are told; it may have more */

/* An actor, as it was at one moment between two of its messages. */
struct tr_actor_info {
    tr_ref ref;
    tr_ref parent;     /* TR_NOBODY: it was spawned from outside */
    tr_ref supervisor; /* who begins its next life; TR_NOBODY: nobody does */
    tr_ref waits_for;  /* whom it has asked and got no answer from yet; TR_NOBODY: nobody */
    tr_ref muted_by;   /* for whose mailbox to be relieved it waits; TR_NOBODY: nobody's, or it is about to go on */

    const char *name;                           /* its behavior's */
    const char *registered[TR_REGISTERED_TOLD]; /* its names (names.h), the oldest first; NULL: it has no more */
    unsigned registered_count;                  /* of all its names */
    unsigned state;                             /* bits of enum tr_actor_state */
    uint32_t waiting;                           /* messages in its mailbox */
    uint64_t handled; /* messages that its receive callback was given, since its birth; in all lives, if it had many */

    /*
     * The time in which it handled messages; callbacks of libuv's handles, so those of sockets, do not count. It is an
     * estimate that costs nothing: the worker reads its clock once for many messages and gives what has passed to the
     * actor that ran last. Messages of 50 us and more are timed one by one, as are those that have a turn of the worker
     * to themselves, and their sum is exact to a percent. Shorter ones are sampled, one in about 48: where actors take
     * turns, each gets its share of the messages rather than of the time, and over less than some thousand messages
     * the shares are rough. Over all actors of a worker the sum is exact.
     */
    uint64_t busy_ns;

    uint64_t age_ms; /* since its birth; 128 ms more or less */
};

/* A worker. The counters are those of struct tr_counters, for this worker alone. */
struct tr_worker_info {
    unsigned worker;
    uint64_t actors;  /* alive now */
    uint64_t waiting; /* messages in all their mailboxes; 0 if it is stuck */
    uint64_t spawned, sent, outside, received, refused, dead_letters, notices_lost, wakes, sleeps, stalls;

    uint64_t age_ms;    /* since its runtime began */
    uint64_t cpu_ns;    /* its thread has run so long, spinning included; cpu_ns / age is how busy it is */
    uint64_t waited_ns; /* and was kept waiting for a CPU so long. Both 0: the system does not tell */

    /* It has not answered within a second. */
    bool stuck;

    /* What it runs: the name of a behavior, its actor and the tag of the message; "libuv callbacks" (of whom is not
     * known); NULL: nothing, or it changed while we looked. */
    const char *running;
    tr_ref actor;
    uint32_t tag;
};

/*
 * Calls visit(context, info) for every actor of the runtime, worker after worker, until it returns false.
 *
 *   - An actor that lives from the beginning to the end of the call is visited exactly once. One that is born or ends
 *     meanwhile is visited once or not at all.
 *   - Each worker is asked for a thousand names at a time, and does other work in between: a million actors make no
 *     turn of it longer than some ten microseconds. It answers between two turns. One that does not answer
 *     within a second, since it runs a callback for so long or has no CPU, is left out.
 *   - visit runs on the calling thread and may take its time.
 *
 * Memory:  info and info->registered are valid during the call of visit; info->name as long as the behavior.
 * Thread:  any that is no worker. It waits for the workers, for a second at most for each.
 * Returns: TR_OK
 *          TR_EINVAL       runtime or visit is NULL
 *          TR_EWRONGTHREAD on a worker
 *          TR_EDEADLINE    some worker did not answer: what lives there was left out
 *          TR_ESTOPPING    the runtime is stopping, and some worker has ended
 *          TR_ENOMEM
 */
tr_status tr_inspect_actors(tr_runtime *runtime, bool (*visit)(void *context, const struct tr_actor_info *info),
                            void *context);

/*
 * Calls visit(context, info) for every worker of the runtime, until it returns false. To count what waits it looks at
 * all actors, as tr_inspect_actors() does. A worker that does not answer is visited, too, as stuck.
 *
 * Memory:  info is valid during the call of visit; info->running as long as the behavior.
 * Thread:  any that is no worker. It waits for the workers, for a second at most for each.
 * Returns: TR_OK
 *          TR_EINVAL       runtime or visit is NULL
 *          TR_EWRONGTHREAD on a worker
 *          TR_ENOMEM
 */
tr_status tr_inspect_workers(tr_runtime *runtime, bool (*visit)(void *context, const struct tr_worker_info *info),
                             void *context);

TR_DECLARATIONS_END
#endif
