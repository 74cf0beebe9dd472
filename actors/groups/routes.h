/*
 * The routes to a group: its members by place, as every sender sees them.
 *
 * A member has the lowest place that is free; so whoever comes after one that has ended takes its place, and its keys.
 * The table is one array for all workers, whose words are set in place; when it is full a larger one takes its stead,
 * and each worker goes on with its own hold of the old one until it sees the new version.
 */
#ifndef TROUPE_ACTORS_ROUTES_H
#define TROUPE_ACTORS_ROUTES_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/actors/group.h>
#include <uv.h>

/* Counted. */
struct tri_route_table {
    unsigned holds;
    uint32_t size;
    uint64_t actors[]; /* by place; atomic: the lock's holder writes, any thread reads */
};

/* What one worker keeps. */
struct tri_route_view {
    struct tri_route_table *table; /* held; NULL: it has not looked yet */
    uint64_t version;
    uint64_t next; /* where it goes on, one after the other */
};

struct tri_routes {
    enum tr_group_policy policy;
    unsigned workers;
    uv_mutex_t lock;
    struct tri_route_table *table; /* held; under the lock */
    uint64_t version;              /* of the table. The lock's holder writes, any thread reads */
    uint64_t next;                 /* of threads that are no workers; under the lock */
    struct tri_route_view views[]; /* each its worker's */
};

/* NULL without memory. */
struct tri_routes *tri_routes_new(unsigned workers, enum tr_group_policy policy);
void tri_routes_free(struct tri_routes *routes); /* NULL: nothing */

/* Gives the actor a place. false: without memory. Thread: any. */
bool tri_routes_add(struct tri_routes *routes, tr_ref actor, uint32_t *place);
void tri_routes_remove(struct tri_routes *routes, uint32_t place);

/* The table as this worker sees it, with all members of whom it has heard by messages. Thread: that worker's. */
struct tri_route_view *tri_routes_view(struct tri_routes *routes, unsigned worker);

#endif
