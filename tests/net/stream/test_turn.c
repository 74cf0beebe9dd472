/*
 * Turns: when a socket does what is due, and in which order. What it does is the test's: a course of its own, whose
 * steps write a letter each.
 */
#include "options.h"
#include "play.h"
#include "turn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static tr_socket *subject;
static char done[64];
static void (*in_step)(char step); /* may be NULL */
static void (*on_message)(void);   /* may be NULL */
static unsigned messages;

static void
write_down(char what)
{
    size_t length = strlen(done);
    assert_in_range(length, 0, sizeof(done) - 2);
    done[length] = what;
    if (in_step != NULL)
        in_step(what);
}

#define STEP(name, letter)                                                                                             \
    static void name(tr_socket *socket)                                                                                \
    {                                                                                                                  \
        assert_ptr_equal(socket, subject);                                                                             \
        write_down(letter);                                                                                            \
    }
STEP(start, 'S')
STEP(connect_event, 'C')
STEP(ready, 'R')
STEP(drain, 'D')
STEP(timeout, 'T')
STEP(close_event, 'X')

static const tri_step_function steps[TRI_STEPS] = {
    [TRI_STEP_START] = start, [TRI_STEP_CONNECT] = connect_event, [TRI_STEP_READY] = ready,
    [TRI_STEP_DRAIN] = drain, [TRI_STEP_TIMEOUT] = timeout,       [TRI_STEP_CLOSE] = close_event,
};

static const struct tri_course course = {.steps = steps};

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    (void)argument;
    subject = state;
    return tri_socket_init(subject, self, &(struct tr_socket_options){.high_water = 1}, &course);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state, (void)message;
    messages++;
    if (on_message != NULL)
        on_message();
}

static void
stopped(tr_actor *self, void *state)
{
    (void)self;
    tri_socket_free_extra(state);
    subject = NULL;
}

static const struct tr_behavior behavior = {
    .name = "turns", .state_size = sizeof(tr_socket), .init = init, .receive = receive, .stopped = stopped};

static void
end_without_subject(void *argument)
{
    (void)argument;
    assert_null(subject);
    stage_end();
}

/* The end of a socket: as soon as it comes to its turn. */
static void
end_subject(void *argument)
{
    (void)argument;
    subject->flags |= TRI_SOCKET_GONE;
    tri_socket_later(subject);
    stage_settled(end_without_subject, NULL);
}

static void
prepare(void)
{
    memset(done, 0, sizeof(done));
    messages = 0;
    in_step = NULL;
    on_message = NULL;
    assert_int_equal(tr_spawn(director, &behavior, NULL, NULL), TR_OK);
}

static void
send_to_subject(void)
{
    tr_message message = tr_message_signal(7);
    assert_int_equal(tr_send(director, tr_self(subject->actor), &message), TR_OK);
}

/* The tests. */

static void
ask_backwards(void)
{
    prepare();
    tri_socket_due(subject, TRI_STEP(CLOSE));
    tri_socket_due(subject, TRI_STEP(READY) | TRI_STEP(TIMEOUT));
    tri_socket_due(subject, TRI_STEP(CONNECT));
    tri_socket_due(subject, TRI_STEP(READY));
    assert_string_equal(done, "");
    stage_settled(end_subject, NULL);
}

static void
steps_are_done_later_once_and_in_the_order_of_their_numbers(void **state)
{
    (void)state;
    stage_play(1, ask_backwards);
    assert_string_equal(done, "CRTX");
}

static struct tri_later mark;

static void
set_mark(struct tri_later *later)
{
    (void)later;
    write_down('|');
}

static void
make_more_due(char step)
{
    if (step != 'D')
        return;
    tri_later_add(subject->home->net, &mark, set_mark);
    tri_socket_due(subject, TRI_STEP(CONNECT) | TRI_STEP(TIMEOUT));
}

static void
ask_for_drain(void)
{
    prepare();
    in_step = make_more_due;
    tri_socket_due(subject, TRI_STEP(DRAIN) | TRI_STEP(CLOSE));
    stage_settled(end_subject, NULL);
}

static void
what_a_step_makes_due_comes_in_its_place_or_else_in_the_next_turn(void **state)
{
    (void)state;
    stage_play(1, ask_for_drain);
    assert_string_equal(done, "DTX|C");
}

static void
ask_inside(void)
{
    prepare();
    struct tri_actor_frame frame = tri_socket_enter(subject, TRI_TAG_ON_READ);
    tri_socket_step_now(subject, TRI_STEP(READY), TRI_TAG_ON_READ);
    tri_socket_due(subject, TRI_STEP(CONNECT));
    assert_string_equal(done, "");
    tri_socket_leave(subject, frame);
    assert_string_equal(done, "CR");
    tri_socket_step_now(subject, TRI_STEP(CLOSE), TRI_TAG_ON_READ);
    assert_string_equal(done, "CRX"); /* outside of a callback: within the call */
    stage_settled(end_subject, NULL);
}

static void
nothing_is_done_before_the_callback_that_runs_has_returned(void **state)
{
    (void)state;
    stage_play(1, ask_inside);
    assert_string_equal(done, "CRX");
}

static void
use_up_credit(char step)
{
    if (step == 'R')
        subject->extra->credit = 0;
}

static void
give_credit(void *argument)
{
    (void)argument;
    assert_string_equal(done, "CR");
    subject->extra->credit = 1;
    tri_socket_due(subject, 0);
    stage_settled(end_subject, NULL);
}

static void
ask_with_an_owner(void)
{
    prepare();
    in_step = use_up_credit;
    subject->extra->owner = tr_self(director);
    subject->extra->credit = 1;
    tri_socket_update_special(subject);
    tri_socket_due(subject, TRI_STEP(CONNECT) | TRI_STEP(READY) | TRI_STEP(TIMEOUT) | TRI_STEP(CLOSE));
    stage_settled(give_credit, NULL);
}

static void
without_credit_nothing_is_done_and_with_it_the_rest_follows(void **state)
{
    (void)state;
    stage_play(1, ask_with_an_owner);
    assert_string_equal(done, "CRTX");
}

static void
write_message(void)
{
    write_down('m');
}

static void
ask_with_mail(void)
{
    prepare();
    on_message = write_message;
    send_to_subject();
    tri_socket_step_now(subject, TRI_STEP(CONNECT), TRI_TAG_ON_READ);
    assert_string_equal(done, "");
    stage_settled(end_subject, NULL);
}

static void
what_was_sent_to_a_socket_before_comes_before_its_steps(void **state)
{
    (void)state;
    stage_play(1, ask_with_mail);
    assert_string_equal(done, "mC");
}

static void
send_again(void)
{
    if (done[0] == '\0')
        send_to_subject();
}

static void
ask_under_a_flood(void)
{
    prepare();
    on_message = send_again;
    send_to_subject();
    tri_socket_due(subject, TRI_STEP(CONNECT));
    stage_settled(end_subject, NULL);
}

static void
a_socket_that_always_has_mail_does_its_steps_all_the_same(void **state)
{
    (void)state;
    stage_play(1, ask_under_a_flood);
    assert_string_equal(done, "C");
    assert_true(messages >= TRI_TURNS_FOR_MAIL); /* it has waited for each of these turns, which handle one at least */
}

static void
start_in_a_callback(void)
{
    prepare();
    struct tri_actor_frame frame = tri_socket_enter(subject, TRI_TAG_ON_READ);
    tri_socket_start_later(subject);
    tri_socket_due(subject, TRI_STEP(DRAIN));
    tri_socket_leave(subject, frame);
    assert_string_equal(done, "D");
    stage_settled(end_subject, NULL);
}

static void
connecting_begins_in_the_next_turn_whatever_else_is_done_in_this_one(void **state)
{
    (void)state;
    stage_play(1, start_in_a_callback);
    assert_string_equal(done, "DS");
}

static void
silence(void)
{
    prepare();
    tri_socket_due(subject, TRI_STEP(CONNECT));
    subject->flags |= TRI_SOCKET_SILENT;
    stage_settled(end_subject, NULL);
}

static void
a_silent_socket_does_nothing_any_more(void **state)
{
    (void)state;
    stage_play(1, silence);
    assert_string_equal(done, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_done_later_once_and_in_the_order_of_their_numbers),
        cmocka_unit_test(what_a_step_makes_due_comes_in_its_place_or_else_in_the_next_turn),
        cmocka_unit_test(nothing_is_done_before_the_callback_that_runs_has_returned),
        cmocka_unit_test(without_credit_nothing_is_done_and_with_it_the_rest_follows),
        cmocka_unit_test(what_was_sent_to_a_socket_before_comes_before_its_steps),
        cmocka_unit_test(a_socket_that_always_has_mail_does_its_steps_all_the_same),
        cmocka_unit_test(connecting_begins_in_the_next_turn_whatever_else_is_done_in_this_one),
        cmocka_unit_test(a_silent_socket_does_nothing_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
