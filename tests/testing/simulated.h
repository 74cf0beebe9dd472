/*
 * A stage for tests in simulated runtimes, which also look well from a child of the process: what goes wrong ends it.
 */
#ifndef TESTS_TESTING_SIMULATED_H
#define TESTS_TESTING_SIMULATED_H

#include <stdint.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/testing.h>

/* Starts a simulated runtime; fails the test if it does not start. */
tr_runtime *simulated_open(uint64_t seed, unsigned workers);

/* Stops it; fails the test if anything had to be killed. */
void simulated_close(tr_runtime *runtime);

/* When the time of every simulated runtime begins. */
#define SIMULATED_BEGIN_MS 1000000u

#endif
