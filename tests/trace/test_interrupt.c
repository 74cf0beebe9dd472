/*
 * Ctrl-C, Ctrl-Z, and signals that end a command of troupe-trace: nothing is left behind, and whoever started it sees
 * by which signal it ended or stopped. The program's clock is the test's: at one look it stops, and the program with
 * it.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "helpers.h"
#include "terminal.h"
#include "timed.h"

#define A TRI_TRACE_REF(0, 1, 1)
#define M(count) TRI_TRACE_MESSAGE(0, count)
#define PIECES 8u /* of 1024 events, that are read at once: each has a look at the clock */

static void
write_pieces(const struct traces *traces)
{
    timed_begin();
    timed_spawn(0, A, "client");
    timed_event(0, 1, CORE(sleep), 0, 0, 0);
    for (uint64_t i = 1; i < PIECES * 1024 / 2; i++) {
        timed_send(2 * i, A, M(i), 5);
        timed_receive(2 * i + 1, A, M(i), 5);
    }
    timed_end(traces->directory, true);
}

/* So that each look takes a second, and the one of this number until the program ends, or was stopped and goes on. */
static void
start_stepped(struct terminal *terminal, const char *stops_at, const char *const *words)
{
    setenv("TESTS_CLOCK_STEP_MS", "1000", 1);
    setenv("TESTS_CLOCK_STOPS_AT", stops_at, 1);
    terminal_start(terminal, 100, 20, words);
}

static void
expect_signal(struct terminal *terminal, int number)
{
    int status = terminal_end(terminal);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), number);
    assert_true(terminal_is_restored(terminal));
}

static void
expect_empty_screen(const struct terminal *terminal)
{
    for (unsigned row = 0; row < terminal->rows; row++)
        assert_int_equal(strspn(terminal->cells[row], " "), strlen(terminal->cells[row]));
    assert_int_equal(terminal->column, 0);
}

/* -- The line that says how far a command is. -- */

static void
the_key_for_interrupts_wipes_the_line_away(void **state)
{
    struct traces *traces = *state;
    struct terminal terminal;
    write_pieces(traces);
    start_stepped(&terminal, "4", (const char *[]){TROUPE_TRACE_STEPPED, "check", traces->directory, NULL});
    terminal_await(&terminal, "troupe-trace: 12 %");
    terminal_press(&terminal, "\x03");
    expect_signal(&terminal, SIGINT);
    expect_empty_screen(&terminal);
}

static void
signals_that_end_it_wipe_the_line_away(void **state)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct traces *traces = *state;
    struct terminal terminal;
    write_pieces(traces);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        start_stepped(&terminal, "4", (const char *[]){TROUPE_TRACE_STEPPED, "check", traces->directory, NULL});
        terminal_await(&terminal, "troupe-trace: 12 %");
        assert_int_equal(kill(terminal.child, numbers[i]), 0);
        expect_signal(&terminal, numbers[i]);
        expect_empty_screen(&terminal);
    }
}

/* By what the system says of the process. */
static bool
ignores(pid_t process, int number)
{
    char path[40], line[200];
    unsigned long long ignored = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)process);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "SigIgn:", 7) == 0)
            ignored = strtoull(line + 7, NULL, 16);
    }
    fclose(file);
    return (ignored >> (number - 1) & 1) != 0;
}

/* Which nohup does, and a shell for what it starts in the background. */
static void
a_signal_that_is_ignored_stays_so(void **state)
{
    struct traces *traces = *state;
    struct terminal terminal;
    write_pieces(traces);
    start_stepped(&terminal, "4",
                  (const char *[]){"sh", "-c", "trap '' INT; exec \"$0\" check \"$1\"", TROUPE_TRACE_STEPPED,
                                   traces->directory, NULL});
    terminal_await(&terminal, "troupe-trace: 12 %");
    assert_true(ignores(terminal.child, SIGINT));
    assert_false(ignores(terminal.child, SIGTERM));
    assert_int_equal(kill(terminal.child, SIGTERM), 0);
    expect_signal(&terminal, SIGTERM);
}

/* A shell that has jobs: it tells how the command ended or stopped, and waits for a key before that goes on. */
static void
the_key_that_stops_wipes_the_line_away_and_it_comes_again(void **state)
{
    static const char line[] =
        "set -m; \"$0\" check \"$1\"; echo \"first $?\"; read key; fg >/dev/null; echo \"then $?\"";
    struct traces *traces = *state;
    struct terminal terminal;
    char stopped[20];
    snprintf(stopped, sizeof(stopped), "first %d", 128 + SIGTSTP);
    write_pieces(traces);
    start_stepped(&terminal, "4", (const char *[]){"sh", "-c", line, TROUPE_TRACE_STEPPED, traces->directory, NULL});
    terminal_await(&terminal, "troupe-trace: 12 %");
    terminal_press(&terminal, "\x1a");
    terminal_await(&terminal, stopped);
    for (unsigned row = 0; row < terminal.rows; row++)
        assert_null(strstr(terminal.cells[row], " %"));
    assert_null(strstr(terminal.written, "troupe-trace: 25 %"));
    terminal_press(&terminal, "\n");
    assert_int_equal(terminal_end(&terminal), 0);
    terminal_line(&terminal, "then 0");
    assert_non_null(strstr(terminal.written, "troupe-trace: 25 %"));
    for (unsigned row = 0; row < terminal.rows; row++)
        assert_null(strstr(terminal.cells[row], " %"));
}

/* -- Other commands. -- */

static bool
has_packed_file(void *argument)
{
    const struct traces *traces = argument;
    char command[400];
    snprintf(command, sizeof(command), "ls '%s' | grep -q tar", traces->base);
    return WEXITSTATUS(system(command)) == 0;
}

static void
an_interrupted_pack_leaves_no_file(void **state)
{
    struct traces *traces = *state;
    struct terminal terminal;
    write_pieces(traces);
    start_stepped(&terminal, "12", (const char *[]){TROUPE_TRACE_STEPPED, "pack", traces->directory, NULL});
    if (!tests_wait_until(has_packed_file, traces, TESTS_LIMIT_MS))
        fail_msg("nothing is packed: %s", terminal.written);
    terminal_press(&terminal, "\x03");
    expect_signal(&terminal, SIGINT);
    assert_false(has_packed_file(traces));
}

static void
a_pack_that_is_interrupted_as_soon_as_the_file_is_made_leaves_none(void **state)
{
    struct traces *traces = *state;
    write_pieces(traces);
    setenv("TESTS_EARLY_SIGNAL", "1", 1);
    struct outcome outcome =
        traces_run((const char *[]){TROUPE_TRACE_STEPPED, "pack", "--no-progress", traces->directory, NULL});
    unsetenv("TESTS_EARLY_SIGNAL");
    assert_int_equal(outcome.status, -1);
    assert_false(has_packed_file(traces));
    free(outcome.text);
}

static void
follow_ends_by_the_key_for_interrupts(void **state)
{
    struct traces *traces = *state;
    struct terminal terminal;
    timed_begin();
    timed_spawn(0, A, "client");
    timed_end(traces->directory, false);
    terminal_start(&terminal, 100, 20, (const char *[]){TROUPE_TRACE, "follow", "--all", traces->directory, NULL});
    terminal_await(&terminal, "spawn");
    terminal_press(&terminal, "\x03");
    expect_signal(&terminal, SIGINT);
}

/* The program gets the signal from the terminal, and record tells of its end. */
static void
record_ends_after_its_program_with_the_number_of_the_signal(void **state)
{
    struct traces *traces = *state;
    struct terminal terminal;
    terminal_start(&terminal, 100, 20,
                   (const char *[]){TROUPE_TRACE, "record", "-o", traces->directory, "--", "sh", "-c",
                                    "echo begun; exec sleep 1000", NULL});
    terminal_await(&terminal, "begun");
    terminal_press(&terminal, "\x03");
    int status = terminal_end(&terminal);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGINT);
    assert_true(terminal_is_restored(&terminal));
    terminal_line(&terminal, "troupe-trace: nothing was recorded");
}

static int
can_pack(void)
{
    struct outcome outcome = traces_run((const char *[]){TROUPE_TRACE, "pack", "/no/such", NULL});
    bool can = strstr(outcome.text, "was built without libzstd") == NULL;
    free(outcome.text);
    return can;
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_key_for_interrupts_wipes_the_line_away),
        TEST(signals_that_end_it_wipe_the_line_away),
        TEST(a_signal_that_is_ignored_stays_so),
        TEST(the_key_that_stops_wipes_the_line_away_and_it_comes_again),
        TEST(follow_ends_by_the_key_for_interrupts),
        TEST(record_ends_after_its_program_with_the_number_of_the_signal),
    };
    const struct CMUnitTest of_pack[] = {
        TEST(an_interrupted_pack_leaves_no_file),
        TEST(a_pack_that_is_interrupted_as_soon_as_the_file_is_made_leaves_none),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + (can_pack() ? cmocka_run_group_tests(of_pack, NULL, NULL) : 0);
}
