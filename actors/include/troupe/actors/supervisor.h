/*
 * Supervisors: actors that start others, notice when they end, and start them again.
 *
 * A supervisor has children, which a table declares or which are added later. It starts them in order, each when the
 * one before has begun, on whatever worker. When a child ends, the supervisor looks at the child's kind whether it is
 * to be restarted, and at its own strategy who is restarted with it. If children end too often it gives up: it stops
 * them all, in reverse order, and fails with TR_EGIVENUP, so that its own supervisor can decide.
 *
 * A child keeps its name over a restart: its ref stays valid, and others need not learn a new one. Messages that come
 * between two lives wait for the next. Each life's death is a death for all who watch the child (watch.h): monitors
 * tell, links act, timers and names end. Who begins to watch between two lives watches the next one.
 *
 * Nothing here asks a child whether it is alive: a busy worker is no dead worker. The only deadlines are those of
 * stops.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended.
 */
#ifndef TROUPE_ACTORS_SUPERVISOR_H
#define TROUPE_ACTORS_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/actors/actor.h>
#include <troupe/actors/names.h>
#include <troupe/core/declare.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

struct tr_runtime;

/* When a child that has ended is restarted. What the supervisor itself stops is no end in this sense. */
enum tr_restart {
    TR_RESTART_PERMANENT, /* always, also when it has ended by its own will or was asked to stop */
    TR_RESTART_TRANSIENT, /* when it has ended with a reason other than TR_OK */
    TR_RESTART_TEMPORARY, /* never */
};

/* Who is restarted when a child is. */
enum tr_strategy {
    TR_ONE_FOR_ONE,  /* that child alone */
    TR_ONE_FOR_ALL,  /* all children: the others are stopped first, in reverse order */
    TR_REST_FOR_ONE, /* that child and those that were started after it */
};

#define TR_CHILD_NAME_SIZE 64u     /* bytes of a child's name, with its NUL */
#define TR_STOP_FOREVER UINT32_MAX /* a stop_timeout_ms: it is never killed */

/* How often children may be restarted. Both zero: 3 in 5,000 ms. */
struct tr_restart_limit {
    unsigned restarts;  /* 0, with a within_ms: none; the first end of a child that needs a restart is too much */
    unsigned within_ms; /* one more within this time is too much */
};

/* How long a child's restart waits. All zero: it does not. */
struct tr_backoff {
    unsigned first_ms; /* before the first restart; before each next one twice as long */
    unsigned most_ms;  /* but never longer than this; 0: first_ms * 64 */
    unsigned calm_ms;  /* after a life of this length the wait is first_ms again; 0: most_ms, twice */
};

struct tr_supervisor_options;

/*
 * A child, as it is declared. Zero is the default of each field but name, and behavior or supervisor.
 * Memory: copied, with what it points to; but behaviors must outlive the runtime.
 */
struct tr_child_spec {
    const char *name; /* of its supervisor's children none else has it; up to TR_CHILD_NAME_SIZE - 1 bytes, no '/' */

    const struct tr_behavior *behavior;             /* of the actor, */
    const struct tr_supervisor_options *supervisor; /* or: the child is itself a supervisor, with these options */

    const void *argument; /* for each init of it; as in struct tr_spawn_options */
    size_t argument_size;

    const char *registered; /* a name (names.h) that each of its lives has; with one_each_worker "NAME/0", "NAME/1"...
                               While another actor has it the child cannot begin. NULL: none */

    /* As in struct tr_spawn_options; HERE is the supervisor's worker. A restart moves nobody. */
    enum tr_placement placement;
    unsigned worker;
    tr_ref with;
    uint64_t key;
    bool one_each_worker; /* one on every worker, called "name/0", "name/1"...; each is restarted by itself alone */

    enum tr_restart restart;
    bool keep_mailbox; /* what waits for it when it ends, or is set aside, is for its next life; else: dead letters */

    enum tr_stop_mode stop; /* how the supervisor stops it; NOW instead of DRAIN if its mailbox is kept for a restart */
    uint32_t stop_timeout_ms; /* after which it is killed; 0: 5,000, or TR_STOP_FOREVER if it is a supervisor */
};

/*
 * What a supervisor is to be. Zero is the default of each field.
 * Memory: copied, with what it points to.
 */
struct tr_supervisor_options {
    enum tr_strategy strategy;
    struct tr_restart_limit limit;
    struct tr_backoff backoff;
    const struct tr_child_spec *children; /* in the order in which they start */
    size_t child_count;

    /* Of one that is spawned by tr_supervisor_spawn() or tr_runtime_spawn_supervisor(): where, and how its spawner
     * watches it. It has no argument. */
    struct tr_spawn_options spawn;
};

/*
 * Spawns a supervisor as a child of self. It starts its children; what is sent to them meanwhile waits.
 *
 * If a child cannot start, that is, if its first init fails, the supervisor stops those that have started, in reverse
 * order, and fails with what that init returned. Monitor the supervisor to hear that.
 *
 * Asked to stop, a supervisor stops its children in reverse order, waits for each, and ends. If it is killed, its
 * children are killed, too. When it has ended, the names of its children are stale.
 *
 * Memory:  out may be NULL.
 * Thread:  owner of self.
 * Returns: TR_OK
 *          TR_EINVAL        self or options is NULL, no such strategy, kind of restart, stop mode or placement,
 *                           children without a table, an argument without a size, or options->spawn has an argument
 *          TR_EBADNAME      a child's name is NULL, empty, longer than TR_CHILD_NAME_SIZE - 1 bytes, or has a '/'; or
 *                           registered is empty, or longer than TR_NAME_SIZE - 9 bytes
 *          TR_ENAMETAKEN    two children have one name
 *          TR_EBADBEHAVIOR  a child has neither a behavior with a receive callback nor a supervisor, or both
 *          TR_EBADLIMIT     limit.restarts is above 10,000, or not 0 without a within_ms; backoff.most_ms is less than
 *                           first_ms and not 0; an argument_size is above 1 GiB; supervisors in the options of
 *                           supervisors are nested more than 64 deep
 *          TR_ENONAME, TR_EBADSTATE, TR_EBADPOLICY, TR_EBADWORKER, TR_EBADREF, TR_EFULL, TR_EGONE, TR_EMEMORYLIMIT,
 *                           TR_ENOMEM, TR_ESTOPPING: see tr_spawn()
 */
tr_status tr_supervisor_spawn(tr_actor *self, const struct tr_supervisor_options *options, tr_ref *out);

/*
 * The same from outside. It waits until all children have started.
 * Memory:  out may be NULL.
 * Thread:  any that is no worker.
 * Returns: as tr_supervisor_spawn(), but not TR_EGONE and TR_EFULL
 *          TR_EWRONGTHREAD  on a worker
 *          TR_EKILLED       the supervisor was killed before its children had started
 *          what the first init of a child returned that could not start
 */
tr_status tr_runtime_spawn_supervisor(struct tr_runtime *runtime, const struct tr_supervisor_options *options,
                                      tr_ref *out);

/* What a child does just now. */
enum tr_child_state {
    TR_CHILD_STARTING, /* its init has not returned yet */
    TR_CHILD_RUNNING,
    TR_CHILD_STOPPING, /* its supervisor has asked it to stop */
    TR_CHILD_RESTING,  /* it has ended and is about to be restarted, or has not begun yet */
};

/* The tag of the message that answers the three functions below. The payload is a struct tr_supervisor_answer. */
#define TR_TAG_SUPERVISOR (TR_TAG_RESERVED + 0x200u)

struct tr_supervisor_answer {
    uint64_t request; /* the number that the function gave */

    /* TR_OK; of all three: TR_EGONE, the supervisor has ended, or has no child of that name;
     * TR_ENOTSUPPORTED, that actor is no supervisor; TR_ENOMEM; and of tr_supervisor_add(): TR_ENAMETAKEN;
     * TR_ESTOPPING, the supervisor is stopping; TR_ECANCELED, the child was removed, or the supervisor has ended,
     * before it had begun; what its first init returned. */
    tr_status status;

    enum tr_child_state state;
    tr_ref child;      /* TR_NOBODY: it has no name yet */
    uint64_t restarts; /* since it was added */
    tr_status reason;  /* why it has ended at last; TR_OK if it never has */
};

/*
 * Adds a child to a supervisor, after all others, and starts it. The answer comes when it has begun. If it cannot start
 * it is forgotten, and the supervisor goes on. With one_each_worker the answer is about the last of them to begin.
 *
 * Memory:  out may be NULL.
 * Thread:  owner of self. Never blocks.
 * Returns: TR_OK: one answer will come
 *          TR_EINVAL, TR_EBADNAME, TR_EBADBEHAVIOR, TR_EBADLIMIT, TR_ENONAME, TR_EBADSTATE, TR_EBADPOLICY,
 *          TR_EBADWORKER,
 *          TR_ENAMETAKEN: as tr_supervisor_spawn() says of a table
 *          TR_EGONE      self was killed
 *          TR_EBADREF    not the name of an actor of this runtime
 *          TR_ENOMEM
 *          TR_ESTOPPING  the supervisor lives on another worker and this one has ended: only in callbacks of libuv
 *          handles
 */
tr_status tr_supervisor_add(tr_actor *self, tr_ref supervisor, const struct tr_child_spec *spec, uint64_t *out);

/*
 * Removes a child: it is stopped as its declaration says, or not restarted if it is about to be. The answer comes when
 * it has ended for good. With the name of a child that every worker has, all of them are removed.
 *
 * Memory, thread, returns: see tr_supervisor_add(); TR_EBADNAME, name is NULL, empty or too long.
 */
tr_status tr_supervisor_remove(tr_actor *self, tr_ref supervisor, const char *name, uint64_t *out);

/*
 * Asks for a child. With the name of one that every worker has, it is that on self's worker.
 * Memory, thread, returns: see tr_supervisor_remove().
 */
tr_status tr_supervisor_child(tr_actor *self, tr_ref supervisor, const char *name, uint64_t *out);

/*
 * The same from outside: they wait for the answer.
 * Memory:  answer may be NULL.
 * Thread:  any that is no worker.
 * Returns: the answer's status; TR_EINVAL, runtime is NULL; TR_EWRONGTHREAD, on a worker; TR_ESTOPPING, the runtime is
 *          stopping; what the function above returns.
 */
tr_status tr_runtime_supervisor_add(struct tr_runtime *runtime, tr_ref supervisor, const struct tr_child_spec *spec,
                                    struct tr_supervisor_answer *answer);
tr_status tr_runtime_supervisor_remove(struct tr_runtime *runtime, tr_ref supervisor, const char *name,
                                       struct tr_supervisor_answer *answer);
tr_status tr_runtime_supervisor_child(struct tr_runtime *runtime, tr_ref supervisor, const char *name,
                                      struct tr_supervisor_answer *answer);

/*
 * Bequeaths something to the next life of the calling actor: a table, its members. Do it as soon as it is there, in
 * init: then the next life has it however this one ends, also by a kill. What this life has changed by then is as it
 * was left.
 *
 * Another call takes the place of the first, whose data is destroyed if it is another; data that is NULL bequeaths
 * nothing, and the former is the caller's again. If there is no next life, or that bequeaths something itself and has
 * not taken what was there, destroy(data) is called.
 *
 * Memory:  takes what data points to with TR_OK. destroy may be NULL; it may run on any thread.
 * Thread:  owner.
 * Returns: TR_OK, also if no supervisor restarts the actor: then data is destroyed with it
 *          TR_EINVAL  self is NULL
 *          TR_EGONE   self was killed
 *          TR_ENOMEM
 */
tr_status tr_bequeath(tr_actor *self, void *data, void (*destroy)(void *data));

/*
 * Takes what the last life of the calling actor has bequeathed. If it is to be there after this life too, bequeath it
 * again.
 * Memory:  gives it.
 * Thread:  owner; in init, or later.
 * Returns: NULL if there is nothing, or it was taken already.
 */
void *tr_inheritance(tr_actor *self);

TR_DECLARATIONS_END
#endif
