/*
 * How much CPU time control groups leave the process.
 */
#ifndef TROUPE_CORE_QUOTA_H
#define TROUPE_CORE_QUOTA_H

/*
 * Gives the whole CPUs that the tightest quota of the process allows, of its own control group and of all above it that
 * it can see: cpu.max of version 2, cpu.cfs_quota_us of version 1. Rounded down, and at least 1; 0: there is no quota,
 * or the system does not say. root is put before every path, "" for the system's own files. Thread: any.
 */
unsigned tri_quota_cpus(const char *root);

#endif
