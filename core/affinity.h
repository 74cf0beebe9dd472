/*
 * Which CPUs threads may run on. Only affinity.c asks the system about that.
 */
#ifndef TROUPE_CORE_AFFINITY_H
#define TROUPE_CORE_AFFINITY_H

#include <stdbool.h>
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

/* How many they are, at least 1; for {0} what the system says of the process. Thread: any. */
unsigned tri_cpus_count(const struct tri_cpus *cpus);

/* Is the CPU among them? Thread: any. */
bool tri_cpus_have(const struct tri_cpus *cpus, int cpu);

/*
 * Pins the calling thread to a CPU. Thread: any.
 * Returns TR_OK, TR_EINVAL (no such CPU, or the process may not use it), TR_ENOTSUPPORTED, TR_ENOMEM.
 */
tr_status tri_affinity_pin(int cpu);

#endif
