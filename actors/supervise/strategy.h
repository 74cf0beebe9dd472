/*
 * What a supervisor decides, as pure functions: who is restarted, whether, when, and when it is too much.
 */
#ifndef TROUPE_ACTORS_STRATEGY_H
#define TROUPE_ACTORS_STRATEGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/actors/supervisor.h>

/* Is a child that has ended with this reason restarted? */
bool tri_restart_wanted(enum tr_restart restart, tr_status reason);

/* Is the child number `other`, in the order of starts, restarted with child number `ended`? Also true of itself. */
bool tri_strategy_concerns(enum tr_strategy strategy, size_t ended, size_t other);

/* The times of the last restarts: as many as the limit allows. */
struct tri_intensity {
    struct tr_restart_limit limit; /* with the defaults filled in */
    uint64_t *times_ms;            /* a ring of limit.restarts; the caller's */
    unsigned count, next;
};

#define TRI_RESTARTS_MOST 10000u

/* With the default for what is not set. */
struct tr_restart_limit tri_restart_limit(struct tr_restart_limit wish);

/* A child is to be restarted at that time. false: that is too often. */
bool tri_intensity_allows(struct tri_intensity *intensity, uint64_t now_ms);

/* With the defaults for what is not set. */
struct tr_backoff tri_backoff(struct tr_backoff wish);

/*
 * How long the restart of a child waits that lived for lived_ms; last_ms, how long its last one waited, 0: there was
 * none. The backoff has its defaults.
 */
uint64_t tri_backoff_ms(const struct tr_backoff *backoff, uint64_t last_ms, uint64_t lived_ms);

#endif
