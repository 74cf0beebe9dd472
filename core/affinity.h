/*
 * Which CPUs threads may run on. Only affinity.c asks the system about that.
 */
#ifndef TROUPE_CORE_AFFINITY_H
#define TROUPE_CORE_AFFINITY_H

#include <stddef.h>
#include <troupe/core/status.h>

/* The CPUs that a thread may use. {0} is the set of a system that does not tell. */
struct tri_cpus {
    void *set;    /* the system's own kind */
    size_t size;  /* bytes of the set */
    int capacity; /* CPUs that it can name */
};

/* Gives the CPUs that the calling thread may use; to be freed with tri_cpus_fini(). Thread: any. */
struct tri_cpus tri_cpus_own(void);

/* A copy; {0} without memory. Thread: any. */
struct tri_cpus tri_cpus_copy(const struct tri_cpus *cpus);

void tri_cpus_fini(struct tri_cpus *cpus);

/* Lets the calling thread run on these; {0} changes nothing. It may be called in the child of a fork. Thread: any. */
void tri_cpus_use(const struct tri_cpus *cpus);

/* How many CPUs the calling thread may use, at least 1. Thread: any. */
unsigned tri_affinity_count(void);

/*
 * Gives the number of the CPU, of those that the calling thread may use, on which the fewest threads of this process
 * are pinned, and counts one more; the lowest of equals. -1 where threads cannot be pinned. Thread: any.
 */
int tri_affinity_claim(void);

/* Gives a claimed CPU back; -1 does nothing. Thread: any. */
void tri_affinity_return(int cpu);

/*
 * Pins the calling thread to a CPU. Thread: any.
 * Returns TR_OK, TR_EINVAL (no such CPU, or the process may not use it), TR_ENOTSUPPORTED, TR_ENOMEM.
 */
tr_status tri_affinity_pin(int cpu);

#endif
