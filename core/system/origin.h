/*
 * What a thread of ours remembers of the program's own thread, for its children.
 */
#ifndef TROUPE_CORE_ORIGIN_H
#define TROUPE_CORE_ORIGIN_H

#include "affinity.h"

#include <signal.h>
#include <stdbool.h>

struct tri_origin {
    struct tri_cpus cpus;
    sigset_t signals; /* blocked */
};

/*
 * Gives the CPUs that the program was given: on a thread of ours those of its origin, else the thread's own. To be
 * freed with tri_cpus_fini(). Thread: any.
 */
struct tri_cpus tri_origin_cpus(void);

/*
 * Does the calling thread, one of ours, block what it was started with? If not, somebody has prepared it for a child,
 * such as libuv. Thread: any.
 */
bool tri_thread_blocks_as_started(void);

/* What mask.h says of the calling thread's CPUs; NULL: nobody else changes them. Thread: any. */
unsigned *tri_thread_mask(void);
void tri_thread_set_mask(unsigned *held);

/* Brings children.c into every program, also one that itself starts no child: see there. Thread: any. */
void tri_children_link(void);

#endif
