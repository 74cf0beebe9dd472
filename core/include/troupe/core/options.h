/*
 * What a runtime is made of. A field that is zero means its default, so {0} is a complete set of options.
 */
#ifndef TROUPE_CORE_OPTIONS_H
#define TROUPE_CORE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/declare.h>

TR_DECLARATIONS_BEGIN

#define TR_WORKERS_MAX 1024u

enum tr_trace_mode {
    TR_TRACE_OFF,    /* nothing is recorded: one load and one branch per event */
    TR_TRACE_FLIGHT, /* the newest segments are kept, whole oldest ones are overwritten */
    TR_TRACE_FILE,   /* everything is kept up to trace.limit_bytes, what comes after is counted as lost */
};

struct tr_trace_options {
    enum tr_trace_mode mode;
    const char
        *directory; /* made if it does not exist, but not its parents; if it holds a trace already, the first of its
                              sub-directories 2, 3, ... that holds none is taken instead. Copied */
    size_t segment_bytes; /* of one file; default 1 MiB */
    unsigned segments;    /* flight: files kept per worker; default 8 */
    uint64_t limit_bytes; /* file: of all files together; default 1 GiB */
    int wait_ms; /* longest time that a thread waits for the disk when a file is full; then events are lost, and
                    counted, until the disk has caught up. Default 20, -1: none at all */
};

/* Whether each worker's thread is pinned to one CPU. The threads of a runtime have different ones while there are free
 * ones, also of other processes. */
enum tr_pinning {
    TR_PINNING_ADAPTIVE, /* while the CPU is ours: a worker that waits for it may run on all CPUs of the program, until
                            the machine has been quiet for some seconds. Never, where the system does not tell who
                            waits */
    TR_PINNING_ALWAYS,   /* for programs that have the machine, or a set of CPUs, to themselves */
    TR_PINNING_NEVER,    /* the system places the threads */
};

struct tr_runtime_options {
    unsigned workers; /* default: the CPUs that this process may use, or the whole CPUs of its control group's quota if
                         those are fewer; at most TR_WORKERS_MAX */
    enum tr_pinning pinning; /* default: adaptive */
    int spin_us;     /* longest wait by polling before a worker sleeps, at most 1000; default 20, -1: sleep at once, as
                         do workers that are more than the CPUs, and all under a quota of fewer CPUs than there are */
    int watchdog_ms; /* a callback that holds its worker longer is reported; default 1000, -1: never */
    unsigned
        pool_size; /* threads that tr_offload() has in this process, at most 1024; default: libuv's 4. Only the first
                           runtime of a process can set it */
    /*
     * Limits of what one worker is sent, each by all its senders together. They count messages, of 64 bytes in a lane
     * and 80 where they wait for their actor; payloads beyond TR_MESSAGE_INLINE bytes are not counted. Memory follows
     * within a factor of 2, and 70 KiB for each pair of workers of which one sends to the other.
     */
    uint32_t lane_limit; /* messages of other workers that wait on their side, since the lanes are full, which hold
                               1,024 each; the workers may exceed it by 64 each. Default 1,048,576 */
    uint32_t
        outside_limit; /* messages of other threads that their receivers on the worker have not read; exact. Default
                               1,048,576 */

    /*
     * The environment variable TR_TRACE=dir switches file tracing on if this leaves it off; TR_TRACE=dir,flight the
     * flight recorder. What is set here and cannot be done makes the start fail. A variable that cannot be obeyed never
     * does: it is a line on stderr, and the program runs without a trace.
     */
    struct tr_trace_options trace;
};

TR_DECLARATIONS_END
#endif
