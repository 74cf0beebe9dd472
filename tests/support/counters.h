/*
 * Waiting for what counters say, above all for their promise: every message that was sent has been received, or become
 * a dead letter, or was a notice of one that is lost.
 */
#ifndef TESTS_SUPPORT_COUNTERS_H
#define TESTS_SUPPORT_COUNTERS_H

#include <troupe/actors/runtime.h>

/* Waits until it is so of a runtime whose actors have come to rest; fails the test if it never is. */
void tests_counters_add_up(tr_runtime *runtime);

/* Waits until so many messages have become dead letters; fails the test if they never do. */
void tests_counters_await_dead(tr_runtime *runtime, uint64_t count);

#endif
