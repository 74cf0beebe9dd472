/*
 * What the commands of troupe-trace print.
 */
#include "../../net/base/tags.h"
#include "small_trace.h"
#include "timed.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/trace.h>

#include <cmocka.h>
#include <troupe/actors/actor.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/net/socket.h>

#include "helpers.h"
#include "stage.h"

/* -- Output. -- */

/* Of the threads outside. */
static void
expect_outside(const struct traces *traces, unsigned lines, const char *part)
{
    struct outcome outcome = traces_tool(traces, "dump", "--json", "--worker", "outside", NULL);
    if (outcome.status != 0 || count_lines(outcome.text) != lines || strstr(outcome.text, part) == NULL)
        fail_msg("dump ended with %d or printed something else than %u lines and %s:\n%s", outcome.status, lines, part,
                 outcome.text);
    free(outcome.text);
}

static void
dump_shows_events_with_their_names_and_escapes_what_is_hostile(void **state)
{
    struct traces *traces = *state;
    write_small(traces);
    expect_dump(traces, NULL, NULL, 7, "Z        0  spawn              0:7.3 (a\\x1b[31m\"\\\\\\x0a\\xff\xc3\xa9<b>)");
    expect_dump(traces, NULL, NULL, 7, "Z        1  spawn              1:8.4  parent 0:7.3  behavior #77\n");
    expect_dump(traces, NULL, NULL, 7, "Z        1  receive            1:8.4  message 0:1  tag 5  from 0:7.3 (a\\x1b");
    expect_dump(traces, NULL, NULL, 7, "Z  outside  send               message outside:1  tag 6  to 0:7.3 (a\\x1b");
    expect_dump(traces, NULL, NULL, 7, "status ECONNREFUSED\n");
}

static void
dump_prints_json_lines(void **state)
{
    struct traces *traces = *state;
    write_small(traces);
    expect_dump(
        traces, "--json", NULL, 7,
        ",\"worker\":0,\"event\":\"spawn\",\"actor\":\"0:7.3\",\"parent\":null,"
        "\"behavior\":\"a\\u001b[31m\\u0022\\u005c\\u000a\\ufffd\\u00e9<b>\",\"flags\":0,\"class\":\"a\\u001b[31m");
    expect_dump(
        traces, "--json", NULL, 7,
        ",\"worker\":1,\"event\":\"spawn\",\"actor\":\"1:8.4\",\"parent\":\"0:7.3\",\"behavior\":null,\"flags\":0}\n");
    expect_dump(traces, "--json", NULL, 7,
                ",\"worker\":\"outside\",\"event\":\"send\",\"actor\":null,\"message\":\"outside:1\",\"tag\":6,"
                "\"owed\":0,\"flags\":0,\"to\":\"0:7.3\",\"to_class\"");
    expect_dump(traces, "--json", NULL, 7, "\"status\":-111,\"status_name\":\"ECONNREFUSED\",\"flags\":0,");
}

/* From outside: a message that is refused is one that was sent and died. */

static struct tally held, let_go;

static void
hold(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state, (void)message;
    tally_add(&held, 1);
    tally_await(&let_go, 1);
}

static void
what_is_refused_from_outside_died_of_a_full_mailbox(void **state)
{
    static const struct tr_behavior holder = {.name = "holder", .receive = hold};
    struct traces *traces = *state;
    struct tr_runtime_options options = {.workers = 1, .outside_limit = 1};
    options.trace = (struct tr_trace_options){.mode = TR_TRACE_FILE, .directory = traces->directory};
    tr_runtime *runtime;
    held = let_go = (struct tally){0};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    tr_ref to = stage_spawn(runtime, &holder, 0, NULL);
    stage_send(runtime, to, 1, NULL, 0);
    tally_await(&held, 1);
    stage_send(runtime, to, 2, NULL, 0);
    tr_message message = tr_message_signal(3);
    assert_int_equal(tr_runtime_send(runtime, to, &message), TR_EFULL);
    tally_add(&let_go, 1);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    char part[160];
    snprintf(part, sizeof(part),
             "\"event\":\"dead_letter\",\"actor\":\"0:%" PRIu32 ".%" PRIu32 "\",\"message\":"
             "\"outside:3\",\"reason\":%d,",
             TRI_TRACE_REF_SLOT(to), TRI_TRACE_REF_GENERATION(to), TR_DEAD_MAILBOX_FULL);
    expect_outside(traces, 4, part); /* three are sent */
    traces_expect(traces, "check", 0, NULL);
}

static void
dump_shows_the_lines_that_hold_a_text_in_any_case(void **state)
{
    struct traces *traces = *state;
    write_small(traces);
    expect_dump(traces, "--text", "eCoNnReFuSeD", 1, "status ECONNREFUSED\n");
    expect_dump(traces, "--text=message 0:1", NULL, 2, "message 0:1");
    expect_dump(traces, "--text=message 0:1", "--event=receive", 1, "  receive  ");
    expect_dump(traces, "--text=no such words", NULL, 0, "");
    expect_dump(traces, "--text=message 0:1", "--json", 2, "\"event\":\"receive\"");
}

static void
dump_shows_the_events_of_a_list(void **state)
{
    struct traces *traces = *state;
    write_small(traces);
    expect_dump(traces, "--event", "spawn,receive", 4, "  receive  ");
    struct outcome outcome = traces_tool(traces, "dump", "--event", "spawn,nonsense", NULL, NULL);
    assert_int_equal(outcome.status, 2);
    assert_non_null(strstr(outcome.text, "the trace knows no such event: nonsense\n"));
    free(outcome.text);
}

/* JSON has the number, too: programs compare it. */
static void
dump_prints_the_librarys_own_tags_by_name(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    traces_write(traces, 0, TRI_TRACE_ACTORS_send, TRI_TAG_SOCKET_WRITE, A, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 1, TRI_TRACE_ACTORS_receive, TRI_TAG_PIPE_NEVER, B, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 0, TRI_TRACE_ACTORS_send, UINT32_MAX, A, TRI_TRACE_MESSAGE(0, 2));
    traces_close(traces);
    expect_dump(traces, NULL, NULL, 3, "send               0:7.3  message 0:1  tag SOCKET_WRITE  to 1:8.4\n");
    expect_dump(traces, NULL, NULL, 3, "receive            1:8.4  message 0:1  tag PIPE_NEVER  from 0:7.3\n");
    expect_dump(traces, NULL, NULL, 3, "send               0:7.3  message 0:2  tag 4294967295\n");
    expect_dump(traces, "--json", NULL, 3, "\"message\":\"0:1\",\"tag\":4294905860,\"tag_name\":\"SOCKET_WRITE\",");
}

static void
a_runtime_writes_the_names_of_its_tags(void **state)
{
    static const char *const names[] = {"DEAD_LETTER", "SPAWN", "SOCKET_WRITE", "PIPE_DATA", "EVENT_DATA"};
    struct traces *traces = *state;
    struct tr_runtime_options options = {.workers = 1};
    options.trace = (struct tr_trace_options){.mode = TR_TRACE_FILE, .directory = traces->directory};
    tr_runtime *runtime;
    tr_ref socket;
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    struct tr_connect_options connect = {.path = "/nobody/listens/here"};
    assert_int_equal(tr_runtime_connect(runtime, NULL, &connect, &socket), TR_OK);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    size_t size;
    char *text = traces_read(traces, "metadata", &size);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char part[40];
        snprintf(part, sizeof(part), " : uint32_t { %s = ", names[i]);
        assert_int_equal(traces_count(text, part), 1);
    }
    free(text);
}

static void
dump_filters_by_actor_worker_and_event(void **state)
{
    struct traces *traces = *state;
    write_small(traces);
    expect_dump(traces, "--actor", "0:7.3", 4, "send");
    char number[40];
    snprintf(number, sizeof(number), "0x%" PRIx64, B);
    expect_dump(traces, "--actor", number, 2, "receive");
    expect_dump(traces, "--worker", "1", 2, "spawn");
    expect_dump(traces, "--worker", "outside", 1, "send");
    expect_dump(traces, "--event", "receive", 2, "receive");
    expect_dump(traces, "--actor", "0:0.0", 1, "outside:1");
    struct outcome all = traces_tool(traces, "dump", "--worker=0", "--event=send", "--actor=0:7.3", "--json");
    assert_int_equal(all.status, 0);
    assert_int_equal(count_lines(all.text), 1);
    free(all.text);
}

static void
a_name_that_a_program_writes_is_that_which_the_tool_prints_and_takes(void **state)
{
    struct traces *traces = *state;
    char text[TR_REF_TEXT_SIZE];
    write_small(traces);
    assert_ptr_equal(tr_ref_text(A, text), text);
    assert_string_equal(text, "0:7.3");
    expect_dump(traces, "--actor", text, 4, text);
    expect_dump(traces, "--actor", tr_ref_text(B, text), 2, text);
    assert_string_equal(tr_ref_text(TR_NOBODY, text), "none");
    assert_string_equal(tr_ref_text(UINT64_MAX, text), "4095:16777215.268435455");
    assert_int_equal(strlen(text) + 1, TR_REF_TEXT_SIZE);
}

/* On disk B's stream is earlier than A's: only the messages tell the order. */
static void
dump_puts_a_send_before_its_receive_whatever_the_clock_says(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    for (unsigned i = 1; i <= 3; i++)
        traces_write(traces, 1, TRI_TRACE_ACTORS_receive, i, B, TRI_TRACE_MESSAGE(0, i));
    for (unsigned i = 1; i <= 3; i++)
        traces_write(traces, 0, TRI_TRACE_ACTORS_send, i, A, TRI_TRACE_MESSAGE(0, i));
    traces_close(traces);
    struct outcome dump = traces_tool(traces, "dump", NULL, NULL, NULL, NULL);
    assert_int_equal(dump.status, 0);
    const char *at = dump.text;
    for (unsigned i = 1; i <= 3; i++) {
        char send[80], receive[120];
        snprintf(send, sizeof(send), "send               0:7.3  message 0:%u", i);
        snprintf(receive, sizeof(receive), "receive            1:8.4  message 0:%u  tag %u  from 0:7.3", i, i);
        at = strstr(at, send);
        assert_non_null(at);
        assert_non_null(strstr(at, receive));
    }
    free(dump.text);
}

/* Two streams wait for one message; when it is sent both go on, before what comes later. */
static void
dump_goes_by_time_where_no_message_decides(void **state)
{
    struct traces *traces = *state;
    timed_begin();
    for (unsigned i = 0; i < 6; i++)
        timed_event(1 - i % 2, 10 * i, CORE(lane_full), i, 0, 0);
    timed_event(1, 100, ACTORS(receive), 6, B, TRI_TRACE_MESSAGE(0, 1));
    timed_event(OUTSIDE, 101, ACTORS(receive), 7, B, TRI_TRACE_MESSAGE(0, 1));
    timed_event(0, 102, ACTORS(send), 8, A, TRI_TRACE_MESSAGE(0, 1));
    timed_event(0, 103, CORE(lane_full), 9, 0, 0);
    timed_end(traces->directory, true);
    static const char *const order[] = {"\"to_worker\":0,", "\"to_worker\":1,", "\"to_worker\":2,", "\"to_worker\":3,",
                                        "\"to_worker\":4,", "\"to_worker\":5,", "\"tag\":8,",       "\"tag\":7,",
                                        "\"tag\":6,",       "\"to_worker\":9,"};
    struct outcome dump = traces_tool(traces, "dump", "--json", NULL, NULL, NULL);
    assert_int_equal(dump.status, 0);
    const char *at = dump.text;
    for (unsigned i = 0; i < 10; i++)
        if ((at = strstr(at, order[i])) == NULL)
            fail_msg("%s comes too early:\n%s", order[i], dump.text);
    free(dump.text);
}

/* Names as they are written for people, and as JSON. */
static void
what_turns_writing_round_or_is_no_utf8_is_escaped(void **state)
{
    static const struct {
        const char *name, *text, *json;
    } cases[] = {
        {"\xe2\x80\xae", "\\xe2\\x80\\xae", "\\u202e"},                               /* right to left */
        {"\xef\xbb\xbf", "\\xef\\xbb\\xbf", "\\ufeff"},                               /* a mark of the byte order */
        {"\xc1\xbf", "\\xc1\\xbf", "\\ufffd\\ufffd"},                                 /* DEL, in two bytes */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80", "\\ufffd\\ufffd\\ufffd"},                 /* half a pair */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"}, /* beyond U+10FFFF */
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", "\\ud83d\\ude00"},                   /* a face */
    };
    struct traces *traces = *state;
    char text[80], json[80];
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        traces_write(traces, 0, TRI_TRACE_ACTORS_spawn, tri_trace_name(traces->trace, cases[i].name), A + i, 0);
    traces_close(traces);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text), " (%s)", cases[i].text);
        snprintf(json, sizeof(json), "\"behavior\":\"%s\"", cases[i].json);
        traces_expect(traces, "dump", 0, text);
        expect_dump(traces, "--json", NULL, sizeof(cases) / sizeof(cases[0]), json);
    }
}

static void
a_name_of_1000_bytes_is_shown_whole(void **state)
{
    struct traces *traces = *state;
    char name[1001] = {0}, shown[1010];
    memset(name, 'n', 1000);
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    traces_write(traces, 0, TRI_TRACE_ACTORS_spawn, tri_trace_name(traces->trace, name), A, 0);
    traces_close(traces);
    snprintf(shown, sizeof(shown), " (%s)", name);
    traces_expect(traces, "dump", 0, shown);
}

static void
info_counts_streams_events_and_losses(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 5 * SEGMENT);
    traces_fill(traces, 0, 2 * FULL + 12345);
    traces_write(traces, 1, TRI_TRACE_CORE_sleep, 0, 0, 0);
    traces_close(traces);
    traces_expect(traces, "info", 0, "0                 2              249                0           12,345\n");
    traces_expect(traces, "info", 0, "1                 1                1                0                0\n");
    traces_expect(traces, "info", 0, "ended       properly");
    traces_expect_counts(traces, "over_budget                      248\n");
}

static void
an_empty_trace_is_a_trace(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_close(traces);
    traces_expect(traces, "info", 0, "ended       properly");
    traces_expect(traces, "dump", 0, NULL);
    traces_expect(traces, "check", 0, "0 events");
}

static void
help_is_printed(void **state)
{
    static const char *const ways[][4] = {{TROUPE_TRACE, "--help"}, {TROUPE_TRACE, "dump", "--help"}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct outcome outcome = traces_run(ways[i]);
        assert_int_equal(outcome.status, 0);
        assert_non_null(strstr(outcome.text, "usage: troupe-trace"));
        free(outcome.text);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(dump_shows_events_with_their_names_and_escapes_what_is_hostile),
        TEST(dump_prints_json_lines),
        TEST(dump_shows_the_lines_that_hold_a_text_in_any_case),
        TEST(dump_shows_the_events_of_a_list),
        TEST(dump_prints_the_librarys_own_tags_by_name),
        TEST(a_runtime_writes_the_names_of_its_tags),
        TEST(what_is_refused_from_outside_died_of_a_full_mailbox),
        TEST(dump_filters_by_actor_worker_and_event),
        TEST(a_name_that_a_program_writes_is_that_which_the_tool_prints_and_takes),
        TEST(dump_puts_a_send_before_its_receive_whatever_the_clock_says),
        TEST(dump_goes_by_time_where_no_message_decides),
        TEST(what_turns_writing_round_or_is_no_utf8_is_escaped),
        TEST(a_name_of_1000_bytes_is_shown_whole),
        TEST(info_counts_streams_events_and_losses),
        TEST(an_empty_trace_is_a_trace),
        TEST(help_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
