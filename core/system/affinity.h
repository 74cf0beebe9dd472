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

/* Is it the only one of them? Thread: any. */
bool tri_cpus_are(const struct tri_cpus *cpus, int cpu);

/* Are they the same? Thread: any. */
bool tri_cpus_equal(const struct tri_cpus *a, const struct tri_cpus *b);

/* Puts the CPUs that a thread may use now into a set that tri_cpus_own() or tri_cpus_copy() gave. thread is the
 * system's number, 0: the calling one. false: the system does not tell, and the set is as before. Thread: any. */
bool tri_cpus_read(struct tri_cpus *cpus, int thread);

/*
 * Lets a thread of this process run on these, or on one. thread is the system's number, 0: the calling one.
 * Thread: any. Returns TR_OK, TR_EINVAL (no such CPU, or the process may not use it), TR_ENOTSUPPORTED, TR_ENOMEM, or
 * what the system says.
 */
tr_status tri_cpus_give(const struct tri_cpus *cpus, int thread);
tr_status tri_affinity_pin(int thread, int cpu);

/* The same on these but for one, if there is another among them. Returns as tri_cpus_give(), and TR_ENOMEM. */
tr_status tri_cpus_give_but(const struct tri_cpus *cpus, int cpu, int thread);

/* The CPU on which the calling thread runs; -1: the system does not tell. Thread: any. */
int tri_affinity_here(void);

#endif
