/*
 * The trace of a running program: what the program itself says in it, what is recorded, and a copy of it.
 *
 * A runtime records if its options or TR_TRACE say so (options.h), or from tr_trace_begin() to tr_trace_end();
 * `troupe-trace attach` does the same from outside. docs/trace-format.md tells what comes of it. Where
 * nothing is recorded, all of this does nothing, and costs a load and a branch.
 *
 * Thread: "owner" is the worker on which the object lives, "any" is every thread.
 */
#ifndef TROUPE_ACTORS_TRACING_H
#define TROUPE_ACTORS_TRACING_H

#include <stdint.h>
#include <troupe/actors/runtime.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>
#include <troupe/core/options.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

/*
 * Writes an event `mark` of the actor, with a text and a number of the caller's choice: what it means is the program's
 * affair. Each text is kept once, under a number, so a text should be one of a few, and what changes be the number.
 * Texts of more than 1,000 bytes are cut. NULL for self does nothing; for text it is "".
 * Thread:  owner of self.
 */
void tr_trace_mark(const tr_actor *self, const char *text, uint64_t number);

/* The same from a thread that is no worker: the mark of no actor. NULL for runtime does nothing. Thread: any. */
void tr_runtime_trace_mark(tr_runtime *runtime, const char *text, uint64_t number);

/* What can be switched off. The begin and the end of workers, losses and switches are always recorded. */
enum tr_trace_category {
    TR_TRACE_MESSAGES = 1, /* sends, receives, ends of handlers, dead letters, questions, groups */
    TR_TRACE_ACTORS = 2,   /* begin and end, behaviors, failures, monitors */
    TR_TRACE_TIMERS = 4,
    TR_TRACE_WORKERS = 8, /* sleep, turns over their budget, full lanes, stalls, pinning, memory */
    TR_TRACE_SERVERS = 16,
    TR_TRACE_SOCKETS = 32,
    TR_TRACE_MARKS = 64,
    TR_TRACE_ALL = 127, /* as a trace begins */
};

/*
 * From now on events of these categories alone are recorded: bits of enum tr_trace_category, 0 for none. What other
 * threads do at that moment may be recorded or not. The trace has an event `switched`, and `troupe-trace check` takes
 * nothing for missing then.
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL         runtime is NULL, or a bit that is no category
 *          TR_ENOTSUPPORTED  the runtime does not record
 */
tr_status tr_trace_categories(tr_runtime *runtime, unsigned categories);

enum tr_trace_actor {
    TR_TRACE_ACTOR_AS_OTHERS, /* by category; as each actor begins */
    TR_TRACE_ACTOR_ON,        /* all its events are recorded, also those of categories that are off */
    TR_TRACE_ACTOR_OFF,       /* none is */
};

/*
 * The same for a single actor, which need not live. An event is of the actor that `troupe-trace dump` shows first: a
 * send of its sender, a receive of its receiver.
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL         runtime is NULL, or no such value
 *          TR_EBADREF        not the name of an actor of this runtime
 *          TR_EFULL          512 actors are not as the others
 *          TR_ENOTSUPPORTED  the runtime does not record
 */
tr_status tr_trace_actor(tr_runtime *runtime, tr_ref actor, enum tr_trace_actor how);

/*
 * Copies what the trace holds at this moment to a directory, which is made if it does not exist, but not its parents;
 * the copy is a trace like one of a process that was killed now. Workers go on meanwhile. With a flight recorder it is
 * how to keep what led to something. Takes as long as copying the files takes.
 * Thread:  any; a worker stands still as long.
 * Returns: TR_OK
 *          TR_EINVAL         runtime or directory is NULL
 *          TR_EEXIST         there is a trace in the directory, or a file of one
 *          TR_ENOTSUPPORTED  the runtime does not record
 *          TR_ENOMEM
 *          what the system answers, such as TR_EACCES; what was copied by then stays, and is no trace
 */
tr_status tr_trace_snapshot(tr_runtime *runtime, const char *directory);

/*
 * Begins a trace of a runtime that does not record, while it runs. When it returns, all workers record; one that runs a
 * callback for more than a second begins when that returns. The trace begins in the middle: each worker writes which
 * actors live there already (events `present`), a thousand in a turn, and each before anything else of it. What was
 * sent before has no send in the trace, and `troupe-trace check` takes nothing for missing that may have been before.
 * Memory:  options are borrowed for the call. The recorder's own, some KiB, is kept until the runtime is stopped. Until
 *          all actors are introduced, a worker has a bit for each that ever lived there at the same time.
 * Thread:  any that is no worker. It waits for the workers, and for the disk.
 * Returns: TR_OK
 *          TR_EINVAL         runtime or options is NULL, no directory, or a mode that is off or unknown
 *          TR_EWRONGTHREAD   on a worker
 *          TR_EALREADY       the runtime records
 *          TR_EDEADLINE      a worker has not left the trace before yet: see tr_trace_end()
 *          TR_EBADLIMIT      sizes out of range
 *          TR_EEXIST         the directory holds 9,999 traces
 *          TR_ESTOPPING      the runtime is stopping; what was begun ends with it
 *          TR_ENOMEM
 *          what the system answers, such as TR_EACCES
 */
tr_status tr_trace_begin(tr_runtime *runtime, const struct tr_trace_options *options);

/*
 * Ends the runtime's trace, however it was begun: when it returns, the files are whole and closed, and nothing is
 * recorded.
 * Thread:  any that is no worker. It waits for the workers, for a second at most.
 * Returns: TR_OK
 *          TR_EINVAL         runtime is NULL
 *          TR_EWRONGTHREAD   on a worker
 *          TR_ENOTSUPPORTED  the runtime does not record
 *          TR_EDEADLINE      some worker runs a callback for so long: the others record nothing more, and the trace is
 *                            closed by the next call, by tr_trace_begin(), or when the runtime is stopped
 *          TR_ESTOPPING      the runtime is stopping, which ends the trace
 *          TR_ENOMEM         as TR_EDEADLINE
 */
tr_status tr_trace_end(tr_runtime *runtime);

TR_DECLARATIONS_END
#endif
