/*
 * What can be seen of a worker without asking it: its counters, its thread, what it runs. Thread: any.
 */
#ifndef TROUPE_ACTORS_INSPECT_SURVEY_H
#define TROUPE_ACTORS_INSPECT_SURVEY_H

#include "actor_internal.h"

#include <troupe/actors/inspect.h>

/* stuck, waiting: what asking it has brought; of a stuck one waiting does not count. */
struct tr_worker_info tri_worker_describe(const tr_runtime *runtime, unsigned worker, bool stuck, uint64_t waiting);

#endif
