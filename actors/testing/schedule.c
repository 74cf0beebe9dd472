/*
 * Which step comes next.
 *
 * A step is a small part of a worker's turn: it takes from one way in, handles one message, publishes what is staged
 * for one other worker, fires one timer, runs one offloaded function, or begins to drain. All that can be done now is
 * listed, in the order of the workers and kinds, and a random number chooses.
 *
 * If each were as likely as any other, all messages would be under way for about equally long, and orders in which one
 * is very late would hardly ever come. So each kind of step of each worker has a weight, a power of two, by which it
 * lags behind or hurries; and the weights change, soon or late, so that nothing lags for ever. Likewise an actor may
 * get its messages before or after the other actors of its worker get theirs that came earlier (tri_step_handle()),
 * since on another machine these would live on other workers.
 *
 * Everything depends on the seed and on what was done before, and nothing on addresses or on the system. The numbers
 * are SplitMix64's.
 *
 * The loops, where the program has put handles of its own, are looked at when nothing else can be done, and every so
 * often.
 */
#include "schedule.h"

#include <stdlib.h>
#include <troupe/core/delay.h>

#define MOODS 10u      /* from one step to 512 with the same weights */
#define WEIGHTS 8u     /* from 1 to 128 */
#define WINDOW 16u     /* of the mail that may be handled first */
#define BATCH 64u      /* messages that are taken at once */
#define POLL_EVERY 64u /* steps */

/* The kinds of steps of a worker: from each way in, to each other worker, and these. */
enum { HANDLE, FIRE, OFFLOAD, DRAIN, OTHERS };

static uint64_t
mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t
draw(struct tri_schedule *schedule)
{
    return mix(schedule->random += UINT64_C(0x9e3779b97f4a7c15));
}

/* A number below limit. */
static unsigned
draw_below(struct tri_schedule *schedule, uint64_t limit)
{
    return (unsigned)((draw(schedule) >> 32) * limit >> 32);
}

tr_status
tri_schedule_init(struct tri_schedule *schedule, uint64_t seed, unsigned workers)
{
    unsigned kinds = workers + 1 + workers + OTHERS;
    *schedule = (struct tri_schedule){.kinds = kinds, .random = mix(seed)};
    schedule->weights = calloc((size_t)workers * kinds, sizeof(*schedule->weights));
    schedule->choices = calloc((size_t)workers * kinds, sizeof(*schedule->choices));
    if (schedule->weights != NULL && schedule->choices != NULL)
        return TR_OK;
    tri_schedule_fini(schedule);
    return TR_ENOMEM;
}

void
tri_schedule_fini(struct tri_schedule *schedule)
{
    free(schedule->weights);
    free(schedule->choices);
}

static void
change_mood(struct tri_schedule *schedule)
{
    unsigned count = schedule->core->count * schedule->kinds, weights = 1 + draw_below(schedule, WEIGHTS);
    for (unsigned i = 0; i < count; i++)
        schedule->weights[i] = (uint8_t)(1u << draw_below(schedule, weights));
    schedule->mood = 1 + draw_below(schedule, 1u << draw_below(schedule, MOODS));
    schedule->salt = draw(schedule);
}

static unsigned
weight_of(const struct tri_schedule *schedule, struct tri_choice choice)
{
    return schedule->weights[choice.worker * schedule->kinds + choice.what];
}

static void
offer(struct tri_schedule *schedule, const struct tri_worker *worker, unsigned what)
{
    struct tri_choice choice = {(uint16_t)worker->index, (uint16_t)what};
    schedule->choices[schedule->choice_count++] = choice;
    schedule->choice_weight += weight_of(schedule, choice);
}

static void
list_worker(struct tri_schedule *schedule, struct tri_worker *worker)
{
    unsigned count = schedule->core->count, others = count + 1 + count;
    for (unsigned way = 0; way <= count; way++)
        if (tri_step_way_waits(worker, way))
            offer(schedule, worker, way);
    for (unsigned target = 0; target < count; target++)
        if (tri_step_outbox_waits(worker, target))
            offer(schedule, worker, count + 1 + target);
    if (worker->layer->ready(worker))
        offer(schedule, worker, others + HANDLE);
    if (tri_timers_next_ms(&worker->timers) <= tri_clock_ms())
        offer(schedule, worker, others + FIRE);
    if (tri_step_offloads(worker) > 0)
        offer(schedule, worker, others + OFFLOAD);
    if (tri_step_must_drain(worker))
        offer(schedule, worker, others + DRAIN);
}

/* Lists what can be done. false: nothing. */
static bool
list(struct tri_schedule *schedule)
{
    schedule->choice_count = 0;
    schedule->choice_weight = 0;
    for (unsigned i = 0; i < schedule->core->count; i++)
        list_worker(schedule, schedule->core->workers[i]);
    return schedule->choice_count > 0;
}

static struct tri_choice
choose(struct tri_schedule *schedule)
{
    unsigned place = draw_below(schedule, schedule->choice_weight);
    const struct tri_choice *choice = schedule->choices;
    for (unsigned weight; place >= (weight = weight_of(schedule, *choice)); choice++)
        place -= weight;
    return *choice;
}

/* Mostly one message. */
static unsigned
choose_batch(struct tri_schedule *schedule)
{
    return draw_below(schedule, 4) > 0 ? 1 : 1 + draw_below(schedule, BATCH);
}

/* In the order of arrival, in that of the mood, or anyhow. */
static void
handle_some(struct tri_schedule *schedule, struct tri_worker *worker)
{
    switch (draw_below(schedule, 4)) {
    case 0: tri_step_handle(worker, 1, 0); break;
    case 1: tri_step_handle(worker, WINDOW, draw(schedule)); break;
    default: tri_step_handle(worker, WINDOW, schedule->salt); break;
    }
}

static void
handle(struct tri_schedule *schedule, struct tri_worker *worker)
{
    uint64_t before = worker->activity.received;
    handle_some(schedule, worker);
    if (worker->activity.received == before)
        return;
    uint64_t hash = mix(schedule->hash + worker->index + 1);
    hash = mix(hash ^ worker->activity.actor);
    schedule->hash = mix(hash + worker->activity.tag);
}

static void
do_other(struct tri_schedule *schedule, struct tri_worker *worker, unsigned what)
{
    switch (what) {
    case HANDLE: handle(schedule, worker); break;
    case FIRE: tri_timers_fire_one(&worker->timers); break;
    default: tri_step_drain(worker); break;
    }
}

static void
do_choice(struct tri_schedule *schedule, struct tri_choice choice)
{
    struct tri_worker *worker = schedule->core->workers[choice.worker];
    unsigned count = schedule->core->count, others = count + 1 + count;
    if (choice.what == others + OFFLOAD) {
        tri_step_offload(worker, draw_below(schedule, tri_step_offloads(worker)));
        return;
    }
    tri_step_begin(worker);
    if (choice.what <= count)
        tri_step_take(worker, choice.what, choose_batch(schedule));
    else if (choice.what < others)
        tri_step_send(worker, choice.what - count - 1);
    else
        do_other(schedule, worker, choice.what - others);
    tri_step_end(worker);
}

static void
poll_loops(struct tri_schedule *schedule)
{
    schedule->since_poll = 0;
    for (unsigned i = 0; i < schedule->core->count; i++) {
        struct tri_worker *worker = schedule->core->workers[i];
        if (!tri_step_loop_lives(worker))
            continue;
        tri_step_begin(worker);
        tri_step_poll(worker);
        tri_step_end(worker);
    }
}

bool
tri_schedule_step(struct tri_schedule *schedule)
{
    if (++schedule->since_poll > POLL_EVERY)
        poll_loops(schedule);
    if (schedule->mood == 0)
        change_mood(schedule);
    if (!list(schedule)) {
        poll_loops(schedule);
        if (!list(schedule))
            return false;
    }
    schedule->mood--;
    do_choice(schedule, choose(schedule));
    return true;
}

uint64_t
tri_schedule_next_ms(const struct tri_schedule *schedule)
{
    uint64_t next_ms = TRI_CLOCK_NEVER;
    for (unsigned i = 0; i < schedule->core->count; i++) {
        uint64_t due_ms = tri_timers_next_ms(&schedule->core->workers[i]->timers);
        if (due_ms < next_ms)
            next_ms = due_ms;
    }
    return next_ms;
}
