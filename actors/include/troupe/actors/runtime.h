/*
 * The runtime: all of Troupe in one process. Workers, one thread and one libuv loop each, and the actors on them.
 *
 * The functions here are for threads that are no workers, such as main(). A process may hold several runtimes.
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
 * Starts the workers. options may be NULL for the defaults. The process ignores SIGPIPE from then on; the workers'
 * threads take no signals. A worker takes four descriptors, and one more unless it is never pinned: where they do not
 * suffice, the process's soft limit of them is raised, for root the hard one too. Threads have names that debuggers,
 * top -H and ps -L show: troupe/0, troupe/1... (the workers), troupe/pool, troupe/lookup, troupe/watchdog and
 * troupe/trace. Owner: the caller's until tr_runtime_stop().
 * Thread:  setup.
 * Returns: TR_OK; TR_EINVAL (out is NULL, no such pinning); TR_ETOOMANYWORKERS; TR_EBADLIMIT (a number out of range);
 *          TR_ENOMEM; TR_EAGAIN (no more threads); TR_EMFILE (no more descriptors, and the limit cannot be raised);
 *          what the trace directory answers, such as TR_EACCES or TR_EEXIST.
 */
tr_status tr_runtime_start(const struct tr_runtime_options *options, tr_runtime **out);

/* What was left when a runtime ended. */
struct tr_stop_report {
    uint64_t killed;       /* actors that had not stopped by the deadline */
    uint64_t dead_letters; /* messages that nobody received, over the runtime's whole life */
    uint64_t cancelled;    /* offloaded functions that had not begun: see struct tr_job */

    /* Threads that still ask the system for the address of a name: each goes on alone, with memory of its own, and ends
     * when the system answers. */
    unsigned left_behind;
};

/*
 * Stops everything and frees the runtime. Listeners stop accepting; every actor is asked to stop, children before
 * their parents; what is queued is handled until the deadline; what is then left is killed and counted, and offloaded
 * functions that have not begun are cancelled. What that means to a socket, socket.h says: it sends what waits, ends
 * its side and closes. Blocks up to deadline_ms, and as long as handlers and offloaded functions that run then take;
 * look-ups of names that the system does not answer hold it up for 50 ms at the most.
 *
 * Afterwards no thread, descriptor or byte of the runtime is left, but for look-ups that hang: the report counts them.
 * Their threads touch nothing of the runtime any more; a process may start another one or exit, which ends them. Leak
 * checkers see them and their few bytes as in use.
 *
 * No other thread may be inside a call on this runtime, or begin one: join them first. Offloaded functions may, since
 * the end waits for them: calls that wait for the runtime are answered, with TR_ESTOPPING at the latest.
 *
 * report may be NULL; runtime may be NULL (TR_OK).
 * Thread:  any thread that is no worker, once.
 * Returns: TR_OK; TR_ETIMEDOUT_STOP if any actor had to be killed (everything is freed all the same);
 *          TR_EWRONGTHREAD on a worker or in an offloaded function (nothing happens).
 */
tr_status tr_runtime_stop(tr_runtime *runtime, unsigned deadline_ms, struct tr_stop_report *report);

/*
 * Blocks until SIGINT or SIGTERM comes or somebody calls tr_runtime_quit(). Does not stop anything itself. A signal
 * that comes before this call has its ordinary effect: a program that must not miss one blocks both before it starts.
 * Thread:  one at a time, no worker, not in an offloaded function; the two signals are blocked in it afterwards.
 * Returns: the signal's number; 0 after tr_runtime_quit(); TR_EINVAL; TR_EWRONGTHREAD.
 */
int tr_runtime_wait(tr_runtime *runtime);

/*
 * As tr_runtime_wait(), and returns too, with 0, as soon as nothing keeps the program alive: no server listens, no
 * socket is open, but for those in the background (tr_socket_set_background(), tr_server_set_background()), and nobody
 * holds the runtime. Servers and sockets that were asked for before the call count even if they are still on their way,
 * and so does a connection that a listener of the program's has not accepted yet.
 */
int tr_runtime_wait_idle(tr_runtime *runtime);

/* Holds the runtime: tr_runtime_wait_idle() goes on waiting until it is released as often. Thread: any. */
void tr_runtime_hold(tr_runtime *runtime);
void tr_runtime_release(tr_runtime *runtime);

/* Lets tr_runtime_wait() return, now or when it is called. Thread: any; not in a signal handler. */
void tr_runtime_quit(tr_runtime *runtime);

/*
 * Spawns an actor from outside, by default on the least loaded worker, and waits until its init callback has run.
 * Thread:  any thread that is no worker.
 * Returns: as tr_spawn(), and what init returned; TR_EWRONGTHREAD on a worker.
 */
tr_status tr_runtime_spawn(tr_runtime *runtime, const struct tr_behavior *behavior,
                           const struct tr_spawn_options *options, tr_ref *out);

/*
 * Sends a message from a thread that is no worker. Messages of one thread to one actor arrive as they were sent.
 * Owner:   the message moves on success and is empty then; on failure it is still the caller's.
 * Thread:  any. Never blocks.
 * Returns: TR_OK; TR_EINVAL; TR_EBADREF; TR_EBADTAG; TR_EFULL (options.outside_limit); TR_ESTOPPING; TR_ENOMEM. Whether
 *          the actor still lives shows on its worker: a message that finds nobody becomes a dead letter.
 * Limits:  a thread that slows down when it gets TR_EFULL loses nothing, unless the actor limits its own mailbox to
 * less.
 */
tr_status tr_runtime_send(tr_runtime *runtime, tr_ref to, tr_message *message);

/* Asks an actor to stop, from outside: see tr_stop(). Thread: any. */
tr_status tr_runtime_stop_actor(tr_runtime *runtime, tr_ref actor, enum tr_stop_mode how);

/* The number of workers. Thread: any. */
unsigned tr_runtime_workers(const tr_runtime *runtime);

/*
 * Sums over the runtime since its start. Each message counts once where it begins and once where it ends, so that
 *
 *     sent + outside = received + dead_letters + notices_lost + those that wait or are on their way
 *
 * A dead letter is one message, whoever hears of it. Orders to spawn, to stop and the like are no messages.
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
};

/* Reads the counters; each is exact, the set is not one instant's. Thread: any. */
void tr_runtime_counters(const tr_runtime *runtime, struct tr_counters *out);

TR_DECLARATIONS_END
#endif
