/*
 * What troupe-trace gives to other programs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/trace.h>

#include <cmocka.h>
#include <jansson.h>

#include "helpers.h"
#include "small_trace.h"

/* A sends B one message; B answers; the answer finds nobody. */
static void
write_exchange(struct traces *traces)
{
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    uint32_t hostile = tri_trace_name(traces->trace, "a\"\\\n<b>\xff");
    traces_write(traces, 0, TRI_TRACE_ACTORS_spawn, hostile, A, 0);
    traces_write(traces, 1, TRI_TRACE_ACTORS_spawn, tri_trace_name(traces->trace, "guest"), B, A);
    traces_write(traces, 0, TRI_TRACE_ACTORS_send, 5, A, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 1, TRI_TRACE_ACTORS_receive, 5, B, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 1, TRI_TRACE_ACTORS_send, 6, B, TRI_TRACE_MESSAGE(1, 1));
    traces_write(traces, 0, TRI_TRACE_ACTORS_dead_letter, 0, A, TRI_TRACE_MESSAGE(1, 1));
    traces_close(traces);
}

static char *
export_to(const struct traces *traces, const char *format)
{
    struct outcome outcome = traces_tool(traces, "export", "--to", format, NULL, NULL);
    if (outcome.status != 0)
        fail_msg("export --to %s ended with %d: %s", format, outcome.status, outcome.text);
    return outcome.text;
}

static void
expect_parts(const char *text, const char *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strstr(text, parts[i]) == NULL)
            fail_msg("\"%s\" is missing in:\n%.4000s", parts[i], text);
    }
}
#define EXPECT_PARTS(text, ...)                                                                                        \
    expect_parts(text, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* How many of its events have that phase. */
static unsigned
count_phase(const json_t *events, const char *phase)
{
    unsigned count = 0;
    size_t i;
    json_t *event;
    json_array_foreach(events, i, event)
    {
        assert_true(json_is_integer(json_object_get(event, "tid")));
        count += strcmp(json_string_value(json_object_get(event, "ph")), phase) == 0;
    }
    return count;
}

static void
chrome_gets_json_with_an_instant_for_each_event_and_an_arrow_for_each_message(void **state)
{
    struct traces *traces = *state;
    write_exchange(traces);
    char *text = export_to(traces, "chrome");
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    const json_t *events = json_object_get(root, "traceEvents");
    assert_int_equal(count_phase(events, "M"), 2);
    assert_int_equal(count_phase(events, "i"), 6);
    assert_int_equal(count_phase(events, "s"), 2);
    assert_int_equal(count_phase(events, "f"), 2);
    json_decref(root);
    free(text);
}

static void
perfetto_gets_what_its_schema_allows(void **state)
{
    struct traces *traces = *state;
    char command[2000];
    write_exchange(traces);
    snprintf(command, sizeof(command),
             "set -e; '%s' export --to perfetto '%s' >'%s/out'; python3 '%s' '%s/out'; rm '%s/out'", TROUPE_TRACE,
             traces->directory, traces->base, TROUPE_PERFETTO, traces->base, traces->base);
    const char *const words[] = {"sh", "-c", command, NULL};
    struct outcome outcome = traces_run(words);
    if (outcome.status != 0)
        fail_msg("%s", outcome.text);
    EXPECT_PARTS(outcome.text, "a\"\\\\\\x0a<b>\\xff 0:7.3, send tag 5, [1], []\n",
                 "guest 1:8.4, receive tag 5, [], [1]\n", "guest 1:8.4, send tag 6, [281474976710657], []\n",
                 "0:7.3, dead_letter, [], [281474976710657]\n");
    assert_int_equal(count_lines(outcome.text), 6);
    free(outcome.text);
}

static void
shiviz_gets_clocks_that_know_what_messages_brought(void **state)
{
    struct traces *traces = *state;
    write_exchange(traces);
    char *text = export_to(traces, "shiviz");
    EXPECT_PARTS(text, "(?<event>.*)\\n(?<host>\\S*) (?<clock>{.*})\n\n", "send tag 5\na\"",
                 "receive tag 5\nguest_1:8.4 {\"guest_1:8.4\":2,\"a", "_0:7.3\":2}\nsend tag 6\n",
                 "send tag 6\nguest_1:8.4 {\"guest_1:8.4\":3,", "_0:7.3\":3,\"guest_1:8.4\":3}\n");
    free(text);
}

static void
dot_gets_who_sends_to_whom_how_often(void **state)
{
    struct traces *traces = *state;
    write_exchange(traces);
    char *text = export_to(traces, "dot");
    EXPECT_PARTS(text, "digraph trace {", "[label=\"a\\\"\\\\.<b>. 0:7.3\"];", "[label=\"guest 1:8.4\"];",
                 "a3000000007 -> a4001000008 [label=\"1\"];", "a4001000008 -> a3000000007 [label=\"1\"];");
    free(text);
}

/* Two actors, one after the other, have the same place. */
static void
an_actor_is_not_called_what_another_one_was_in_its_place(void **state)
{
    struct traces *traces = *state;
    const uint64_t second = TRI_TRACE_REF(0, 7, 4);
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    traces_write(traces, 0, TRI_TRACE_ACTORS_spawn, tri_trace_name(traces->trace, "first"), A, 0);
    traces_write(traces, 0, TRI_TRACE_ACTORS_send, 5, A, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 0, TRI_TRACE_ACTORS_receive, 5, A, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 0, TRI_TRACE_ACTORS_send, 6, second, TRI_TRACE_MESSAGE(0, 2));
    traces_write(traces, 0, TRI_TRACE_ACTORS_receive, 6, second, TRI_TRACE_MESSAGE(0, 2));
    traces_close(traces);
    char *text = export_to(traces, "dot");
    EXPECT_PARTS(text, "[label=\"first 0:7.3\"];", "[label=\"0:7.4\"];");
    free(text);
}

static void
export_takes_the_choices_of_the_pictures(void **state)
{
    struct traces *traces = *state;
    write_exchange(traces);
    struct outcome outcome = traces_tool(traces, "export", "--to=chrome", "--limit", "2", NULL);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(traces_count(outcome.text, "\"ph\":\"i\""), 2);
    free(outcome.text);
}

static void
a_format_that_is_none_is_refused(void **state)
{
    struct traces *traces = *state;
    write_exchange(traces);
    traces_expect(traces, "export", 2, "a format is needed: --to perfetto, chrome, shiviz or dot");
    struct outcome outcome = traces_tool(traces, "export", "--to", "paper", NULL, NULL);
    assert_int_equal(outcome.status, 2);
    EXPECT_PARTS(outcome.text, "not a format, which are perfetto, chrome, shiviz and dot: paper");
    free(outcome.text);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(chrome_gets_json_with_an_instant_for_each_event_and_an_arrow_for_each_message),
        TEST(perfetto_gets_what_its_schema_allows),
        TEST(shiviz_gets_clocks_that_know_what_messages_brought),
        TEST(dot_gets_who_sends_to_whom_how_often),
        TEST(an_actor_is_not_called_what_another_one_was_in_its_place),
        TEST(export_takes_the_choices_of_the_pictures),
        TEST(a_format_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
