/*
 * `troupe-trace top`: its tables in a pipe, of traces whose times are known, and its screen, on a terminal of the
 * test's own, while this program writes the trace. The tests wait for what the screen shows, so nothing depends on
 * time.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "helpers.h"
#include "terminal.h"
#include "timed.h"

#define A TRI_TRACE_REF(0, 1, 1)
#define B TRI_TRACE_REF(1, 1, 1)
#define M(count) TRI_TRACE_MESSAGE(0, count)

/* -- In a pipe. -- */

/* A second, in which A sent three messages to B. B worked 300 ms at the first, and 100 ms at each other. */
static void
write_second(const struct traces *traces, bool closed)
{
    timed_begin();
    timed_spawn(0, A, "client");
    timed_spawn(0, B, "server");
    for (uint64_t i = 1; i <= 3; i++)
        timed_send(10 * US, A, M(i), 5);
    timed_event(0, 20 * US, CORE(sleep), 0, 0, 0);
    timed_receive(100 * MS, B, M(1), 5);
    timed_receive(400 * MS, B, M(2), 5);
    timed_receive(500 * MS, B, M(3), 5);
    timed_event(1, 600 * MS, CORE(sleep), 0, 0, 0);
    timed_event(1, 1000 * MS, CORE(wake), 0, 0, 0);
    timed_end(traces->directory, closed);
}

static void
top_tells_rates_shares_times_and_mailboxes_of_all_that_was_recorded(void **state)
{
    struct traces *traces = *state;
    write_second(traces, true);
    expect_parts(traces, "top", "--once", NULL, 0,
                 (const char *const[]){
                     "troupe-trace top: all that was recorded, 1.00 s, and the program has ended, ",
                     "each second 11 events, 3 received, 3 sent; 0 on the way\n",
                     "worker      busy    awake   received/s       sent/s\n",
                     "1         50.0 %   60.0 %            3            0\n",
                     "0          0.0 %    0.0 %            0            3\n",
                     "class                           busy*   received/s   mailbox       each    longest   actors\n",
                     "server                         50.0 %            3         3     167 ms     300 ms        1\n",
                     "client                          0.0 %            0         0       0 ns       0 ns        1\n",
                     NULL});
}

static void
top_tells_the_same_of_each_actor_that_did_something(void **state)
{
    struct traces *traces = *state;
    write_second(traces, true);
    struct outcome outcome = traces_tool(traces, "top", "--once", "--by", "actor", NULL);
    assert_int_equal(outcome.status, 0);
    assert_non_null(
        strstr(outcome.text, "\n1:1.1 server                   50.0 %            3         3     167 ms     300 ms\n"));
    assert_null(strstr(outcome.text, "0:1.1"));
    free(outcome.text);
}

static void
top_sorts_by_the_column_that_is_asked_for(void **state)
{
    struct traces *traces = *state;
    write_second(traces, true);
    expect_parts(traces, "top", "--once", "--sort=class", 0,
                 (const char *const[]){"class*", "client ", "server ", NULL});
    expect_parts(traces, "top", "--once", "--sort=received", 0,
                 (const char *const[]){"received/s*", "server ", "client ", NULL});
}

static void
in_a_pipe_top_prints_tables_until_the_program_ends(void **state)
{
    struct traces *traces = *state;
    write_second(traces, true);
    struct outcome outcome = traces_tool(traces, "top", NULL, NULL, NULL, NULL);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(traces_count(outcome.text, "troupe-trace top: "), 1);
    assert_null(strchr(outcome.text, '\x1b'));
    free(outcome.text);
}

/* The second and the third are of a time in which nothing was written. */
static void
in_a_pipe_top_prints_as_many_tables_as_are_asked_for(void **state)
{
    struct traces *traces = *state;
    write_second(traces, false);
    struct outcome outcome = traces_tool(traces, "top", "-n", "3", "--every", "20ms");
    assert_int_equal(outcome.status, 0);
    assert_int_equal(traces_count(outcome.text, "troupe-trace top: all that was recorded, "), 1);
    assert_int_equal(traces_count(outcome.text, "troupe-trace top: the last "), 2);
    assert_int_equal(traces_count(outcome.text, "each second 0 events, 0 received, 0 sent; 0 on the way\n"), 2);
    assert_int_equal(traces_count(outcome.text, "\nserver                          0.0 %            0         0 "), 2);
    free(outcome.text);
}

static void
what_top_cannot_do_is_refused_in_words(void **state)
{
    static const char *const cases[][3] = {
        {"--by", "room", "lines are by class or by actor, not by: room\n"},
        {"--sort", "colour", "not a column, which are class, busy, received, mailbox, each and longest: colour\n"},
        {"--every", "1ms", "not a time from 20ms to 1h: 1ms\n"},
        {"--every", "soon", "not a time from 20ms to 1h: soon\n"},
        {"--count", "-3", "not a number of tables: -3\n"},
        {"-n", "0", "not a number of tables: 0\n"},
    };
    struct traces *traces = *state;
    write_second(traces, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_output(traces, "top", cases[i][0], cases[i][1], 2, cases[i][2]);
}

/* -- On a terminal. -- */

/* Two actors, of which the one receives. */
static void
begin_live(struct traces *traces)
{
    traces_open(traces, TR_TRACE_FILE, 0, UINT64_C(64) << 20);
    traces_declare_layers(traces->trace);
    traces_write(traces, 0, ACTORS(spawn), tri_trace_name(traces->trace, "zebra"), A, 0);
    traces_write(traces, 1, ACTORS(spawn), tri_trace_name(traces->trace, "ant"), B, A);
    traces_write(traces, 1, CORE(sleep), 0, 0, 0);
}

/* A message for A, at which it works for as long as it takes to write that. */
static void
write_message(struct traces *traces, uint64_t count)
{
    traces_write(traces, 0, ACTORS(send), 5, B, M(count));
    traces_write(traces, 0, ACTORS(receive), 5, A, M(count));
    traces_write(traces, 0, CORE(sleep), 0, 0, 0);
}

static void
start_top(struct terminal *terminal, const struct traces *traces, unsigned columns, unsigned rows)
{
    const char *const words[] = {TROUPE_TRACE, "top", "--every", "20ms", traces->directory, NULL};
    terminal_start(terminal, columns, rows, words);
    terminal_await(terminal, "q quit");
}

static void
expect_exit(struct terminal *terminal, int code)
{
    int status = terminal_end(terminal);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

static void
top_shows_what_is_written_meanwhile(void **state)
{
    struct traces *traces = *state;
    struct terminal terminal;
    begin_live(traces);
    write_message(traces, 1);
    start_top(&terminal, traces, 100, 30);
    terminal_await(&terminal, "troupe-trace top: the last 2");
    terminal_await(&terminal, "each second 0 events, 0 received, 0 sent; 0 on the way");
    traces_write(traces, 0, ACTORS(send), 5, B, M(2));
    terminal_await(&terminal, "0 sent; 1 on the way");
    traces_write(traces, 1, ACTORS(spawn), tri_trace_name(traces->trace, "newcomer"), TRI_TRACE_REF(1, 2, 1), 0);
    terminal_await(&terminal, "newcomer ");
    terminal_press(&terminal, "q");
    expect_exit(&terminal, 0);
    traces_close(traces);
}

static void
a_handler_that_does_not_come_back_counts_as_busy(void **state)
{
    struct traces *traces = *state;
    struct terminal terminal;
    begin_live(traces);
    traces_write(traces, 0, ACTORS(send), 5, B, M(1));
    traces_write(traces, 0, ACTORS(receive), 5, A, M(1));
    start_top(&terminal, traces, 100, 30);
    terminal_await(&terminal, "0        100.0 %  100.0 %            0            0");
    terminal_await(&terminal, "1          0.0 %    0.0 %            0            0");
    terminal_await(&terminal, "zebra                         100.0 %            0 ");
    terminal_press(&terminal, "q");
    expect_exit(&terminal, 0);
    traces_close(traces);
}

static void
keys_choose_what_lines_are_of_and_how_they_are_sorted(void **state)
{
    struct traces *traces = *state;
    struct terminal terminal;
    begin_live(traces);
    traces_write(traces, 0, ACTORS(receive), 5, A, M(1)); /* so that it is busy for ever */
    start_top(&terminal, traces, 100, 30);
    terminal_await(&terminal, "busy*");
    terminal_await_at(&terminal, "zebra                         100.0 %", 8);
    terminal_await_at(&terminal, "ant ", 9);
    terminal_press(&terminal, "<");
    terminal_await(&terminal, "class*");
    terminal_await_at(&terminal, "ant ", 8);
    terminal_await_at(&terminal, "zebra ", 9);
    terminal_press(&terminal, ">>");
    terminal_await(&terminal, "received/s*");
    terminal_press(&terminal, "\x1b[C");
    terminal_await(&terminal, "mailbox*");
    terminal_press(&terminal, "\x1b[D");
    terminal_await(&terminal, "received/s*");
    terminal_press(&terminal, "a");
    terminal_await(&terminal, "0:1.1 zebra ");
    terminal_press(&terminal, "c");
    terminal_await_without(&terminal, "0:1.1 zebra ");
    terminal_press(&terminal, "+");
    terminal_await(&terminal, "every 40.0 ms");
    terminal_press(&terminal, "q");
    expect_exit(&terminal, 0);
    assert_true(terminal_is_restored(&terminal));
    traces_close(traces);
}

static void
the_table_follows_the_size_of_its_window(void **state)
{
    struct traces *traces = *state;
    struct terminal terminal;
    begin_live(traces);
    start_top(&terminal, traces, 100, 30);
    terminal_await_at(&terminal, "q quit", 29);
    terminal_await(&terminal, " longest   actors ");
    terminal_resize(&terminal, 60, 12);
    terminal_await_at(&terminal, "q quit", 11);
    terminal_await(&terminal, "class           busy*   received/s   mailbox       each    ");
    terminal_resize(&terminal, 20, 4);
    terminal_await_at(&terminal, "q quit  c class  a a", 3);
    terminal_await_at(&terminal, "troupe-trace top: ", 0);
    terminal_resize(&terminal, 120, 40);
    terminal_await(&terminal, " longest   actors ");
    terminal_await_at(&terminal, "q quit", 39);
    terminal_press(&terminal, "q");
    expect_exit(&terminal, 0);
    traces_close(traces);
}

/* Whoever reads it finds the first of so many tables. */
static pid_t
start_tables(const struct traces *traces, int *output)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl(TROUPE_TRACE, TROUPE_TRACE, "top", "--every", "20ms", "-n", "150", traces->directory, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *output = ends[0];
    return child;
}

/* Files vanish between any two of its steps. */
static void
top_goes_on_while_the_flight_recorder_takes_files_away(void **state)
{
    struct traces *traces = *state;
    char byte;
    int output, status;
    traces_open(traces, TR_TRACE_FLIGHT, 4, 0);
    traces_declare_layers(traces->trace);
    traces_fill(traces, 0, 1);
    pid_t child = start_tables(traces, &output);
    assert_int_equal(read(output, &byte, 1), 1);
    while (waitpid(child, &status, WNOHANG) == 0)
        traces_fill(traces, 0, 10 * FULL);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(output);
    traces_close(traces);
}

/* -- Ends. -- */

static void
q_restores_the_terminal(void **state)
{
    struct traces *traces = *state;
    struct terminal terminal;
    begin_live(traces);
    start_top(&terminal, traces, 80, 24);
    assert_false(terminal_is_restored(&terminal));
    assert_true(terminal.other && terminal.hidden);
    terminal_press(&terminal, "q");
    expect_exit(&terminal, 0);
    assert_true(terminal_is_restored(&terminal));
    traces_close(traces);
}

static void
the_key_for_interrupts_restores_the_terminal(void **state)
{
    struct traces *traces = *state;
    struct terminal terminal;
    begin_live(traces);
    start_top(&terminal, traces, 80, 24);
    terminal_press(&terminal, "\x03");
    int status = terminal_end(&terminal);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    assert_true(terminal_is_restored(&terminal));
    traces_close(traces);
}

/* Nobody reads until the terminal is full in the middle of a table. */
static bool
is_full(void *master)
{
    int waiting = 0;
    return ioctl(*(int *)master, FIONREAD, &waiting) == 0 && waiting >= 4095;
}

static void
the_key_for_interrupts_cuts_off_no_table_that_a_slow_terminal_has_not_taken(void **state)
{
    struct traces *traces = *state;
    struct terminal terminal;
    begin_live(traces);
    const char *const words[] = {TROUPE_TRACE, "top", "--every", "20ms", traces->directory, NULL};
    terminal_start(&terminal, 80, 24, words);
    assert_true(tests_wait_until(is_full, &terminal.master, TESTS_LIMIT_MS));
    terminal_press(&terminal, "\x03");
    int status = terminal_end(&terminal);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    assert_true(terminal_is_restored(&terminal));
    unsigned begun = traces_count(terminal.written, "troupe-trace top: ");
    assert_true(begun > 1);
    assert_int_equal(traces_count(terminal.written, "q quit"), begun);
    traces_close(traces);
}

static void
signals_that_end_it_restore_the_terminal(void **state)
{
    static const int numbers[] = {SIGTERM, SIGHUP, SIGQUIT};
    struct traces *traces = *state;
    struct terminal terminal;
    begin_live(traces);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        start_top(&terminal, traces, 80, 24);
        assert_int_equal(kill(terminal.child, numbers[i]), 0);
        int status = terminal_end(&terminal);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i]);
        assert_true(terminal_is_restored(&terminal));
    }
    traces_close(traces);
}

static void
the_end_of_the_program_restores_the_terminal(void **state)
{
    struct traces *traces = *state;
    struct terminal terminal;
    begin_live(traces);
    start_top(&terminal, traces, 80, 24);
    traces_close(traces);
    expect_exit(&terminal, 0);
    assert_true(terminal_is_restored(&terminal));
    terminal_line(&terminal, "the program has ended");
}

static void
a_trace_that_breaks_meanwhile_restores_the_terminal_and_is_named_there(void **state)
{
    static const char zeros[4];
    struct traces *traces = *state;
    struct terminal terminal;
    begin_live(traces);
    start_top(&terminal, traces, 120, 24);
    traces_patch(traces, "worker-0.00000000", 0, zeros, sizeof(zeros));
    expect_exit(&terminal, 2);
    assert_true(terminal_is_restored(&terminal));
    terminal_line(&terminal, "troupe-trace: worker-0.00000000: offset 0: bad magic 0x00000000");
    traces_close(traces);
}

/* A shell stops it and lets it go on. */
static void
stopped_it_restores_the_terminal_and_comes_back_with_its_screen(void **state)
{
    static const char *const words[] = {"bash", "--norc", "--noprofile", "--noediting", "-i", NULL};
    struct traces *traces = *state;
    struct terminal terminal;
    char line[900];
    begin_live(traces);
    setenv("PS1", "ready for \\#> ", 1); /* what is typed before that may be lost */
    terminal_start(&terminal, 160, 24, words);
    terminal_await(&terminal, "ready for 1> ");
    snprintf(line, sizeof(line), "'%s' top --every 20ms '%s'\n", TROUPE_TRACE, traces->directory);
    terminal_press(&terminal, line);
    terminal_await(&terminal, "q quit");
    for (unsigned i = 0; i < 2; i++) {
        terminal_press(&terminal, "\x1a");
        terminal_await(&terminal, "Stopped");
        terminal_await(&terminal, i == 0 ? "ready for 2> " : "ready for 3> ");
        assert_true(!terminal.other && !terminal.hidden);
        terminal_press(&terminal, "clear; fg\n");
        terminal_await(&terminal, "q quit");
        assert_true(terminal.other && terminal.hidden);
    }
    terminal_press(&terminal, "q");
    terminal_await(&terminal, "ready for 4> ");
    terminal_press(&terminal, "exit 7\n");
    expect_exit(&terminal, 7);
    assert_true(terminal_is_restored(&terminal));
    assert_int_equal(traces_count(terminal.written, "\x1b[?1049h"), 3); /* it came once, and came back twice */
    traces_close(traces);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(top_tells_rates_shares_times_and_mailboxes_of_all_that_was_recorded),
        TEST(top_tells_the_same_of_each_actor_that_did_something),
        TEST(top_sorts_by_the_column_that_is_asked_for),
        TEST(in_a_pipe_top_prints_tables_until_the_program_ends),
        TEST(in_a_pipe_top_prints_as_many_tables_as_are_asked_for),
        TEST(what_top_cannot_do_is_refused_in_words),
        TEST(top_shows_what_is_written_meanwhile),
        TEST(a_handler_that_does_not_come_back_counts_as_busy),
        TEST(keys_choose_what_lines_are_of_and_how_they_are_sorted),
        TEST(the_table_follows_the_size_of_its_window),
        TEST(top_goes_on_while_the_flight_recorder_takes_files_away),
        TEST(q_restores_the_terminal),
        TEST(the_key_for_interrupts_restores_the_terminal),
        TEST(the_key_for_interrupts_cuts_off_no_table_that_a_slow_terminal_has_not_taken),
        TEST(signals_that_end_it_restore_the_terminal),
        TEST(the_end_of_the_program_restores_the_terminal),
        TEST(a_trace_that_breaks_meanwhile_restores_the_terminal_and_is_named_there),
        TEST(stopped_it_restores_the_terminal_and_comes_back_with_its_screen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
