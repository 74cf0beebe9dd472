/*
 * The line that says how far a long command has come. Its clock is the test's: each piece of a trace takes as long as
 * TESTS_CLOCK_STEP_MS says.
 */
#include <setjmp.h>
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
#define B TRI_TRACE_REF(1, 1, 1)
#define PIECE 1024u /* events that are read at once */
#define PIECES 8u
#define M(count) TRI_TRACE_MESSAGE(0, count)

/* So many pieces of one stream. */
static void
write_pieces(const struct traces *traces, unsigned pieces)
{
    timed_begin();
    timed_spawn(0, A, "client");
    timed_event(0, 1, CORE(sleep), 0, 0, 0);
    for (uint64_t i = 1; i < pieces * PIECE / 2; i++) {
        timed_send(2 * i, A, M(i), 5);
        timed_receive(2 * i + 1, A, M(i), 5);
    }
    timed_end(traces->directory, true);
}

/* Two streams; early: what one receives has a time before that of its send. */
static void
write_two_streams(const struct traces *traces, bool early)
{
    timed_begin();
    timed_spawn(10, A, "client");
    timed_spawn(early ? 0 : 10, B, "server");
    for (uint64_t i = 1; i < PIECES / 2 * PIECE; i++) {
        timed_send(10 + 2 * i, A, M(i), 5);
        timed_receive(early ? 2 * i : 11 + 2 * i, B, M(i), 5);
    }
    timed_end(traces->directory, true);
}

/* -- A run. -- */

#define MOST 200u

struct run {
    struct terminal terminal;
    int status;
    unsigned lines, percents[MOST];
};

static void
count_lines(struct run *run)
{
    const char *const begin = "\rtroupe-trace: ";
    run->lines = 0;
    for (const char *at = run->terminal.written; (at = strstr(at, begin)) != NULL; at += strlen(begin)) {
        assert_true(run->lines < MOST);
        if (sscanf(at + strlen(begin), "%u %%", &run->percents[run->lines]) == 1)
            run->lines++;
    }
}

/* Runs a shell's line on a terminal: "$@" in it is the program with the words, "$0" a file. */
static void
play(struct run *run, const struct traces *traces, const char *step, const char *line, const char *const *more)
{
    char file[400];
    snprintf(file, sizeof(file), "%s/out", traces->base);
    const char *words[16] = {"sh", "-c", line, file, TROUPE_TRACE_STEPPED};
    for (size_t i = 0, count = 5; more[i] != NULL; i++)
        words[count++] = more[i];
    setenv("TESTS_CLOCK_STEP_MS", step, 1);
    terminal_start(&run->terminal, 100, 50, words);
    int status = terminal_end(&run->terminal);
    assert_true(WIFEXITED(status));
    run->status = WEXITSTATUS(status);
    count_lines(run);
    unlink(file);
}
#define PLAY(run, traces, step, line, ...) play(run, traces, step, line, (const char *const[]){__VA_ARGS__, NULL})
#define INTO_FILE "exec \"$@\" >\"$0\""

static void
expect_wiped(const struct run *run)
{
    for (unsigned row = 0; row < run->terminal.rows; row++)
        assert_null(strstr(run->terminal.cells[row], " %"));
}

/* A line for each piece of so many passes. */
static void
expect_passes(const struct run *run, unsigned passes, const char *command)
{
    if (run->status != 0 || run->lines != passes * PIECES)
        fail_msg("%s ended with %d and had %u lines instead of %u", command, run->status, run->lines, passes * PIECES);
    for (unsigned i = 0; i < run->lines; i++)
        assert_int_equal(run->percents[i], (i + 1) * 100 / run->lines);
    expect_wiped(run);
}

/* It ends with all, and never goes back. */
static void
expect_all(const struct run *run, const char *command)
{
    if (run->status != 0 || run->lines < 2 * PIECES || run->percents[run->lines - 1] != 100)
        fail_msg("%s ended with %d after %u lines, the last with %u %%", command, run->status, run->lines,
                 run->percents[run->lines - 1]);
    for (unsigned i = 1; i < run->lines; i++)
        assert_true(run->percents[i] >= run->percents[i - 1]);
    expect_wiped(run);
}

/* -- What is shown. -- */

static void
all_that_a_command_reads_is_a_hundred_per_cent(void **state)
{
    static const struct {
        unsigned passes;
        const char *words[8];
    } cases[] = {
        {1, {"info", "--counts"}},
        {2, {"check"}},
        {2, {"stats"}},
        {2, {"explain"}},
        {2, {"dump", "--event", "spawn"}},
        {2, {"timeline"}},
        {2, {"assert", "/dev/null"}},
        {3, {"seq", "--class", "client"}},
        {3, {"timeline", "--last", "--limit", "9"}},
        {5, {"export", "--to", "dot", "--actor", "0:1.1", "--last"}},
    };
    struct traces *traces = *state;
    struct run run;
    write_pieces(traces, PIECES);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const *words = cases[i].words;
        const char *more[10] = {0};
        size_t count = 0;
        for (; words[count] != NULL; count++)
            more[count] = words[count];
        more[count] = traces->directory;
        play(&run, traces, "1000", INTO_FILE, more);
        expect_passes(&run, cases[i].passes, words[0]);
    }
}

static void
both_traces_of_diff_count(void **state)
{
    struct traces *traces = *state;
    struct run run;
    write_pieces(traces, PIECES);
    PLAY(&run, traces, "1000", INTO_FILE, "diff", traces->directory, traces->directory);
    expect_passes(&run, 6, "diff");
    PLAY(&run, traces, "1000", INTO_FILE, "diff", "--order-only", traces->directory, traces->directory);
    expect_passes(&run, 4, "diff");
}

static void
what_need_not_be_read_counts_as_done(void **state)
{
    struct traces *traces = *state;
    struct run run;
    char packed[400];
    write_pieces(traces, PIECES);
    snprintf(packed, sizeof(packed), "%s/packed", traces->base);
    PLAY(&run, traces, "1000", INTO_FILE, "path", "0:17", traces->directory);
    expect_all(&run, "path");
    PLAY(&run, traces, "1000", INTO_FILE, "pack", traces->directory, packed);
    if (run.status == 0) { /* else it was built without libzstd */
        expect_all(&run, "pack");
        PLAY(&run, traces, "1000", INTO_FILE, "check", packed);
        expect_passes(&run, 2, "check");
    }
    unlink(packed);
}

static void
to_see_and_to_correct_contradicting_clocks_counts(void **state)
{
    struct traces *traces = *state;
    struct run run;
    write_two_streams(traces, false);
    PLAY(&run, traces, "1000", INTO_FILE, "dump", "--event", "spawn", traces->directory);
    expect_passes(&run, 3, "dump");
    write_two_streams(traces, true);
    PLAY(&run, traces, "1000", INTO_FILE, "check", traces->directory);
    assert_int_equal(run.lines, 4 * PIECES);
    assert_int_equal(run.percents[2 * PIECES - 1], 100); /* as far as was known then */
    assert_int_equal(run.percents[2 * PIECES], 53);
    assert_int_equal(run.percents[4 * PIECES - 1], 100);
    expect_wiped(&run);
    terminal_line(&run.terminal, "the clocks contradict the order of");
}

static void
the_line_tells_the_part_the_rate_and_the_rest(void **state)
{
    struct traces *traces = *state;
    struct run run;
    write_pieces(traces, PIECES);
    PLAY(&run, traces, "1000", INTO_FILE, "check", traces->directory);
    assert_non_null(strstr(run.terminal.written, "\rtroupe-trace: 6 %, 1,024 events a second, 15 s left\x1b[K"));
    assert_non_null(strstr(run.terminal.written, "\rtroupe-trace: 100 %, 1,024 events a second, 0 s left\x1b[K"));
    PLAY(&run, traces, "600000", INTO_FILE, "check", traces->directory);
    assert_non_null(strstr(run.terminal.written, "\rtroupe-trace: 93 %, 1 events a second, 10 min 0 s left\x1b[K"));
    assert_non_null(strstr(run.terminal.written, "\rtroupe-trace: 50 %, 1 events a second, 1 h 20 min left\x1b[K"));
}

/* -- When. -- */

static void
it_comes_after_a_second_and_a_few_times_in_one(void **state)
{
    struct traces *traces = *state;
    struct run run;
    write_pieces(traces, 4 * PIECES);
    PLAY(&run, traces, "15", INTO_FILE, "check", traces->directory); /* 0.96 s */
    assert_int_equal(run.status, 0);
    assert_int_equal(run.lines, 0);
    assert_int_equal(run.terminal.written_length, 0);
    PLAY(&run, traces, "100", INTO_FILE, "check", traces->directory); /* 6.4 s */
    assert_int_equal(run.percents[0], 15);
    assert_int_equal(run.lines, 19); /* after 1.0, 1.3, 1.6 ... 6.4 s */
}

static void
nothing_is_written_to_a_stderr_that_is_no_terminal_or_a_dumb_one_or_if_it_is_not_wanted(void **state)
{
    struct traces *traces = *state;
    struct run run;
    write_pieces(traces, PIECES);
    PLAY(&run, traces, "1000", "exec \"$@\" 2>\"$0\"; ", "check", traces->directory);
    assert_int_equal(run.lines, 0);
    PLAY(&run, traces, "1000", "\"$@\" 2>\"$0\" >/dev/null; test -s \"$0\"", "check", traces->directory);
    assert_int_equal(run.status, 1);
    PLAY(&run, traces, "1000", "TERM=dumb exec \"$@\"", "check", traces->directory);
    assert_int_equal(run.lines, 0);
    PLAY(&run, traces, "1000", INTO_FILE, "check", "--no-progress", traces->directory);
    assert_int_equal(run.lines, 0);
    assert_int_equal(run.terminal.written_length, 0);
}

static void
a_command_in_the_background_leaves_the_terminal_alone(void **state)
{
    struct traces *traces = *state;
    struct run run;
    write_pieces(traces, PIECES);
    PLAY(&run, traces, "1000", "set -m; \"$@\" >\"$0\" & wait $!", "check", traces->directory);
    assert_int_equal(run.status, 0);
    assert_int_equal(run.lines, 0);
}

static void
top_and_follow_have_none(void **state)
{
    struct traces *traces = *state;
    struct run run;
    write_pieces(traces, PIECES);
    PLAY(&run, traces, "1000", INTO_FILE, "top", "--once", traces->directory);
    assert_int_equal(run.lines, 0);
    PLAY(&run, traces, "1000", INTO_FILE, "follow", "--all", traces->directory);
    assert_int_equal(run.lines, 0);
    assert_int_equal(run.status, 0);
}

/* -- What else is printed. -- */

static void
it_gives_way_to_a_result_that_is_not_printed_into_a_file(void **state)
{
    struct traces *traces = *state;
    struct run run;
    write_pieces(traces, PIECES);
    PLAY(&run, traces, "1000", "exec \"$@\"", "export", "--to", "dot", traces->directory);
    assert_int_equal(run.lines, PIECES + 1); /* while it was opened, and begun */
    assert_int_equal(terminal_line(&run.terminal, "digraph trace {"), 0);
    expect_wiped(&run);
    PLAY(&run, traces, "1000", "\"$@\" | cat", "export", "--to", "dot", traces->directory);
    assert_int_equal(run.lines, PIECES + 1);
    assert_int_equal(terminal_line(&run.terminal, "digraph trace {"), 0);
}

static void
it_is_wiped_before_words_of_what_is_wrong(void **state)
{
    struct traces *traces = *state;
    static const uint64_t zero = 0;
    struct run run;
    write_pieces(traces, PIECES);
    traces_patch(traces, "worker-0.00000000", sizeof(struct tri_trace_packet) + (PIECES - 1) * PIECE * TRI_TRACE_STEP,
                 &zero, sizeof(zero));
    PLAY(&run, traces, "1000", "exec \"$@\"", "check", traces->directory);
    assert_int_equal(run.status, 2);
    assert_int_equal(run.lines, PIECES);
    assert_non_null(strstr(run.terminal.cells[0], "troupe-trace: worker-0.00000000: offset "));
    expect_wiped(&run);
    write_pieces(traces, PIECES);
    PLAY(&run, traces, "1000", "exec \"$@\"", "dump", "--event", "nonsense", traces->directory);
    assert_int_equal(run.status, 2);
    assert_int_equal(terminal_line(&run.terminal, "troupe-trace: the trace knows no such event: nonsense"), 0);
}

/* The file takes 8 KiB: less than the first piece becomes. */
static void
a_command_whose_output_is_lost_ends_with_the_piece_that_it_reads(void **state)
{
    static const char *const commands[][3] = {{"timeline"},
                                              {"seq"},
                                              {"export", "--to", "chrome"},
                                              {"export", "--to", "perfetto"},
                                              {"export", "--to", "shiviz"}};
    struct traces *traces = *state;
    struct run run;
    write_pieces(traces, PIECES);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const char *more[5] = {0}, *const *words = commands[i];
        size_t count = 0;
        for (; count < 3 && words[count] != NULL; count++)
            more[count] = words[count];
        more[count] = traces->directory;
        play(&run, traces, "1000", "trap '' XFSZ; ulimit -f 16; exec \"$@\" >\"$0\"", more);
        if (run.status != 2 || run.lines != PIECES + 1)
            fail_msg("%s ended with %d after %u lines", words[0], run.status, run.lines);
        assert_int_equal(traces_count(run.terminal.written, "/out cannot be written: File too large\r\n"), 1);
        expect_wiped(&run);
    }
}

static void
it_is_one_line_of_a_narrow_terminal(void **state)
{
    struct traces *traces = *state;
    struct run run;
    write_pieces(traces, PIECES);
    PLAY(&run, traces, "1000", "stty columns 30; exec \"$@\" >\"$0\"", "check", traces->directory);
    assert_int_equal(run.lines, 2 * PIECES);
    assert_non_null(strstr(run.terminal.written, "\rtroupe-trace: 6 %, 1,024 even\x1b[K"));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_that_a_command_reads_is_a_hundred_per_cent),
        TEST(both_traces_of_diff_count),
        TEST(what_need_not_be_read_counts_as_done),
        TEST(to_see_and_to_correct_contradicting_clocks_counts),
        TEST(the_line_tells_the_part_the_rate_and_the_rest),
        TEST(it_comes_after_a_second_and_a_few_times_in_one),
        TEST(nothing_is_written_to_a_stderr_that_is_no_terminal_or_a_dumb_one_or_if_it_is_not_wanted),
        TEST(a_command_in_the_background_leaves_the_terminal_alone),
        TEST(top_and_follow_have_none),
        TEST(it_gives_way_to_a_result_that_is_not_printed_into_a_file),
        TEST(it_is_wiped_before_words_of_what_is_wrong),
        TEST(a_command_whose_output_is_lost_ends_with_the_piece_that_it_reads),
        TEST(it_is_one_line_of_a_narrow_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
