/*
 * What a runtime writes into its trace beside the names of the events: how an actor was stopped, why one was not born,
 * who forwarded a question, when a worker slept, and what a server knew as it dealt a connection out or turned one
 * away.
 */
#include "helpers.h"
#include "stage.h"
#include "traces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/actor.h>
#include <troupe/actors/ask.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/actors/trace.h>
#include <troupe/net/server.h>

static tr_runtime *
start(const struct traces *traces)
{
    struct tr_runtime_options options = {.workers = 1, .watchdog_ms = -1};
    tr_runtime *runtime;
    options.trace = (struct tr_trace_options){.mode = TR_TRACE_FILE, .directory = traces->directory};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    return runtime;
}

static void
expect(const struct traces *traces, const char *event, unsigned lines, const char *part)
{
    struct outcome outcome = traces_tool(traces, "dump", "--event", event, NULL, NULL);
    if (outcome.status != 0 || traces_count(outcome.text, part) != lines)
        fail_msg("there are not %u times \"%s\" in:\n%s", lines, part, outcome.text);
    free(outcome.text);
}

static void
a_failed_init_is_written_with_its_status(void **state)
{
    static const struct tr_behavior failing = {.name = "failing", .init = fail_to_begin, .receive = ignore};
    tr_runtime *runtime = start(*state);
    assert_int_equal(tr_runtime_spawn(runtime, &failing, NULL, NULL), TR_EINIT);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    expect(*state, "init_failed", 1, "  status ERR_INIT_FAILED\n");
}

/* Written as numbers: the constants of the library, by the words that the tables of events have for them. */
static void
each_word_stands_for_the_constant_that_is_written(void **state)
{
    static const struct {
        uint16_t event;
        uint32_t value;
        const char *word;
    } rows[] = {
        {TRI_TRACE_ACTORS_dead_letter, TR_DEAD_NO_ACTOR, "  reason no_actor"},
        {TRI_TRACE_ACTORS_dead_letter, TR_DEAD_MAILBOX_FULL, "  reason mailbox_full"},
        {TRI_TRACE_ACTORS_dead_letter, TR_DEAD_DROPPED, "  reason dropped"},
        {TRI_TRACE_ACTORS_dead_letter, TR_DEAD_STOPPED, "  reason stopped"},
        {TRI_TRACE_ACTORS_dead_letter, TR_DEAD_INIT_FAILED, "  reason init_failed"},
        {TRI_TRACE_ACTORS_dead_letter, TR_DEAD_LATE, "  reason late"},
        {TRI_TRACE_ACTORS_dead_letter, TR_DEAD_EXPIRED, "  reason expired"},
        {TRI_TRACE_ACTORS_dead_letter, TR_DEAD_REPLACED, "  reason replaced"},
        {TRI_TRACE_ACTORS_dead_letter, TR_DEAD_BAD_MESSAGE, "  reason bad_message"},
        {TRI_TRACE_ACTORS_dead_letter, TR_DEAD_MEMORY, "  reason memory"},
        {TRI_TRACE_ACTORS_fail, (uint32_t)TR_EIO, "  status EIO"},
        {TRI_TRACE_ACTORS_fail, (uint32_t)TR_EUSER, "  status ERR_USER"},
    };
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        traces_write(traces, 0, rows[i].event, rows[i].value, TRI_TRACE_REF(0, 1, 1), 0);
    traces_close(traces);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect(traces, rows[i].event == TRI_TRACE_ACTORS_fail ? "fail" : "dead_letter", 1, rows[i].word);
}

static bool
none_is_alive(void *runtime)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    return counters.actors == 0;
}

enum { ONCE = 1, AGAIN, CANCELLED, NEVER };

struct timers {
    tr_timer timers[NEVER + 1];
    unsigned again;
};

static tr_status
begin_timers(tr_actor *self, void *state, const void *argument)
{
    struct timers *timers = state;
    (void)argument;
    for (uint32_t tag = ONCE; tag <= NEVER; tag++) {
        tr_message message = tr_message_signal(tag);
        uint64_t ms = tag <= AGAIN ? 1 : 1000000;
        tr_status status = tag == AGAIN ? tr_send_every(self, tr_self(self), ms, &message, &timers->timers[tag])
                                        : tr_send_after(self, tr_self(self), ms, &message, &timers->timers[tag]);
        if (status != TR_OK)
            return status;
    }
    return tr_timer_cancel(self, timers->timers[CANCELLED]);
}

static void
on_timer(tr_actor *self, void *state, tr_message *message)
{
    struct timers *timers = state;
    timers->again += message->tag == AGAIN;
    if (timers->again < 3 || message->tag != AGAIN)
        return;
    assert_int_equal(tr_timer_cancel(self, timers->timers[AGAIN]), TR_OK);
    tr_exit(self);
}

static void
a_timer_is_written_as_it_begins_fires_and_ends(void **state)
{
    static const struct tr_behavior ticker = {
        .name = "ticker", .state_size = sizeof(struct timers), .init = begin_timers, .receive = on_timer};
    tr_runtime *runtime = start(*state);
    assert_int_equal(tr_runtime_spawn(runtime, &ticker, NULL, NULL), TR_OK);
    assert_true(tests_wait_until(none_is_alive, runtime, TESTS_LIMIT_MS));
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    expect(*state, "timer", 4, " (ticker)  timer ");
    expect(*state, "timer", 1, "  ms 1  periodic 1\n");
    expect(*state, "timer", 1, "  ms 1\n");
    expect(*state, "timer", 2, "  ms 1000000\n");
    expect(*state, "timer_fired", 3, "  periodic 1\n");
    expect(*state, "timer_over", 2, "  how cancelled\n");
    expect(*state, "timer_over", 1, "  how actor_ended\n");
    traces_expect(*state, "check", 0, "passed   timer");
}

/* Each receive has its end, directly after what it did. */
static void
the_end_of_each_handler_is_written(void **state)
{
    static const struct tr_behavior plain = {.name = "plain", .receive = ignore};
    tr_runtime *runtime = start(*state);
    tr_ref ref;
    assert_int_equal(tr_runtime_spawn(runtime, &plain, NULL, &ref), TR_OK);
    for (uint32_t tag = 0; tag < 5; tag++) {
        tr_message message = tr_message_signal(tag);
        assert_int_equal(tr_runtime_send(runtime, ref, &message), TR_OK);
    }
    assert_int_equal(tr_runtime_stop_actor(runtime, ref, TR_STOP_DRAIN), TR_OK);
    assert_true(tests_wait_until(none_is_alive, runtime, TESTS_LIMIT_MS));
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    expect(*state, "receive", 5, " (plain)  message outside:");
    expect(*state, "handled", 5, " (plain)  message outside:");
    expect(*state, "handled", 1, " (plain)  message outside:5  tag 4\n");
    traces_expect(*state, "check", 0, "passed   handler                   5 times");
}

static struct tally spun;

/* For longer than a turn may take. */
static void
spin(tr_actor *self, void *state, tr_message *message)
{
    (void)state, (void)message;
    uint64_t until = tr_now(self) + 2;
    while (tr_now(self) < until)
        ;
    tally_add(&spun, 1);
}

static void
a_turn_that_ends_with_messages_left_since_its_time_is_over_is_written(void **state)
{
    static const struct tr_behavior spinner = {.name = "spinner", .receive = spin};
    tr_runtime *runtime = start(*state);
    tr_ref ref;
    spun = (struct tally){0};
    assert_int_equal(tr_runtime_spawn(runtime, &spinner, NULL, &ref), TR_OK);
    for (uint32_t i = 0; i < 100; i++) {
        tr_message message = tr_message_signal(i);
        assert_int_equal(tr_runtime_send(runtime, ref, &message), TR_OK);
    }
    tally_await(&spun, 100);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    struct outcome outcome = traces_tool(*state, "dump", "--event", "over_budget", NULL, NULL);
    unsigned ended = traces_count(outcome.text, "  over_budget"), at_once = traces_count(outcome.text, "  handled 0 ");
    free(outcome.text);
    assert_true(ended > 0 && at_once == 0);
}

static void
a_stop_is_written_with_its_mode(void **state)
{
    static const struct tr_behavior plain = {.name = "plain", .receive = ignore};
    tr_runtime *runtime = start(*state);
    for (int how = TR_STOP_DRAIN; how <= TR_STOP_KILL; how++) {
        tr_ref ref;
        assert_int_equal(tr_runtime_spawn(runtime, &plain, NULL, &ref), TR_OK);
        assert_int_equal(tr_runtime_stop_actor(runtime, ref, (enum tr_stop_mode)how), TR_OK);
    }
    assert_true(tests_wait_until(none_is_alive, runtime, TESTS_LIMIT_MS));
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    expect(*state, "stop", 1, "  how drain\n");
    expect(*state, "stop", 1, "  how now\n");
    expect(*state, "stop", 1, "  how kill\n");
}

/* It is told whom to forward its question to: one that is gone, and one that is there. */
static void
forward_twice(tr_actor *self, void *state, tr_message *message)
{
    const tr_ref *to = tr_message_data(message);
    uint64_t id = message->id;
    (void)state;
    assert_true(id != 0);
    assert_int_equal(tr_forward(self, to[0], message), TR_EGONE);
    assert_true(message->id == id && tr_message_size(message) == 2 * sizeof(tr_ref));
    assert_int_equal(tr_forward(self, to[1], message), TR_OK);
}

static void
answer_it(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    assert_int_equal(tr_reply(self, message), TR_OK);
}

static void
a_forward_is_written_only_if_something_is_forwarded(void **state)
{
    static const struct tr_behavior forwarder = {.name = "forwarder", .receive = forward_twice};
    static const struct tr_behavior answers = {.name = "answers", .receive = answer_it};
    tr_runtime *runtime = start(*state);
    tr_ref ref, to[2];
    assert_int_equal(tr_runtime_spawn(runtime, &forwarder, NULL, &ref), TR_OK);
    assert_int_equal(tr_runtime_spawn(runtime, &answers, NULL, &to[0]), TR_OK);
    assert_int_equal(tr_runtime_spawn(runtime, &answers, NULL, &to[1]), TR_OK);
    assert_int_equal(tr_runtime_stop_actor(runtime, to[0], TR_STOP_NOW), TR_OK);
    tr_message question = tr_message_copy(1, to, sizeof(to)), answer;
    assert_int_equal(tr_runtime_ask(runtime, ref, &question, TESTS_LIMIT_MS, &answer), TR_OK);
    tr_message_drop(&answer);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    expect(*state, "forward", 1, "  forward");
}

static bool
has_slept(void *runtime)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    return counters.sleeps > 0;
}

static void
each_sleep_is_written_and_each_waking(void **state)
{
    tr_runtime *runtime = start(*state);
    assert_true(tests_wait_until(has_slept, runtime, TESTS_LIMIT_MS));
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    struct outcome asleep = traces_tool(*state, "dump", "--event", "sleep", NULL, NULL);
    struct outcome awake = traces_tool(*state, "dump", "--event", "wake", NULL, NULL);
    unsigned sleeps = traces_count(asleep.text, "  sleep"), wakes = traces_count(awake.text, "  wake");
    free(asleep.text);
    free(awake.text);
    assert_true(sleeps > 0 && wakes >= sleeps);
}

/* -- A server with room for two. -- */

#define CLIENTS 3

static unsigned opened;

static void
count(tr_socket *socket)
{
    (void)socket;
    __atomic_add_fetch(&opened, 1, __ATOMIC_SEQ_CST);
}

static void
a_server_writes_the_load_it_saw_and_the_limit_it_kept(void **state)
{
    tr_runtime *runtime = start(*state);
    struct tr_server_options options = {.connection = count, .max_connections = 2, .socket = {.emit_connect = true}};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address bound;
    tr_ref server;
    int fds[CLIENTS];
    opened = 0;
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, &server, &bound), TR_OK);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = tests_peer_connect(bound.port);
    assert_true(tests_peer_at_end(fds[CLIENTS - 1])); /* turned away */
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    assert_int_equal(opened, 2);
    expect(*state, "listener_load", 1, "  load 0  of_worker 0\n");
    expect(*state, "listener_load", 1, "  load 1  of_worker 0\n");
    expect(*state, "listener_accept", 2, "  to_worker 0  policy least_loaded\n");
    expect(*state, "listener_reject", 1, "  limit 2  reason limit\n");
    expect(*state, "socket_accepted", 2, "  emits_connect 1\n");
}

/* With its header and without one. */
static void
a_header_is_written_and_so_is_why_one_is_refused(void **state)
{
    tr_runtime *runtime = start(*state);
    struct tr_server_options options = {.connection = count, .proxy.versions = TR_PROXY_V1};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address bound;
    char byte;
    opened = 0;
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &bound), TR_OK);
    int good = tests_peer_connect(bound.port), bad = tests_peer_connect(bound.port);
    assert_true(tests_peer_send(good, "PROXY UNKNOWN\r\n", 15));
    assert_true(tests_peer_send(bad, "PROXY UN", 8));
    shutdown(good, SHUT_WR);
    shutdown(bad, SHUT_WR);
    assert_true(tests_peer_at_end(good));
    assert_true(tests_peer_receive(bad, &byte, 1) <= 0);
    close(good);
    close(bad);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    assert_int_equal(opened, 1);
    expect(*state, "proxy_header", 1, " (entrance)");
    expect(*state, "proxy_header", 1, "  bytes 15");
    expect(*state, "proxy_header", 1, "  version 1");
    expect(*state, "proxy_refused", 1, "  reason ended\n");
    expect(*state, "proxy_refused", 1, "  bytes 8");
    expect(*state, "socket_accepted", 1, " (socket)");
}

/* As the event's own text says them; the last is too late. */
static void
each_reason_for_which_a_header_is_refused_has_its_number(void **state)
{
    static const struct {
        const char *reason, *bytes;
        size_t size;
    } rows[] = {
        {"none", "GET / HTTP/1.1\r\n", 16},
        {"too_long", "\r\n\r\n\0\r\nQUIT\n\x21\0\xff\xff", 16},
        {"malformed", "PROXY TCP5\r\n", 12},
        {"bad_tlv", "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\xd\0\0\0\0\0\0\0\0\0\0\0\0\4", 29},
        {"bad_checksum", "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13\0\0\0\0\0\0\0\0\0\0\0\0\3\0\4\0\0\0\0", 35},
        {"late", "", 0},
    };
    enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
    tr_runtime *runtime = start(*state);
    struct tr_server_options options = {.proxy = {.versions = TR_PROXY_V1 | TR_PROXY_V2, .timeout_ms = INT32_MAX}};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address bound;
    char byte;
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &bound), TR_OK);
    for (int i = 0; i < ROWS; i++) {
        options.proxy.timeout_ms = 1;
        if (i == ROWS - 1) /* a server of its own, so that no other row depends on time */
            assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &bound), TR_OK);
        int fd = tests_peer_connect(bound.port);
        assert_true(tests_peer_send(fd, rows[i].bytes, rows[i].size));
        assert_true(tests_peer_receive(fd, &byte, 1) <= 0);
        close(fd);
    }
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    for (int i = 0; i < ROWS; i++) {
        char part[40];
        snprintf(part, sizeof(part), "  reason %s\n", rows[i].reason);
        expect(*state, "proxy_refused", 1, part);
    }
}

static bool
has_reached_its_limit(void *runtime)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    return counters.memory_reached > 0;
}

static void
that_the_memory_limit_is_reached_is_written_and_that_it_is_over(void **state)
{
    static const struct tr_behavior ignores = {.name = "ignores", .receive = ignore};
    static char claimed;
    const struct traces *traces = *state;
    struct tr_runtime_options options = {.workers = 1, .watchdog_ms = -1, .memory_limit = TR_MEMORY_LIMIT_LEAST(1)};
    tr_runtime *runtime;
    tr_ref actor;
    tr_slice slice;
    options.trace = (struct tr_trace_options){.mode = TR_TRACE_FILE, .directory = traces->directory};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    assert_int_equal(tr_runtime_spawn(runtime, &ignores, NULL, &actor), TR_OK);
    assert_int_equal(tr_slice_adopt(&claimed, options.memory_limit, NULL, &slice), TR_OK);
    assert_int_equal(tr_runtime_stop_actor(runtime, actor, TR_STOP_DRAIN), TR_OK); /* so its worker looks */
    assert_true(tests_wait_until(has_reached_its_limit, runtime, TESTS_LIMIT_MS));
    tr_slice_release(slice);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    expect(traces, "memory_limit", 1, "memory_limit");
    expect(traces, "memory_free", 1, "memory_free");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_failed_init_is_written_with_its_status),
        TEST(each_word_stands_for_the_constant_that_is_written),
        TEST(a_timer_is_written_as_it_begins_fires_and_ends),
        TEST(the_end_of_each_handler_is_written),
        TEST(a_turn_that_ends_with_messages_left_since_its_time_is_over_is_written),
        TEST(a_stop_is_written_with_its_mode),
        TEST(a_forward_is_written_only_if_something_is_forwarded),
        TEST(each_sleep_is_written_and_each_waking),
        TEST(a_server_writes_the_load_it_saw_and_the_limit_it_kept),
        TEST(a_header_is_written_and_so_is_why_one_is_refused),
        TEST(each_reason_for_which_a_header_is_refused_has_its_number),
        TEST(that_the_memory_limit_is_reached_is_written_and_that_it_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
