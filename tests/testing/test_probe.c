/*
 * Probes, in a simulated runtime and in one with threads.
 */
#include "helpers.h"
#include "simulated.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

enum { GO = 1, ONE, TWO, THREE, ECHO };

/* Runs a test in both kinds of runtime. */
static tr_runtime *runtime;
static tr_probe *probe;
static bool simulated;

static void
in_both(void (*test)(void))
{
    for (unsigned i = 0; i < 2; i++) {
        simulated = i == 0;
        runtime = simulated ? simulated_open(1, 2) : stage_open(2);
        assert_int_equal(tr_probe_open(runtime, &probe), TR_OK);
        test();
        tr_probe_close(probe);
        assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    }
}

/* What is said of failures is expected here, and need not be seen. */
static int stderr_before;

static int
hush(void **state)
{
    int null = open("/dev/null", O_WRONLY);
    (void)state;
    stderr_before = dup(STDERR_FILENO);
    dup2(null, STDERR_FILENO);
    return close(null);
}

static int
speak(void **state)
{
    (void)state;
    dup2(stderr_before, STDERR_FILENO);
    return close(stderr_before);
}

static void
echo_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    assert_int_equal(tr_tell(self, message->from, ECHO, tr_message_data(message), tr_message_size(message)), TR_OK);
}

static const struct tr_behavior echo = {.name = "echo", .receive = echo_receive};

/* Gives the probe a message from outside. */
static void
give(uint32_t tag, const char *text)
{
    stage_send(runtime, tr_probe_ref(probe), tag, text, strlen(text));
}

static void
check_order(void)
{
    tr_message message;
    give(ONE, "first");
    give(TWO, "second");
    give(THREE, "third");
    assert_int_equal(tr_probe_expect(probe, ONE, TESTS_LIMIT_MS, &message), TR_OK);
    assert_int_equal(message.tag, ONE);
    assert_int_equal(tr_message_size(&message), 5);
    assert_memory_equal(tr_message_data(&message), "first", 5);
    tr_message_drop(&message);
    assert_int_equal(tr_probe_expect(probe, TR_PROBE_ANY, TESTS_LIMIT_MS, &message), TR_OK);
    assert_int_equal(message.tag, TWO);
    tr_message_drop(&message);
    assert_int_equal(tr_probe_expect(probe, THREE, TESTS_LIMIT_MS, NULL), TR_OK);
    assert_string_equal(tr_probe_text(probe), "");
}

static void
messages_are_asked_for_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    in_both(check_order);
}

static void
check_other(void)
{
    char text[TR_PROBE_TEXT_SIZE];
    give(TWO, "second");
    give(THREE, "");
    give(GO, "");
    assert_int_equal(tr_probe_expect(probe, ONE, TESTS_LIMIT_MS, NULL), TR_EBADMESSAGE);
    strcpy(text, tr_probe_text(probe));
    assert_non_null(strstr(text, " expected tag 2 within 100000 ms, but tag 3 came, 6 bytes from none"));
    assert_int_equal(tr_probe_expect(probe, TWO, TESTS_LIMIT_MS, NULL), TR_OK);
    assert_int_equal(tr_probe_expect(probe, THREE, TESTS_LIMIT_MS, NULL), TR_OK);
    assert_int_equal(tr_probe_expect(probe, GO, TESTS_LIMIT_MS, NULL), TR_OK);
    if (simulated)
        assert_int_equal(tr_testing_now(runtime), SIMULATED_BEGIN_MS);
}

static void
another_message_stays_and_is_told_of(void **state)
{
    (void)state;
    in_both(check_other);
}

static void
a_failure_tells_of_the_messages_that_wait(void **state)
{
    (void)state;
    simulated = true;
    runtime = simulated_open(1, 2);
    assert_int_equal(tr_probe_open(runtime, &probe), TR_OK);
    for (uint32_t tag = ONE; tag < ONE + 6; tag++)
        give(tag, "");
    tr_testing_run(runtime);
    assert_int_equal(tr_probe_expect(probe, GO, 0, NULL), TR_EBADMESSAGE);
    assert_non_null(
        strstr(tr_probe_text(probe), "but tag 2 came, 0 bytes from none, then tag 3, then tag 4, then tag 5"));
    assert_null(strstr(tr_probe_text(probe), "tag 6"));
    tr_probe_close(probe); /* with what was not asked for */
    simulated_close(runtime);
}

static void
check_deadline(void)
{
    uint64_t began_ns = tests_now_ns();
    assert_int_equal(tr_probe_expect(probe, ONE, 20, NULL), TR_EDEADLINE);
    assert_non_null(strstr(tr_probe_text(probe), "expected tag 2 within 20 ms, but nothing came"));
    assert_int_equal(tr_probe_expect_none(probe, 20), TR_OK);
    if (simulated)
        assert_int_equal(tr_testing_now(runtime), SIMULATED_BEGIN_MS + 40);
    else
        assert_true(tests_now_ns() - began_ns >= 40000000u);
    assert_int_equal(tr_probe_expect(probe, TR_PROBE_ANY, 0, NULL), TR_EDEADLINE);
    assert_non_null(strstr(tr_probe_text(probe), "expected a message within 0 ms, but nothing came"));
}

static void
an_expectation_ends_at_its_time(void **state)
{
    (void)state;
    in_both(check_deadline);
}

static void
check_none(void)
{
    give(ONE, "x");
    assert_int_equal(tr_probe_expect_none(probe, TESTS_LIMIT_MS), TR_EBADMESSAGE);
    assert_non_null(strstr(tr_probe_text(probe), "expected no message within 100000 ms, but tag 2 came, 1 bytes from"));
    assert_int_equal(tr_probe_expect(probe, ONE, 0, NULL), TR_OK);
    assert_int_equal(tr_probe_expect_none(probe, 0), TR_OK);
}

static void
a_message_where_none_is_expected_stays_and_is_told_of(void **state)
{
    (void)state;
    in_both(check_none);
}

static void
check_answer(void)
{
    tr_ref ref = stage_spawn(runtime, &echo, 1, NULL);
    tr_message question = tr_message_copy(GO, "hello", 5), answer;
    assert_int_equal(tr_probe_send(probe, ref, &question), TR_OK);
    assert_int_equal(tr_message_size(&question), 0);
    assert_int_equal(tr_probe_expect(probe, ECHO, TESTS_LIMIT_MS, &answer), TR_OK);
    assert_int_equal(answer.from, ref);
    assert_memory_equal(tr_message_data(&answer), "hello", 5);
    tr_message_drop(&answer);
    question = tr_message_copy(GO, "more than fits into the message itself", 38);
    assert_int_equal(tr_probe_send(probe, TR_NOBODY, &question), TR_EBADREF);
    assert_int_equal(tr_message_size(&question), 38);
    tr_message_drop(&question);
}

static void
an_answer_to_what_the_probe_sends_comes_to_it(void **state)
{
    (void)state;
    in_both(check_answer);
}

static void
send_later(tr_actor *self, void *argument)
{
    tr_message later = tr_message_signal(TWO);
    *(tr_ref *)argument = tr_self(self);
    assert_int_equal(tr_send_after(self, tr_self(self), 30, &later, NULL), TR_OK);
}

static void
check_do(void)
{
    tr_ref self = TR_NOBODY;
    assert_int_equal(tr_probe_do(probe, send_later, &self), TR_OK);
    assert_int_equal(self, tr_probe_ref(probe));
    assert_int_equal(tr_probe_expect(probe, TWO, TESTS_LIMIT_MS, NULL), TR_OK);
    if (simulated)
        assert_int_equal(tr_testing_now(runtime), SIMULATED_BEGIN_MS + 30);
}

static void
the_test_acts_as_the_probe(void **state)
{
    (void)state;
    in_both(check_do);
}

/* -- The end. -- */

static void
check_gone(enum tr_stop_mode how)
{
    tr_ref ignored;
    give(ONE, "");
    assert_int_equal(tr_probe_expect(probe, ONE, TESTS_LIMIT_MS, NULL), TR_OK);
    assert_int_equal(tr_runtime_stop_actor(runtime, tr_probe_ref(probe), how), TR_OK);
    assert_int_equal(tr_probe_expect(probe, ONE, TESTS_LIMIT_MS, NULL), TR_EDEADLINE); /* at once */
    assert_int_equal(tr_probe_do(probe, send_later, &ignored), TR_EGONE);
    tr_message message = tr_message_signal(ONE);
    assert_int_equal(tr_probe_send(probe, tr_probe_ref(probe), &message), TR_EGONE);
}

static void
check_stopped(void)
{
    check_gone(TR_STOP_DRAIN);
    assert_int_equal(tr_probe_expect(probe, TR_PROBE_ANY, TESTS_LIMIT_MS, NULL), TR_EDEADLINE);
    assert_non_null(strstr(tr_probe_text(probe), "nothing came, and it has ended"));
}

static void
check_killed(void)
{
    check_gone(TR_STOP_KILL);
}

static void
a_probe_that_has_ended_says_so(void **state)
{
    (void)state;
    in_both(check_stopped);
    in_both(check_killed);
}

static void
a_probe_may_be_closed_after_its_runtime(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        runtime = i == 0 ? simulated_open(1, 2) : stage_open(2);
        assert_int_equal(tr_probe_open(runtime, &probe), TR_OK);
        for (unsigned j = 0; j < 3; j++) {
            tr_message message = tr_message_pointer(ONE + j, malloc(8), 8, free);
            assert_int_equal(tr_runtime_send(runtime, tr_probe_ref(probe), &message), TR_OK);
        }
        assert_int_equal(tr_probe_expect(probe, ONE, TESTS_LIMIT_MS, NULL), TR_OK);
        assert_int_equal(tr_probe_expect(probe, TWO, TESTS_LIMIT_MS, NULL), TR_OK);
        assert_int_equal(tr_probe_expect(probe, THREE, TESTS_LIMIT_MS, NULL), TR_OK);
        for (unsigned j = 0; j < 3; j++)
            give(ONE, "which may be late"); /* what came in time is freed with the probe */
        assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
        assert_int_equal(tr_probe_do(probe, send_later, NULL), TR_EGONE);
        tr_probe_close(probe);
    }
}

static void
a_probe_that_is_killed_with_its_runtime_can_be_closed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        runtime = i == 0 ? simulated_open(1, 2) : stage_open(2);
        assert_int_equal(tr_probe_open(runtime, &probe), TR_OK);
        tr_runtime_stop(runtime, 0, NULL);
        tr_probe_close(probe);
    }
}

/* -- Refusals. -- */

static tr_status inside[4];

static void
ask_inside(tr_actor *self, void *argument)
{
    tr_probe *another = NULL;
    (void)argument;
    inside[0] = tr_probe_open(tr_actor_runtime(self), &another);
    inside[1] = tr_probe_expect(probe, ONE, 0, NULL);
    inside[2] = tr_probe_expect_none(probe, 0);
    inside[3] = tr_probe_do(probe, ask_inside, NULL);
}

static void
check_refusals(void)
{
    tr_probe *another = NULL;
    assert_int_equal(tr_probe_open(NULL, &another), TR_EINVAL);
    assert_int_equal(tr_probe_open(runtime, NULL), TR_EINVAL);
    assert_int_equal(tr_probe_expect(NULL, ONE, 0, NULL), TR_EINVAL);
    assert_int_equal(tr_probe_expect_none(NULL, 0), TR_EINVAL);
    assert_int_equal(tr_probe_do(NULL, ask_inside, NULL), TR_EINVAL);
    assert_int_equal(tr_probe_do(probe, NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_probe_send(probe, tr_probe_ref(probe), NULL), TR_EINVAL);
    assert_int_equal(tr_probe_ref(NULL), TR_NOBODY);
    assert_string_equal(tr_probe_text(NULL), "");
    tr_probe_close(NULL);
    assert_int_equal(tr_probe_do(probe, ask_inside, NULL), TR_OK);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(inside[i], TR_EWRONGTHREAD);
}

static void
wrong_calls_are_refused(void **state)
{
    (void)state;
    in_both(check_refusals);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_asked_for_in_the_order_in_which_they_came),
        cmocka_unit_test(another_message_stays_and_is_told_of),
        cmocka_unit_test(a_failure_tells_of_the_messages_that_wait),
        cmocka_unit_test(an_expectation_ends_at_its_time),
        cmocka_unit_test(a_message_where_none_is_expected_stays_and_is_told_of),
        cmocka_unit_test(an_answer_to_what_the_probe_sends_comes_to_it),
        cmocka_unit_test(the_test_acts_as_the_probe),
        cmocka_unit_test(a_probe_that_has_ended_says_so),
        cmocka_unit_test(a_probe_may_be_closed_after_its_runtime),
        cmocka_unit_test(a_probe_that_is_killed_with_its_runtime_can_be_closed),
        cmocka_unit_test(wrong_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, hush, speak);
}
