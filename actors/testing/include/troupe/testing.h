/*
 * Testing actors: a runtime without threads whose scheduling is chosen by a seed, time that a test moves, and probes
 * that expect messages.
 *
 * A simulated runtime runs its workers on the test's own thread, step by step. A seed chooses which worker comes next
 * and how much of what waits it does: takes a message out of a lane, handles one, publishes what it has sent, fires a
 * timer. So everything that may happen in any order does happen in many orders, seed by seed, and with the same seed in
 * the same order again. What is promised holds in all of them: messages from one actor to another arrive in the order
 * in which they were sent. Starting one costs little, so that a test can run under a thousand seeds.
 *
 * All that the library and its actors read as time (tr_now(), timers, deadlines) is the simulated runtime's own. It
 * stands still while anything is left to do; then it jumps to the next timer. Nothing sleeps.
 *
 * All that is said of a runtime works here too, from the test's thread: tr_runtime_spawn(), tr_runtime_send(),
 * tr_runtime_stop()... What waits for a worker there runs steps here. tr_runtime_wait() and tr_runtime_wait_idle() run
 * steps until tr_runtime_quit() was called, or nothing is left to do, and watch no signals. A job of tr_offload() is a
 * step, which runs it on the test's thread.
 *
 * Not simulated are sockets, servers and whatever else an actor puts on its loop. The loops are looked at without
 * waiting, so that such handles work, but when their events come does not depend on the seed, and libuv's timers keep
 * the system's time.
 *
 * A program under test must not let its decisions depend on what differs from run to run: the values of pointers,
 * random numbers of the system's, other threads.
 *
 * This is a library of its own: troupe::testing in CMake, troupe-testing in pkg-config.
 *
 * Thread: "test" is the thread that started the simulated runtime, outside of its actors' callbacks.
 */
#ifndef TROUPE_TESTING_H
#define TROUPE_TESTING_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/actors/actor.h>
#include <troupe/actors/runtime.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>
#include <troupe/core/options.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

/* The simulated runtime. */

#define TR_TESTING_WORKERS 4u
#define TR_TESTING_WORKERS_MAX 64u

/* Zero is the default of every field. */
struct tr_testing_options {
    uint64_t seed;

    /* At most TR_TESTING_WORKERS_MAX; default TR_TESTING_WORKERS. */
    unsigned workers;

    /* Limits and the trace of the simulated runtime. `workers` here means nothing, and neither does what is about
     * threads: pinning, spin_us, watchdog_ms, pool_size. */
    struct tr_runtime_options runtime;
};

/*
 * Starts a simulated runtime. Its time begins at 1,000,000 ms, whatever the seed. A thread has one at a time; until it
 * is stopped, time on the thread is the simulated runtime's, for all that the library does there but for starting and
 * stopping other runtimes.
 *
 * Memory:  *out is the caller's until tr_runtime_stop(). The options are copied; NULL: the defaults.
 * Thread:  any that is no worker; it is the runtime's test thread from then on.
 * Returns: TR_OK
 *          TR_EINVAL           out is NULL, or see tr_runtime_start()
 *          TR_ETOOMANYWORKERS  above TR_TESTING_WORKERS_MAX
 *          TR_EBUSY            this thread has a simulated runtime already
 *          TR_EWRONGTHREAD     on a worker
 *          TR_EBADLIMIT, TR_ENOMEM, TR_EMFILE, what the system answers for the trace: see tr_runtime_start()
 */
tr_status tr_testing_start(const struct tr_testing_options *options, tr_runtime **out);

/*
 * One step of some worker. If nothing is left to do, time goes on to the next timer, which fires. Thread:  test.
 * Returns: true: something happened. false: nothing is left to do, and there is no timer; or runtime is no simulated
 * one,
 *          or the call came from a callback of an actor.
 */
bool tr_testing_step(tr_runtime *runtime);

/*
 * Runs steps until nothing is left to do. Time stands still: timers that are not due yet do not fire.
 * Thread:  test.
 * Returns: how many steps; 0 where tr_testing_step() is false.
 */
uint64_t tr_testing_run(tr_runtime *runtime);

/*
 * Lets time go on by ms milliseconds, and runs everything that is to be done before and in that time, each timer at its
 * own moment.
 *
 * Called by an actor of the runtime, within a callback, it only moves the clock: as if the callback had taken so long.
 *
 * Thread:  test, or a callback of an actor of the runtime.
 * Returns: TR_OK
 *          TR_EINVAL  runtime is no simulated one
 */
tr_status tr_testing_advance(tr_runtime *runtime, uint64_t ms);

/* The simulated time in milliseconds, as tr_now(); 0 if runtime is no simulated one. Thread: test, or a callback. */
uint64_t tr_testing_now(const tr_runtime *runtime);

/*
 * A number that stands for all that was handled so far: for each message the worker, the actor and the tag, in their
 * order. Two runs of a program with the same seed have the same one. 0 if runtime is no simulated one. Thread: test.
 */
uint64_t tr_testing_hash(const tr_runtime *runtime);

/*
 * Runs a test under the seeds first, first + 1 ... and stops at the first one that fails. body(seed, context) returns 0
 * if all is well; it starts and stops its own runtime.
 *
 * The seeds run in one child of the process, one after the other. So a seed also fails by ending the child: by abort()
 * or a failed assertion, by exit(), a crash, a sanitizer's report, or by taking longer than a minute. A line on stderr
 * says which seed it was and how it failed, and that TR_SEED=<seed> in the environment runs it alone: then body is
 * called once, in the calling process, where a debugger sees it. Assertions of cmocka end the child, as abort() does.
 *
 * What body changes in memory stays in the child. The process should have no other runtime at this time, since threads
 * do not come along.
 *
 * Thread:  any that is no worker, without a simulated runtime of its own.
 * Returns: true: all seeds passed. false: one failed, or there is no child.
 */
bool tr_testing_seeds(uint64_t first, unsigned count, int (*body)(uint64_t seed, void *context), void *context);

/* Probes: actors that keep what they get until the test asks for it. In a simulated runtime they wait in its time, and
 * run steps meanwhile; in any other they wait in the system's. */

typedef struct tr_probe tr_probe; /* opaque */

#define TR_PROBE_ANY UINT32_MAX /* instead of a tag: any message */

#define TR_PROBE_TEXT_SIZE 512

/*
 * Spawns a probe, on worker 0 of the runtime.
 *
 * Memory:  *out is the caller's until tr_probe_close().
 * Thread:  any that is no worker; in a simulated runtime test, for all functions of probes.
 * Returns: TR_OK
 *          TR_EINVAL        runtime or out is NULL
 *          TR_EWRONGTHREAD  on a worker
 *          TR_ENOMEM
 *          TR_ESTOPPING     the runtime is stopping
 */
tr_status tr_probe_open(tr_runtime *runtime, tr_probe **out);

/* Stops the probe, if its runtime has not done so, and frees it with what was not asked for. NULL does nothing. It
 * may be called before and after tr_runtime_stop(). Thread: that of tr_probe_open(). */
void tr_probe_close(tr_probe *probe);

/* The probe's name, also when its actor has ended. Thread: any. */
tr_ref tr_probe_ref(const tr_probe *probe);

/*
 * The next message is to have this tag, and to be there within within_ms. Messages are asked for in the order in which
 * they came; one with another tag stays the next one. If it fails, a line on stderr says what was expected and what
 * came instead; tr_probe_text() keeps it.
 *
 * Memory:  *out is the caller's, to drop or to send on; NULL: the message is dropped.
 * Thread:  that of tr_probe_open().
 * Returns: TR_OK
 *          TR_EINVAL        probe is NULL
 *          TR_EBADMESSAGE   the next message has another tag
 *          TR_EDEADLINE     none came in time
 *          TR_EWRONGTHREAD  on a worker
 */
tr_status tr_probe_expect(tr_probe *probe, uint32_t tag, uint64_t within_ms, tr_message *out);

/*
 * No message is to be there, nor to come within within_ms. It waits so long unless one comes. If it fails, a line on
 * stderr says what came.
 *
 * Thread:  that of tr_probe_open().
 * Returns: TR_OK
 *          TR_EINVAL        probe is NULL
 *          TR_EBADMESSAGE   a message is there; it stays the next one
 *          TR_EWRONGTHREAD  on a worker
 */
tr_status tr_probe_expect_none(tr_probe *probe, uint64_t within_ms);

/* What the last expectation said that failed; "" before. Memory: lent until the next call. Thread: that of
 * tr_probe_open(). */
const char *tr_probe_text(const tr_probe *probe);

/*
 * Calls act(self, argument) as the probe: on its worker, as if in a handler, so that it can do all that an actor can.
 * Its own messages come to the probe. Waits until act has returned.
 *
 * Thread:  that of tr_probe_open().
 * Returns: TR_OK
 *          TR_EINVAL        probe or act is NULL
 *          TR_EGONE         its actor has ended: act was not called
 *          TR_EWRONGTHREAD  on a worker
 *          TR_ENOMEM, TR_EAGAIN
 */
tr_status tr_probe_do(tr_probe *probe, void (*act)(tr_actor *self, void *argument), void *argument);

/*
 * Sends a message as the probe, so that an answer comes to it.
 *
 * Memory:  on success the message moves; on failure it is still the caller's.
 * Thread:  that of tr_probe_open().
 * Returns: what tr_send() returned to the probe, or what tr_probe_do() returns; TR_EINVAL: message is NULL
 */
tr_status tr_probe_send(tr_probe *probe, tr_ref to, tr_message *message);

TR_DECLARATIONS_END
#endif
