/*
 * The traces of several processes, read together, and clocks that contradict each other: with times that the test
 * chooses.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "helpers.h"
#include "timed.h"

#define A TRI_TRACE_REF(0, 7, 3)
#define B TRI_TRACE_REF(1, 8, 4)
#define M(count) TRI_TRACE_MESSAGE(0, count)
#define P(process, count) TRI_TRACE_MESSAGE(process, count)

/* One machine since one start; and another one. */
#define HERE "    boot = \"a\";\n    cluster = \"c\";\n"
#define THERE "    boot = \"b\";\n    cluster = \"c\";\n"

/* Where the trace of a process lies; 1: that of them all. */
static const char *
place_of(const struct traces *traces, unsigned process, char path[400])
{
    if (process == 1)
        snprintf(path, 400, "%s", traces->directory);
    else
        snprintf(path, 400, "%s/%u", traces->directory, process);
    return path;
}

static void
end_process(const struct traces *traces, unsigned process, const char *lines)
{
    char path[400];
    timed_process((uint8_t)process, lines);
    timed_end(place_of(traces, process, path), true);
}

static void
remove_processes(const struct traces *traces)
{
    char path[400];
    for (unsigned process = 9; process > 1; process--)
        tests_directory_remove(place_of(traces, process, path));
}

static int
teardown(void **state)
{
    remove_processes(*state);
    return traces_teardown(state);
}

/* An actor of a process sends itself a message, 1 us after `ns`. */
static void
write_process(const struct traces *traces, unsigned process, const char *lines, uint64_t ns, const char *class)
{
    timed_begin();
    timed_name(process == 1 ? "first" : "second"); /* so that the numbers of names differ */
    timed_spawn(ns, A, class);
    timed_send(ns + 1000, A, M(1), 5);
    timed_receive(ns + 2000, A, M(1), 5);
    end_process(traces, process, lines);
}

/* -- Together. -- */

static void
actors_messages_and_workers_of_processes_are_told_apart(void **state)
{
    struct traces *traces = *state;
    write_process(traces, 1, HERE, 0, "echo");
    write_process(traces, 2, HERE, 10, "echo");
    const char *const parts[] = {"1/0  send               1/0:7.3 (echo)  message 1/0:1  tag 5  to 1/0:7.3 (echo)\n",
                                 "2/0  send               2/0:7.3 (echo)  message 2/0:1  tag 5  to 2/0:7.3 (echo)\n",
                                 "1/0  receive            1/0:7.3 (echo)  message 1/0:1",
                                 "2/0  receive            2/0:7.3 (echo)  message 2/0:1", NULL};
    expect_parts(traces, "dump", NULL, NULL, 0, parts);
    expect_output(traces, "dump", "--json", NULL, 0,
                  "\"process\":2,\"worker\":0,\"event\":\"send\",\"actor\":\"2/0:7.3\"");
    traces_expect(traces, "check", 0, "passed   once                      4 times");
    traces_expect(traces, "check", 0, "passed   one_worker                6 times");
}

static void
classes_of_all_processes_are_one_by_their_names(void **state)
{
    struct traces *traces = *state;
    write_process(traces, 1, HERE, 0, "echo");
    write_process(traces, 2, HERE, 10, "echo");
    write_process(traces, 3, HERE, 20, "other");
    expect_output(traces, "stats", "--json", NULL, 0, "\"class\":\"echo\",\"spawned\":2,\"received\":2,");
    expect_output(traces, "stats", "--json", NULL, 0, "\"class\":\"other\",\"spawned\":1,\"received\":1,");
    expect_output(traces, "stats", "--json", NULL, 0, "{\"of\":\"worker\",\"process\":3,\"worker\":0,\"events\":3,");
}

static void
options_take_a_process_in_front(void **state)
{
    struct traces *traces = *state;
    write_process(traces, 1, HERE, 0, "echo");
    write_process(traces, 2, HERE, 10, "echo");
    struct outcome of_two = traces_tool(traces, "dump", "--actor", "2/0:7.3", NULL, NULL);
    assert_int_equal(traces_count(of_two.text, "\n"), 3);
    assert_int_equal(traces_count(of_two.text, "2/0 "), 3);
    free(of_two.text);
    struct outcome of_one = traces_tool(traces, "dump", "--worker", "0", NULL, NULL);
    assert_int_equal(traces_count(of_one.text, "  1/0 "), 3); /* without one it is the first */
    free(of_one.text);
    expect_output(traces, "path", "2/0:1", NULL, 0, "2/0:1");
    expect_output(traces, "dump", "--actor", "5/0:7.3", 2, "no such process");
    expect_output(traces, "dump", "--worker", "2/3", 2, "no such process or worker");
    expect_output(traces, "path", "5/0:1", NULL, 2, "not the id of a message");
}

static void
processes_of_another_cluster_or_of_none_are_not_read(void **state)
{
    struct traces *traces = *state;
    write_process(traces, 1, HERE, 0, "echo");
    write_process(traces, 2, "    boot = \"a\";\n    cluster = \"d\";\n", 10, "echo");
    write_process(traces, 3, "    boot = \"a\";\n", 10, "echo");
    write_process(traces, 4, HERE, 10, "echo");
    traces_expect(traces, "info", 0, "traces of their own: 2, 3\n");
    traces_expect(traces, "check", 0, "6 events;");
    traces_expect(traces, "stats", 0, "\n4/0 ");
}

static void
several_directories_are_counted_and_what_is_reached_twice_is_read_once(void **state)
{
    struct traces *traces = *state;
    char path[400];
    write_process(traces, 1, HERE, 0, "echo");
    write_process(traces, 2, NULL, 10, "echo");
    place_of(traces, 2, path);
    const char *const words[] = {TROUPE_TRACE, "stats", traces->directory, path, path, NULL};
    struct outcome outcome = traces_run(words);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(traces_count(outcome.text, "\n1/0 "), 1);
    assert_int_equal(traces_count(outcome.text, "\n2/0 "), 1);
    assert_int_equal(traces_count(outcome.text, "\n3/0 "), 0);
    free(outcome.text);
}

static void
of_a_directory_without_a_trace_those_below_are_read(void **state)
{
    struct traces *traces = *state;
    assert_int_equal(mkdir(traces->directory, 0700), 0);
    write_process(traces, 4, HERE, 0, "echo");
    write_process(traces, 7, THERE, 10, "echo");
    traces_expect(traces, "stats", 0, "\n2/0 ");
    traces_expect(traces, "check", 0, "6 events;");
}

/* Two messages to an actor of the second process, with tags. */
static void
write_run(const struct traces *traces, uint32_t first, uint32_t second)
{
    write_process(traces, 1, HERE, 0, "echo");
    timed_begin();
    timed_name("filler"); /* so that the numbers of names differ */
    timed_spawn(10, A, "echo");
    timed_send(1010, A, M(1), first);
    timed_send(1020, A, M(2), second);
    timed_receive(2010, A, M(1), first);
    timed_receive(2020, A, M(2), second);
    end_process(traces, 2, HERE);
}

static void
two_runs_of_a_cluster_are_compared_to_the_first_delivery_that_differs(void **state)
{
    struct traces *traces = *state, other = *traces;
    snprintf(other.directory, sizeof(other.directory), "%s/other", traces->base);
    const char *const words[] = {TROUPE_TRACE, "diff", traces->directory, other.directory, NULL};
    write_run(traces, 5, 6);
    write_run(&other, 5, 6);
    struct outcome same = traces_run(words);
    assert_int_equal(same.status, 0);
    write_run(&other, 5, 7);
    struct outcome differs = traces_run(words);
    remove_processes(&other);
    tests_directory_remove(other.directory);
    if (differs.status != 1 || strstr(differs.text, "2/0:7.3") == NULL || strstr(differs.text, "tag 6") == NULL ||
        strstr(differs.text, "tag 7") == NULL || strstr(differs.text, "1/0:7.3") != NULL)
        fail_msg("it ended with %d:\n%s", differs.status, differs.text);
    free(same.text);
    free(differs.text);
}

/* -- Parcels. -- */

static void
write_parcels(const struct traces *traces, unsigned sent, unsigned received)
{
    timed_begin();
    for (unsigned i = 1; i <= sent; i++)
        timed_parcel_sent(i * 1000, 0, P(0, i));
    end_process(traces, 1, HERE);
    timed_begin();
    for (unsigned i = 1; i <= received; i++)
        timed_parcel_received(i * 1000 + 500, UINT32_MAX, P(0, i));
    end_process(traces, 2, HERE);
}

static void
a_parcel_that_no_process_sent_is_a_failure(void **state)
{
    struct traces *traces = *state;
    write_parcels(traces, 3, 3);
    traces_expect(traces, "check", 0, "passed   parcel                    6 times");
    write_parcels(traces, 2, 3);
    traces_expect(traces, "check", 1, "FAILED   parcel                    5 times");
    traces_expect(traces, "check", 1, "no process sent it before");
    write_parcels(traces, 3, 2); /* it was on its way when its receiver died */
    traces_expect(traces, "check", 0, "passed   parcel                    5 times");
}

static void
a_parcel_that_is_received_or_sent_twice_is_a_failure(void **state)
{
    struct traces *traces = *state;
    timed_begin();
    timed_parcel_sent(1000, 0, P(0, 1));
    end_process(traces, 1, HERE);
    for (unsigned process = 2; process <= 3; process++) {
        timed_begin();
        timed_parcel_received(1000 * process, UINT32_MAX, P(0, 1));
        end_process(traces, process, HERE);
    }
    traces_expect(traces, "check", 1, "it had come to its end before");
    timed_begin();
    timed_parcel_sent(1000, 0, P(0, 1));
    timed_parcel_sent(1100, 1, P(0, 1));
    end_process(traces, 1, HERE);
    traces_expect(traces, "check", 1, "sent again under the same id");
}

/* -- Clocks. -- */

/* What dump prints as times, in its order: ticks of events that name a parcel or a message. */
static size_t
read_ticks(const struct traces *traces, uint64_t *ticks, size_t most)
{
    struct outcome outcome = traces_tool(traces, "dump", "--json", NULL, NULL, NULL);
    size_t count = 0;
    assert_int_equal(outcome.status, 0);
    for (const char *at = outcome.text; count < most && (at = strstr(at, "\"ticks\":")) != NULL; at++)
        ticks[count++] = strtoull(at + strlen("\"ticks\":"), NULL, 10);
    free(outcome.text);
    return count;
}

/* A process whose clock is 10 s behind is asked and answers, ten times: 50 us there, 30 us back. */
static void
write_conversation(const struct traces *traces, const char *there)
{
    const uint64_t behind = 10000 * MS;
    timed_begin();
    for (unsigned i = 1; i <= 10; i++) {
        timed_parcel_sent(behind + i * MS, 0, P(0, i));
        timed_parcel_received(behind + i * MS + 100 * US, 0, P(1, i));
    }
    end_process(traces, 1, HERE);
    timed_begin();
    for (unsigned i = 1; i <= 10; i++) {
        timed_parcel_received(i * MS + 50 * US, UINT32_MAX, P(0, i));
        timed_parcel_sent(i * MS + 70 * US, UINT32_MAX, P(1, i));
    }
    end_process(traces, 2, there);
}

static void
expect_times_that_grow(const struct traces *traces, size_t events)
{
    uint64_t ticks[64];
    assert_int_equal(read_ticks(traces, ticks, 64), events);
    for (size_t i = 1; i < events; i++)
        assert_true(ticks[i] >= ticks[i - 1]);
}

static void
a_clock_that_is_behind_is_corrected_as_a_whole(void **state)
{
    struct traces *traces = *state;
    uint64_t ticks[40];
    write_conversation(traces, HERE);
    expect_times_that_grow(traces, 40);
    assert_int_equal(read_ticks(traces, ticks, 40), 40);
    for (size_t i = 0; i < 40; i += 4) { /* the least that will do: the way there takes no time */
        assert_true(ticks[i + 1] == ticks[i]);
        assert_true(ticks[i + 2] == ticks[i + 1] + 20 * US);
        assert_true(ticks[i + 3] == ticks[i] + 100 * US);
    }
    traces_expect(traces, "dump", 0,
                  "contradict the order of 10 messages, by 10.0 s at most. Corrected: threads 2/outside by 10.0 s\n");
    traces_expect(traces, "check", 0, "the time contradicts the order of 10 messages");
    traces_expect(traces, "check", 0, "passed   parcel");
}

static void
machines_of_different_clocks_are_read_by_the_time_of_day(void **state)
{
    struct traces *traces = *state;
    write_conversation(traces, "    boot = \"b\";\n    cluster = \"c\";\n    freq = 500000000;\n    offset_s = 10;\n");
    expect_times_that_grow(traces, 40); /* its ticks are 2 ns long, and began 10 s later */
}

static void
a_clock_that_jumps_is_corrected_from_there_on(void **state)
{
    struct traces *traces = *state;
    timed_begin();
    timed_spawn(0, A, "asker");
    timed_spawn(0, B, "worker");
    for (unsigned i = 1; i <= 10; i++) {
        timed_send(i * 1000, A, M(i), 5);
        timed_receive(i * 1000 + 100, A, TRI_TRACE_MESSAGE(1, i), 5);
    }
    for (unsigned i = 1; i <= 10; i++) { /* until the fifth it is 200 ahead, then 500 behind */
        uint64_t ns = i * 1000 + 50 + (i <= 5 ? 200 : 0) - (i > 5 ? 500 : 0);
        timed_receive(ns, B, M(i), 5);
        timed_send(ns + 10, B, TRI_TRACE_MESSAGE(1, i), 5);
    }
    timed_end(traces->directory, true);
    expect_times_that_grow(traces, 42);
    traces_expect(traces, "check", 0, "passed   sent_before              20 times");
    traces_expect(traces, "check", 0, "the time contradicts the order of 10 messages, by 450 ns at most: corrected");
}

static void
no_wait_is_negative_and_durations_of_a_stream_stay(void **state)
{
    struct traces *traces = *state;
    timed_begin();
    timed_spawn(100, A, "asker");
    timed_spawn(0, B, "worker");
    for (unsigned i = 1; i <= 4; i++)
        timed_send(1000 * i, A, M(i), 5);
    for (unsigned i = 1; i <= 4; i++) {
        timed_receive(1000 * i - 700 + i, B, M(i), 5); /* 700 behind, less what it waited */
        timed_event(1, 1000 * i - 700 + i + 40, ACTORS(handled), 5, B, M(i));
    }
    timed_end(traces->directory, true);
    expect_output(traces, "stats", "--json", NULL, 0,
                  "\"work\":{\"count\":4,\"p50_ns\":40,\"p99_ns\":40,\"max_ns\":40,");
    expect_output(traces, "stats", "--json", NULL, 0, "\"p99_ns\":3,\"max_ns\":3,");
    expect_output(traces, "path", "0:3", NULL, 0, "waited 2 ns");
}

/* Worker 1 is 500 behind: by the times as they were recorded all dies, or is received, before it is sent. */
static void
write_skewed(const struct traces *traces, bool dies)
{
    timed_begin();
    timed_spawn(1000, A, "asker");
    timed_spawn(500, B, "worker");
    timed_send(2000, A, M(1), 5);
    if (dies)
        timed_event(1, 1500, ACTORS(dead_letter), 1, B, M(1));
    else
        timed_receive(1510, B, M(1), 6); /* with another tag */
    timed_send(2100, A, M(2), 5);
    timed_receive(2100, B, M(2), 5); /* in the same tick: contradicts nothing */
    timed_end(traces->directory, true);
}

static void
expect_correction(const struct traces *traces, const char *command, const char *part)
{
    struct outcome outcome = traces_tool(traces, command, NULL, NULL, NULL, NULL);
    assert_int_equal(traces_count(outcome.text, "troupe-trace: the clocks contradict the order of 1 messages"), 1);
    assert_int_equal(traces_count(outcome.text, part), 1);
    free(outcome.text);
}

static void
a_command_that_begins_again_says_all_once_and_of_corrected_times(void **state)
{
    struct traces *traces = *state;
    write_skewed(traces, false);
    expect_correction(traces, "check", "tag: it was sent with another tag: ");
    expect_correction(traces, "check", "  worker 1  receive"); /* of the failure, and no second time */
    expect_correction(traces, "stats", "lasts ");
    expect_correction(traces, "explain", "look bad");
}

static void
a_dead_letter_before_its_send_contradicts_the_clocks_too(void **state)
{
    struct traces *traces = *state;
    write_skewed(traces, true);
    expect_correction(traces, "check", "passed   once");
    expect_correction(traces, "stats", "asker                        ");
    expect_correction(traces, "explain", "more: troupe-trace");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(actors_messages_and_workers_of_processes_are_told_apart),
        TEST(classes_of_all_processes_are_one_by_their_names),
        TEST(options_take_a_process_in_front),
        TEST(processes_of_another_cluster_or_of_none_are_not_read),
        TEST(several_directories_are_counted_and_what_is_reached_twice_is_read_once),
        TEST(of_a_directory_without_a_trace_those_below_are_read),
        TEST(two_runs_of_a_cluster_are_compared_to_the_first_delivery_that_differs),
        TEST(a_parcel_that_no_process_sent_is_a_failure),
        TEST(a_parcel_that_is_received_or_sent_twice_is_a_failure),
        TEST(a_clock_that_is_behind_is_corrected_as_a_whole),
        TEST(machines_of_different_clocks_are_read_by_the_time_of_day),
        TEST(a_clock_that_jumps_is_corrected_from_there_on),
        TEST(no_wait_is_negative_and_durations_of_a_stream_stay),
        TEST(a_command_that_begins_again_says_all_once_and_of_corrected_times),
        TEST(a_dead_letter_before_its_send_contradicts_the_clocks_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
