/*
 * The runtime: all of Troupe in one process. It has workers, each with one thread and one libuv loop, and the actors on
 * them.
 *
 * The functions here are for threads that are no workers, such as main(). A process may have several runtimes.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 * workers start or after they have ended.
 */
#ifndef TROUPE_ACTORS_RUNTIME_H
#define TROUPE_ACTORS_RUNTIME_H

#include <troupe/actors/actor.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>
#include <troupe/core/options.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

typedef struct tr_runtime tr_runtime; /* opaque */

/*
 * Starts the workers. options may be NULL for the defaults.
 *
 *   - Signals: the process ignores SIGPIPE from then on, and the workers' threads take no signals.
 *   - Descriptors: a worker takes four, and one more unless it is never pinned. Where the process's soft limit is too
 *     low for them it is raised, for root the hard limit too.
 *   - Names of threads, in debuggers, top -H and ps -L: troupe/0, troupe/1... (the workers), troupe/pool,
 *     troupe/lookup, troupe/watchdog, troupe/trace and troupe/inspect.
 *
 * Memory:  *out is the caller's until tr_runtime_stop(). The options are copied.
 * Thread:  setup.
 * Returns: TR_OK
 *          TR_EINVAL           out is NULL, no such pinning or trace mode, or a trace without a directory
 *          TR_ETOOMANYWORKERS  above TR_WORKERS_MAX
 *          TR_EBADLIMIT        a number is out of range; of a memory_limit a line on stderr says what the least is
 *          TR_ENOMEM
 *          TR_EAGAIN           no more threads
 *          TR_EMFILE           no more descriptors, and the limit cannot be raised
 *          TR_EBADPATH, TR_ENAMETOOLONG, TR_EEXIST, TR_EADDRINUSE, TR_EBUSY
 *                              options.inspect is empty; too long; a file that is no socket of the same user's; a
 *                              socket on which somebody listens; in a directory that others keep locked
 *          what the system answers for the trace directory or options.inspect, such as TR_EACCES or TR_EEXIST
 */
tr_status tr_runtime_start(const struct tr_runtime_options *options, tr_runtime **out);

/* What was left when a runtime ended. */
struct tr_stop_report {
    uint64_t killed;       /* actors that had not stopped by the deadline */
    uint64_t dead_letters; /* messages that nobody received, since the runtime's start */
    uint64_t cancelled;    /* offloaded functions that had not begun: see struct tr_job */

    /* Threads that still wait for the system to look up a name. Each runs on alone, with memory of its own, and ends
     * when the system answers. */
    unsigned left_behind;
};

/*
 * Stops everything and frees the runtime:
 *
 *   1. listeners stop accepting, and every actor is asked to stop, children before their parents;
 *   2. what is queued is handled until the deadline. socket.h says what a socket does: it sends what waits, ends its
 *      side, and closes when its peer has ended, too, or after a while;
 *   3. what is left at the deadline is killed and counted, and offloaded functions that have not begun are cancelled.
 *
 * It blocks for deadline_ms at most, plus the time that running handlers and offloaded functions take. Name look-ups
 * that the system does not answer delay it by 50 ms at most.
 *
 * Afterwards no thread, descriptor or byte of the runtime is left, except for look-ups that hang: the report counts
 * them. Their threads no longer touch the runtime. The process may start another one, or exit, which ends them. Leak
 * checkers see them and their few bytes as in use.
 *
 * No other thread may be inside a call on this runtime, or begin one: join them first. Offloaded functions may, because
 * the end waits for them: calls that wait for the runtime are answered, with TR_ESTOPPING at the latest.
 *
 * Memory:  report may be NULL; runtime may be NULL (TR_OK).
 * Thread:  any that is no worker, once; not in an offloaded function.
 * Returns: TR_OK
 *          TR_ETIMEDOUT_STOP  an actor had to be killed (everything is freed all the same)
 *          TR_EWRONGTHREAD    on a worker or in an offloaded function (nothing happens)
 */
tr_status tr_runtime_stop(tr_runtime *runtime, unsigned deadline_ms, struct tr_stop_report *report);

/*
 * Blocks until SIGINT or SIGTERM comes or tr_runtime_quit() is called. It stops nothing itself. A signal that comes
 * before this call has its ordinary effect: a program that must not miss one blocks both signals before it starts.
 *
 * Thread:  any that is no worker, one at a time; not in an offloaded function. Both signals are blocked in it
 *          afterwards.
 * Returns: above 0: the signal's number
 *          0: after tr_runtime_quit()
 *          below 0: a status, TR_EINVAL (NULL) or TR_EWRONGTHREAD (on a worker or in an offloaded function)
 */
int tr_runtime_wait(tr_runtime *runtime);

/*
 * As tr_runtime_wait(), but also returns when nothing keeps the program running:
 *
 *   - no server listens and no socket is open, except for those in the background (tr_socket_set_background(),
 *     tr_server_set_background());
 *   - nobody holds the runtime (tr_runtime_hold()).
 *
 * Servers and sockets that were asked for before the call count even if they are still on their way, and so does a
 * connection that a listener of the program has not accepted yet.
 *
 * Thread:  as tr_runtime_wait().
 * Returns: above 0: the signal's number
 *          0: after tr_runtime_quit(), or when nothing keeps the program running
 *          below 0: a status, TR_EINVAL (NULL) or TR_EWRONGTHREAD (on a worker or in an offloaded function)
 */
int tr_runtime_wait_idle(tr_runtime *runtime);

/* Holds the runtime: tr_runtime_wait_idle() keeps waiting until every hold is released. Thread: any. */
void tr_runtime_hold(tr_runtime *runtime);
void tr_runtime_release(tr_runtime *runtime);

/* Makes tr_runtime_wait() return, now or when it is called. Thread: any; not in a signal handler. */
void tr_runtime_quit(tr_runtime *runtime);

/*
 * Spawns an actor from outside, by default on the least loaded worker, and waits until its init callback has run.
 *
 * Memory:  options and out may be NULL.
 * Thread:  any that is no worker.
 * Returns: TR_OK
 *          TR_EINVAL        runtime or behavior is NULL, no such placement, no argument but a size, or no tags but a
 *                           count
 *          TR_ENONAME, TR_EBADBEHAVIOR, TR_EBADSTATE, TR_EBADPOLICY, TR_EBADTAG, TR_EBADWORKER, TR_EBADREF,
 *          TR_EBADLIMIT: see tr_spawn()
 *          TR_EWRONGTHREAD  on a worker
 *          TR_EMEMORYLIMIT  options.memory_limit is reached
 *          TR_ENOMEM
 *          TR_ESTOPPING     the runtime is stopping
 *          what init returned
 */
tr_status tr_runtime_spawn(tr_runtime *runtime, const struct tr_behavior *behavior,
                           const struct tr_spawn_options *options, tr_ref *out);

/*
 * Spawns an actor on every worker, all of them or none: out[i] is the one on worker i. If one of them is not born those
 * before it are asked to stop again (TR_STOP_NOW), although their init has run.
 *
 * Actors have no such call. What becomes of a birth on another worker they hear later (TR_TAG_SPAWN_FAILED), and do not
 * wait: so none could promise all or none. tr_spawn() with TR_PLACE_WORKER for each worker gives the names at once; a
 * supervisor whose child is `one_each_worker` sees to it that all live, and fails if one cannot.
 *
 * Memory:  out is of tr_runtime_workers() names; if it fails, none of those that were born is in it. options may be
 *          NULL; its placement is TR_PLACE_HERE, which is 0. All get the same argument.
 * Thread:  any that is no worker.
 * Returns: TR_OK
 *          TR_EINVAL  out is NULL, another placement, or as tr_runtime_spawn()
 *          what tr_runtime_spawn() returned for the first that was not born
 */
tr_status tr_runtime_spawn_each(tr_runtime *runtime, const struct tr_behavior *behavior,
                                const struct tr_spawn_options *options, tr_ref *out);

/*
 * Sends a message from a thread that is no worker. Messages from one thread to one actor arrive in the order in which
 * they were sent. Whether the actor is still there is found out on its worker: if it is gone the message becomes a dead
 * letter.
 *
 * A thread that slows down when it gets TR_EFULL loses nothing, unless the actor limits its own mailbox to less than
 * options.outside_limit.
 *
 * Memory:  on success the message moves and is empty then; on failure it is still the caller's.
 * Thread:  any. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL     runtime or message is NULL
 *          TR_EBADREF    not the name of an actor of this runtime
 *          TR_EBADTAG    the tag is TR_TAG_RESERVED or above
 *          TR_EFULL      options.outside_limit, or the actor's mailbox mutes its senders and is crowded
 *          TR_EMEMORYLIMIT  options.memory_limit is reached
 *          TR_ESTOPPING  the runtime is stopping
 *          TR_ENOMEM
 */
tr_status tr_runtime_send(tr_runtime *runtime, tr_ref to, tr_message *message);

/*
 * Asks an actor to stop, from outside: as tr_stop().
 * Thread:  any. Never blocks.
 * Returns: TR_OK
 *          TR_EINVAL     runtime is NULL, or no such mode
 *          TR_EBADREF    not the name of an actor of this runtime
 *          TR_ESTOPPING  the actor's worker has ended
 *          TR_ENOMEM
 */
tr_status tr_runtime_stop_actor(tr_runtime *runtime, tr_ref actor, enum tr_stop_mode how);

/* The number of workers; 0 for NULL. Thread: any. */
unsigned tr_runtime_workers(const tr_runtime *runtime);

/*
 * Sums over the runtime since its start. Each message counts once where it begins and once where it ends, so that
 *
 *     sent + outside = received + dead_letters + notices_lost + those that wait or are on their way
 *
 * A dead letter is one message, no matter who is notified of it. Requests to spawn, to stop and the like are no
 * messages.
 */
struct tr_counters {
    uint64_t actors;       /* alive now */
    uint64_t spawned;      /* ever */
    uint64_t sent;         /* messages that actors, their timers, or the library for them, sent */
    uint64_t outside;      /* messages that tr_runtime_send() took */
    uint64_t received;     /* messages that a receive callback was given, counted before it is called */
    uint64_t refused;      /* an actor's sends that failed and left it the message: not sent, and no dead letters */
    uint64_t dead_letters; /* messages that nobody received */
    uint64_t notices_lost; /* notices of dead letters that nobody received: the subscriber was gone, or at its limit */
    uint64_t wakes;        /* times a worker that slept was woken by another thread */
    uint64_t sleeps;       /* times a worker went to sleep */
    uint64_t stalls;       /* callbacks that the watchdog reported */

    /* Of options.memory_limit: see there. */
    uint64_t memory;         /* bytes in use in the process that count; 0 while no runtime has a limit */
    uint64_t memory_limit;   /* 0: none */
    uint64_t memory_reached; /* times the limit was reached */
    uint64_t memory_refused; /* calls that failed with TR_EMEMORYLIMIT, or whose question did */
};

/* Reads the counters. Each is exact, but they are not read at one instant. Zeroes for NULL. Thread: any. */
void tr_runtime_counters(const tr_runtime *runtime, struct tr_counters *out);

TR_DECLARATIONS_END
#endif
