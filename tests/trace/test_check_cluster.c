/*
 * `troupe-trace check` on the processes of a cluster: what the changes of test_mutations.c do not come to, processes
 * that follow each other under one number, and what is true though it looks wrong, which must pass.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers.h"
#include "timed.h"

#define PARENT UINT32_MAX
#define LISTENER TRI_TRACE_REF(0, 7, 3)
#define P(process, count) TRI_TRACE_MESSAGE(process, count)

enum { PROCESSES = 4 };

/* Where the trace of a process lies; 0: the parent's, and that of them all. */
static const char *
place_of(const struct traces *traces, unsigned serial, char path[400])
{
    if (serial == 0)
        snprintf(path, 400, "%s", traces->directory);
    else
        snprintf(path, 400, "%s/%u", traces->directory, serial + 1);
    return path;
}

static int
teardown(void **state)
{
    char path[400];
    for (unsigned serial = PROCESSES; serial-- > 1;)
        tests_directory_remove(place_of(*state, serial, path));
    return traces_teardown(state);
}

/* Ends the trace of the process that has that serial. `more` are further lines of its metadata. */
static void
end_process_of(const struct traces *traces, unsigned serial, const char *member, bool closed, const char *more)
{
    char lines[300], path[400];
    snprintf(lines, sizeof(lines),
             "    boot = \"a\";\n    cluster = \"c\";\n    member = \"%s\";\n    serial = %u;\n%s", member, serial,
             more);
    timed_process((uint8_t)(serial + 1), lines);
    timed_end(place_of(traces, serial, path), closed);
    timed_begin();
}

/* The same; its pid is 100 more than the serial. */
static void
end_process(const struct traces *traces, unsigned serial, const char *member, bool closed)
{
    char more[100];
    snprintf(more, sizeof(more), "    pid = %u;\n    pid_namespace = 7;\n    runtimes = 1;\n", 100 + serial);
    end_process_of(traces, serial, member, closed, more);
}

static void
begin_child_as(uint64_t ns, uint32_t child, unsigned serial, uint64_t pid)
{
    timed_event(OUTSIDE, ns, NET(child_began), child, 0, pid);
    timed_flags(OUTSIDE, (uint16_t)serial);
}

static void
begin_child(uint64_t ns, uint32_t child, unsigned serial)
{
    begin_child_as(ns, child, serial, 100 + serial);
}

static void
end_child(uint64_t ns, uint32_t child)
{
    timed_event(OUTSIDE, ns, NET(child_ended), child, 0, 0);
}

static void
deal(uint64_t ns, uint32_t child, uint64_t parcel)
{
    timed_event(OUTSIDE, ns, NET(cluster_deal), child, 0, parcel);
}

static void
come_back(uint64_t ns, uint32_t child, uint64_t parcel)
{
    timed_event(OUTSIDE, ns, NET(cluster_back), child, 0, parcel);
}

static void
listen_and_take(uint64_t ns, uint64_t parcel)
{
    timed_spawn(ns, LISTENER, "listener");
    timed_event(0, ns + 1, NET(listener_open), 80, LISTENER, 0);
    timed_event(0, ns + 2, NET(cluster_take), 0, LISTENER, parcel);
}

/* -- One number. -- */

/* Child 0, which gets a message; it ends, and its successor, whose serial is 2, gets one; each by that process. */
static void
write_successors(const struct traces *traces, unsigned first, unsigned second)
{
    timed_begin();
    begin_child(1000, 0, 1);
    timed_parcel_sent(2000, 0, P(0, 1));
    end_child(3000, 0);
    begin_child(4000, 0, 2);
    timed_parcel_sent(5000, 0, P(0, 2));
    end_child(9000, 0);
    end_process(traces, 0, "parent", true);
    timed_parcel_received(2500, PARENT, P(0, 1));
    end_process(traces, first, "0", true);
    timed_parcel_received(5500, PARENT, P(0, 2));
    end_process(traces, second, "0", true);
}

static void
what_was_sent_to_a_child_is_not_received_by_its_successor(void **state)
{
    struct traces *traces = *state;
    write_successors(traces, 1, 2);
    traces_expect(traces, "check", 0, "passed   cluster                   8 times");
    write_successors(traces, 2, 1);
    traces_expect(traces, "check", 1, "it was sent to another process of that number");
    traces_expect(traces, "check", 1, "FAILED   cluster                   8 times");
}

static void
children_of_one_number_and_one_pid_are_told_from_each_other(void **state)
{
    struct traces *traces = *state;
    for (unsigned receiver = 1; receiver <= 2; receiver++) {
        timed_begin();
        begin_child_as(1000, 0, 1, 100);
        timed_parcel_sent(2000, 0, P(0, 1));
        end_child(3000, 0);
        begin_child_as(4000, 0, 2, 100);
        end_child(9000, 0);
        end_process(traces, 0, "parent", true);
        timed_parcel_received(9500, PARENT, P(0, 1));
        end_process_of(traces, receiver, "0", true, "    pid = 100;\n    pid_namespace = 7;\n");
        traces_expect(traces, "check", receiver == 1 ? 0 : 1,
                      receiver == 1 ? "passed   cluster" : "it was sent to another process of that number");
        char path[400];
        tests_directory_remove(place_of(traces, receiver, path));
    }
}

static void
a_child_whose_serial_is_used_again_is_not_told_from_the_one_before(void **state)
{
    struct traces *traces = *state;
    timed_begin();
    begin_child(1000, 0, 1);
    timed_parcel_sent(2000, 0, P(0, 1));
    end_child(3000, 0);
    begin_child(4000, 0, 1);
    end_child(9000, 0);
    end_process(traces, 0, "parent", true);
    timed_parcel_received(9500, PARENT, P(0, 1)); /* its clock is late */
    end_process(traces, 1, "0", true);
    traces_expect(traces, "check", 0, "passed   cluster");
}

static void
a_child_that_begins_while_it_runs_or_outlives_its_parent_is_a_failure(void **state)
{
    struct traces *traces = *state;
    timed_begin();
    begin_child(1000, 0, 1);
    begin_child(2000, 0, 2);
    end_child(3000, 0);
    end_process(traces, 0, "parent", true);
    traces_expect(traces, "check", 1, "that child began before, and has not ended");
    traces_expect(traces, "check", 1, "  worker outside  child_began  child 0\n"); /* no actor does that */
    begin_child(1000, 0, 1);
    end_process(traces, 0, "parent", true);
    traces_expect(traces, "check", 1, "the parent has ended, and that child has not");
    begin_child(1000, 0, 1);
    end_process(traces, 0, "parent", false); /* it was killed, or is still there */
    traces_expect(traces, "check", 0, "passed   cluster");
}

static void
a_process_that_the_parent_has_not_begun_is_a_failure_if_the_parent_has_told_all(void **state)
{
    struct traces *traces = *state;
    for (int closed = 1; closed >= 0; closed--) {
        timed_begin();
        begin_child(1000, 0, 1);
        end_child(9000, 0);
        end_process(traces, 0, "parent", closed);
        timed_event(0, 2000, CORE(worker_start), 0, 0, 0);
        timed_event(0, 3000, CORE(worker_stop), 0, 0, 0);
        end_process(traces, 2, "0", true);
        traces_expect(traces, "check", closed, closed ? "no such process under its number" : "passed   cluster");
    }
}

static void
a_pid_of_another_namespace_contradicts_nothing(void **state)
{
    struct traces *traces = *state;
    static const char *const namespaces[] = {"    pid = 1;\n    pid_namespace = 7;\n",
                                             "    pid = 1;\n    pid_namespace = 8;\n", "    pid = 1;\n"};
    for (unsigned i = 0; i < 3; i++) {
        timed_begin();
        begin_child(1000, 0, 1);
        timed_parcel_sent(2000, 0, P(0, 1));
        end_child(9000, 0);
        end_process(traces, 0, "parent", true);
        timed_event(0, 2000, CORE(worker_start), 0, 0, 0);
        timed_event(0, 3000, CORE(worker_stop), 0, 0, 0);
        timed_parcel_received(2500, PARENT, P(0, 1));
        end_process_of(traces, 1, "0", true, namespaces[i]);
        traces_expect(traces, "check", i == 0, i == 0 ? "no such process under its number" : "passed   cluster");
    }
}

/* -- Several runtimes. -- */

/* A child gets a connection and sends a parcel, of which its trace tells nothing. */
static void
write_untold(const struct traces *traces, const char *runtimes)
{
    timed_begin();
    begin_child(1000, 0, 1);
    deal(2000, 0, P(0, 1));
    timed_parcel_received(2500, 0, P(1, 1));
    end_child(9000, 0);
    end_process(traces, 0, "parent", true);
    timed_parcel_sent(2900, PARENT, P(1, 2));
    end_process_of(traces, 1, "0", true, runtimes);
}

static void
what_another_runtime_of_a_child_did_elsewhere_is_not_missed(void **state)
{
    struct traces *traces = *state;
    write_untold(traces, "    runtimes = 1;\n");
    traces_expect(traces, "check", 1, "no process sent it before");
    traces_expect(traces, "check", 1, "neither taken nor lost");
    write_untold(traces, "    runtimes = 2;\n");
    traces_expect(traces, "check", 0, "unknown  parcel");
    traces_expect(traces, "check", 0, "passed   cluster");
}

/* Another runtime may have begun then. */
static void
after_the_end_of_a_childs_trace_nothing_is_missed(void **state)
{
    struct traces *traces = *state;
    timed_begin();
    begin_child(1000, 0, 1);
    deal(3000, 0, P(0, 1));
    timed_parcel_received(3500, 0, P(1, 1));
    end_child(9000, 0);
    end_process(traces, 0, "parent", true);
    timed_parcel_sent(2900, PARENT, P(1, 2));
    end_process(traces, 1, "0", true);
    traces_expect(traces, "check", 0, "unknown  parcel");
    traces_expect(traces, "check", 0, "passed   cluster");
}

/* -- Connections. -- */

static void
a_connection_without_an_end_is_a_failure_if_its_child_has_told_all(void **state)
{
    struct traces *traces = *state;
    for (int closed = 1; closed >= 0; closed--) {
        timed_begin();
        begin_child(1000, 0, 1);
        deal(2000, 0, P(0, 1));
        deal(2001, 0, P(0, 2));
        end_child(9000, 0);
        end_process(traces, 0, "parent", true);
        listen_and_take(3000, P(0, 1));
        end_process(traces, 1, "0", closed); /* it was killed, and may have taken the other as well */
        traces_expect(traces, "check", closed, closed ? "neither taken nor lost" : "passed   cluster");
    }
}

static void
of_a_connection_that_was_dealt_to_a_child_without_a_trace_nothing_is_asked(void **state)
{
    struct traces *traces = *state;
    timed_begin();
    begin_child(1000, 0, 1);
    deal(2000, 0, P(0, 1));
    end_child(9000, 0);
    end_process(traces, 0, "parent", true);
    traces_expect(traces, "check", 0, "passed   cluster");
}

/* The parent kills a child that says nonsense, and does not read what it has answered before. */
static void
a_connection_may_have_been_taken_and_come_back(void **state)
{
    struct traces *traces = *state;
    for (int again = 0; again <= 1; again++) {
        timed_begin();
        begin_child(1000, 0, 1);
        deal(2000, 0, P(0, 1));
        come_back(5000, 0, P(0, 1));
        if (again)
            come_back(6000, 0, P(0, 1));
        end_child(9000, 0);
        end_process(traces, 0, "parent", true);
        listen_and_take(3000, P(0, 1));
        end_process(traces, 1, "0", true);
        traces_expect(traces, "check", again, again ? "it came back before" : "passed   cluster");
    }
}

/* -- Order. -- */

/* A worker sends two, and threads that are no workers two; the parent gets those two, in that order. */
static void
write_sends(const struct traces *traces, unsigned first, unsigned second)
{
    timed_begin();
    begin_child(500, 0, 1);
    timed_parcel_received(5000, 0, P(1, first));
    timed_parcel_received(6000, 0, P(1, second));
    end_child(9000, 0);
    end_process(traces, 0, "parent", true);
    timed_spawn(1000, LISTENER, "sender");
    timed_event(0, 2000, NET(cluster_send), PARENT, LISTENER, P(1, 1));
    timed_event(0, 3000, NET(cluster_send), PARENT, LISTENER, P(1, 4));
    timed_parcel_sent(2100, PARENT, P(1, 3));
    timed_parcel_sent(2200, PARENT, P(1, 2));
    end_process(traces, 1, "0", true);
}

static void
what_one_thread_sends_is_received_in_its_order_and_other_threads_have_none(void **state)
{
    struct traces *traces = *state;
    write_sends(traces, 1, 4);
    traces_expect(traces, "check", 0, "passed   cluster");
    write_sends(traces, 3, 2);
    traces_expect(traces, "check", 0, "passed   cluster");
    write_sends(traces, 4, 3);
    traces_expect(traces, "check", 0, "passed   cluster");
    write_sends(traces, 4, 1);
    traces_expect(traces, "check", 1, "overtaken by what was sent later");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_sent_to_a_child_is_not_received_by_its_successor),
        TEST(children_of_one_number_and_one_pid_are_told_from_each_other),
        TEST(a_child_whose_serial_is_used_again_is_not_told_from_the_one_before),
        TEST(a_child_that_begins_while_it_runs_or_outlives_its_parent_is_a_failure),
        TEST(a_process_that_the_parent_has_not_begun_is_a_failure_if_the_parent_has_told_all),
        TEST(a_pid_of_another_namespace_contradicts_nothing),
        TEST(what_another_runtime_of_a_child_did_elsewhere_is_not_missed),
        TEST(after_the_end_of_a_childs_trace_nothing_is_missed),
        TEST(a_connection_without_an_end_is_a_failure_if_its_child_has_told_all),
        TEST(of_a_connection_that_was_dealt_to_a_child_without_a_trace_nothing_is_asked),
        TEST(a_connection_may_have_been_taken_and_come_back),
        TEST(what_one_thread_sends_is_received_in_its_order_and_other_threads_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
