/*
 * The options of a runtime. A field that is zero means its default, so {0} is a complete set.
 *
 * Memory:  tr_runtime_start() copies them, with what they point to.
 * Thread:  setup: they are read by tr_runtime_start().
 * Errors:  a number out of range is TR_EBADLIMIT, too many workers are TR_ETOOMANYWORKERS, a pinning or a trace mode
 *          that is not in its enum is TR_EINVAL, and so are a trace without a directory and a snapshot_signal that
 *          cannot be used.
 */
#ifndef TROUPE_CORE_OPTIONS_H
#define TROUPE_CORE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/declare.h>

TR_DECLARATIONS_BEGIN

#define TR_WORKERS_MAX 1024u

/* The least memory_limit of a runtime with so many workers, in bytes. */
#define TR_MEMORY_LIMIT_LEAST(workers) ((uint64_t)1048576 + (uint64_t)262144 * (workers))

enum tr_trace_mode {
    TR_TRACE_OFF,    /* nothing is recorded: one load and one branch per event */
    TR_TRACE_FLIGHT, /* the newest segments are kept; the oldest one is overwritten as a whole */
    TR_TRACE_FILE,   /* everything is kept up to trace.limit_bytes; what comes after is counted as lost */
};

struct tr_trace_options {
    enum tr_trace_mode mode;

    /* Created if it does not exist, but not its parents. If it has a trace already, the first of its sub-directories 2,
     * 3, ... that has none is taken instead. */
    const char *directory;

    size_t segment_bytes; /* of one file, 4 KiB to 1 GiB; default 1 MiB, in files less if limit_bytes asks for it */
    unsigned segments;    /* flight: files kept per worker, 2 to 65,536; default 8 */
    uint64_t limit_bytes; /* file: of all files together; default 1 GiB */

    /* The longest time that a thread waits for the disk when a file is full. After it events are lost, and counted,
     * until the disk has caught up. Default 20, -1: none at all. */
    int wait_ms;

    /* Whenever the process gets this signal, the trace is copied to a directory beside its own, whose path ends with
     * -1, -2, ...; a line on stderr says which. SIGUSR1, SIGUSR2, SIGHUP, SIGWINCH, or a real-time signal. The action
     * that there was is put back when the runtime ends. For tr_runtime_start() alone, and also a trace that begins
     * later is copied. Default 0: what TR_TRACE_SIGNAL says ("USR2", or a number), or none. */
    int snapshot_signal;
};

/* Whether each worker's thread is pinned to one CPU. The threads of a runtime have different CPUs while there are free
 * ones, also free of other processes. */
enum tr_pinning {
    /* Pinned while the CPU is the worker's own: a worker that waits for it may run on all CPUs of the program until the
     * machine has been quiet for some seconds. Never, where the system does not report how long a thread waits. */
    TR_PINNING_ADAPTIVE,

    TR_PINNING_ALWAYS, /* for programs that have the machine, or a set of CPUs, to themselves */
    TR_PINNING_NEVER,  /* the system places the threads */
};

struct tr_runtime_options {
    /* At most TR_WORKERS_MAX. Default: the CPUs that this process may use, or the whole CPUs of its control group's
     * quota if those are fewer. */
    unsigned workers;

    enum tr_pinning pinning; /* default: adaptive */

    /* The longest time that a worker looks for work before it sleeps, if that paid lately; meanwhile it yields its CPU
     * to whoever wants it. At most 1000. Default 20, -1: sleep at once. In any case these sleep at once: a single
     * worker, more workers than CPUs, all under a quota of fewer CPUs than there are. */
    int spin_us;

    int watchdog_ms; /* a callback that holds its worker longer is reported; default 1000, -1: never */

    /* Threads that tr_offload() has in this process, at most 1024; default: libuv's 4. Only the first runtime of a
     * process can set it. */
    unsigned pool_size;

    /*
     * Limits of what one worker is sent, each for all its senders together. They count messages, of 64 bytes in a lane
     * and 80 where they wait for their actor; payloads beyond TR_MESSAGE_INLINE bytes do not count. The memory is
     * within a factor of 2 of that, plus 70 KiB for each pair of workers of which one sends to the other.
     */

    /* Messages from other workers that wait on the senders' side because the lanes, of 1,024 messages each, are full.
     * The workers may exceed it by 64 each. Default 1,048,576. */
    uint32_t lane_limit;

    /* Messages from other threads that their receivers on the worker have not read; exact. Default 1,048,576. */
    uint32_t outside_limit;

    /*
     * A ceiling for the memory that grows with load, in bytes; at least TR_MEMORY_LIMIT_LEAST(workers). Default 0:
     * none, and nothing is counted.
     *
     * What counts is in use: the bytes of buffers (tr_slice_copy(), tr_slice_adopt(), messages above TR_MESSAGE_INLINE,
     * what was read and somebody holds, what waits to be written), messages that wait, with their questions and their
     * delays, entries of sockets' queues, and actors. Buffers belong to no runtime: those of the whole process count,
     * whoever holds them, and the messages and actors of all runtimes that have a limit. What a pointer in a message
     * points to does not count, nor what a worker has once: a stack, lanes of 70 KiB, slabs of 2.3 MiB to read into,
     * and memory of messages and actors that is free again and waits for the next.
     *
     * When the limit is reached, and until less than seven eighths of it are in use,
     *   - whatever brings new memory is refused with TR_EMEMORYLIMIT, and changes nothing: sends, questions, and
     *     delayed sends, whose payload was made since, or for which no memory of an earlier message is free; everything
     *     that is published, sent from outside, or spawned. What waits can be worked off all the same: a message that
     *     was received can be sent on, and what is small or older can be sent, in the memory of what was handled
     *     meanwhile;
     *   - delayed messages wait until they can be sent, and none is lost;
     *   - no socket is read and no connection accepted, so that peers feel it. No event tells of that, and nothing is
     *     paused for the program. Everything is written, and a write is never refused for it: its answer says when to
     *     wait, as always;
     *   - what the library itself says is not concerned: answers, notices, events, stops, restarts by a supervisor.
     * What was taken is not lost: no message that was sent dies of the limit, but for notices of dead letters.
     *
     * It may be exceeded by 128 KiB for each worker (counted late, and one read), 1,024 messages for each pair of
     * workers (on their way), what the library says, what handlers write, and the buffers that they make. What the
     * program itself keeps in buffers is for the program to let go: with seven eighths of the limit in them nothing is
     * read any more. Each time is in the trace (memory_limit, memory_free) and in tr_runtime_counters(); a line on
     * stderr tells of it, one in a minute.
     */
    uint64_t memory_limit;

    /*
     * The environment variable TR_TRACE=dir switches file tracing on if this leaves it off; TR_TRACE=dir,flight the
     * flight recorder. If what is set here cannot be done, the start fails. If what the variable asks for cannot be
     * done, a line on stderr says so and the program runs without a trace. While a worker records, a fatal signal that
     * hits it is an event; then it goes to whoever had it before. TR_TRACE_CRASH=off: no signal is touched.
     */
    struct tr_trace_options trace;

    /*
     * The path of a unix socket that answers, on a thread of its own, what lives in the runtime and what it does
     * (docs/guide/looking-inside.md); only the user of the process may connect. A %p in it is the number of the
     * process. Default: none, but if the environment variable TR_INSPECT names a path, there. A socket file that a dead
     * process left is replaced, any other file never is. If what is set here cannot be done, the start fails. If what
     * the variable asks for cannot be done, a line on stderr says so and the program runs without it.
     */
    const char *inspect;
};

TR_DECLARATIONS_END
#endif
