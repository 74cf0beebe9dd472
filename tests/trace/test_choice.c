/*
 * Which events a picture or an export has, of traces that are longer than its scout looks ahead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "choice.h"
#include "helpers.h"
#include "process.h"
#include "timed.h"

#define CLIENT TRI_TRACE_REF(0, 1, 1)
#define SERVER TRI_TRACE_REF(1, 1, 1)
#define OTHER TRI_TRACE_REF(2, 1, 1)
#define M(count) TRI_TRACE_MESSAGE(0, count)
#define AHEAD 64u
#define MESSAGES 1000u

/* -- The traces. -- */

static void
begin(void)
{
    timed_begin();
    timed_spawn(0, CLIENT, "client");
    timed_spawn(0, SERVER, "server");
    timed_spawn(0, OTHER, "other");
}

/* Steadily, each message is received when so many more were sent. */
static void
put_messages(uint64_t from_ns, unsigned waiting)
{
    for (uint64_t i = 1; i <= MESSAGES; i++) {
        timed_send(from_ns + 10 * i, CLIENT, M(i), 5);
        timed_receive(from_ns + 10 * (i + waiting) + 5, SERVER, M(i), 5);
    }
}

/* How many events later than it is sent a message is received: meanwhile others are, and are sent. */
static unsigned
distance(unsigned message, unsigned waiting)
{
    unsigned received = message - 1 < waiting ? message - 1 : waiting;
    unsigned sent = MESSAGES - message < waiting ? MESSAGES - message : waiting;
    return received + sent + 1;
}

/* -- What is drawn of them. -- */

struct drawn {
    unsigned sends, receives, dead_letters, others;
    uint64_t late;
    char words[200]; /* on stderr */
};

static void
count_step(struct drawn *drawn, const struct step *step)
{
    drawn->sends += step->role == ROLE_send;
    drawn->receives += step->role == ROLE_receive;
    drawn->dead_letters += step->role == ROLE_dead_letter;
    drawn->others += step->role != ROLE_send && step->role != ROLE_receive && step->role != ROLE_dead_letter;
}

/* What is said on stderr comes into a file. */
static void
hear_late(const struct choice *choice, char *words, size_t size)
{
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    assert_non_null(file);
    dup2(fileno(file), STDERR_FILENO);
    choice_mention_late(choice);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    words[fread(words, 1, size - 1, file)] = '\0';
    fclose(file);
}

static void
go_through(struct choice *choice, const struct trace *trace, struct drawn *drawn)
{
    struct step step;
    assert_int_equal(choice_begin(choice, trace), 0);
    while (choice_next(choice, &step))
        count_step(drawn, &step);
    drawn->late = choice->scout.late;
    hear_late(choice, drawn->words, sizeof(drawn->words));
    choice_end(choice);
}

/* Ends the trace that was begun. last: so many of its last events; 0: all. */
static struct drawn
drawn_of(const struct traces *traces, const char *class, uint64_t last)
{
    const char *const path = traces->directory;
    struct drawn drawn = {0};
    struct choice choice;
    timed_end(traces->directory, true);
    struct trace *trace = trace_open(&path, 1);
    choice_init(&choice);
    choice.ahead = AHEAD;
    choice.last = last > 0;
    choice.limit = last > 0 ? last : UINT64_MAX;
    assert_int_equal(who_take_class(&choice.who, class), 0);
    go_through(&choice, trace, &drawn);
    choice_fini(&choice);
    trace_close(trace);
    process_ranges_forget();
    return drawn;
}

static void
the_sends_of_what_a_chosen_actor_receives_are_found_ahead(void **state)
{
    begin();
    put_messages(0, 30); /* each is received within 61 events */
    struct drawn drawn = drawn_of(*state, "server", 0);
    assert_int_equal(drawn.receives, MESSAGES);
    assert_int_equal(drawn.sends, MESSAGES);
    assert_int_equal(drawn.others, 1);
    assert_int_equal(drawn.late, 0);
    assert_string_equal(drawn.words, "");
}

static void
a_send_whose_end_is_too_far_ahead_is_left_out_and_counted(void **state)
{
    const unsigned waiting = 40;
    unsigned near = 0;
    for (unsigned i = 1; i <= MESSAGES; i++)
        near += distance(i, waiting) < AHEAD;
    assert_in_range(near, 1, MESSAGES - 1);
    begin();
    put_messages(0, waiting);
    struct drawn drawn = drawn_of(*state, "server", 0);
    assert_int_equal(drawn.receives, MESSAGES);
    assert_int_equal(drawn.sends, near);
    assert_int_equal(drawn.late, MESSAGES - near);
    assert_non_null(strstr(drawn.words, "troupe-trace: the sends of 954 messages are left out: chosen actors received "
                                        "them 64 events later, or more\n"));
}

static void
the_end_of_what_a_chosen_actor_sends_is_known_however_late_it_comes(void **state)
{
    begin();
    put_messages(0, 500);
    struct drawn drawn = drawn_of(*state, "client", 0);
    assert_int_equal(drawn.sends, MESSAGES);
    assert_int_equal(drawn.receives, MESSAGES);
    assert_int_equal(drawn.others, 1);
    assert_int_equal(drawn.late, 0);
}

static void
what_chosen_actors_send_each_other_needs_no_scout(void **state)
{
    timed_begin();
    timed_spawn(0, CLIENT, "pair");
    timed_spawn(0, SERVER, "pair");
    put_messages(0, 500);
    struct drawn drawn = drawn_of(*state, "pair", 0);
    assert_int_equal(drawn.sends, MESSAGES);
    assert_int_equal(drawn.receives, MESSAGES);
    assert_int_equal(drawn.late, 0);
}

static void
an_actor_that_comes_late_is_found_with_all_that_it_receives(void **state)
{
    timed_begin();
    timed_spawn(0, CLIENT, "client");
    timed_spawn(0, OTHER, "other");
    for (uint64_t i = 1; i <= 10 * AHEAD; i++)
        timed_event(2, i, ACTORS(become), timed_name("other"), OTHER, 0);
    timed_send(10 * AHEAD + 1, CLIENT, M(MESSAGES + 1), 5);
    timed_receive(10 * AHEAD + 2, OTHER, M(MESSAGES + 1), 5);
    timed_spawn(10 * AHEAD + 3, SERVER, "server");
    put_messages(11 * AHEAD, 20);
    struct drawn drawn = drawn_of(*state, "server", 0);
    assert_int_equal(drawn.sends, MESSAGES);
    assert_int_equal(drawn.receives, MESSAGES);
    assert_int_equal(drawn.others, 1);
}

/* The receiver sets it aside, gets it again, and the rest of it is nobody's. */
static void
a_message_that_is_set_aside_is_drawn_until_its_end(void **state)
{
    for (unsigned chosen = 0; chosen < 2; chosen++) {
        begin();
        timed_send(1, CLIENT, M(1), 5);
        timed_send(2, CLIENT, M(2), 5);
        for (uint64_t i = 0; i < 3; i++) {
            timed_receive(3 + 2 * i, SERVER, M(1), 5);
            timed_event(1, 4 + 2 * i, ACTORS(stash), 0, SERVER, M(1));
        }
        for (uint64_t i = 0; i < 10 * AHEAD; i++)
            timed_event(2, 10 + i, ACTORS(become), timed_name("other"), OTHER, 0);
        timed_event(2, 10 + 10 * AHEAD, ACTORS(dead_letter), 0, OTHER, M(1));
        struct drawn drawn = drawn_of(*state, chosen == 0 ? "client" : "server", 0);
        assert_int_equal(drawn.receives, 3);
        assert_int_equal(drawn.dead_letters, 1);
        assert_int_equal(drawn.sends, chosen == 0 ? 2 : 1);
        assert_int_equal(drawn.late, 0);
    }
}

static void
the_last_events_count_both_ends(void **state)
{
    begin();
    put_messages(0, 0);
    struct drawn drawn = drawn_of(*state, "server", 10);
    assert_int_equal(drawn.sends, 5);
    assert_int_equal(drawn.receives, 5);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_sends_of_what_a_chosen_actor_receives_are_found_ahead),
        TEST(a_send_whose_end_is_too_far_ahead_is_left_out_and_counted),
        TEST(the_end_of_what_a_chosen_actor_sends_is_known_however_late_it_comes),
        TEST(what_chosen_actors_send_each_other_needs_no_scout),
        TEST(an_actor_that_comes_late_is_found_with_all_that_it_receives),
        TEST(a_message_that_is_set_aside_is_drawn_until_its_end),
        TEST(the_last_events_count_both_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
