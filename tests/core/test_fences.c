/*
 * Provokes: two threads that do the halves of a protocol at the same moment, each of which stores first and loads
 * second. Without a full fence between, each may miss what the other stored, on x86 too.
 *
 * The halves alone go round in a tight loop, and nothing comes later that could heal what was missed. A round counts
 * as met if neither thread had to give up its CPU while it waited for the other: then both were running. The rounds go
 * on until ENOUGH were met, and end without them where the machine has nothing to spare. Fences go missing in a release
 * build only: an instrumented one does too much between a store and a load.
 */
#include "doorbell.h"
#include "helpers.h"
#include "lane.h"
#include "rest.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef NDEBUG
#define ENOUGH (30000u * tests_stress())
#else
#define ENOUGH (2000u * tests_stress())
#endif
#define AT_MOST (2 * ENOUGH)
#define PATIENCE 2000u /* looks at the other's counter before a thread gives up its CPU */

/*
 * A half: what it does before the two meet, and what it answers then: has it seen the other? It looks before, so that
 * both processors have what the other will store in their caches: that makes its store take long, and its load short.
 */
struct half {
    void (*prepare)(void);
    void (*look)(void);
    bool (*act)(void);

    /* Its own. */
    unsigned cpu;
    bool has_cpu;
    bool saw, met;
    unsigned spins; /* so many before it acts: each may be a little ahead */

    /* The other reads it. */
    alignas(TRI_CACHE_PAIR) uint64_t steps;
};

/* Comes to the next step and waits until the other is there. false: it gave up its CPU meanwhile. */
static bool
step(struct half *self, struct half *other)
{
    uint64_t mine = self->steps + 1;
    bool at_once = true;
    ck_pr_fence_memory();
    TRI_RELEASE(&self->steps);
    ck_pr_store_64(&self->steps, mine);
    for (unsigned looks = 0; ck_pr_load_64(&other->steps) < mine; looks++)
        if (looks >= PATIENCE) {
            at_once = false;
            sched_yield();
        } else {
            ck_pr_stall();
        }
    ck_pr_fence_memory();
    TRI_ACQUIRE(&other->steps);
    return at_once;
}

/* One round: both prepare, then both act at once. */
static void
play(struct half *self, struct half *other)
{
    self->prepare();
    step(self, other);
    self->look();
    self->met = step(self, other);
    for (volatile unsigned i = 0; i < self->spins; i++)
        continue;
    self->saw = self->act();
    step(self, other);
}

static struct half *halves; /* two */
static bool over;           /* the first half writes it before a step */

static void
stay_on_cpu(const struct half *half)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(half->cpu, &one);
    if (half->has_cpu)
        pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

static void *
be_second(void *argument)
{
    (void)argument;
    stay_on_cpu(&halves[1]);
    for (unsigned round = 0;; round++) {
        step(&halves[1], &halves[0]);
        if (over)
            return NULL;
        halves[1].spins = round % 7;
        play(&halves[1], &halves[0]);
        step(&halves[1], &halves[0]);
    }
}

/* What came of all rounds: who saw the other. */
struct tale {
    unsigned rounds, met, only_first, only_second, both, neither;
};

static void
note_round(struct tale *tale)
{
    bool first = halves[0].saw, second = halves[1].saw;
    tale->rounds++;
    tale->met += halves[0].met && halves[1].met;
    tale->only_first += first && !second;
    tale->only_second += second && !first;
    tale->both += first && second;
    tale->neither += !first && !second;
}

static void
choose_cpus(cpu_set_t *before)
{
    unsigned found = 0;
    pthread_getaffinity_np(pthread_self(), sizeof(*before), before);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
        if (CPU_ISSET(cpu, before))
            halves[found++].cpu = cpu;
    halves[0].has_cpu = halves[1].has_cpu = found == 2;
}

static struct tale
play_rounds(const char *what, const struct half *first, const struct half *second)
{
    struct tale tale = {0};
    struct half both[2] = {*first, *second};
    cpu_set_t before;
    pthread_t thread;
    halves = both;
    over = false;
    choose_cpus(&before);
    assert_int_equal(pthread_create(&thread, NULL, be_second, NULL), 0);
    stay_on_cpu(&halves[0]);
    for (;;) {
        over = tale.met >= ENOUGH || tale.rounds >= AT_MOST || tale.neither > 0;
        step(&halves[0], &halves[1]);
        if (over)
            break;
        halves[0].spins = tale.rounds / 7 % 7;
        play(&halves[0], &halves[1]);
        note_round(&tale);
        step(&halves[0], &halves[1]);
    }
    pthread_join(thread, NULL);
    pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
    print_message(
        "%s: %u rounds, both at once in %u; the first alone saw the other in %u, the second in %u, both in %u\n", what,
        tale.rounds, tale.met, tale.only_first, tale.only_second, tale.both);
    assert_int_equal(tale.neither, 0);
    return tale;
}

static struct tri_lane *lane;
static struct tri_worker *worker;

static void
nothing(void)
{
}

static void
see_bell(void)
{
    (void)ck_pr_load_uint(&worker->bell);
}

static void
see_slot(void)
{
    assert_null(tri_lane_peek(lane));
}

static void
see_released(void)
{
    assert_int_equal(tri_lane_under_way(lane, 0), TRI_LANE_SLOTS);
}

static void
see_starved(void)
{
    (void)ck_pr_load_uint(&lane->starved);
}

/* -- The doorbell: a message is published while its receiver makes up its mind to sleep. -- */

static uint64_t taken; /* the receiver's: messages */

static bool
publish_and_ring(void)
{
    struct tri_envelope one = {.to = 1};
    one.message = tr_message_signal(1);
    tri_lane_put(lane, &one, 1);
    return tri_doorbell_ring(worker);
}

static bool
doze_and_look(void)
{
    tri_doorbell_doze(worker);
    return tri_lane_peek(lane) != NULL;
}

/* As its turn would: the bell is put back, and the message of the last round taken. */
static void
rise_and_take(void)
{
    tri_doorbell_rise(worker);
    if (tri_lane_peek(lane) != NULL) {
        tri_lane_drop(lane);
        taken++;
    }
}

static void
open_worker(uv_loop_t *loop)
{
    worker = aligned_alloc(alignof(struct tri_worker), sizeof(*worker));
    assert_non_null(worker);
    memset(worker, 0, sizeof(*worker));
    assert_int_equal(uv_loop_init(loop), 0);
    assert_int_equal(uv_async_init(loop, &worker->wakeup, NULL), 0);
    lane = tri_lane_new();
    assert_non_null(lane);
}

static void
close_worker(uv_loop_t *loop)
{
    uv_close((uv_handle_t *)&worker->wakeup, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
    tri_lane_free(lane);
    free(worker);
}

static void
the_receiver_finds_the_message_or_the_sender_finds_it_asleep(void **state)
{
    (void)state;
    uv_loop_t loop;
    open_worker(&loop);
    taken = 0;
    struct half sender = {.prepare = nothing, .look = see_bell, .act = publish_and_ring};
    struct half receiver = {.prepare = rise_and_take, .look = see_slot, .act = doze_and_look};
    struct tale tale = play_rounds("doorbell", &sender, &receiver);
    rise_and_take();
    assert_int_equal(taken, tale.rounds);
    close_worker(&loop);
}

static bool
ring(void)
{
    return tri_doorbell_ring(worker);
}

static void
doze(void)
{
    tri_doorbell_doze(worker);
}

static void
of_two_that_ring_one_writes_the_descriptor(void **state)
{
    (void)state;
    uv_loop_t loop;
    open_worker(&loop);
    assert_false(tri_doorbell_ring(worker));
    tri_doorbell_doze(worker);
    assert_true(tri_doorbell_ring(worker));
    assert_false(tri_doorbell_ring(worker));
    assert_int_equal(worker->bell, TRI_AWAKE);
    struct half first = {.prepare = doze, .look = see_bell, .act = ring};
    struct half second = {.prepare = nothing, .look = see_bell, .act = ring};
    struct tale tale = play_rounds("two ring", &first, &second);
    assert_int_equal(tale.both, 0);
    close_worker(&loop);
}

/* -- A full lane: its consumer gives slots back while its producer goes to sleep. -- */

#define GIVEN_BACK (TRI_LANE_SLOTS / 8)

static struct tri_envelope batch[TRI_LANE_SLOTS];

/* The last of those that make the consumer show what it gave back is dropped in the round itself. */
static void
drop_all_but_one(void)
{
    while (lane->head - lane->released_shown < GIVEN_BACK - 1)
        tri_lane_drop(lane);
    ck_pr_store_uint(&lane->starved, 0); /* also if the producer had seen room, and needed no bell */
}

static bool
give_back(void)
{
    return tri_lane_drop(lane);
}

static void
fill_up(void)
{
    tri_lane_put(lane, batch, GIVEN_BACK);
}

static bool
starve(void)
{
    return tri_lane_starve(lane);
}

static void
the_producer_finds_room_or_the_consumer_finds_it_starved(void **state)
{
    (void)state;
    lane = tri_lane_new();
    assert_non_null(lane);
    assert_int_equal(tri_lane_put(lane, batch, TRI_LANE_SLOTS - GIVEN_BACK), TRI_LANE_SLOTS - GIVEN_BACK);
    struct half producer = {.prepare = fill_up, .look = see_released, .act = starve};
    struct half consumer = {.prepare = drop_all_but_one, .look = see_starved, .act = give_back};
    play_rounds("lane", &producer, &consumer);
    tri_lane_free(lane);
}

/* -- The watchdog's rest: it looks at a worker's mark while the worker takes that away. -- */

static struct tri_runtime *runtime;

static void
end_rest(void)
{
    tri_rest_end(runtime);
}

static void
see_mark(void)
{
    assert_true(tri_rest_dozes(worker));
}

/* Has it seen that the worker is awake? */
static bool
rest_and_look(void)
{
    tri_rest_begin(runtime);
    return !tri_rest_dozes(worker);
}

static void
doze_beside_the_watchdog(void)
{
    tri_rest_doze(worker);
}

static void
see_no_rest(void)
{
    assert_false(tri_rest_is_on(runtime));
}

static bool
rise(void)
{
    return tri_rest_rise(worker);
}

static void
the_watchdog_sees_a_worker_awake_or_the_worker_rings(void **state)
{
    (void)state;
    worker = aligned_alloc(alignof(struct tri_worker), sizeof(*worker));
    runtime = aligned_alloc(alignof(struct tri_runtime), sizeof(*runtime));
    assert_true(worker != NULL && runtime != NULL);
    memset(worker, 0, sizeof(*worker));
    memset(runtime, 0, sizeof(*runtime));
    worker->runtime = runtime;
    struct half watchdog = {.prepare = end_rest, .look = see_mark, .act = rest_and_look};
    struct half sleeper = {.prepare = doze_beside_the_watchdog, .look = see_no_rest, .act = rise};
    play_rounds("rest", &watchdog, &sleeper);
    free(runtime);
    free(worker);
}

/* -- A batch: it is published last slot first, so who sees the first of it need not wait for another. -- */

#define BATCH 64u

static bool
publish_batch(void)
{
    return tri_lane_put(lane, batch, BATCH) == BATCH;
}

static bool
see_first_then_last(void)
{
    for (unsigned looks = 0; tri_lane_peek(lane) == NULL; looks++)
        if (looks >= PATIENCE)
            sched_yield();
    lane->head += BATCH - 1;
    bool last = tri_lane_peek(lane) != NULL;
    lane->head -= BATCH - 1;
    return last;
}

static void
take_batch(void)
{
    while (tri_lane_peek(lane) != NULL)
        tri_lane_drop(lane);
}

static void
who_sees_the_first_of_a_batch_sees_all_of_it(void **state)
{
    (void)state;
    lane = tri_lane_new();
    assert_non_null(lane);
    struct half producer = {.prepare = nothing, .look = nothing, .act = publish_batch};
    struct half consumer = {.prepare = take_batch, .look = see_slot, .act = see_first_then_last};
    struct tale tale = play_rounds("batch", &producer, &consumer);
    assert_int_equal(tale.both, tale.rounds);
    tri_lane_free(lane);
}

/* -- One message: its stamp is there when all of it is. -- */

static uint64_t put, got; /* each half's own: how many */

static bool
publish_next(void)
{
    struct tri_envelope one = {.to = ++put};
    for (unsigned i = 0; i < TR_MESSAGE_INLINE / 8; i++)
        one.message.payload.words[i] = put;
    return tri_lane_put(lane, &one, 1) == 1;
}

static bool
see_whole(void)
{
    const struct tri_envelope *slot;
    for (unsigned looks = 0; (slot = tri_lane_peek(lane)) == NULL; looks++)
        if (looks >= PATIENCE)
            sched_yield();
    const uint64_t *words = slot->message.payload.words;
    got++;
    return words[3] == got && words[2] == got && words[1] == got && words[0] == got && slot->to == got;
}

static void
who_sees_a_message_sees_all_of_it(void **state)
{
    (void)state;
    lane = tri_lane_new();
    assert_non_null(lane);
    put = got = 0;
    struct half producer = {.prepare = nothing, .look = nothing, .act = publish_next};
    struct half consumer = {.prepare = take_batch, .look = see_slot, .act = see_whole};
    struct tale tale = play_rounds("message", &producer, &consumer);
    assert_int_equal(tale.both, tale.rounds);
    tri_lane_free(lane);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_receiver_finds_the_message_or_the_sender_finds_it_asleep),
        cmocka_unit_test(of_two_that_ring_one_writes_the_descriptor),
        cmocka_unit_test(the_producer_finds_room_or_the_consumer_finds_it_starved),
        cmocka_unit_test(the_watchdog_sees_a_worker_awake_or_the_worker_rings),
        cmocka_unit_test(who_sees_the_first_of_a_batch_sees_all_of_it),
        cmocka_unit_test(who_sees_a_message_sees_all_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
