/*
 * Actors: state and a behavior, reached by messages only.
 *
 * An actor lives on one worker from its spawn to its end. Its callbacks run there, one at a time, so what it owns needs
 * no lock. Other actors know it by its tr_ref and send it messages. Messages from one sender arrive in the order in
 * which they were sent; between two senders there is no order.
 *
 * Every callback gets `self`. It is valid until the stopped callback has returned, and only on the actor's worker.
 * Callbacks of libuv handles that the actor has put on its loop may use it; other threads may not.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended.
 */
#ifndef TROUPE_ACTORS_ACTOR_H
#define TROUPE_ACTORS_ACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

typedef struct tr_actor tr_actor; /* opaque */
struct tr_runtime;
struct uv_loop_s;

/*
 * What a full mailbox does with one more message. What the runtime itself says to the actor always gets in and is never
 * dropped: notices of monitors and links, answers, failed spawns, events of sockets to their owner. It counts for the
 * limits, so an actor that is full of it has room for nobody else.
 */
enum tr_mailbox_policy {
    TR_MAILBOX_REFUSE,      /* the send fails with TR_EFULL; from another worker: the message becomes a dead letter */
    TR_MAILBOX_DROP_NEWEST, /* the send succeeds, and the message becomes a dead letter */
    TR_MAILBOX_DROP_OLDEST, /* the message that has waited longest becomes a dead letter */
    TR_MAILBOX_MUTE,        /* the send succeeds, and the sender is muted: see below */
};

/*
 * TR_MAILBOX_MUTE: nothing is refused or lost, and who sends too much is made to wait.
 *
 *   - An actor that has sent to this mailbox while it was crowded (tr_backlog(): half of its limits) is muted: when its
 *     handler has returned it is given no messages until the mailbox is relieved: a quarter of its limits or 2,048
 *     messages wait, or its actor has ended. The two may live on different workers.
 *   - A muted actor's own mailbox fills meanwhile, and if that mutes, too, those wait who send to it.
 *   - Stops reach a muted actor at once. So do notices (of monitors, links, failed spawns) and answers, unless their
 *     sender has sent something before that the actor has not been given yet. Events of sockets wait.
 *   - Actors never wait for each other in a circle: one for which somebody waits is not muted, and of those that begin
 *     at the same moment one goes on. So a circle of actors that send each other more than they take is not bounded.
 *   - Who cannot be muted is refused while the mailbox is crowded: tr_runtime_send() with TR_EFULL; what a timer sends
 *     becomes a dead letter, TR_DEAD_MAILBOX_FULL.
 *   - A socket's callbacks run in the socket's actor: if they send, the socket reads nothing while it is muted.
 *   - How many wait: half of the limits; what each sender sends in one handler; from each other worker what
 *     may be under way until tr_backlog() is above 0; and what a sender for which others wait sends until its own
 *     mailbox is relieved.
 */

/* What becomes of a message if as many with its tag wait as may. */
enum tr_tag_policy {
    TR_TAG_KEEP_LAST,   /* the newest that waits becomes a dead letter, TR_DEAD_REPLACED; this one goes to the end */
    TR_TAG_DROP_NEWEST, /* the send succeeds, and the message becomes a dead letter */
    TR_TAG_REFUSE,      /* the send fails with TR_EFULL; from another worker: the message becomes a dead letter */
};

/*
 * A limit of the messages with one tag that wait for an actor, from all senders. It holds beside those of the mailbox.
 *
 * With TR_TAG_KEEP_LAST and `most` 1 the actor is given the last value alone, however often it was sent meanwhile. A
 * message never takes the place of the earlier one, since it would overtake what its sender has sent in between; so a
 * value is handled when all has been that came before its latest change.
 */
struct tr_tag_limit {
    uint32_t tag;  /* below TR_TAG_RESERVED, each tag once */
    uint32_t most; /* 1 and up */
    enum tr_tag_policy policy;
};

#define TR_TAG_LIMITS_MAX 32u /* of one behavior: they are looked through for each message */

#define TR_MAILBOX_DEFAULT_MESSAGES 1048576u

/*
 * Limits of what waits for one actor, from all senders. The memory in use is within a factor of 2 of these limits,
 * including payloads if `bytes` is set. A slice counts with its own size, even if it keeps a larger buffer alive.
 */
struct tr_mailbox_limits {
    uint32_t messages; /* each of 80 bytes without its payload; default TR_MAILBOX_DEFAULT_MESSAGES */
    uint64_t bytes;    /* of payloads, each rounded up to 64, plus 64 for each message; default: no limit */
    enum tr_mailbox_policy policy;
    const struct tr_tag_limit *tags; /* tag_count of them; the array must outlive the runtime */
    size_t tag_count;                /* at most TR_TAG_LIMITS_MAX */
};

/* How an actor is asked to stop, from the weakest to the strongest. */
enum tr_stop_mode {
    TR_STOP_DRAIN, /* it handles what is in its mailbox, takes nothing new, then stops */
    TR_STOP_NOW,   /* the message that it handles is its last; the rest become dead letters */
    TR_STOP_KILL,  /* as NOW, and it has no choice: its name is invalid at once, its stopped callback does not run */
};

/*
 * What actors of one kind do. Usually a static constant.
 * Memory: it must outlive the runtime.
 */
struct tr_behavior {
    const char *name; /* in traces and reports; not empty */

    size_t state_size; /* bytes of state, at most 1 GiB, aligned for any type, zero before init */

    /* Runs first; may be NULL. argument comes from the spawner and is valid during the call. Any status but TR_OK ends
     * the actor at once, without its stopped callback. */
    tr_status (*init)(tr_actor *self, void *state, const void *argument);

    /* Handles a message. The actor has the message until it returns: it may take the payload out or send it on. */
    void (*receive)(tr_actor *self, void *state, tr_message *message);

    /* The actor has been asked to stop; may be NULL. It returns
     *   true   it may end (with TR_STOP_DRAIN: when its mailbox is empty);
     *   false  not yet: it keeps receiving, and calls tr_exit() when it is done.
     * With TR_STOP_KILL, false only keeps the memory until tr_exit() or until the runtime ends: for state that others
     * may still use, such as a libuv handle that is closing. Handles that are not closing by then are closed by the
     * runtime's end, without their callbacks. */
    bool (*stopping)(tr_actor *self, void *state, enum tr_stop_mode how);

    /* Runs last; may be NULL. */
    void (*stopped)(tr_actor *self, void *state);

    struct tr_mailbox_limits mailbox;

    /* The name of a tag of the messages that receive gets, for traces; may be NULL, and so may what it returns. It is
     * called only while a trace is recorded, on any worker, when an actor of this behavior receives such a message for
     * the first time or a few times more; the text is copied at once. Tags from TR_TAG_RESERVED on have names of their
     * own. (A protocol of typed.h has such a function.) */
    const char *(*tag_name)(uint32_t tag);
};

enum tr_placement {
    TR_PLACE_HERE,         /* on the spawner's worker; from outside the runtime: as TR_PLACE_LEAST_LOADED */
    TR_PLACE_WORKER,       /* on options.worker */
    TR_PLACE_LEAST_LOADED, /* on the worker with the fewest actors, including those that are on their way to it */
    TR_PLACE_WITH,         /* on the worker of options.with, also if that actor has ended */
    TR_PLACE_BY_KEY,       /* on the worker of options.key: equal keys go to the same worker */
};

/* Names one monitor of one actor: watch.h. 0 is none. */
typedef uint64_t tr_monitor;

struct tr_spawn_options {
    enum tr_placement placement;
    unsigned worker;       /* 0 and up; for TR_PLACE_WORKER */
    tr_ref with;           /* for TR_PLACE_WITH */
    uint64_t key;          /* for TR_PLACE_BY_KEY: any number, or tr_key() of some bytes */
    const void *argument;  /* for init. Borrowed for the call if the actor starts on this worker, else copied */
    size_t argument_size;  /* bytes; 0: the pointer itself is passed on and must stay valid until init has run */
    tr_monitor *monitor;   /* NULL, or: the spawner monitors the actor from its first moment on; set with TR_OK only */
    bool ends_with_parent; /* when the spawner has ended, for whatever reason, the actor is asked to stop: NOW */
};

/*
 * Spawns an actor as a child of self: when the runtime stops, the child stops before self.
 *
 *   - On self's own worker init runs before the call returns. So if each init spawns the next actor, the calls nest on
 *     the stack.
 *   - On another worker init runs later. The name is valid at once, and messages sent to it wait. If init fails, self
 *     gets TR_TAG_SPAWN_FAILED and the waiting messages become dead letters.
 *
 * Memory:  options and out may be NULL. The options are copied.
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL        self or behavior is NULL, no such placement, no argument but a size, or no tags but a count
 *          TR_ENONAME       behavior->name is NULL or empty
 *          TR_EBADBEHAVIOR  behavior->receive is NULL
 *          TR_EBADSTATE     behavior->state_size is above 1 GiB
 *          TR_EBADPOLICY    behavior->mailbox.policy, or one of its tags, is not one of the enum
 *          TR_EBADTAG       the tag of a limit is TR_TAG_RESERVED or above, or has a limit already
 *          TR_EBADWORKER    options->worker is not the number of a worker
 *          TR_EBADREF       options->with is not the name of an actor of this runtime
 *          TR_EBADLIMIT     options->argument_size is above 1 GiB, more than TR_TAG_LIMITS_MAX tags, or a `most` is 0
 *          TR_EFULL         options.lane_limit messages wait for the other worker
 *          TR_EGONE         self was killed
 *          TR_EMEMORYLIMIT  options.memory_limit is reached. Children of a supervisor are spawned all the same
 *          TR_ENOMEM
 *          TR_ESTOPPING     the runtime is stopping
 *          what init returned, if it ran within the call
 */
tr_status tr_spawn(tr_actor *self, const struct tr_behavior *behavior, const struct tr_spawn_options *options,
                   tr_ref *out);

/*
 * A key of bytes, such as a user's name: 64 bits that depend on all of them, and are the same in every run and on every
 * machine. Who may choose the bytes can find many that go to one worker.
 * Memory:  data may be NULL: as no bytes.
 * Thread:  any.
 */
uint64_t tr_key(const void *data, size_t size);

/*
 * The worker on which TR_PLACE_BY_KEY places a key, if there are so many workers. It depends on nothing else, so it is
 * the same in every run. Of many keys each worker gets an equal part, also of those that are alike, such as numbers in
 * a row. Thread: any.
 */
unsigned tr_key_worker(uint64_t key, unsigned workers);

/* The tag of the message that reports to a spawner that an actor on another worker did not start. */
#define TR_TAG_SPAWN_FAILED (TR_TAG_RESERVED + 1u)

struct tr_spawn_failed {
    tr_ref actor;     /* the name that tr_spawn() gave */
    tr_status status; /* what init returned; TR_ENOMEM or TR_ESTOPPING if it did not run */
};

/*
 * Ends the calling actor when the callback that is running has returned. What is in its mailbox becomes dead letters.
 * In a callback of a libuv handle none of the actor's own callbacks is running: there the actor ends at once, and self
 * and its state are gone when the call returns. With NULL it does nothing.
 * Thread:  owner.
 */
void tr_exit(tr_actor *self);

/*
 * Asks an actor to stop.
 *
 *   - Asking again, or asking an actor that is gone, does no harm. A stronger mode overrides a weaker one.
 *   - The request takes the way of messages, but overtakes those that wait in the mailbox. So TR_STOP_DRAIN handles all
 *     that had arrived by then.
 *   - The actor's children are not stopped. Only the end of the runtime stops parents together with their children.
 *   - If the actor lives on self's worker, its stopping and stopped callbacks may run within the call. Chains of actors
 *     that stop the next one in these callbacks may have any length: such calls nest 16 deep, and what is asked for
 *     deeper happens when the innermost callback has returned.
 *
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL     self is NULL, or no such mode
 *          TR_EBADREF    not the name of an actor of this runtime
 *          TR_ENOMEM
 *          TR_ESTOPPING  the actor lives on another worker and this one has ended: only in callbacks of libuv handles
 */
tr_status tr_stop(tr_actor *self, tr_ref actor, enum tr_stop_mode how);

/* The actor's own name; TR_NOBODY for NULL. Thread: owner. */
tr_ref tr_self(const tr_actor *self);

/* The name of the actor that spawned this one; TR_NOBODY if it was spawned from outside. Thread: owner. */
tr_ref tr_parent(const tr_actor *self);

/* The actor's state; NULL for NULL. Memory: the actor's. Thread: owner. */
void *tr_state(tr_actor *self);

/* The actor's runtime; NULL for NULL. Thread: owner. */
struct tr_runtime *tr_actor_runtime(const tr_actor *self);

/*
 * The libuv loop of the actor's worker; NULL for NULL. Any handle may be put on it.
 *
 *   - The actor closes what it has opened before it ends, or leaves it with memory that outlives the actor. The
 *     runtime's end closes handles that are left, without knowing whose memory they are in.
 *   - Close callbacks that open and close further handles are called for 1,000 generations; later ones close without
 *     their callbacks.
 *   - Requests that were begun on the loop itself, such as uv_queue_work(), cannot be found there and not be cancelled:
 *     the runtime's end waits for them, and for those that their callbacks begin. For work that can be cancelled use
 *     tr_offload_job().
 *   - The watchdog reports callbacks that hold the worker, without saying whose they are.
 *
 * Thread:  owner.
 */
struct uv_loop_s *tr_actor_loop(tr_actor *self);

/*
 * The time in milliseconds on a clock that only goes forward, from an unknown beginning (CLOCK_MONOTONIC). All delays
 * of the library are counted by it: a delay of d is over when tr_now() has grown by d or more. Each call reads the
 * clock, also within a long callback. self may be NULL.
 * Thread:  owner of self.
 */
uint64_t tr_now(const tr_actor *self);

/* The number of the worker on which an actor lives, read from its name. Thread: any. */
unsigned tr_ref_worker(tr_ref ref);

#define TR_REF_TEXT_SIZE 24 /* bytes that hold the text of any name, and a NUL */

/*
 * Writes a name as text, worker:slot.generation, such as "1:7.3". The watchdog's reports use this text, and
 * troupe-trace prints and accepts it. TR_NOBODY is "none".
 * Thread:  any.
 * Returns: text.
 */
const char *tr_ref_text(tr_ref ref, char text[TR_REF_TEXT_SIZE]);

TR_DECLARATIONS_END
#endif
