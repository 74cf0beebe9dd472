/*
 * A simulated runtime as the library's own files see it. Thread: the test's.
 */
#ifndef TROUPE_TESTING_SIMULATION_H
#define TROUPE_TESTING_SIMULATION_H

#include "schedule.h"

#include <stdbool.h>
#include <stdint.h>
#include <troupe/actors/runtime.h>

struct tri_simulation; /* opaque */

/* That of a runtime; NULL: it is not simulated. */
struct tri_simulation *tri_simulation_of(const tr_runtime *runtime);

/* One step, as that of struct tri_stepper. false too, and no time passes, in a callback of an actor. */
bool tri_simulation_step(struct tri_simulation *simulation, uint64_t until_ms);

#endif
