/*
 * The schedule of a simulated runtime: what comes next. Thread: the test's.
 */
#ifndef TROUPE_TESTING_SCHEDULE_H
#define TROUPE_TESTING_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <troupe/actors/steps.h>
#include <troupe/core/status.h>

struct tri_choice {
    uint16_t worker;
    uint16_t what; /* schedule.c */
};

struct tri_schedule {
    struct tri_runtime *core; /* set after the start */
    unsigned kinds;           /* of steps, for each worker */
    uint64_t random;          /* the state of the numbers */
    uint64_t hash;
    uint32_t mood; /* so many more choices are made by these weights */
    uint64_t salt; /* of this mood: which actors come first */
    unsigned since_poll;
    uint8_t *weights; /* one for each worker and kind: how likely it is, a power of two */
    struct tri_choice *choices;
    unsigned choice_count;
    uint64_t choice_weight; /* of all of them */
};

/* TR_OK, TR_ENOMEM. */
tr_status tri_schedule_init(struct tri_schedule *schedule, uint64_t seed, unsigned workers);
void tri_schedule_fini(struct tri_schedule *schedule);

/* Does one step, of what can be done at this time. false: nothing can. */
bool tri_schedule_step(struct tri_schedule *schedule);

/* When the next timer of any worker is due; TRI_CLOCK_NEVER: none is. */
uint64_t tri_schedule_next_ms(const struct tri_schedule *schedule);

#endif
