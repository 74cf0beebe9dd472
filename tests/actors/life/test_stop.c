#include "counters.h"
#include "counting.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GO = 1, WORK, SPAWN, ASK, FINISH, HOLD };

static struct tally worked, asked, killed_by_mode;

static int
reset(void **state)
{
    (void)state;
    worked = stopped = asked = killed_by_mode = (struct tally){0};
    return 0;
}

static void
worker_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == WORK)
        tally_add(&worked, 1);
    if (message->tag == FINISH)
        tr_exit(self);
}

static bool
not_yet(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)self;
    (void)state;
    tally_add(how == TR_STOP_KILL ? &killed_by_mode : &asked, 1);
    return how == TR_STOP_KILL;
}

static const struct tr_behavior plain = {.name = "plain", .receive = worker_receive, .stopped = count_stopped};
static const struct tr_behavior reluctant = {
    .name = "reluctant", .receive = worker_receive, .stopping = not_yet, .stopped = count_stopped};

struct request {
    tr_ref victim;
    uint32_t how, then;
};

/* Why messages died. */
static struct tally letters;
static uint32_t reasons[16];

static void
undertaker_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag != TR_TAG_DEAD_LETTER)
        return;
    const struct tr_dead_letter *letter = tr_message_data(message);
    reasons[tally_read(&letters) % 16] = letter->reason;
    tally_add(&letters, 1);
}

static const struct tr_behavior undertaker = {.name = "undertaker", .receive = undertaker_receive};

static void
expect_letters(uint64_t count, enum tr_dead_reason reason)
{
    assert_int_equal(tally_read(&letters), count);
    for (uint64_t i = 0; i < count; i++)
        assert_int_equal(reasons[i], reason);
}

/* Gives the victim ten messages and asks it to stop, twice, in the same breath. */
static void
killer_receive(tr_actor *self, void *state, tr_message *message)
{
    const struct request *request = tr_message_data(message);
    (void)state;
    for (unsigned i = 0; i < 10; i++)
        tr_tell(self, request->victim, WORK, NULL, 0);
    assert_int_equal(tr_stop(self, request->victim, (enum tr_stop_mode)request->how), TR_OK);
    assert_int_equal(tr_stop(self, request->victim, (enum tr_stop_mode)request->then), TR_OK);
    if (tr_ref_worker(request->victim) == tr_ref_worker(tr_self(self)))
        assert_int_equal(tr_tell(self, request->victim, WORK, NULL, 0), TR_EGONE);
}

static const struct tr_behavior killer = {.name = "killer", .receive = killer_receive};

/* The victim and its ten messages. */
static bool
have_ended(void *runtime)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    return counters.actors == 2 && tally_read(&worked) + tally_read(&letters) == 10;
}

static void
stop_twice_with_ten_waiting(enum tr_stop_mode how, enum tr_stop_mode then, unsigned from)
{
    tr_runtime *runtime = stage_open(2);
    reset(NULL);
    letters = (struct tally){0};
    assert_int_equal(tr_dead_letters_subscribe(runtime, stage_spawn(runtime, &undertaker, 0, NULL)), TR_OK);
    struct request request = {stage_spawn(runtime, &plain, 0, NULL), how, then};
    stage_send(runtime, stage_spawn(runtime, &killer, from, NULL), GO, &request, sizeof(request));
    assert_true(tests_wait_until(have_ended, runtime, TESTS_LIMIT_MS));
    stage_close(runtime);
}

static void
stop_with_ten_waiting(enum tr_stop_mode how, unsigned from)
{
    stop_twice_with_ten_waiting(how, how, from);
}

static void
drain_handles_what_waits_then_stops(void **state)
{
    (void)state;
    stop_with_ten_waiting(TR_STOP_DRAIN, 0);
    assert_int_equal(tally_read(&worked), 10);
    assert_int_equal(tally_read(&stopped), 1);
}

static void
drain_from_another_worker_handles_what_was_sent_before_it(void **state)
{
    (void)state;
    stop_with_ten_waiting(TR_STOP_DRAIN, 1);
    assert_int_equal(tally_read(&worked), 10);
    assert_int_equal(tally_read(&stopped), 1);
}

static void
now_leaves_the_rest_as_dead_letters(void **state)
{
    (void)state;
    stop_with_ten_waiting(TR_STOP_NOW, 0);
    assert_int_equal(tally_read(&worked), 0);
    assert_int_equal(tally_read(&stopped), 1);
    expect_letters(10, TR_DEAD_STOPPED);
}

static void
of_two_words_the_stronger_counts(void **state)
{
    static const struct {
        enum tr_stop_mode how, then;
        unsigned worked, stopped;
    } cases[] = {{TR_STOP_DRAIN, TR_STOP_DRAIN, 10, 1},
                 {TR_STOP_DRAIN, TR_STOP_NOW, 0, 1},
                 {TR_STOP_NOW, TR_STOP_DRAIN, 0, 1},
                 {TR_STOP_DRAIN, TR_STOP_KILL, 0, 0},
                 {TR_STOP_KILL, TR_STOP_DRAIN, 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        stop_twice_with_ten_waiting(cases[i].how, cases[i].then, 0);
        assert_int_equal(tally_read(&worked), cases[i].worked);
        assert_int_equal(tally_read(&stopped), cases[i].stopped);
        expect_letters(10 - cases[i].worked, TR_DEAD_STOPPED);
    }
}

/* Its worker stands still until a message, a stop and another message are under way from afar. */
static struct tally held, let_go, under_way;

static void
hold_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tally_add(&held, 1);
    tally_await(&let_go, 1);
}

static void
drainer_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_ref victim = message->payload.words[0];
    tr_message later = tr_message_signal(WORK);
    (void)state;
    if (message->tag == WORK) {
        tally_add(&under_way, 1);
        return;
    }
    assert_int_equal(tr_tell(self, victim, WORK, NULL, 0), TR_OK);
    assert_int_equal(tr_stop(self, victim, TR_STOP_DRAIN), TR_OK);
    assert_int_equal(tr_tell(self, victim, WORK, NULL, 0), TR_OK);
    assert_int_equal(tr_send_after(self, tr_self(self), 1, &later, NULL), TR_OK); /* in another turn */
}

static void
an_actor_that_drains_takes_nothing_new_from_afar(void **state)
{
    static const struct tr_behavior holder = {.name = "holder", .receive = hold_receive};
    static const struct tr_behavior drainer = {.name = "drainer", .receive = drainer_receive};
    (void)state;
    tr_runtime *runtime = stage_open(2);
    held = let_go = under_way = letters = (struct tally){0};
    assert_int_equal(tr_dead_letters_subscribe(runtime, stage_spawn(runtime, &undertaker, 1, NULL)), TR_OK);
    tr_ref victim = stage_spawn(runtime, &plain, 0, NULL);
    stage_send(runtime, stage_spawn(runtime, &holder, 0, NULL), HOLD, NULL, 0);
    tally_await(&held, 1);
    stage_send(runtime, stage_spawn(runtime, &drainer, 1, NULL), GO, &victim, sizeof(victim));
    tally_await(&under_way, 1);
    tally_add(&let_go, 1);
    tally_await(&stopped, 1);
    tally_await(&letters, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&worked), 1);
    expect_letters(1, TR_DEAD_NO_ACTOR);
}

/* In its last callback an actor is there no more for anybody. */
static tr_status to_itself, here, there;

static void
last_words(tr_actor *self, void *state)
{
    static const struct tr_behavior late = {.name = "late", .receive = worker_receive};
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = 1};
    to_itself = tr_tell(self, tr_self(self), WORK, NULL, 0);
    assert_int_equal(tr_stop(self, tr_self(self), TR_STOP_NOW), TR_OK);
    tr_exit(self);
    here = tr_spawn(self, &late, NULL, NULL);
    there = tr_spawn(self, &late, &options, NULL);
    count_stopped(self, state);
}

static void
in_its_last_callback_an_actor_sends_itself_nothing_and_spawns_nobody_when_the_runtime_ends(void **state)
{
    static const struct tr_behavior speaker = {.name = "speaker", .receive = worker_receive, .stopped = last_words};
    (void)state;
    tr_runtime *runtime = stage_open(2);
    stage_spawn(runtime, &speaker, 0, NULL);
    stage_close(runtime);
    assert_int_equal(tally_read(&stopped), 1);
    assert_int_equal(to_itself, TR_EGONE);
    assert_int_equal(here, TR_ESTOPPING);
    assert_int_equal(there, TR_ESTOPPING);
}

static void
kill_does_not_call_the_stopped_callback(void **state)
{
    (void)state;
    stop_with_ten_waiting(TR_STOP_KILL, 0);
    assert_int_equal(tally_read(&worked), 0);
    assert_int_equal(tally_read(&stopped), 0);
}

static void
an_actor_that_is_not_ready_to_stop_goes_on_until_it_exits(void **state)
{
    (void)state;
    for (unsigned how = TR_STOP_DRAIN; how <= TR_STOP_NOW; how++) {
        reset(NULL);
        tr_runtime *runtime = stage_open(1);
        tr_ref ref = stage_spawn(runtime, &reluctant, 0, NULL);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(tr_runtime_stop_actor(runtime, ref, (enum tr_stop_mode)how), TR_OK);
        tally_await(&asked, 1);
        stage_send(runtime, ref, WORK, NULL, 0);
        tally_await(&worked, 1);
        stage_send(runtime, ref, FINISH, NULL, 0);
        tally_await(&stopped, 1);
        stage_close(runtime);
        assert_int_equal(tally_read(&asked), how == TR_STOP_DRAIN ? 1 : 2); /* DRAIN asks once */
    }
}

static void
what_does_not_stop_by_the_deadline_is_killed_and_counted(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= 7; count += 6) {
        reset(NULL);
        tr_runtime *runtime = stage_open(2);
        for (unsigned i = 0; i < count; i++)
            stage_spawn(runtime, &reluctant, i % 2, NULL);
        struct tr_stop_report report;
        assert_int_equal(tr_runtime_stop(runtime, 50, &report), TR_ETIMEDOUT_STOP);
        assert_int_equal(report.killed, count);
        assert_int_equal(tally_read(&killed_by_mode), count);
        assert_int_equal(tally_read(&stopped), 0);
    }
}

/* Families: each generation notes its depth when it stops, and spawns the next on the other worker. */
#define DEPTH 6u

struct member {
    uint64_t depth;
};

static struct tally alive_at_depth[DEPTH + 2], disorder;
static const struct tr_behavior member;

static tr_status
member_init(tr_actor *self, void *state, const void *argument)
{
    struct member *me = state;
    memcpy(me, argument, sizeof(*me));
    tally_add(&alive_at_depth[me->depth], 1);
    for (unsigned i = 0; i < 2 && me->depth < DEPTH; i++) {
        struct member next = {me->depth + 1};
        struct tr_spawn_options options = {.placement = TR_PLACE_WORKER,
                                           .worker = (tr_ref_worker(tr_self(self)) + i) % 2,
                                           .argument = &next,
                                           .argument_size = sizeof(next)};
        assert_int_equal(tr_spawn(self, &member, &options, NULL), TR_OK);
    }
    tally_add(&worked, 1);
    return TR_OK;
}

static void
member_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
}

static void
member_stopped(tr_actor *self, void *state)
{
    const struct member *me = state;
    (void)self;
    tally_add(&alive_at_depth[me->depth], (uint64_t)-1);
    if (me->depth == 0 && tally_read(&alive_at_depth[1]) != 0)
        tally_add(&disorder, 1);
    if (me->depth == 0)
        for (unsigned depth = 1; depth <= DEPTH; depth++)
            if (tally_read(&alive_at_depth[depth]) != 0)
                tally_add(&disorder, 1);
    tally_add(&stopped, 1);
}

static const struct tr_behavior member = {.name = "member",
                                          .state_size = sizeof(struct member),
                                          .init = member_init,
                                          .receive = member_receive,
                                          .stopped = member_stopped};

static void
children_stop_before_their_parents_on_all_workers(void **state)
{
    (void)state;
    uint64_t family = (2u << DEPTH) - 1;
    memset(alive_at_depth, 0, sizeof(alive_at_depth));
    disorder = (struct tally){0};
    tr_runtime *runtime = stage_open(2);
    struct member first = {0};
    stage_spawn(runtime, &member, 0, &first);
    tally_await(&worked, family);
    stage_close(runtime);
    assert_int_equal(tally_read(&stopped), family);
    assert_int_equal(tally_read(&disorder), 0);
}

static void
stopping_and_killing_in_a_handler_waits_for_it_to_return(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(1);
    tr_ref ref = stage_spawn(runtime, &plain, 0, NULL);
    stage_send(runtime, ref, FINISH, NULL, 0);
    stage_send(runtime, ref, WORK, NULL, 0);
    tally_await(&stopped, 1);
    tests_counters_await_dead(runtime, 1);
    stage_close(runtime);
    assert_int_equal(tally_read(&worked), 0);
}

/* Who ends already has no say, and is not asked again. */

static tr_status asked_then[3];

static void
exit_and_stop_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    tr_exit(self);
    for (unsigned how = TR_STOP_DRAIN; how <= TR_STOP_KILL; how++)
        asked_then[how] = tr_stop(self, tr_self(self), (enum tr_stop_mode)how);
}

static void
an_actor_that_has_exited_is_not_asked_to_stop(void **state)
{
    static const struct tr_behavior exits = {
        .name = "exits", .receive = exit_and_stop_receive, .stopping = not_yet, .stopped = count_stopped};
    (void)state;
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &exits, 0, NULL), GO, NULL, 0);
    tally_await(&stopped, 1);
    stage_close(runtime);
    for (unsigned how = TR_STOP_DRAIN; how <= TR_STOP_KILL; how++)
        assert_int_equal(asked_then[how], TR_OK);
    assert_int_equal(tally_read(&asked) + tally_read(&killed_by_mode), 0);
}

/* What the whole leaves behind. */
static void
busy_receive(tr_actor *self, void *state, tr_message *message)
{
    tr_ref peer = message->payload.words[0];
    (void)state;
    tally_add(&worked, 1);
    if (tr_backlog(self, peer) == 0)
        tr_tell(self, peer, WORK, &(tr_ref){tr_self(self)}, sizeof(tr_ref));
    tr_message load = tr_message_pointer(WORK, calloc(1, 100), 100, free);
    ((tr_ref *)load.payload.pointer.address)[0] = 0;
    if (tr_send(self, peer, &load) != TR_OK)
        tr_message_drop(&load);
}

static void
sink_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->kind == TR_PAYLOAD_BYTES)
        tr_tell(self, message->from, WORK, &(tr_ref){tr_self(self)}, sizeof(tr_ref));
}

static void
a_runtime_stopped_under_load_leaves_no_thread_and_no_descriptor(void **state)
{
    (void)state;
    static const struct tr_behavior source = {.name = "source", .receive = busy_receive};
    static const struct tr_behavior sink = {.name = "sink", .receive = sink_receive};
    int fds = tests_open_fds(), threads = tests_threads();
    for (unsigned round = 0; round < 10; round++) {
        tr_runtime *runtime = stage_open(3);
        for (unsigned i = 0; i < 30; i++) {
            tr_ref to = stage_spawn(runtime, &sink, (i + 1) % 3, NULL);
            stage_send(runtime, stage_spawn(runtime, &source, i % 3, NULL), WORK, &to, sizeof(to));
        }
        tally_await(&worked, 1000 * (round + 1));
        struct tr_stop_report report;
        tr_runtime_stop(runtime, round % 2 == 0 ? TESTS_LIMIT_MS : 0, &report);
    }
    assert_int_equal(tests_open_fds(), fds);
    assert_int_equal(tests_threads(), threads);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(drain_handles_what_waits_then_stops, reset),
        cmocka_unit_test_setup(drain_from_another_worker_handles_what_was_sent_before_it, reset),
        cmocka_unit_test_setup(now_leaves_the_rest_as_dead_letters, reset),
        cmocka_unit_test_setup(kill_does_not_call_the_stopped_callback, reset),
        cmocka_unit_test_setup(of_two_words_the_stronger_counts, reset),
        cmocka_unit_test_setup(an_actor_that_drains_takes_nothing_new_from_afar, reset),
        cmocka_unit_test_setup(
            in_its_last_callback_an_actor_sends_itself_nothing_and_spawns_nobody_when_the_runtime_ends, reset),
        cmocka_unit_test_setup(an_actor_that_is_not_ready_to_stop_goes_on_until_it_exits, reset),
        cmocka_unit_test_setup(what_does_not_stop_by_the_deadline_is_killed_and_counted, reset),
        cmocka_unit_test_setup(children_stop_before_their_parents_on_all_workers, reset),
        cmocka_unit_test_setup(stopping_and_killing_in_a_handler_waits_for_it_to_return, reset),
        cmocka_unit_test_setup(an_actor_that_has_exited_is_not_asked_to_stop, reset),
        cmocka_unit_test_setup(a_runtime_stopped_under_load_leaves_no_thread_and_no_descriptor, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
