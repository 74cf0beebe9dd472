/*
 * What a worker calls of the layer above, installed when the runtime starts. There is one such table: actors_layer in
 * actors/run/runtime.c.
 */
#ifndef TROUPE_CORE_LAYER_H
#define TROUPE_CORE_LAYER_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/message.h>
#include <troupe/core/status.h>

struct tri_worker;

/* All but open and close are called on the worker's thread. */
struct tri_layer {
    /* Before any worker runs. */
    tr_status (*open)(struct tri_worker *worker);
    /* A message has come in; it moves. false: there is no memory, so it must come again later. After kill it is buried,
     * and needs none. */
    bool (*deliver)(struct tri_worker *worker, tr_ref to, tr_message *message);
    /* A message that an actor of this worker sent to another worker is not sent any more; it moves. */
    void (*bury)(struct tri_worker *worker, tr_ref to, tr_message *message);
    /* Runs what is ready, for a slice of the worker's time. true: more is ready. */
    bool (*run)(struct tri_worker *worker);
    /* Is anything ready to run? The loop asks before it blocks, since its own callbacks send messages too. */
    bool (*ready)(struct tri_worker *worker);
    /* The runtime begins to stop: what lives here must end by itself. Called once. */
    void (*drain)(struct tri_worker *worker);
    /* The end: what still lives dies now; returns how many that were. The loop runs afterwards, so handles can
     * close. */
    uint64_t (*kill)(struct tri_worker *worker);
    /* The last on its thread: on no worker anything lives any more, its loop is empty, and no message is under way. */
    void (*leave)(struct tri_worker *worker);
    /* Only with a memory limit, at the end of each turn: counts what it holds. NULL: there is nothing. */
    void (*settle)(struct tri_worker *worker);
    /* The runtime is at its memory limit from now on, which may be said in the middle of anything, or no more. NULL: it
     * does not matter. */
    void (*at_limit)(struct tri_worker *worker, bool reached);
    /* After the loop has been closed, for all workers one after the other: frees what open made. Thread: setup. */
    void (*close)(struct tri_worker *worker);
};

#endif
