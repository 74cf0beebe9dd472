/*
 * A layer above workers that is the test's own: it acts where a test wants it to.
 */
#ifndef TESTS_TURNS_LAYER_H
#define TESTS_TURNS_LAYER_H

#include "stage.h"

#include <stdbool.h>
#include <stdint.h>
#include <troupe/core/worker.h>
#include <unistd.h>

enum { GO = 1, OTHER };

/* What a test puts into the workers; NULL does nothing. All on the worker's thread, but for open and close. */
struct layer_play {
    tr_status (*open)(struct tri_worker *worker);
    void (*deliver)(struct tri_worker *worker, const tr_message *message);
    bool (*run)(struct tri_worker *worker);
    void (*drain)(struct tri_worker *worker);
    void (*leave)(struct tri_worker *worker);
    void (*close)(struct tri_worker *worker);
};
extern struct layer_play layer_play;

/* What has happened in the layer. */
extern struct tally delivered, drained, closed, wrong;
extern uint64_t kills[TR_WORKERS_MAX]; /* how many each worker says that it killed */

/* Calls what stands in layer_play. */
extern const struct tri_layer layer;

/* A setup of tests: the layer does nothing. */
int layer_reset(void **state);

/* A runtime with this layer; and its end. */
struct tri_runtime *start_workers(unsigned workers);
void end_workers(struct tri_runtime *runtime);

/* Sends from outside. */
void post(struct tri_worker *worker, uint32_t tag, bool urgent);

#define TEST(name) cmocka_unit_test_setup(name, layer_reset)

#endif
