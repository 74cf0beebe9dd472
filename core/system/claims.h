/*
 * Which CPU a worker is pinned to: claims on CPUs, that processes make and see.
 */
#ifndef TROUPE_CORE_CLAIMS_H
#define TROUPE_CORE_CLAIMS_H

#include "affinity.h"

#define TRI_CLAIMS_ROOT "/sys/devices/system/cpu"

/*
 * Claims a CPU of the set. root is the directory of the system's CPUs, TRI_CLAIMS_ROOT but in tests, and the same for
 * all claims that a process holds at one time. Returns the CPU's number; -1 where threads cannot be pinned, or without
 * memory. Thread: any.
 */
int tri_claim_take(const char *root, const struct tri_cpus *cpus);

/*
 * Moves a claim to the CPU `wanted` if nobody has claimed that. cpu -1 is no claim: then it is tri_claim_take(), which
 * takes `wanted` before others. Returns the CPU that is claimed now, of the set; -1 as above, and then nothing is
 * claimed. Thread: any.
 */
int tri_claim_move(const char *root, const struct tri_cpus *cpus, int cpu, int wanted);

/* Gives a claim back; -1 does nothing. Thread: any. */
void tri_claim_return(int cpu);

#endif
