/*
 * What can be seen of a worker without asking it: its counters, its thread, what it runs. Thread: any.
 */
#ifndef TROUPE_ACTORS_INSPECT_SURVEY_H
#define TROUPE_ACTORS_INSPECT_SURVEY_H

#include "actor_internal.h"

#include <troupe/actors/inspect.h>

/* stuck, waiting: what asking it has brought; of a stuck one waiting does not count. */
struct tr_worker_info tri_worker_describe(const tr_runtime *runtime, unsigned worker, bool stuck, uint64_t waiting);

/* The memory limit of a runtime, and what became of it. All but the first field are 0 without one. */
struct tri_memory_info {
    uint64_t bytes; /* of the process that count; 0 while no runtime has a limit */
    uint64_t limit;
    bool at_limit;
    uint64_t reached; /* times */
    uint64_t refused; /* calls */
};
struct tri_memory_info tri_memory_describe(const tr_runtime *runtime);

#endif
