/*
 * Without memory nothing that somebody waits for is lost. Memory is away from a moment that a handler chooses until the
 * library has tried again some times; what it owes comes then, in its order.
 */
#include "actor_internal.h"
#include "counting.h"
#include "fault.h"
#include "helpers.h"
#include "timer.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uv.h>

enum { GO = 1, SPAWN, HOLD, NUMBER, LATER, ASK };

#define TOLD (TRI_TAG_TOLD + 1)

static struct tally done, held, let_go, failures, undelivered, ready;
static tr_ref parent, child;
static uint32_t children;
static unsigned met; /* calls that had failed when memory was away */

static int
reset(void **state)
{
    (void)state;
    fault_spare_me(true);
    done = held = let_go = received = failures = undelivered = ready = (struct tally){0};
    return 0;
}

static bool
has_tried_again(void *ignored)
{
    (void)ignored;
    return fault_met(FAULT_MEMORY) >= met + 5;
}

/* Memory comes back when the library has tried some times. */
static void
let_it_try(void)
{
    assert_true(tests_wait_until(has_tried_again, NULL, TESTS_LIMIT_MS));
    fault_clear();
}

static void
take_memory_away(tr_actor *self, tr_ref to)
{
    tr_message message = tr_message_signal(NUMBER);
    fault_plan(FAULT_MEMORY, 1, UINT_MAX, ENOMEM);
    while (tr_send(self, to, &message) == TR_OK)
        message = tr_message_signal(NUMBER);
    met = fault_met(FAULT_MEMORY);
}

/* -- From one worker to another, which stands still until its lane is full. -- */

static const struct tr_behavior child_behavior;

static void
parent_receive(tr_actor *self, void *state, tr_message *message)
{
    struct tr_spawn_options there = {.placement = TR_PLACE_WORKER, .worker = 1};
    tr_message later = tr_message_signal(LATER), told = tr_message_signal(TOLD);
    (void)state;
    switch (message->tag) {
    case SPAWN:
        assert_int_equal(tr_spawn(self, &child_behavior, &there, &child), TR_OK);
        if (message->payload.words[0] != TR_NOBODY)
            assert_int_equal(tri_send_system(tri_actor_worker(self), self, message->payload.words[0], &told), TR_OK);
        assert_int_equal(tr_send_after(self, tr_self(self), 1, &later, NULL), TR_OK); /* when that is under way */
        break;
    case LATER: tally_add(&done, 1); break;
    case HOLD:
        tally_add(&held, 1);
        tally_await(&let_go, 1);
        break;
    case ASK:
        children = self->children;
        tally_add(&done, 1);
        break;
    case TR_TAG_SPAWN_FAILED:
        assert_int_equal(((const struct tr_spawn_failed *)tr_message_data(message))->status, TR_ENOMEM);
        tally_add(&failures, 1);
        break;
    case TRI_TAG_UNDELIVERED: tally_add(&undelivered, 1); break;
    default: break;
    }
}

static const struct tr_behavior parent_behavior = {.name = "parent", .receive = parent_receive};

/* Sends its parent all that there is memory for, and ends. */
static void
child_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    take_memory_away(self, parent);
    tr_exit(self);
    tally_add(&ready, 1);
}

static const struct tr_behavior child_behavior = {.name = "child", .state_size = 4096, .receive = child_receive};

static void
spawn_child(tr_runtime *runtime, tr_ref also_told)
{
    stage_send(runtime, parent, SPAWN, &also_told, sizeof(also_told));
    tally_await(&done, 1);
    stage_send(runtime, parent, HOLD, NULL, 0);
    tally_await(&held, 1);
}

/* Asks the parent how many children it has. */
static bool
has_no_children(void *runtime)
{
    uint64_t asked = tally_read(&done);
    stage_send(runtime, parent, ASK, NULL, 0);
    tally_await(&done, asked + 1);
    return children == 0;
}

static void
the_end_of_a_child_is_told(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(2);
    parent = stage_spawn(runtime, &parent_behavior, 0, NULL);
    spawn_child(runtime, TR_NOBODY);
    stage_send(runtime, child, GO, NULL, 0);
    tally_await(&ready, 1);
    let_it_try();
    tally_add(&let_go, 1);
    assert_true(tests_wait_until(has_no_children, runtime, TESTS_LIMIT_MS));
    stage_close(runtime);
}

/* Stands still until the order for a child has come, and leaves it no memory. */
static void
miser_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag != GO)
        return;
    tally_add(&ready, 1);
    tally_await(&held, 1);
    take_memory_away(self, parent);
    tally_add(&ready, 1);
}

static void
that_a_child_was_not_born_and_that_a_message_found_nobody_is_told(void **state)
{
    static const struct tr_behavior miser = {.name = "miser", .receive = miser_receive};
    (void)state;
    tr_runtime *runtime = stage_open(2);
    parent = stage_spawn(runtime, &parent_behavior, 0, NULL);
    tr_ref other = stage_spawn(runtime, &miser, 1, NULL);
    stage_send(runtime, other, GO, NULL, 0);
    tally_await(&ready, 1);
    spawn_child(runtime, other + 7);
    tally_await(&ready, 2);
    let_it_try();
    tally_add(&let_go, 1);
    tally_await(&failures, 1);
    tally_await(&undelivered, 1);
    assert_true(tests_wait_until(has_no_children, runtime, TESTS_LIMIT_MS));
    stage_close(runtime);
    assert_int_equal(tally_read(&failures), 1);
    assert_int_equal(tally_read(&undelivered), 1);
}

/* -- On one worker: all that there is memory for waits for an actor that never comes. -- */

/* An init is no message: it gives no memory back. */

static tr_ref never;

static tr_runtime *
start(const struct tr_behavior *behavior)
{
    tr_runtime *runtime = stage_open(1);
    assert_int_equal(tri_slots_reserve(&tri_actors_of(runtime->core->workers[0])->slots, &never), TR_OK);
    stage_send(runtime, never, NUMBER, NULL, 0); /* somebody holds its mail from now on */
    stage_spawn(runtime, behavior, 0, NULL);
    return runtime;
}

#define WORDS 3u

static struct tri_word words[WORDS];
static struct tally said;
static uint64_t order[WORDS + 1];

static void
note_said(struct tri_word *word)
{
    (void)word;
    tally_add(&said, 1);
}

static tr_status
say_number(tr_actor *self, uint64_t number)
{
    return tr_tell(self, tr_self(self), LATER, &number, sizeof(number));
}

static void
speaker_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    order[tally_read(&received) % (WORDS + 1)] = message->payload.words[0];
    tally_add(&received, 1);
}

static tr_status
speaker_init(tr_actor *self, void *state, const void *argument)
{
    tr_ref me = tr_self(self);
    (void)state;
    (void)argument;
    take_memory_away(self, never);
    for (uint64_t i = 0; i < WORDS; i++) {
        words[i] = (struct tri_word){.done = note_said};
        tri_word_send(tri_actor_worker(self), &words[i], me, me, tr_message_copy(LATER, &i, sizeof(i)));
    }
    assert_int_equal(tally_read(&said), 0);
    assert_int_equal(say_number(self, WORDS), TR_ENOMEM);
    fault_clear();
    assert_int_equal(say_number(self, WORDS), TR_OK);
    return TR_OK;
}

static void
what_is_owed_comes_in_its_order_and_before_what_is_sent_afterwards(void **state)
{
    static const struct tr_behavior speaker = {.name = "speaker", .init = speaker_init, .receive = speaker_receive};
    (void)state;
    said = (struct tally){0};
    tr_runtime *runtime = start(&speaker);
    tally_await(&received, WORDS + 1);
    stage_close(runtime);
    for (uint64_t i = 0; i <= WORDS; i++)
        assert_int_equal(order[i], i);
    assert_int_equal(tally_read(&said), WORDS);
}

/* Libuv runs what is due before it waits for descriptors: here for nothing, unless the worker knows that it owes. */
static uv_timer_t handle;

static void
on_due(uv_timer_t *due)
{
    tr_actor *self = due->data;
    uint64_t number = 0;
    uv_close((uv_handle_t *)due, NULL);
    take_memory_away(self, never);
    words[0] = (struct tri_word){.done = note_said};
    tri_word_send(tri_actor_worker(self), &words[0], tr_self(self), tr_self(self),
                  tr_message_copy(LATER, &number, sizeof(number)));
    tally_add(&ready, 1);
}

static tr_status
due_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    handle.data = self;
    assert_int_equal(uv_timer_init(tr_actor_loop(self), &handle), 0);
    return uv_timer_start(&handle, on_due, 5, 0) == 0 ? TR_OK : TR_EINIT;
}

static void
a_worker_that_owes_a_word_does_not_sleep(void **state)
{
    static const struct tr_behavior due = {.name = "due", .init = due_init, .receive = speaker_receive};
    (void)state;
    said = (struct tally){0};
    tr_runtime *runtime = start(&due);
    tally_await(&ready, 1);
    let_it_try();
    tally_await(&received, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&said), 1);
}

static tr_status
mute_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    take_memory_away(self, never);
    for (unsigned i = 0; i < WORDS; i++) {
        words[i] = (struct tri_word){.done = note_said};
        tri_word_send(tri_actor_worker(self), &words[i], tr_self(self), tr_self(self), tr_message_signal(LATER));
    }
    return TR_OK;
}

static void
what_is_owed_when_the_runtime_ends_is_given_back(void **state)
{
    static const struct tr_behavior mute = {.name = "mute", .init = mute_init, .receive = speaker_receive};
    (void)state;
    for (unsigned round = 0; round < 20; round++) { /* they are forgotten, or sent when their receiver is gone */
        said = (struct tally){0};
        tr_runtime *runtime = start(&mute);
        assert_int_equal(tally_read(&said), 0);
        tr_runtime_stop(runtime, 0, NULL);
        fault_clear();
        assert_int_equal(tally_read(&said), WORDS);
    }
}

/* -- Timers. -- */

#define PERIOD_MS 47u

static tr_timer timer;
static uint64_t first_due_ms;
static unsigned off_beat;

static uint64_t
due_of(const tr_actor *self)
{
    return ((const struct tri_timer *)self->home->timers[(uint32_t)timer].timer)->due_ms; /* its first field */
}

static tr_status
once_init(tr_actor *self, void *state, const void *argument)
{
    tr_message later = tr_message_signal(LATER);
    (void)state;
    (void)argument;
    assert_int_equal(tr_send_after(self, tr_self(self), 1, &later, &timer), TR_OK);
    take_memory_away(self, never);
    return TR_OK;
}

static void
a_delayed_message_is_sent_when_there_is_memory(void **state)
{
    static const struct tr_behavior once = {.name = "once", .init = once_init, .receive = count_receive};
    (void)state;
    tr_runtime *runtime = start(&once);
    let_it_try();
    tally_await(&received, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&received), 1);
}

static void
periodic_receive(tr_actor *self, void *state, tr_message *message)
{
    off_beat += (due_of(self) - first_due_ms) % PERIOD_MS != 0;
    count_receive(self, state, message);
}

static tr_status
periodic_init(tr_actor *self, void *state, const void *argument)
{
    tr_message every = tr_message_signal(LATER);
    (void)state;
    (void)argument;
    assert_int_equal(tr_send_every(self, tr_self(self), PERIOD_MS, &every, &timer), TR_OK);
    first_due_ms = due_of(self);
    take_memory_away(self, never);
    return TR_OK;
}

static void
a_periodic_message_that_is_late_for_lack_of_memory_keeps_its_beat(void **state)
{
    static const struct tr_behavior periodic = {.name = "periodic", .init = periodic_init, .receive = periodic_receive};
    (void)state;
    off_beat = 0;
    tr_runtime *runtime = start(&periodic);
    let_it_try();
    tally_await(&received, 2);
    stage_close(runtime);
    assert_int_equal(off_beat, 0);
}

/* -- Offloaded functions. -- */

static void *
work(void *argument)
{
    tally_await(&ready, 1);
    return argument;
}

static void
offloader_receive(tr_actor *self, void *state, tr_message *message)
{
    assert_ptr_equal(message->payload.pointer.address, &done);
    count_receive(self, state, message);
}

static tr_status
offloader_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    assert_int_equal(tr_offload(self, work, &done, LATER, NULL), TR_OK);
    take_memory_away(self, never);
    tally_add(&ready, 1);
    return TR_OK;
}

static void
the_result_of_an_offloaded_function_comes(void **state)
{
    static const struct tr_behavior offloader = {
        .name = "offloader", .init = offloader_init, .receive = offloader_receive};
    (void)state;
    tr_runtime *runtime = start(&offloader);
    let_it_try();
    tally_await(&received, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&received), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_end_of_a_child_is_told, reset),
        cmocka_unit_test_setup(that_a_child_was_not_born_and_that_a_message_found_nobody_is_told, reset),
        cmocka_unit_test_setup(what_is_owed_comes_in_its_order_and_before_what_is_sent_afterwards, reset),
        cmocka_unit_test_setup(a_worker_that_owes_a_word_does_not_sleep, reset),
        cmocka_unit_test_setup(what_is_owed_when_the_runtime_ends_is_given_back, reset),
        cmocka_unit_test_setup(a_delayed_message_is_sent_when_there_is_memory, reset),
        cmocka_unit_test_setup(a_periodic_message_that_is_late_for_lack_of_memory_keeps_its_beat, reset),
        cmocka_unit_test_setup(the_result_of_an_offloaded_function_comes, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
