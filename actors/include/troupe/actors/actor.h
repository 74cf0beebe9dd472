/*
 * Actors: state and a behaviour, alone with their messages.
 *
 * An actor lives on one worker from its spawn to its end. Its callbacks run there, one at a time, so what it owns needs
 * no lock. Others know it by its tr_ref and reach it by messages. From any one sender they arrive in the order in
 * which they were sent; between two senders there is no order.
 *
 * `self` is given to every callback. It is valid until the stopped callback has returned, on its worker only: callbacks
 * of libuv handles that an actor put on its loop may use it, other threads may not.
 */
#ifndef TROUPE_ACTORS_ACTOR_H
#define TROUPE_ACTORS_ACTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

typedef struct tr_actor tr_actor; /* opaque */
struct tr_runtime;
struct uv_loop_s;

/* What a full mailbox does with a message. It never touches what the runtime itself sends, such as a stop. */
enum tr_mailbox_policy {
    TR_MAILBOX_REFUSE,      /* the send fails with TR_EFULL; from another worker: the message becomes a dead letter */
    TR_MAILBOX_DROP_NEWEST, /* the send succeeds, the message becomes a dead letter */
    TR_MAILBOX_DROP_OLDEST, /* the message that waits longest becomes a dead letter in its stead */
};

#define TR_MAILBOX_DEFAULT_MESSAGES 1048576u

/*
 * Limits of what waits for one actor, whoever sent it. The memory behind them is within a factor of 2 of what they say,
 * payloads included, if `bytes` is set; a slice counts with its own size, whatever else of its buffer it keeps.
 */
struct tr_mailbox_limits {
    uint32_t messages; /* of 80 bytes each, payloads apart; default TR_MAILBOX_DEFAULT_MESSAGES */
    uint64_t bytes;    /* of payload, in whole lines of 64, and 64 for each message; default: no limit */
    enum tr_mailbox_policy policy;
};

/* How an actor is asked to stop. */
enum tr_stop_mode {
    TR_STOP_DRAIN, /* it handles what is in its mailbox, takes nothing new, then stops */
    TR_STOP_NOW,   /* the message it handles is its last; the rest become dead letters */
    TR_STOP_KILL,  /* as NOW, and it has no say: its name is void at once, its stopped callback is not called */
};

/*
 * What actors of one kind do. Usually a static constant; it must outlive the runtime.
 */
struct tr_behavior {
    const char *name; /* in traces and reports; not empty */

    size_t state_size; /* bytes of state, at most 1 GiB, aligned for any type, zero before init */

    /* The first thing that runs; may be NULL. argument is the spawner's, valid for the call. Anything but TR_OK ends
     * the actor at once, without the stopped callback. */
    tr_status (*init)(tr_actor *self, void *state, const void *argument);

    /* A message. The actor owns it until it returns: it may take the payload out or send the message on. */
    void (*receive)(tr_actor *self, void *state, tr_message *message);

    /* Somebody asked the actor to stop; may be NULL. true: it may end (with DRAIN: when its mailbox is empty). false:
     * not yet, the actor calls tr_exit() when it is done, and goes on receiving until then. With KILL false only keeps
     * the memory until tr_exit(), or to the end of the runtime: for state that others may still touch, such as a libuv
     * handle which is closing. Handles that are not closing by then are closed by the runtime's end without their
     * callbacks. */
    bool (*stopping)(tr_actor *self, void *state, enum tr_stop_mode how);

    /* The last thing that runs; may be NULL. */
    void (*stopped)(tr_actor *self, void *state);

    struct tr_mailbox_limits mailbox;
};

enum tr_placement {
    TR_PLACE_HERE,         /* on the spawner's worker; from outside the runtime: as LEAST_LOADED */
    TR_PLACE_WORKER,       /* on options.worker */
    TR_PLACE_LEAST_LOADED, /* where the fewest actors live, counting those on their way */
};

struct tr_spawn_options {
    enum tr_placement placement;
    unsigned worker;      /* 0 and up; for TR_PLACE_WORKER */
    const void *argument; /* for init. Lent for the call when the actor starts here, else copied */
    size_t argument_size; /* bytes; 0: the pointer itself is handed on and must stay valid until init has run */
};

/*
 * Spawns an actor. It is a child of self: when the runtime stops, it stops before self. options may be NULL.
 *
 * On the own worker init runs before the call returns; so generations that are each spawned in the init of the one
 * before nest on the stack. On another one it runs there later; the name is valid at once
 * and messages sent to it wait. If init fails there, self gets TR_TAG_SPAWN_FAILED and the messages become dead
 * letters.
 *
 * Thread:  owner.
 * Returns: TR_OK; TR_EINVAL (NULL); TR_ENONAME, TR_EBADBEHAVIOR, TR_EBADSTATE, TR_EBADPOLICY (the behavior: no name, no
 *          receive callback, its state_size, its mailbox.policy); TR_EBADWORKER; TR_EBADLIMIT (an argument above 1
 *          GiB); TR_EFULL (options.lane_limit); TR_EGONE (self was killed); TR_ENOMEM; TR_ESTOPPING; what init
 *          returned.
 */
tr_status tr_spawn(tr_actor *self, const struct tr_behavior *behavior, const struct tr_spawn_options *options,
                   tr_ref *out);

/* The tag of the message that tells a spawner that init failed on another worker. */
#define TR_TAG_SPAWN_FAILED (TR_TAG_RESERVED + 1u)

struct tr_spawn_failed {
    tr_ref actor;     /* the name that tr_spawn() gave */
    tr_status status; /* what init returned */
};

/*
 * Ends the calling actor after the callback that is running. What is in its mailbox becomes dead letters. In a callback
 * of a libuv handle of the actor's own nothing of it runs: there it ends at once, and self and state are gone when the
 * call returns. On NULL it does nothing. Thread: owner.
 */
void tr_exit(tr_actor *self);

/*
 * Asks an actor to stop. Asking again, or asking one that is gone, does no harm; a stronger word overrides a weaker
 * one. The request goes the way of messages but overtakes what waits in the mailbox, so that DRAIN means: all that had
 * arrived by then. Its children go on; only the end of the runtime stops families. On the same worker the callbacks of
 * the other, stopping and stopped, may run within the call: chains of actors that stop the next in these callbacks may
 * be of any length, since the calls nest 16 deep and what is asked for below is done when the innermost callback has
 * returned.
 * Thread:  owner of self.
 * Returns: TR_OK; TR_EINVAL; TR_EBADREF; TR_ENOMEM.
 */
tr_status tr_stop(tr_actor *self, tr_ref actor, enum tr_stop_mode how);

/* The actor's own name; TR_NOBODY for NULL. Thread: owner. */
tr_ref tr_self(const tr_actor *self);

/* The name of the actor that spawned this one, TR_NOBODY if that was done from outside. Thread: owner. */
tr_ref tr_parent(const tr_actor *self);

/* The actor's state. Thread: owner. */
void *tr_state(tr_actor *self);

/* The actor's runtime. Thread: owner. */
struct tr_runtime *tr_actor_runtime(const tr_actor *self);

/*
 * The libuv loop of the actor's worker: any handle may be put on it. The actor closes what it opened before it ends,
 * or leaves it behind with memory of its own; the runtime's end closes handles that are left, without knowing whose
 * memory they are. Close callbacks that open and close handles in their turn are called for 1,000 generations; later
 * ones close without their callbacks. Requests that were begun on the loop itself, such as uv_queue_work(), cannot be
 * found there, and so not cancelled: the end waits for them, and for those that their callbacks begin. Work for the
 * pool that shall be cancelled goes through tr_offload_job(). Callbacks that hold the worker are reported by the
 * watchdog, without saying whose they are.
 * Thread: owner.
 */
struct uv_loop_s *tr_actor_loop(tr_actor *self);

/*
 * The time on a clock that only goes forward, in milliseconds from an unknown beginning: the clock by which all delays
 * of the library are counted (CLOCK_MONOTONIC). It is read in each call and stands still in none, so a long callback
 * sees it go on. What is delayed by d comes when it has grown by d or more. self may be NULL. Thread: owner of self.
 */
uint64_t tr_now(const tr_actor *self);

/* The number of the worker on which an actor lives, read from its name. Thread: any. */
unsigned tr_ref_worker(tr_ref ref);

#define TR_REF_TEXT_SIZE 24 /* bytes that hold the text of any name, and a NUL */

/*
 * Writes a name as people read it, worker:slot.generation, such as "1:7.3": the text that the watchdog says, and that
 * troupe-trace prints and takes. TR_NOBODY is "none". Returns text. Thread: any.
 */
const char *tr_ref_text(tr_ref ref, char text[TR_REF_TEXT_SIZE]);

TR_DECLARATIONS_END
#endif
