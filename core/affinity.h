/*
 * Which CPUs threads may run on. Only affinity.c asks the system about that.
 */
#ifndef TROUPE_CORE_AFFINITY_H
#define TROUPE_CORE_AFFINITY_H

#include <troupe/core/status.h>

/* How many CPUs the calling thread may use, at least 1. Threads that it creates may use the same. Thread: any. */
unsigned tri_affinity_count(void);

/* The number of the nth of them, counted from 0 and round and round; -1 where threads cannot be pinned. Thread: any. */
int tri_affinity_cpu(unsigned nth);

/*
 * Pins the calling thread to a CPU. Thread: any.
 * Returns TR_OK, TR_EINVAL (a CPU that there is not, or that the process may not use), TR_ENOTSUPPORTED, TR_ENOMEM.
 */
tr_status tri_affinity_pin(int cpu);

#endif
