/*
 * A stage for tests of actors: a runtime, actors whose behaviour is a function of the test, and a place where the test
 * waits for what they report.
 */
#ifndef TESTS_SUPPORT_STAGE_H
#define TESTS_SUPPORT_STAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>

/* Starts a runtime with that many workers, which are not pinned, and fails the test if it does not start. */
tr_runtime *stage_open(unsigned workers);

/* Stops it; fails the test if anything had to be killed. */
void stage_close(tr_runtime *runtime);

/* Spawns an actor on a worker; fails the test if that fails. */
tr_ref stage_spawn(tr_runtime *runtime, const struct tr_behavior *behavior, unsigned worker, const void *argument);

/* Sends a copy of size bytes from outside; fails the test if it is refused. */
void stage_send(tr_runtime *runtime, tr_ref to, uint32_t tag, const void *data, size_t size);

/* Of an actor that is told nothing, and of one that does not come to life. */
void ignore(tr_actor *self, void *state, tr_message *message);
tr_status fail_to_begin(tr_actor *self, void *state, const void *argument);

/* Counters that actors raise and the test waits for. */
struct tally {
    uint64_t count;
};
void tally_add(struct tally *tally, uint64_t n);
uint64_t tally_read(const struct tally *tally);

/* Waits until the tally has reached n, within the tests' limit; fails the test if it does not. */
void tally_await(const struct tally *tally, uint64_t n);

#endif
