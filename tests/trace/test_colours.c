/*
 * When troupe-trace prints in colours, and how it fits its lines to a terminal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "terminal.h"
#include "timed.h"

#define A TRI_TRACE_REF(0, 1, 1)
#define B TRI_TRACE_REF(1, 1, 1)
#define M(count) TRI_TRACE_MESSAGE(0, count)

static const char *const coloured[] = {"dump", "check", "explain", "stats"};
#define COLOURED (sizeof(coloured) / sizeof(coloured[0]))

/* A trace of which each of them has something to say in a colour. */
static void
write_trouble(const struct traces *traces)
{
    timed_begin();
    timed_spawn(0, A, "client");
    timed_spawn(0, B, "a server with a name that is long");
    timed_send(1 * MS, A, M(1), 5);
    timed_receive(2 * MS, B, M(1), 5);
    timed_send(3 * MS, A, M(2), 5);
    timed_event(1, 4 * MS, ACTORS(dead_letter), 0, B, M(2));
    timed_event(1, 5 * MS, ACTORS(fail), (uint32_t)-3, B, 0);
    timed_end(traces->directory, true);
}

/* On a terminal: did a colour come? */
static bool
has_colours(const struct traces *traces, const char *command, const char *option)
{
    const char *const words[] = {TROUPE_TRACE, command, option != NULL ? option : traces->directory,
                                 option != NULL ? traces->directory : NULL, NULL};
    struct terminal terminal;
    terminal_start(&terminal, 120, 50, words);
    assert_true(WIFEXITED(terminal_end(&terminal)));
    return terminal.coloured;
}

/* The same in a pipe. */
static bool
pipe_has_colours(const struct traces *traces, const char *command, const char *option)
{
    struct outcome outcome = traces_tool(traces, command, option, NULL, NULL, NULL);
    bool has = strchr(outcome.text, '\x1b') != NULL;
    free(outcome.text);
    return has;
}

static void
colours_are_on_a_terminal_alone(void **state)
{
    struct traces *traces = *state;
    write_trouble(traces);
    for (size_t i = 0; i < COLOURED; i++) {
        assert_true(has_colours(traces, coloured[i], NULL));
        assert_false(pipe_has_colours(traces, coloured[i], NULL));
    }
}

static void
no_color_switches_them_off_unless_it_is_empty(void **state)
{
    struct traces *traces = *state;
    write_trouble(traces);
    setenv("NO_COLOR", "1", 1);
    for (size_t i = 0; i < COLOURED; i++)
        assert_false(has_colours(traces, coloured[i], NULL));
    setenv("NO_COLOR", "", 1);
    assert_true(has_colours(traces, "explain", NULL));
    unsetenv("NO_COLOR");
}

static void
a_dumb_terminal_has_none(void **state)
{
    struct traces *traces = *state;
    write_trouble(traces);
    setenv("TESTS_TERM", "dumb", 1);
    for (size_t i = 0; i < COLOURED; i++)
        assert_false(has_colours(traces, coloured[i], NULL));
    unsetenv("TESTS_TERM");
}

static void
the_option_colour_decides(void **state)
{
    struct traces *traces = *state;
    write_trouble(traces);
    for (size_t i = 0; i < COLOURED; i++) {
        assert_false(has_colours(traces, coloured[i], "--colour=never"));
        assert_true(pipe_has_colours(traces, coloured[i], "--color=always"));
        assert_false(pipe_has_colours(traces, coloured[i], "--colour=auto"));
    }
    setenv("NO_COLOR", "1", 1);
    assert_true(has_colours(traces, "check", "--colour=always"));
    unsetenv("NO_COLOR");
}

static void
another_word_for_it_is_refused(void **state)
{
    struct traces *traces = *state;
    write_trouble(traces);
    struct outcome outcome = traces_tool(traces, "dump", "--colour=green", NULL, NULL, NULL);
    assert_int_equal(outcome.status, 2);
    assert_non_null(strstr(outcome.text, "not a way to colour, which are auto, always and never: green\n"));
    free(outcome.text);
}

/* -- Ten lines. -- */

static unsigned
used_lines(const struct terminal *terminal)
{
    unsigned lines = 0;
    for (unsigned row = 0; row < terminal->rows; row++)
        lines += strspn(terminal->cells[row], " ") < strlen(terminal->cells[row]);
    return lines;
}

static void
explain_takes_ten_lines_of_a_terminal(void **state)
{
    struct traces *traces = *state;
    write_trouble(traces);
    static const unsigned widths[] = {70, 80, 120, 200};
    const char *const words[] = {TROUPE_TRACE, "explain", traces->directory, NULL};
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        struct terminal terminal;
        terminal_start(&terminal, widths[i], 30, words);
        assert_int_equal(WEXITSTATUS(terminal_end(&terminal)), 0);
        assert_int_equal(used_lines(&terminal), 10);
        assert_non_null(
            strstr(terminal.cells[terminal_line(&terminal, "! dead letters ")], " [dump --event dead_letter]"));
    }
}

static void
explain_tells_less_of_a_line_where_there_is_less_room(void **state)
{
    struct traces *traces = *state;
    write_trouble(traces);
    const char *const words[] = {TROUPE_TRACE, "explain", traces->directory, NULL};
    struct terminal narrow, wide;
    terminal_start(&narrow, 80, 30, words);
    terminal_end(&narrow);
    terminal_start(&wide, 160, 30, words);
    terminal_end(&wide);
    terminal_line(
        &wide, "the longest, 1.00 ms: a server with a name that is long got message 5 (mostly 1.00 ms), from client");
    terminal_line(&narrow, "the longest, 1.00 ms: a server with a name that is...");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(colours_are_on_a_terminal_alone),
        TEST(no_color_switches_them_off_unless_it_is_empty),
        TEST(a_dumb_terminal_has_none),
        TEST(the_option_colour_decides),
        TEST(another_word_for_it_is_refused),
        TEST(explain_takes_ten_lines_of_a_terminal),
        TEST(explain_tells_less_of_a_line_where_there_is_less_room),
    };
    unsetenv("NO_COLOR");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
