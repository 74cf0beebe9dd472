/*
 * Promises that are easily kept in the plain case and were once broken at an edge: slow receivers, deep families, what
 * an actor leaves behind, actors that are killed, calls with NULL or from where they would wait for themselves.
 */
#include "counting.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <uv.h>

#include <cmocka.h>

enum { GO = 1, NUMBER, PROBE, FORBIDDEN };

static struct tally done, handled, wrong, fired;

static int
reset(void **state)
{
    (void)state;
    done = handled = wrong = fired = stopped = (struct tally){0};
    return 0;
}

static void
keep_busy(unsigned us)
{
    uint64_t end = uv_hrtime() + us * UINT64_C(1000);
    while (uv_hrtime() < end) {
    }
}

static void
idle_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
}

static void
done_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tally_add(&done, 1);
}

static const struct tr_behavior witness = {.name = "witness", .receive = done_receive};

/* Order before a slow receiver. */
#define NUMBERS 200u

struct pace {
    uint32_t next;
    bool uneven; /* slow for ten messages, quick for the next ten */
};

static tr_status
slow_init(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    ((struct pace *)state)->uneven = *(const bool *)argument;
    return TR_OK;
}

static void
slow_receive(tr_actor *self, void *state, tr_message *message)
{
    struct pace *pace = state;
    (void)self;
    if (message->payload.words[0] != pace->next++)
        tally_add(&wrong, 1);
    if (!pace->uneven || message->payload.words[0] / 10 % 2 == 0)
        keep_busy(200);
    tally_add(&handled, 1);
}

static void
count_up_receive(tr_actor *self, void *state, tr_message *message)
{
    uint64_t *next = state;
    for (unsigned i = 0; i < NUMBERS; i++, (*next)++)
        if (tr_tell(self, message->payload.words[0], NUMBER, next, sizeof(*next)) != TR_OK)
            tally_add(&wrong, 1);
}

static const struct tr_behavior slow = {
    .name = "slow", .state_size = sizeof(struct pace), .init = slow_init, .receive = slow_receive};
static const struct tr_behavior count_up = {
    .name = "count up", .state_size = sizeof(uint64_t), .receive = count_up_receive};

/* The second lot comes while the first is being handled. */
static void
expect_order_from(unsigned source_worker, bool uneven)
{
    tr_runtime *runtime = stage_open(2);
    tr_ref to = stage_spawn(runtime, &slow, 0, &uneven), from = stage_spawn(runtime, &count_up, source_worker, NULL);
    stage_send(runtime, from, GO, &to, sizeof(to));
    tally_await(&handled, NUMBERS / 4);
    stage_send(runtime, from, GO, &to, sizeof(to));
    tally_await(&handled, 2 * NUMBERS);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
}

static void
messages_to_a_slow_actor_keep_their_order(void **state)
{
    (void)state;
    expect_order_from(0, false);
}

static void
messages_to_a_slow_actor_from_another_worker_keep_their_order(void **state)
{
    (void)state;
    expect_order_from(1, false);
}

static void
messages_to_an_actor_that_turns_slow_and_quick_keep_their_order(void **state)
{
    (void)state;
    expect_order_from(0, true);
}

static void
messages_from_afar_to_an_actor_that_turns_slow_and_quick_keep_their_order(void **state)
{
    (void)state;
    expect_order_from(1, true);
}

/* A family in one line. */
#define GENERATIONS 50000u
#define SMALL_STACK (UINT64_C(512) << 10) /* 10 bytes for each generation */

static const struct tr_behavior generation;

static void
generation_receive(tr_actor *self, void *state, tr_message *message)
{
    uint64_t left = message->payload.words[0] - 1;
    tr_ref child;
    (void)state;
    if (left == 0)
        tally_add(&done, 1);
    else if (tr_spawn(self, &generation, NULL, &child) != TR_OK ||
             tr_tell(self, child, NUMBER, &left, sizeof(left)) != TR_OK)
        tally_add(&wrong, 1);
}

static const struct tr_behavior generation = {
    .name = "generation", .receive = generation_receive, .stopped = count_stopped};

/* libuv gives a thread as much stack as the limit says when it starts. */
static tr_runtime *
open_on_small_stack(void)
{
    struct rlimit usual, small;
    assert_int_equal(getrlimit(RLIMIT_STACK, &usual), 0);
    small = (struct rlimit){.rlim_cur = SMALL_STACK, .rlim_max = usual.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_STACK, &small), 0);
    tr_runtime *runtime = stage_open(1);
    assert_int_equal(setrlimit(RLIMIT_STACK, &usual), 0);
    return runtime;
}

static void
a_family_of_many_generations_stops_from_the_youngest_up(void **state)
{
    (void)state;
    tr_runtime *runtime = open_on_small_stack();
    uint64_t generations = GENERATIONS;
    stage_send(runtime, stage_spawn(runtime, &generation, 0, NULL), NUMBER, &generations, sizeof(generations));
    tally_await(&done, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
    assert_int_equal(tally_read(&stopped), GENERATIONS);
}

/* What an actor leaves on the loop. */

static void
tick(uv_timer_t *timer)
{
    (void)timer;
    tally_add(&fired, 1);
}

static tr_status
leaver_init(tr_actor *self, void *state, const void *argument)
{
    uv_timer_t *timer = *(uv_timer_t *const *)argument;
    (void)state;
    uv_timer_init(tr_actor_loop(self), timer);
    uv_timer_start(timer, tick, 1, 1);
    return TR_OK;
}

static const struct tr_behavior leaver = {.name = "leaver", .init = leaver_init, .receive = idle_receive};

static void
a_handle_left_behind_active_does_not_keep_the_runtime(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    uv_timer_t *timer = malloc(sizeof(*timer));
    assert_non_null(timer);
    stage_spawn(runtime, &leaver, 0, &timer);
    tally_await(&fired, 3);
    stage_close(runtime);
    free(timer);
}

/* An actor that was killed while libuv still has a handle in its state. */
struct lingerer {
    uv_timer_t timer;
    tr_ref told;
    unsigned char padding[4000]; /* not from a pool, so that a sanitizer sees who touches it later */
};

static tr_status refusals[4];

static void *
run_forbidden(void *argument)
{
    tally_add(&fired, 1);
    return argument;
}

static void
lingerer_closed(uv_handle_t *handle)
{
    tr_actor *self = handle->data;
    struct lingerer *me = (struct lingerer *)handle;
    tr_message once = tr_message_signal(FORBIDDEN), again = tr_message_signal(FORBIDDEN);
    refusals[0] = tr_send_after(self, me->told, 1, &once, NULL);
    refusals[1] = tr_send_every(self, me->told, 1, &again, NULL);
    refusals[2] = tr_spawn(self, &witness, NULL, NULL);
    refusals[3] = tr_offload(self, run_forbidden, NULL, FORBIDDEN, NULL);
    tr_exit(self);
    tally_add(&done, 1);
}

static tr_status
lingerer_init(tr_actor *self, void *state, const void *argument)
{
    struct lingerer *me = state;
    me->told = *(const tr_ref *)argument;
    me->timer.data = self;
    return uv_timer_init(tr_actor_loop(self), &me->timer) == 0 ? TR_OK : TR_EINIT;
}

static bool
lingerer_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)self;
    if (how == TR_STOP_KILL)
        uv_close((uv_handle_t *)&((struct lingerer *)state)->timer, lingerer_closed);
    return false;
}

static const struct tr_behavior lingerer = {.name = "lingerer",
                                            .state_size = sizeof(struct lingerer),
                                            .init = lingerer_init,
                                            .receive = idle_receive,
                                            .stopping = lingerer_stopping};

/* On PROBE it waits for a time that is later than any that the lingerer asked for. */
static void
told_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_message later = tr_message_signal(NUMBER);
    (void)state;
    if (message->tag == PROBE && tr_send_after(self, tr_self(self), 20, &later, NULL) != TR_OK)
        tally_add(&wrong, 1);
    if (message->tag == FORBIDDEN)
        tally_add(&fired, 1);
    if (message->tag == NUMBER)
        tally_add(&done, 1);
}

static void
a_killed_actor_that_lingers_starts_nothing_any_more(void **state)
{
    (void)state;
    static const struct tr_behavior told = {.name = "told", .receive = told_receive};
    tr_runtime *runtime = stage_open(1);
    tr_ref to = stage_spawn(runtime, &told, 0, NULL), victim = stage_spawn(runtime, &lingerer, 0, &to);
    assert_int_equal(tr_runtime_stop_actor(runtime, victim, TR_STOP_KILL), TR_OK);
    tally_await(&done, 1);
    stage_send(runtime, to, PROBE, NULL, 0);
    tally_await(&done, 2);
    stage_close(runtime);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(refusals[i], TR_EGONE);
    assert_int_equal(tally_read(&fired), 0);
    assert_int_equal(tally_read(&wrong), 0);
}

/* A kill that comes before its victim: the spawner holds the order back until the kill has arrived. */
static struct tally reserved, released;
static tr_ref on_its_way;

static const struct tr_behavior late = {.name = "late", .receive = idle_receive, .stopped = count_stopped};

static bool
is_released(void *argument)
{
    (void)argument;
    return tally_read(&released) > 0;
}

static void
holder_receive(tr_actor *self, void *state, tr_message *message)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = 2};
    (void)state;
    if (tr_spawn(self, &late, &options, &on_its_way) != TR_OK)
        tally_add(&wrong, 1);
    tr_tell(self, message->payload.words[0], NUMBER, NULL, 0); /* follows the order */
    tally_add(&reserved, 1);
    tests_wait_until(is_released, NULL, TESTS_LIMIT_MS);
}

static void
overtaker_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (tr_stop(self, on_its_way, TR_STOP_KILL) != TR_OK)
        tally_add(&wrong, 1);
    tr_tell(self, message->payload.words[0], NUMBER, NULL, 0); /* follows the kill */
}

static void
an_actor_killed_on_its_way_does_not_see_its_stopped_callback(void **state)
{
    (void)state;
    static const struct tr_behavior holder = {.name = "holder", .receive = holder_receive};
    static const struct tr_behavior overtaker = {.name = "overtaker", .receive = overtaker_receive};
    tr_runtime *runtime = stage_open(3);
    tr_ref there = stage_spawn(runtime, &witness, 2, NULL);
    reserved = released = (struct tally){0};
    stage_send(runtime, stage_spawn(runtime, &holder, 0, NULL), GO, &there, sizeof(there));
    tally_await(&reserved, 1);
    stage_send(runtime, stage_spawn(runtime, &overtaker, 1, NULL), GO, &there, sizeof(there));
    tally_await(&done, 1);
    tally_add(&released, 1);
    tally_await(&done, 2);
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    assert_int_equal(counters.spawned - counters.actors, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&stopped), 0);
    assert_int_equal(tally_read(&wrong), 0);
}

/* NULL, and calls from where they would wait for themselves. */

static void
asking_nobody_is_answered(void **state)
{
    (void)state;
    struct tr_counters counters = {.actors = 1, .stalls = 1};
    assert_true(tr_runtime_wait(NULL) < 0);
    tr_runtime_quit(NULL);
    tr_exit(NULL);
    assert_int_equal(tr_runtime_workers(NULL), 0);
    assert_int_equal(tr_self(NULL), TR_NOBODY);
    assert_int_equal(tr_parent(NULL), TR_NOBODY);
    assert_null(tr_state(NULL));
    assert_null(tr_actor_runtime(NULL));
    assert_null(tr_actor_loop(NULL));
    tr_runtime_counters(NULL, &counters);
    assert_memory_equal(&counters, &(struct tr_counters){0}, sizeof(counters));
}

static int waited;

static void
waiter_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    tr_runtime_quit(tr_actor_runtime(self)); /* so that a wait which is not refused does not last */
    waited = tr_runtime_wait(tr_actor_runtime(self));
    tally_add(&done, 1);
}

static void
a_worker_cannot_wait_for_its_runtime(void **state)
{
    (void)state;
    static const struct tr_behavior waiter = {.name = "waiter", .receive = waiter_receive};
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &waiter, 0, NULL), GO, NULL, 0);
    tally_await(&done, 1);
    stage_close(runtime);
    assert_int_equal(waited, TR_EWRONGTHREAD);
}

static tr_status stop_status;

static void *
stop_runtime(void *runtime)
{
    stop_status = tr_runtime_stop(runtime, 0, NULL);
    return NULL;
}

static void
offloader_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == GO && tr_offload(self, stop_runtime, tr_actor_runtime(self), NUMBER, NULL) != TR_OK)
        tally_add(&wrong, 1);
    if (message->tag == NUMBER)
        tally_add(&done, 1);
}

static void
an_offloaded_function_cannot_stop_the_runtime(void **state)
{
    (void)state;
    static const struct tr_behavior offloader = {.name = "offloader", .receive = offloader_receive};
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &offloader, 0, NULL), GO, NULL, 0);
    tally_await(&done, 1);
    assert_int_equal(stop_status, TR_EWRONGTHREAD);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
}

/* The watchdog. The callback goes on until it has been seen, but not for ever. */
#define SEEN_WITHIN_NS (TESTS_LIMIT_MS * UINT64_C(1000000))

static uint64_t stalls;

static bool
long_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    uint64_t end = uv_hrtime() + SEEN_WITHIN_NS;
    struct tr_counters counters;
    (void)state;
    (void)how;
    do
        tr_runtime_counters(tr_actor_runtime(self), &counters);
    while (counters.stalls == 0 && uv_hrtime() < end);
    stalls = counters.stalls;
    return true;
}

static void
a_stopping_callback_that_takes_too_long_is_reported(void **state)
{
    (void)state;
    static const struct tr_behavior blocks = {
        .name = "blocks in stopping", .receive = done_receive, .stopping = long_stopping, .stopped = count_stopped};
    struct tr_runtime_options options = {.workers = 1, .pinning = TR_PINNING_NEVER, .watchdog_ms = 20};
    tr_runtime *runtime;
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    tr_ref ref = stage_spawn(runtime, &blocks, 0, NULL);
    assert_int_equal(tr_runtime_stop_actor(runtime, ref, TR_STOP_DRAIN), TR_OK);
    tally_await(&stopped, 1);
    stage_close(runtime);
    assert_true(stalls >= 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(messages_to_a_slow_actor_keep_their_order, reset),
        cmocka_unit_test_setup(messages_to_a_slow_actor_from_another_worker_keep_their_order, reset),
        cmocka_unit_test_setup(messages_to_an_actor_that_turns_slow_and_quick_keep_their_order, reset),
        cmocka_unit_test_setup(messages_from_afar_to_an_actor_that_turns_slow_and_quick_keep_their_order, reset),
        cmocka_unit_test_setup(a_family_of_many_generations_stops_from_the_youngest_up, reset),
        cmocka_unit_test_setup(a_handle_left_behind_active_does_not_keep_the_runtime, reset),
        cmocka_unit_test_setup(a_killed_actor_that_lingers_starts_nothing_any_more, reset),
        cmocka_unit_test_setup(an_actor_killed_on_its_way_does_not_see_its_stopped_callback, reset),
        cmocka_unit_test_setup(asking_nobody_is_answered, reset),
        cmocka_unit_test_setup(a_worker_cannot_wait_for_its_runtime, reset),
        cmocka_unit_test_setup(an_offloaded_function_cannot_stop_the_runtime, reset),
        cmocka_unit_test_setup(a_stopping_callback_that_takes_too_long_is_reported, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
