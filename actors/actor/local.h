/*
 * The states that a worker has once, by their kinds: local.c. Thread: owner of the worker.
 */
#ifndef TROUPE_ACTORS_LOCAL_TABLE_H
#define TROUPE_ACTORS_LOCAL_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct tr_local_kind;
struct tri_local;
struct tri_actors;

/* Zero is none. */
struct tri_locals {
    struct tri_local_place *table; /* by the kind's address; NULL: nothing is open, or ever was */
    uint32_t shift;                /* 64 - log2 of its size */
    uint32_t count;                /* of those that are open */
    struct tri_local *latest;      /* of those that are open, each with the one before */
    struct tri_local *opening;     /* the innermost of those that are being opened */
};

/* The worker's end: closes all, the latest first. */
void tri_locals_close(struct tri_actors *home);

#endif
