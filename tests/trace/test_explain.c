/*
 * What `troupe-trace explain` says of wrong programs: of real ones, and of traces whose times are known.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/server.h>

#include "helpers.h"
#include "stage.h"
#include "timed.h"

#define A TRI_TRACE_REF(0, 1, 1)
#define B TRI_TRACE_REF(1, 1, 1)
#define M(count) TRI_TRACE_MESSAGE(0, count)

/* -- Real ones. -- */

static struct tally handled;

static tr_runtime *
open_traced(struct traces *traces, unsigned workers)
{
    handled.count = 0;
    setenv("TR_TRACE", traces->directory, 1);
    return stage_open(workers);
}

/* The line of that title: whether it is bad, and that it has a part. */
static void
expect_line(const struct traces *traces, const char *title, const char *part)
{
    struct outcome outcome = traces_tool(traces, "explain", NULL, NULL, NULL, NULL);
    assert_int_equal(outcome.status, 0);
    char *line = strstr(outcome.text, title);
    if (line == NULL)
        fail_msg("no line begins with %s:\n%s", title, outcome.text);
    *strchr(line, '\n') = '\0';
    if (strstr(line, part) == NULL)
        fail_msg("it does not say \"%s\": %s", part, line);
    free(outcome.text);
}

/* The fault: it computes for so long in one handler. */
static void
block(tr_actor *self, void *state, tr_message *message)
{
    struct timespec begin, now;
    ignore(self, state, message);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < 70);
    tally_add(&handled, 1);
}

static void
count(tr_actor *self, void *state, tr_message *message)
{
    ignore(self, state, message);
    tally_add(&handled, 1);
}

static const char *
name_of_tag(uint32_t tag)
{
    return tag == 7 ? "GRIND" : NULL;
}

static void
explain_names_a_handler_that_blocks(void **state)
{
    static const struct tr_behavior sluggish = {.name = "sluggish", .receive = block, .tag_name = name_of_tag};
    static const struct tr_behavior quick = {.name = "quick", .receive = count};
    struct traces *traces = *state;
    tr_runtime *runtime = open_traced(traces, 1);
    tr_ref slow = stage_spawn(runtime, &sluggish, 0, NULL), fast = stage_spawn(runtime, &quick, 0, NULL);
    stage_send(runtime, slow, 7, NULL, 0);
    stage_send(runtime, fast, 8, NULL, 0);
    tally_await(&handled, 2);
    stage_close(runtime);
    expect_line(traces, "! handlers ", "sluggish got message GRIND (mostly ");
}

#define FLOOD 2000u

/* The fault: it sends without an end, and waits for nothing. */
static void
flood(tr_actor *self, void *state, tr_message *message)
{
    tr_ref to;
    (void)state;
    memcpy(&to, tr_message_data(message), sizeof(to));
    for (unsigned i = 0; i < FLOOD; i++)
        assert_int_equal(tr_tell(self, to, 9, NULL, 0), TR_OK);
}

static void
explain_names_a_mailbox_that_grows(void **state)
{
    static const struct tr_behavior flooding = {.name = "flooder", .receive = flood};
    static const struct tr_behavior hoarding = {.name = "hoarder", .receive = count};
    struct traces *traces = *state;
    tr_runtime *runtime = open_traced(traces, 1);
    tr_ref to = stage_spawn(runtime, &hoarding, 0, NULL), from = stage_spawn(runtime, &flooding, 0, NULL);
    stage_send(runtime, from, 7, &to, sizeof(to));
    tally_await(&handled, FLOOD);
    stage_close(runtime);
    expect_line(traces, "! mailboxes ", "2,000 waited at once for hoarder, actor ");
}

/* The fault: it sends to an actor that has ended. */
static void
haunt(tr_actor *self, void *state, tr_message *message)
{
    tr_ref to;
    (void)state;
    memcpy(&to, tr_message_data(message), sizeof(to));
    for (unsigned i = 0; i < 50; i++)
        tr_tell(self, to, 9, NULL, 0);
    tally_add(&handled, 1);
}

static void
say_farewell(tr_actor *self, void *state)
{
    ignore(self, state, NULL);
    tally_add(&handled, 1);
}

static void
end(tr_actor *self, void *state, tr_message *message)
{
    ignore(self, state, message);
    tr_exit(self);
}

static void
explain_names_who_sends_to_the_dead(void **state)
{
    static const struct tr_behavior haunting = {.name = "haunter", .receive = haunt};
    static const struct tr_behavior ghostly = {.name = "ghost", .receive = end, .stopped = say_farewell};
    struct traces *traces = *state;
    tr_runtime *runtime = open_traced(traces, 2);
    tr_ref to = stage_spawn(runtime, &ghostly, 1, NULL), from = stage_spawn(runtime, &haunting, 0, NULL);
    stage_send(runtime, to, 1, NULL, 0);
    tally_await(&handled, 1); /* it has ended */
    stage_send(runtime, from, 7, &to, sizeof(to));
    tally_await(&handled, 2);
    stage_close(runtime);
    expect_line(traces, "! dead letters ",
                "50 found nobody: 50 from haunter to ghost (no actor)  [dump --event dead_letter]");
}

/* The fault: one worker gets all. */
static unsigned
choose_the_second(const struct tr_balance_view *view)
{
    (void)view;
    return 1;
}

static void
count_connection(tr_socket *socket, tr_slice data)
{
    (void)socket;
    (void)data;
    tally_add(&handled, 1);
}

/* Returns when the server has the connection. */
static void
connect_once(const struct tr_address *at, uint64_t before)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(at->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, "!", 1), 1);
    tally_await(&handled, before + 1);
    close(fd);
}

static void
explain_names_uneven_dealing(void **state)
{
    static const struct tr_socket_events events = {.data = count_connection};
    struct traces *traces = *state;
    struct tr_server_options server = {.socket = {.events = &events}, .balance = choose_the_second};
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = 0, .any_port = true};
    struct tr_address at;
    char part[120];
    tr_runtime *runtime = open_traced(traces, 2);
    assert_int_equal(tr_runtime_listen(runtime, &server, &listen, NULL, &at), TR_OK);
    for (uint64_t i = 0; i < 30; i++)
        connect_once(&at, i);
    stage_close(runtime);
    snprintf(part, sizeof(part),
             "uneven: 30 of 30 connections went to worker 1 on port %u, server on 2 workers  [stats]", at.port);
    expect_line(traces, "! dealing ", part);
}

/* -- Traces. -- */

static void
write_two(void)
{
    timed_begin();
    timed_spawn(0, A, "client");
    timed_spawn(0, B, "server");
    timed_event(0, 5, CORE(sleep), 0, 0, 0);
    timed_event(1, 5, CORE(sleep), 0, 0, 0);
}

/* One message goes from A to B. */
static void
write_one(uint64_t at, uint64_t id, uint64_t wait, uint64_t work)
{
    timed_event(0, at, CORE(wake), 0, 0, 0);
    timed_send(at, A, M(id), 5);
    timed_event(0, at, CORE(sleep), 0, 0, 0);
    timed_event(1, at + wait, CORE(wake), 0, 0, 0);
    timed_receive(at + wait, B, M(id), 5);
    timed_event(1, at + wait + work, CORE(sleep), 0, 0, 0);
}

static void
of_a_program_that_is_right_all_is_well(void **state)
{
    struct traces *traces = *state;
    write_two();
    write_one(1 * MS, 1, 10 * US, 20 * US);
    write_one(2 * MS, 2, 10 * US, 20 * US);
    timed_event(1, 3 * MS, CORE(wake), 0, 0, 0);
    timed_end(traces->directory, true);
    expect_output(traces, "explain", NULL, NULL, 0, "  all is well; more: troupe-trace [...] ");
    expect_output(traces, "explain", NULL, NULL, 0,
                  "worker 1 is the busiest: 1.3 % of its time, mostly for server (40.0 us)  [stats --worker 1]\n");
}

static void
explain_names_the_longest_wait_with_its_sender_and_its_path(void **state)
{
    struct traces *traces = *state;
    write_two();
    write_one(1 * MS, 1, 10 * US, 20 * US);
    write_one(2 * MS, 2, 300 * MS, 20 * US);
    timed_end(traces->directory, true);
    expect_parts(
        traces, "explain", NULL, NULL, 0,
        (const char *const[]){
            "! waits        the longest, 300 ms: server got message 5 (mostly 10.0 us), from client  [path 0:2]\n",
            "1 of 9 look bad; more: troupe-trace [...] ", NULL});
}

static void
explain_names_a_worker_that_never_sleeps(void **state)
{
    struct traces *traces = *state;
    write_two();
    timed_event(1, 10, CORE(wake), 0, 0, 0);
    timed_send(10, A, M(1), 5);
    timed_receive(20, B, M(1), 5);
    timed_event(1, 20 * MS, CORE(sleep), 0, 0, 0);
    timed_end(traces->directory, true);
    expect_output(traces, "explain", NULL, NULL, 0,
                  "! workers      worker 1 is the busiest: 99.9 % of its time, mostly for server (20.0 ms)  [stats");
}

static void
explain_tells_work_in_callbacks_from_work_in_handlers(void **state)
{
    struct traces *traces = *state;
    uint64_t socket = TRI_TRACE_REF(1, 7, 1);
    write_two();
    timed_spawn(6, socket, "socket");
    write_one(1 * MS, 1, 10 * US, 20 * US);
    timed_event(1, 2 * MS, NET(socket_data), 64, socket, 0);
    timed_event(1, 3 * MS, CORE(wake), 0, 0, 0);
    timed_event(1, 3 * MS, CORE(sleep), 0, 0, 0);
    timed_event(1, 4 * MS, CORE(worker_stop), 0, 0, 0);
    timed_end(traces->directory, true);
    expect_output(traces, "explain", NULL, NULL, 0, "mostly in callbacks; in handlers for server (20.0 us)  [stats");
}

static void
explain_names_handshakes_that_failed(void **state)
{
    struct traces *traces = *state;
    uint64_t greeting = TRI_TRACE_REF(1, 7, 1);
    write_two();
    timed_spawn(6, greeting, "greeting");
    timed_event(1, 10 * US, NET(handshake_failed), (uint32_t)-104, greeting, B);
    timed_end(traces->directory, true);
    expect_output(traces, "explain", NULL, NULL, 0,
                  "! connections  1 ended with errors: 1 of server (-104), the first 1:7.1  [dump --actor 1:7.1]\n");
}

static void
explain_names_connections_that_failed(void **state)
{
    struct traces *traces = *state;
    write_two();
    for (unsigned i = 0; i < 3; i++) {
        uint64_t socket = TRI_TRACE_REF(1, 7 + i, 1);
        timed_spawn(10 * US + i, socket, "socket");
        timed_event(1, 10 * US + i, NET(socket_accepted), 0, socket, B);
        timed_event(1, 10 * US + i, NET(socket_error), (uint32_t)-104, socket, 0);
    }
    timed_end(traces->directory, true);
    expect_parts(traces, "explain", NULL, NULL, 0,
                 (const char *const[]){"! connections  3 ended with errors: 3 of server (-104), the first 1:7.1",
                                       "  [dump --actor 1:7.1]\n", NULL});
}

static void
explain_names_actors_that_failed_or_were_stuck(void **state)
{
    struct traces *traces = *state;
    write_two();
    timed_event(1, 10 * US, ACTORS(fail), (uint32_t)-3, B, 0);
    timed_event(1, 20 * US, CORE(stall), 700, B, 5);
    timed_end(traces->directory, true);
    expect_parts(traces, "explain", NULL, NULL, 0,
                 (const char *const[]){"! failures     server failed, 1 in all (the last: -3)",
                                       "; the watchdog found server stuck, 1 in all  [dump --event stall]\n", NULL});
}

static void
explain_tells_a_status_by_its_name(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    traces_write(traces, 1, NET(socket_error), (uint32_t)TR_ECONNRESET, TRI_TRACE_REF(1, 7, 1), 0);
    traces_write(traces, 1, ACTORS(fail), (uint32_t)TR_EUSER, B, 0);
    traces_close(traces);
    expect_parts(traces, "explain", NULL, NULL, 0,
                 (const char *const[]){"1 of ? (ECONNRESET), the first 1:7.1", "(the last: ERR_USER)", NULL});
}

/* A receiver that never comes to its messages shows in no receive. */
static void
explain_counts_what_was_never_received(void **state)
{
    struct traces *traces = *state;
    write_two();
    for (uint64_t i = 1; i <= 1500; i++)
        timed_send(10 * US, A, M(i), 5);
    timed_end(traces->directory, false);
    expect_output(traces, "explain", NULL, NULL, 0,
                  "! mailboxes    nothing waited; 1,500 not received at the end  [stats]\n");
    expect_output(traces, "explain", NULL, NULL, 0, " look bad, cut off or still written; more: ");
}

static void
explain_tells_losses(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 5 * SEGMENT);
    traces_fill(traces, 0, 2 * FULL + 12345);
    traces_close(traces);
    expect_output(traces, "explain", NULL, NULL, 0, "! losses       12,345 events were lost");
}

static void
explain_says_something_of_an_empty_trace(void **state)
{
    struct traces *traces = *state;
    timed_begin();
    timed_end(traces->directory, true);
    expect_output(traces, "explain", NULL, NULL, 0, "all is well");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(explain_names_a_handler_that_blocks),
        TEST(explain_names_a_mailbox_that_grows),
        TEST(explain_names_who_sends_to_the_dead),
        TEST(explain_names_uneven_dealing),
        TEST(of_a_program_that_is_right_all_is_well),
        TEST(explain_names_the_longest_wait_with_its_sender_and_its_path),
        TEST(explain_names_a_worker_that_never_sleeps),
        TEST(explain_tells_work_in_callbacks_from_work_in_handlers),
        TEST(explain_names_handshakes_that_failed),
        TEST(explain_names_connections_that_failed),
        TEST(explain_names_actors_that_failed_or_were_stuck),
        TEST(explain_tells_a_status_by_its_name),
        TEST(explain_counts_what_was_never_received),
        TEST(explain_tells_losses),
        TEST(explain_says_something_of_an_empty_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
