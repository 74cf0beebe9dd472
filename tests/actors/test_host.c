/*
 * What the layer above is promised (host.h): whom it may act on by a call, the brackets around its callbacks, actors
 * whose end it decides, and messages that come back.
 */
#include "actor_internal.h"
#include "counters.h"
#include "counting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { GO = 1, NUMBER };

static struct tally done;

static int
reset(void **state)
{
    (void)state;
    done = received = stopped = (struct tally){0};
    return 0;
}

static const struct tr_behavior subject = {.name = "subject", .receive = count_receive, .stopped = count_stopped};

/* Runs a function of the test's on worker 0 of two, with a subject beside it and one on the other worker. */
struct cast {
    tr_ref near, far;
};

static void (*play)(tr_actor *self, const struct cast *cast);

static void
player_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag != GO)
        return;
    play(self, tr_message_data(message));
    tally_add(&done, 1);
}

static const struct tr_behavior player = {.name = "player", .receive = player_receive};

static tr_runtime *
start(const struct tr_behavior *near, void (*what)(tr_actor *self, const struct cast *cast))
{
    tr_runtime *runtime = stage_open(2);
    struct cast cast = {stage_spawn(runtime, near, 0, NULL), stage_spawn(runtime, &subject, 1, NULL)};
    play = what;
    stage_send(runtime, stage_spawn(runtime, &player, 0, NULL), GO, &cast, sizeof(cast));
    tally_await(&done, 1);
    return runtime;
}

/* -- The rule of calls and messages. -- */

static void
reach(tr_actor *self, const struct cast *cast)
{
    struct tri_worker *worker = tri_actor_worker(self);
    tr_actor *near = tri_actor_reach(worker, cast->near, &subject);
    assert_non_null(near);
    assert_int_equal(tr_self(near), cast->near);
    assert_null(tri_actor_reach(worker, cast->near, &player)); /* another behavior */
    assert_null(tri_actor_reach(worker, cast->far, &subject));
    assert_null(tri_actor_reach(worker, cast->near + 7, &subject)); /* nobody */
    assert_false(tri_actor_has_mail(near));
    assert_int_equal(tr_tell(self, cast->near, NUMBER, NULL, 0), TR_OK);
    assert_null(tri_actor_reach(worker, cast->near, &subject));
    assert_true(tri_actor_has_mail(near));
}

static void
an_actor_is_reached_by_a_call_only_on_its_worker_and_while_nothing_waits_for_it(void **state)
{
    (void)state;
    stage_close(start(&subject, reach));
}

/* -- Brackets. -- */

static void
assert_active(const struct tri_worker_activity *activity, const char *name, tr_ref actor, uint32_t tag)
{
    assert_string_equal(activity->name, name);
    assert_int_equal(activity->actor, actor);
    assert_int_equal(activity->tag, tag);
}

static void
bracket(tr_actor *self, const struct cast *cast)
{
    struct tri_worker *worker = tri_actor_worker(self);
    const struct tri_worker_activity *activity = &worker->activity;
    tr_actor *near = tri_actor_reach(worker, cast->near, &subject);
    uint64_t beat = activity->beat;
    assert_active(activity, "player", tr_self(self), GO);
    struct tri_actor_frame outer = tri_actor_enter(near, 7);
    assert_active(activity, "subject", cast->near, 7);
    struct tri_actor_frame inner = tri_actor_enter(self, 8);
    assert_active(activity, "player", tr_self(self), 8);
    tri_actor_leave(self, inner);
    assert_active(activity, "subject", cast->near, 7);
    tr_exit(near);
    assert_int_equal(tally_read(&stopped), 0);
    tri_actor_leave(near, outer);
    assert_int_equal(tally_read(&stopped), 1);
    assert_active(activity, "player", tr_self(self), GO);
    assert_true(activity->beat >= beat + 4); /* each of the four shows */
}

static void
brackets_nest_and_who_exits_within_them_ends_at_the_last(void **state)
{
    (void)state;
    stage_close(start(&subject, bracket));
}

/* -- Hosted actors. -- */

static unsigned asked[3];

static tr_status
hosted_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    memset(asked, 0, sizeof(asked));
    tri_actor_host(self);
    return TR_OK;
}

static bool
hosted_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)self;
    (void)state;
    asked[how]++;
    return false;
}

static const struct tr_behavior hosted = {.name = "hosted",
                                          .init = hosted_init,
                                          .receive = count_receive,
                                          .stopping = hosted_stopping,
                                          .stopped = count_stopped};

static void
exit_hosted(tr_actor *self, const struct cast *cast)
{
    struct tri_worker *worker = tri_actor_worker(self);
    tr_actor *near = tri_actor_reach(worker, cast->near, &hosted);
    tr_exit(near);
    assert_int_equal(asked[TR_STOP_NOW], 1);
    assert_int_equal(asked[TR_STOP_DRAIN] + asked[TR_STOP_KILL], 0);
    assert_int_equal(tally_read(&stopped), 0);
    assert_non_null(tri_actor_reach(worker, cast->near, &hosted));
    tri_actor_end(near);
    assert_int_equal(tally_read(&stopped), 1);
    assert_null(tri_actor_reach(worker, cast->near, &hosted));
}

static void
an_exit_of_a_hosted_actor_only_asks_it(void **state)
{
    (void)state;
    stage_close(start(&hosted, exit_hosted));
}

/* -- Messages that come back. -- */

#define TOLD (TRI_TAG_TOLD + 1)

static tr_ref gone, meant;
static unsigned order[4], heard;

/* Hears GO, a number that it sends itself, and what comes back. */
static void
teller_receive(tr_actor *self, void *state, tr_message *message)
{
    struct tri_worker *worker = tri_actor_worker(self);
    tr_message first = tr_message_signal(TOLD), second = tr_message_signal(TOLD);
    (void)state;
    if (message->tag != GO) {
        order[heard++] = message->tag;
        meant = message->tag == TRI_TAG_UNDELIVERED ? message->payload.words[0] : meant;
        tally_add(&received, 1);
        return;
    }
    gone = tr_self(self) + 7;
    assert_int_equal(tri_send_system(worker, self, gone, &first), TR_EGONE); /* nothing waits for the sender */
    assert_int_equal(tr_tell(self, tr_self(self), NUMBER, NULL, 0), TR_OK);
    assert_int_equal(tri_send_system(worker, self, gone, &second), TR_OK);
}

static void
what_finds_nobody_comes_back_after_what_the_sender_was_sent_before(void **state)
{
    static const struct tr_behavior teller = {.name = "teller", .receive = teller_receive};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    heard = 0;
    meant = TR_NOBODY;
    stage_send(runtime, stage_spawn(runtime, &teller, 0, NULL), GO, NULL, 0);
    tally_await(&received, 2);
    stage_close(runtime);
    assert_int_equal(heard, 2);
    assert_int_equal(order[0], NUMBER);
    assert_int_equal(order[1], TRI_TAG_UNDELIVERED);
    assert_int_equal(meant, gone);
}

/* -- From threads that are no workers. -- */

static void
what_the_library_sends_from_outside_counts_as_sent(void **state)
{
    struct tr_counters counters;
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref to = stage_spawn(runtime, &subject, 0, NULL);
    tr_message message = tr_message_signal(TRI_TAG_NET);
    assert_int_equal(tri_runtime_send_system(runtime, to, &message), TR_OK);
    stage_send(runtime, to, NUMBER, NULL, 0);
    tally_await(&received, 2);
    tr_runtime_counters(runtime, &counters);
    assert_int_equal(counters.sent, 1);
    assert_int_equal(counters.outside, 1);
    tests_counters_add_up(runtime);
    stage_close(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_actor_is_reached_by_a_call_only_on_its_worker_and_while_nothing_waits_for_it, reset),
        cmocka_unit_test_setup(brackets_nest_and_who_exits_within_them_ends_at_the_last, reset),
        cmocka_unit_test_setup(an_exit_of_a_hosted_actor_only_asks_it, reset),
        cmocka_unit_test_setup(what_finds_nobody_comes_back_after_what_the_sender_was_sent_before, reset),
        cmocka_unit_test_setup(what_the_library_sends_from_outside_counts_as_sent, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
