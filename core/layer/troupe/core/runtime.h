/*
 * A runtime: all workers of one, started and ended together.
 *
 * Thread: a field is constant once the workers run, unless its group says otherwise.
 */
#ifndef TROUPE_CORE_RUNTIME_H
#define TROUPE_CORE_RUNTIME_H

#include <ck_pr.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/compiler.h>
#include <troupe/core/options.h>
#include <troupe/core/status.h>
#include <uv.h>

struct tri_layer;
struct tri_stepper;
struct tri_trace;
struct tri_watchdog;
struct tri_worker;

enum tri_phase {
    TRI_RUNNING,
    TRI_DRAINING, /* everything is asked to end */
    TRI_KILLING,  /* what is left dies, and the workers with it */
};

struct tri_runtime {
    struct tri_worker **workers;
    unsigned count;
    unsigned mutes; /* of the layer above: some mailbox mutes its senders, so each send looks. Any thread; set once */
    struct tr_runtime_options options; /* with the defaults filled in */
    const struct tri_layer *layer;
    void *host;  /* the layer's own */
    void *guest; /* of the layer above that one; NULL until it is first used, then under the lock. guest_close frees it
                    after the workers */
    void (*guest_close)(struct tri_runtime *runtime);
    struct tri_watchdog *watchdog;
    struct tri_stepper *stepper; /* who runs the workers, which have no threads: steps.h. NULL: they have */
    bool begins_pinned;          /* the workers do */
    bool is_limited;             /* its memory limit holds. Under the lock of ceiling.c, and so is the next */
    struct tri_runtime *next_limited;
    uint64_t ticks_per_ms;

    /* Any thread reads it, where a trace begins and ends it is written: recording.h. */
    struct tri_trace *trace; /* atomic; NULL: nothing is recorded */

    /* Where a trace begins and ends. */
    struct tri_trace *recorder; /* of all its traces; NULL: there was none */

    /* Under the locks of snapshot_signal.c. */
    int snapshot_signal; /* 0: none */
    struct tri_runtime *next_copied;

    /* Any thread. */
    alignas(TRI_CACHE_PAIR) unsigned phase; /* enum tri_phase; only grows */
    unsigned watchdog_rests; /* 1: a worker that sleeps must doze: rest.h. The watchdog's thread writes it */
    unsigned looks;          /* how often tri_runtime_look() was called */
    uint64_t drain_ends_ms;  /* of tri_clock_ms(), from TRI_DRAINING on: then what lives is killed */
    unsigned at_limit;       /* 1: it holds as much memory as it may: ceiling.h */
    uint64_t limit_reached;  /* so many times */
    uint64_t limit_refused;  /* calls of threads that are no workers */

    /* Under the lock: gate.h. */
    uv_mutex_t lock;
    uv_cond_t changed;
    unsigned quiet;   /* workers on which nothing lives any more */
    unsigned looked;  /* workers that have, since looks was raised */
    unsigned at_gate; /* workers that will send nothing more, and the thread that ends them when it has woken all */
    uint64_t killed;

    /* Setup. */
    unsigned left_behind; /* threads that the layers could not end */

    struct tri_runtime *next; /* in tri_runtimes */
};

/* All runtimes of the process whose workers run, for debuggers, who have nowhere else to begin (tools/gdb). */
extern struct tri_runtime *tri_runtimes;

/* What is recorded to now; NULL: nothing. It stays when that has ended. T2: what is loaded through the pointer is what
 * stood there before it was stored; pairs with T1 in recording.c. Thread: any. */
static inline struct tri_trace *
tri_runtime_trace(const struct tri_runtime *runtime)
{
    struct tri_trace *trace = ck_pr_load_ptr(&runtime->trace);
    TRI_ACQUIRE(&runtime->trace);
    return trace;
}

/* Where the runtime stands in its life: enum tri_phase. Thread: any. */
static inline unsigned
tri_runtime_phase(const struct tri_runtime *runtime)
{
    return ck_pr_load_uint(&runtime->phase);
}

/* When a runtime that drains will kill what is left, on the clock of delay.h; UINT64_MAX: it does not drain. Thread:
 * any. */
static inline uint64_t
tri_runtime_drain_ends(const struct tri_runtime *runtime)
{
    if (tri_runtime_phase(runtime) < TRI_DRAINING)
        return UINT64_MAX;
    ck_pr_fence_load(); /* R4: the phase before its end; pairs with R3 in runtime.c */
    return ck_pr_load_64(&runtime->drain_ends_ms);
}

/*
 * Starts the workers with a layer on each. host is handed to runtime->host before layer->open is called. Thread: setup.
 */
tr_status tri_runtime_start(const struct tr_runtime_options *options, const struct tri_layer *layer, void *host,
                            struct tri_runtime **out);

/*
 * Every worker looks at its descriptors once, and sends what comes of it; waits until all have. So what the system knew
 * before the call is known to the layers after it. Thread: one at a time, no worker, before tri_runtime_end().
 */
void tri_runtime_look(struct tri_runtime *runtime);

/*
 * Ends the workers: drains until nothing is alive or the deadline has passed, kills the rest and joins the threads. The
 * workers themselves are freed by tri_runtime_close(), so that their counters can be read in between.
 * Returns how many had to be killed. Thread: any that is no worker.
 */
uint64_t tri_runtime_end(struct tri_runtime *runtime, uint64_t deadline_ms);

/* Closes the layers and frees the workers. Then runtime->left_behind is known. Thread: setup. */
void tri_runtime_close(struct tri_runtime *runtime);

/* Closes it if need be, and frees it. NULL does nothing. Thread: setup. */
void tri_runtime_free(struct tri_runtime *runtime);

#endif
