/*
 * What limits say is what the process holds, within a factor of 2. Each case runs in a child of its own, so that
 * nothing of another is still there; the sanitizers, which hold memory of their own, are left out.
 */
#include "helpers.h"
#include "mailbox.h"
#include "stage.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <troupe/core/compiler.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(TRI_ASAN) || defined(TRI_TSAN)
#define MEASURABLE false
#else
#define MEASURABLE true
#endif

#define MIB ((size_t)1 << 20)
#define BYTES (32 * MIB)
#define MESSAGES 400000u
#define TALL 8192u

enum { GO = 1, HOLD, FILL };

static struct tally held, done;
static size_t payload, grown;

static void
sink_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag != HOLD)
        return;
    tally_add(&held, 1);
    tally_await(&done, 1);
}

/* Sends until it is refused, and sees how much the process has grown by then. */
static void
filler_receive(tr_actor *self, void *state, tr_message *message)
{
    static const char bytes[TALL];
    tr_ref to = message->payload.words[0];
    size_t before = tests_resident();
    (void)state;
    while (tr_tell(self, to, FILL, bytes, payload) == TR_OK) {
    }
    grown = tests_resident() - before;
    tally_add(&done, 1);
}

static const struct tr_behavior filler = {.name = "filler", .receive = filler_receive};
static const struct tr_behavior in_bytes = {
    .name = "bytes", .receive = sink_receive, .mailbox = {.bytes = BYTES, .policy = 0}};
static const struct tr_behavior in_messages = {
    .name = "messages", .receive = sink_receive, .mailbox = {.messages = MESSAGES, .policy = 0}};
static const struct tr_behavior unlimited = {.name = "sink", .receive = sink_receive};

static void
play_mailbox(const struct tr_behavior *sink)
{
    tr_runtime *runtime = stage_open(1);
    tr_ref to = stage_spawn(runtime, sink, 0, NULL);
    stage_send(runtime, stage_spawn(runtime, &filler, 0, NULL), GO, &to, sizeof(to));
    tally_await(&done, 1);
    tr_runtime_stop(runtime, 0, NULL);
}

static size_t
a_mailbox_in_bytes(void)
{
    play_mailbox(&in_bytes);
    return BYTES;
}

static size_t
a_mailbox_in_messages(void)
{
    play_mailbox(&in_messages);
    return (size_t)MESSAGES * 80;
}

static size_t
a_lane(void)
{
    tr_runtime *runtime = NULL;
    struct tr_runtime_options options = {
        .workers = 2, .pinning = TR_PINNING_NEVER, .lane_limit = MESSAGES, .watchdog_ms = -1};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    tr_ref to = stage_spawn(runtime, &unlimited, 1, NULL);
    stage_send(runtime, to, HOLD, NULL, 0);
    tally_await(&held, 1);
    stage_send(runtime, stage_spawn(runtime, &filler, 0, NULL), GO, &to, sizeof(to));
    tally_await(&done, 1);
    tr_runtime_stop(runtime, 0, NULL);
    return (size_t)MESSAGES * 64;
}

/* To an actor that never comes: all of it is filed, and none is read. */
static size_t
the_outside(void)
{
    tr_runtime *runtime = NULL;
    struct tr_runtime_options options = {.workers = 1, .pinning = TR_PINNING_NEVER, .outside_limit = MESSAGES};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    tr_ref unborn;
    assert_int_equal(tri_slots_reserve(&tri_actors_of(runtime->core->workers[0])->slots, &unborn), TR_OK);
    size_t before = tests_resident();
    tr_message message;
    do
        message = tr_message_signal(FILL);
    while (tr_runtime_send(runtime, unborn, &message) == TR_OK);
    grown = tests_resident() - before;
    tr_runtime_stop(runtime, 0, NULL);
    return (size_t)MESSAGES * 80;
}

static bool
is_within_factor_two(size_t limit)
{
    fprintf(stderr, "limit %zu KiB, payloads of %zu: %zu KiB\n", limit / 1024, payload, grown / 1024);
    return grown >= limit / 2 && grown <= 2 * limit;
}

static void
expect_within_factor_two(size_t (*play)(void), size_t size)
{
    if (!MEASURABLE)
        skip();
    payload = size;
    pid_t child = fork();
    if (child == 0)
        _exit(is_within_factor_two(play()) ? 0 : 1);
    int status = 1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
a_mailbox_holds_the_bytes_that_its_limit_says(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 8, 32, 33, 100, 200, 1000, TALL};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        expect_within_factor_two(a_mailbox_in_bytes, sizes[i]);
}

static void
a_mailbox_holds_the_messages_that_its_limit_says(void **state)
{
    (void)state;
    expect_within_factor_two(a_mailbox_in_messages, 0);
    expect_within_factor_two(a_mailbox_in_messages, 32);
}

static void
the_ways_to_a_worker_hold_what_lane_limit_says(void **state)
{
    (void)state;
    expect_within_factor_two(a_lane, 0);
    expect_within_factor_two(a_lane, 32);
}

static void
what_came_from_outside_holds_what_outside_limit_says(void **state)
{
    (void)state;
    expect_within_factor_two(the_outside, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mailbox_holds_the_bytes_that_its_limit_says),
        cmocka_unit_test(a_mailbox_holds_the_messages_that_its_limit_says),
        cmocka_unit_test(the_ways_to_a_worker_hold_what_lane_limit_says),
        cmocka_unit_test(what_came_from_outside_holds_what_outside_limit_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
