/*
 * Questions that are cancelled, forgotten or left behind, and threads that end.
 *
 * The system's look-up is the gate of resolver_gate.h.
 */
#include "resolver_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>
#include <troupe/net/server.h>
#include <troupe/net/socket.h>

#include "helpers.h"

static void
cancel(struct fixture *f, uint64_t token)
{
    tri_lookup_cancel(f->lookups[token]);
    f->lookups[token] = NULL;
}

/* Cancelling. */

static void
a_question_that_is_cancelled_while_it_waits_is_never_asked(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < TRI_RESOLVER_THREADS; i++)
        ask(f, i, "slow");
    await_inside(TRI_RESOLVER_THREADS);
    for (unsigned i = 100; i < 103; i++)
        ask(f, i, "slow");
    cancel(f, 101);
    set_gate(true);
    tally_await(&answers, TRI_RESOLVER_THREADS + 2);
    release_resolver(f);
    assert_int_equal(gate.slow, TRI_RESOLVER_THREADS + 2);
    assert_int_equal(heard_of[101].times, 0);
    tri_resolver_hold();
}

static void
a_question_that_is_cancelled_while_it_is_asked_has_no_answer(void **state)
{
    struct fixture *f = *state;
    ask(f, 0, "slow");
    ask(f, 1, "slow");
    await_inside(2);
    cancel(f, 0);
    set_gate(true);
    tally_await(&answers, 1);
    release_resolver(f);
    assert_int_equal(heard_of[0].times, 0);
    assert_int_equal(heard_of[1].times, 1);
    tri_resolver_hold();
}

static void
cancelling_after_the_answer_or_nothing_does_no_harm(void **state)
{
    struct fixture *f = *state;
    ask(f, 0, "localhost");
    tally_await(&answers, 1);
    cancel(f, 0);
    tri_lookup_cancel(NULL);
    tri_resolver_answer_free(NULL);
    assert_int_equal(heard_of[0].times, 1);
}

/* Cancels race with answers: what the test sends after a cancel must not be overtaken by that question's answer. */
static void
no_answer_is_sent_once_cancel_has_returned(void **state)
{
    struct fixture *f = *state;
    uint64_t sent = 0;
    for (unsigned i = 0; i < TOKENS - 1; i++) {
        ask(f, i, "error -2");
        if (i % 8 == 7)
            for (unsigned k = 0; k < 8; k++, sent++) {
                uint64_t token = i - k;
                cancel(f, token);
                stage_send(f->runtime, f->asker, TAG_CANCELLED, &token, sizeof(token));
            }
    }
    release_resolver(f); /* all answers have been sent: they are heard before what is sent now */
    stage_send(f->runtime, f->asker, TAG_CANCELLED, &(uint64_t){TOKENS - 1}, sizeof(uint64_t));
    tally_await(&cancels, sent + 1);
    for (unsigned i = 0; i < TOKENS - 1; i++)
        assert_false(heard_of[i].late);
    tri_resolver_hold();
}

/* Holders, and runtimes that end. */

static void
threads_stay_while_one_holder_is_left_and_come_back_after_the_last(void **state)
{
    struct fixture *f = *state;
    tri_resolver_hold();
    ask(f, 0, "slow");
    await_inside(1);
    tri_resolver_release(); /* does not wait */
    assert_int_equal(tests_threads(), f->threads + 1);
    release_resolver(f);
    assert_int_equal(tally_read(&answers), 1);
    tri_resolver_hold();
    ask(f, 1, "localhost");
    tally_await(&answers, 2);
}

#define STUCK (TRI_RESOLVER_THREADS + 20u) /* some are asked, some wait */

struct stuck {
    bool cancels;
    tri_lookup *lookups[STUCK];
};

struct stuck_argument {
    tr_runtime *runtime;
    bool cancels;
};

static tr_status
stuck_init(tr_actor *self, void *state, const void *argument)
{
    const struct stuck_argument *options = argument;
    struct stuck *stuck = state;
    stuck->cancels = options->cancels;
    for (unsigned i = 0; i < STUCK; i++)
        assert_int_equal(
            tri_resolve(options->runtime, tr_self(self), TAG_ANSWER, i, "slow", AF_UNSPEC, 0, &stuck->lookups[i]),
            TR_OK);
    return TR_OK;
}

static bool
stuck_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    struct stuck *stuck = state;
    (void)self;
    if (how != TR_STOP_KILL)
        return false;
    for (unsigned i = 0; i < STUCK && stuck->cancels; i++)
        tri_lookup_cancel(stuck->lookups[i]);
    return true;
}

static const struct tr_behavior stuck_behavior = {.name = "stuck",
                                                  .state_size = sizeof(struct stuck),
                                                  .init = stuck_init,
                                                  .receive = asker_receive,
                                                  .stopping = stuck_stopping};

/* Lets a runtime die with its questions unanswered; then they are answered, and nobody must hear it. */
static void
runtime_dies_with_questions(struct fixture *f, bool actor_cancels)
{
    tr_runtime *mortal = stage_open(1);
    struct stuck_argument argument = {mortal, actor_cancels};
    stage_spawn(mortal, &stuck_behavior, 0, &argument);
    await_inside(TRI_RESOLVER_THREADS);
    struct tr_stop_report report;
    assert_int_equal(tr_runtime_stop(mortal, 0, &report), TR_ETIMEDOUT_STOP);
    assert_int_equal(report.killed, 1);
    assert_int_equal(tri_resolver_forget(mortal), TRI_RESOLVER_THREADS);
    assert_int_equal(tri_resolver_forget(mortal), 0);
    await_inside(TRI_RESOLVER_THREADS); /* they hang, and nobody waits for them */
    release_resolver(f);
    assert_int_equal(tally_read(&answers), 0);
    assert_int_equal(gate.slow, TRI_RESOLVER_THREADS); /* those that waited were not asked */
    tri_resolver_hold();
}

static void
a_runtime_may_end_while_its_killed_actors_questions_are_asked(void **state)
{
    runtime_dies_with_questions(*state, true);
}

static void
what_killed_actors_did_not_cancel_can_be_forgotten(void **state)
{
    runtime_dies_with_questions(*state, false);
}

static void
forgetting_one_runtime_spares_the_others(void **state)
{
    struct fixture *f = *state;
    tr_runtime *other = stage_open(1);
    tr_ref its_asker = stage_spawn(other, &asker, 0, NULL);
    tri_lookup *lookup;
    ask(f, 0, "slow");
    assert_int_equal(tri_resolve(other, its_asker, TAG_ANSWER, 1, "slow", 0, 0, &lookup), TR_OK);
    await_inside(2);
    assert_int_equal(tri_resolver_forget(other), 1);
    stage_close(other);
    release_resolver(f);
    assert_int_equal(heard_of[0].times, 1);
    assert_int_equal(heard_of[1].times, 0);
    tri_resolver_hold();
}

/* Who forgets waits for a moment for threads whose answer is about to come: here for as long as it takes, since the
 * clock stands. */

struct forgetting {
    tr_runtime *runtime;
    unsigned abandoned, over;
};

static void
forget(void *argument)
{
    struct forgetting *forgetting = argument;
    clock_stands = true;
    forgetting->abandoned = tri_resolver_forget(forgetting->runtime);
    clock_stands = false;
    __atomic_store_n(&forgetting->over, 1, __ATOMIC_SEQ_CST);
}

static bool
waits_or_is_over(void *argument)
{
    struct forgetting *forgetting = argument;
    return __atomic_load_n(&looks, __ATOMIC_SEQ_CST) >= 2 || __atomic_load_n(&forgetting->over, __ATOMIC_SEQ_CST) != 0;
}

static void
threads_that_are_about_to_answer_are_not_abandoned(void **state)
{
    struct fixture *f = *state;
    struct forgetting forgetting = {.runtime = stage_open(1)};
    tr_ref its_asker = stage_spawn(forgetting.runtime, &asker, 0, NULL);
    tri_lookup *lookup;
    uv_thread_t thread;
    looks = 0;
    assert_int_equal(tri_resolve(forgetting.runtime, its_asker, TAG_ANSWER, 0, "slow", 0, 0, &lookup), TR_OK);
    await_inside(1);
    assert_int_equal(uv_thread_create(&thread, forget, &forgetting), 0);
    assert_true(tests_wait_until(waits_or_is_over, &forgetting, TESTS_LIMIT_MS));
    set_gate(true);
    uv_thread_join(&thread);
    assert_int_equal(forgetting.abandoned, 0);
    stage_close(forgetting.runtime);
    release_resolver(f);
    assert_int_equal(tally_read(&answers), 0);
    tri_resolver_hold();
}

/* A thread outside that waits for a server to listen goes on when the runtime ends. */

static void
listen_from_outside(void *argument)
{
    struct tr_server_options options = {.connection = NULL};
    struct tr_listen_options listen = {.host = "slow"};
    tr_status status = tr_runtime_listen(*(tr_runtime **)argument, &options, &listen, NULL, NULL);
    assert_int_equal(status, TR_ESTOPPING);
}

static void
who_waits_outside_is_told_when_the_runtime_ends(void **state)
{
    struct fixture *f = *state;
    for (unsigned deadline_ms = 0; deadline_ms <= TESTS_LIMIT_MS; deadline_ms += TESTS_LIMIT_MS) {
        tr_runtime *mortal = stage_open(1);
        uv_thread_t thread;
        set_gate(false);
        assert_int_equal(uv_thread_create(&thread, listen_from_outside, &mortal), 0);
        await_inside(1);
        tr_runtime_stop(mortal, deadline_ms, NULL);
        uv_thread_join(&thread);
        set_gate(true);
        assert_true(tests_wait_until(threads_are, &f->threads, TESTS_LIMIT_MS)); /* the one that was abandoned, too */
    }
}

/* Hanging threads do not take the places of those that a later runtime needs. */
static void
abandoned_threads_make_room_for_others(void **state)
{
    struct fixture *f = *state;
    tr_runtime *mortal = stage_open(1);
    stage_spawn(mortal, &stuck_behavior, 0, &(struct stuck_argument){mortal, true});
    await_inside(TRI_RESOLVER_THREADS);
    ask(f, 0, "localhost"); /* waits for a thread */
    tr_runtime_stop(mortal, 0, NULL);
    assert_int_equal(tri_resolver_forget(mortal), TRI_RESOLVER_THREADS);
    tally_await(&answers, 1);
    ask(f, 1, "localhost");
    tally_await(&answers, 2);
    await_inside(TRI_RESOLVER_THREADS);
}

/* The whole library: sockets that wait for a name do not hold the end of their runtime up. */
static void
connector_receive(tr_actor *self, void *state, tr_message *message)
{
    static const struct tr_connect_options options = {.host = "slow.example", .port = 1};
    (void)state;
    (void)message;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(tr_connect(self, NULL, &options, NULL), TR_OK);
}

static void
stop_while_names_are_looked_up(unsigned deadline_ms)
{
    static const struct tr_behavior connector = {.name = "connector", .receive = connector_receive};
    tr_runtime *mortal = stage_open(2);
    for (unsigned worker = 0; worker < 2; worker++)
        stage_send(mortal, stage_spawn(mortal, &connector, worker, NULL), 1, NULL, 0);
    await_inside(6);
    int fds = tests_open_fds();
    struct tr_stop_report report;
    tr_runtime_stop(mortal, deadline_ms, &report);
    assert_int_equal(report.left_behind, 6);
    assert_true(tests_open_fds() < fds); /* the loops' */
    await_inside(6);
}

static void
look_ups_that_hang_are_left_behind_and_counted(void **state)
{
    (void)state;
    stop_while_names_are_looked_up(TESTS_LIMIT_MS); /* its actors agree at once */
    set_gate(true);
    await_inside(0);
    set_gate(false);
    stop_while_names_are_looked_up(0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, resolver_set_up, resolver_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_question_that_is_cancelled_while_it_waits_is_never_asked),
        TEST(a_question_that_is_cancelled_while_it_is_asked_has_no_answer),
        TEST(cancelling_after_the_answer_or_nothing_does_no_harm),
        TEST(no_answer_is_sent_once_cancel_has_returned),
        TEST(threads_stay_while_one_holder_is_left_and_come_back_after_the_last),
        TEST(a_runtime_may_end_while_its_killed_actors_questions_are_asked),
        TEST(what_killed_actors_did_not_cancel_can_be_forgotten),
        TEST(forgetting_one_runtime_spares_the_others),
        TEST(threads_that_are_about_to_answer_are_not_abandoned),
        TEST(who_waits_outside_is_told_when_the_runtime_ends),
        TEST(abandoned_threads_make_room_for_others),
        TEST(look_ups_that_hang_are_left_behind_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
