/*
 * The pages that troupe-trace makes for a browser. What a person would see in them is looked at with Chromium, and
 * skipped where it or Node is not installed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/trace.h>

#include <cmocka.h>

#include "helpers.h"
#include "small_trace.h"

static void
page_path(const struct traces *traces, char *path, size_t size)
{
    snprintf(path, size, "%s/page.html", traces->base);
}

/* Makes the page and leaves it in the test's directory; the text is the caller's. */
static char *
make_page(const struct traces *traces, const char *command, const char *option, const char *value)
{
    struct outcome outcome = traces_tool(traces, command, option, value, NULL, NULL);
    char path[300];
    if (outcome.status != 0)
        fail_msg("%s ended with %d: %s", command, outcome.status, outcome.text);
    page_path(traces, path, sizeof(path));
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(outcome.text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    return outcome.text;
}

static void
expect_refused(const struct traces *traces, const char *option, const char *value, const char *words)
{
    struct outcome outcome = traces_tool(traces, "timeline", option, value, NULL, NULL);
    if (outcome.status != 2 || strstr(outcome.text, words) == NULL)
        fail_msg("timeline %s %s ended with %d and did not say \"%s\":\n%.2000s", option, value != NULL ? value : "",
                 outcome.status, words, outcome.text);
    free(outcome.text);
}

/* A greets B four times over. */
static void
write_greetings(struct traces *traces)
{
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    uint32_t greeter = tri_trace_name(traces->trace, "greeter"), guest = tri_trace_name(traces->trace, "guest");
    traces_write(traces, 0, TRI_TRACE_ACTORS_spawn, greeter, A, 0);
    traces_write(traces, 1, TRI_TRACE_ACTORS_spawn, guest, B, A);
    for (unsigned i = 1; i <= 4; i++) {
        traces_write(traces, 0, TRI_TRACE_ACTORS_send, i, A, TRI_TRACE_MESSAGE(0, i));
        traces_write(traces, 1, TRI_TRACE_ACTORS_receive, i, B, TRI_TRACE_MESSAGE(0, i));
        traces_write(traces, 1, TRI_TRACE_ACTORS_become, tri_trace_name(traces->trace, "greeting"), B, 0);
    }
    traces_write(traces, 1, TRI_TRACE_ACTORS_fail, (uint32_t)-5, B, 0);
    traces_write(traces, 1, TRI_TRACE_ACTORS_stopped, 0, B, 0);
    traces_close(traces);
}

/* -- The text of the page. -- */

static void
a_page_loads_nothing_and_forbids_it(void **state)
{
    static const char *const commands[] = {"timeline", "seq"};
    struct traces *traces = *state;
    write_greetings(traces);
    for (size_t i = 0; i < 2; i++) {
        char *page = make_page(traces, commands[i], NULL, NULL);
        assert_non_null(strstr(page, "content=\"default-src 'none';"));
        assert_null(strstr(page, "src="));
        assert_null(strstr(page, "href="));
        assert_null(strstr(page, "@import"));
        assert_null(strstr(page, "url("));
        free(page);
    }
}

static const char *const hostile[] = {
    "</script><script>obeyed = 1</script>",
    "<!--<script>",
    "<img src=x onerror=\"obeyed = 2\">",
    "quote \" apostrophe ' and \\ & amp;",
    "\x1b]0;title\x07\x01\x7f",
    "\xff\xfe\xe2\x80\xae",
};

static void
write_hostile(struct traces *traces)
{
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    for (unsigned i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
        traces_write(traces, 0, TRI_TRACE_ACTORS_spawn, tri_trace_name(traces->trace, hostile[i]), A + i, 0);
    traces_close(traces);
}

static void
no_text_of_a_trace_is_more_than_text(void **state)
{
    struct traces *traces = *state;
    write_hostile(traces);
    char *page = make_page(traces, "timeline", NULL, NULL);
    assert_null(strstr(page, "obeyed = 1</script>"));
    assert_null(strstr(page, "<img"));
    assert_null(strchr(page, '\x1b'));
    assert_null(strchr(page, '\x01'));
    assert_null(strstr(page, "\xe2\x80\xae"));
    assert_non_null(strstr(page, "\"\\u003c/script\\u003e\\u003cscript\\u003eobeyed = 1\\u003c/script\\u003e\""));
    assert_non_null(strstr(page, "\"quote \\u0022 apostrophe ' and \\u005c \\u0026 amp;\""));
    assert_non_null(strstr(page, "\"\\ufffd\\ufffd\\u202e\""));
    assert_int_equal(traces_count(page, "</script>"), 3);
    free(page);
}

/* -- What is drawn. -- */

static void
a_chosen_actor_is_drawn_with_both_ends_of_its_messages(void **state)
{
    static const char *const ways[][2] = {{"--actor", "0:7.3"}, {"--class", "greeter"}};
    struct traces *traces = *state;
    write_greetings(traces);
    for (size_t i = 0; i < 2; i++) {
        char *page = make_page(traces, "seq", ways[i][0], ways[i][1]);
        assert_int_equal(traces_count(page, "\"0:1\"]"), 2); /* message 0:1 is sent and received */
        assert_int_equal(traces_count(page, "\"0:4\"]"), 2);
        assert_non_null(strstr(page, "\"name\":\"receive\""));
        assert_null(strstr(page, "\"name\":\"become\""));
        free(page);
    }
}

static void
what_is_beyond_the_limit_is_counted(void **state)
{
    struct traces *traces = *state;
    write_greetings(traces);
    char *page = make_page(traces, "timeline", "--limit", "3");
    assert_non_null(strstr(page, "\"more\":13,"));
    assert_non_null(strstr(page, "\"name\":\"send\""));
    assert_null(strstr(page, "\"name\":\"receive\""));
    free(page);
}

static void
the_last_events_can_be_drawn_instead_of_the_first(void **state)
{
    struct traces *traces = *state;
    write_greetings(traces);
    struct outcome outcome = traces_tool(traces, "timeline", "--last", "--limit", "2", NULL);
    assert_int_equal(outcome.status, 0);
    assert_non_null(strstr(outcome.text, "\"more\":14,"));
    assert_non_null(strstr(outcome.text, "\"name\":\"fail\""));
    assert_non_null(strstr(outcome.text, "\"name\":\"stopped\""));
    assert_null(strstr(outcome.text, "\"name\":\"become\""));
    assert_non_null(strstr(outcome.text, "troupe-trace: the page has 2 of 16 events, the last: choose others with"));
    free(outcome.text);
}

/* A moment after the end has all events before it. */
static void
the_events_around_a_moment_can_be_drawn(void **state)
{
    static const char *const ways[][2] = {{"0s", "\"name\":\"spawn\""}, {"1h", "\"name\":\"stopped\""}};
    struct traces *traces = *state;
    write_greetings(traces);
    for (size_t i = 0; i < 2; i++) {
        struct outcome outcome = traces_tool(traces, "seq", "--around", ways[i][0], "--limit", "4");
        assert_int_equal(outcome.status, 0);
        assert_non_null(strstr(outcome.text, ways[i][1]));
        assert_null(strstr(outcome.text, ways[1 - i][1]));
        free(outcome.text);
    }
}

static void
a_part_of_the_time_is_drawn_alone(void **state)
{
    struct traces *traces = *state;
    write_greetings(traces);
    char *page = make_page(traces, "timeline", "--since", "1h");
    assert_non_null(strstr(page, "\"rows\":[],"));
    free(page);
    page = make_page(traces, "timeline", "--until", "1h");
    assert_non_null(strstr(page, "\"name\":\"stopped\""));
    free(page);
}

static void
wrong_choices_are_refused_with_a_word(void **state)
{
    struct traces *traces = *state;
    write_greetings(traces);
    expect_refused(traces, "--actor", "nobody", "not the name of an actor: nobody");
    expect_refused(traces, "--actor", "5:5.5", "no event of the actors that are chosen");
    expect_refused(traces, "--class", "nothing", "no event of the actors that are chosen");
    expect_refused(traces, "--limit", "0", "not a number of events: 0");
    expect_refused(traces, "--limit", "1000001", "more events than a browser opens, which are 1000000: 1000001");
    expect_refused(traces, "--around", "noon", "not a time since the trace's begin, such as 250ms or 1.5s: noon");
    expect_refused(traces, "--since", "yesterday",
                   "not a time since the trace's begin, such as 250ms or 1.5s: yesterday");
    expect_refused(traces, "--json", NULL, "that option belongs to another command");
    struct outcome outcome = traces_tool(traces, "timeline", "--last", "--around", "1s", NULL);
    assert_int_equal(outcome.status, 2);
    assert_non_null(strstr(outcome.text, "--last and --around choose different events"));
    free(outcome.text);
}

static void
help_of_a_picture_has_an_example(void **state)
{
    static const char *const ways[][4] = {{TROUPE_TRACE, "timeline", "--help"}, {TROUPE_TRACE, "seq", "--help"}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct outcome outcome = traces_run(ways[i]);
        assert_int_equal(outcome.status, 0);
        assert_non_null(strstr(outcome.text, "example: troupe-trace "));
        free(outcome.text);
    }
}

/* -- In a browser. -- */

static bool
is_installed(const char *program)
{
    char command[80];
    snprintf(command, sizeof(command), "command -v %s", program);
    const char *const words[] = {"sh", "-c", command, NULL};
    struct outcome outcome = traces_run(words);
    free(outcome.text);
    return outcome.status == 0;
}

/* cmocka's skip() leaves the test. */
#define NEED_BROWSER()                                                                                                 \
    do {                                                                                                               \
        if (!is_installed("chromium") || !is_installed("node")) {                                                      \
            print_message("chromium or node is not installed\n");                                                      \
            skip();                                                                                                    \
        }                                                                                                              \
    } while (0)

static void
look_at_page(const struct traces *traces, const char *command, const char *what)
{
    char path[300];
    page_path(traces, path, sizeof(path));
    free(make_page(traces, command, NULL, NULL));
    const char *const words[] = {"node", TROUPE_PICTURES, "chromium", what, path, NULL};
    struct outcome outcome = traces_run(words);
    if (outcome.status != 0)
        fail_msg("%s", outcome.text);
    print_message("%s", outcome.text);
    free(outcome.text);
    remove(path);
}

static void
a_timeline_can_be_searched_clicked_zoomed_and_moved(void **state)
{
    NEED_BROWSER();
    write_greetings(*state);
    look_at_page(*state, "timeline", "timeline");
}

static void
a_sequence_diagram_can_be_searched_and_clicked(void **state)
{
    NEED_BROWSER();
    write_greetings(*state);
    look_at_page(*state, "seq", "seq");
}

static void
a_browser_shows_hostile_texts_and_obeys_none(void **state)
{
    NEED_BROWSER();
    write_hostile(*state);
    look_at_page(*state, "timeline", "hostile");
}

static void
a_timeline_of_100000_events_opens_and_is_searched(void **state)
{
    struct traces *traces = *state;
    NEED_BROWSER();
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    for (unsigned i = 1; i <= 50000; i++) {
        traces_write(traces, 0, TRI_TRACE_ACTORS_send, i % 7, A + i % 30, TRI_TRACE_MESSAGE(0, i));
        traces_write(traces, 1, TRI_TRACE_ACTORS_receive, i % 7, B + i % 50, TRI_TRACE_MESSAGE(0, i));
    }
    traces_close(traces);
    look_at_page(traces, "timeline", "many");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_page_loads_nothing_and_forbids_it),
        TEST(no_text_of_a_trace_is_more_than_text),
        TEST(a_chosen_actor_is_drawn_with_both_ends_of_its_messages),
        TEST(what_is_beyond_the_limit_is_counted),
        TEST(the_last_events_can_be_drawn_instead_of_the_first),
        TEST(the_events_around_a_moment_can_be_drawn),
        TEST(a_part_of_the_time_is_drawn_alone),
        TEST(wrong_choices_are_refused_with_a_word),
        TEST(help_of_a_picture_has_an_example),
        TEST(a_timeline_can_be_searched_clicked_zoomed_and_moved),
        TEST(a_sequence_diagram_can_be_searched_and_clicked),
        TEST(a_browser_shows_hostile_texts_and_obeys_none),
        TEST(a_timeline_of_100000_events_opens_and_is_searched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
