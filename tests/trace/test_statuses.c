/*
 * With what status each command of troupe-trace ends, and what it says on stderr.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "helpers.h"
#include "timed.h"

#define A TRI_TRACE_REF(0, 1, 1)
#define B TRI_TRACE_REF(1, 1, 1)
#define M(count) TRI_TRACE_MESSAGE(0, count)
#define PATH_SIZE 300u /* as of traces->directory */
#define LOST "troupe-trace: /dev/full cannot be written: No space left on device\n"
#define BY_SIGPIPE (128 + SIGPIPE)

/* -- The traces. -- */

/* What rows call them: stands for a path. */
#define GOOD "{good}"
#define BROKEN "{broken}"
#define LOSSY "{lossy}"
#define EMPTY "{empty}"
#define MISSING "{missing}"
#define RULES "{rules}"
#define PACKED "{packed}"

static const char *const places[] = {GOOD, BROKEN, LOSSY, EMPTY, MISSING, RULES, PACKED};
#define PLACES (sizeof(places) / sizeof(places[0]))

/* The path of a place: its name without the braces. */
static void
path_of(const struct traces *traces, const char *place, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%.*s", traces->base, (int)strlen(place) - 2, place + 1);
}

/* A message; broken: and one that nobody sent. */
static void
write_trace(const struct traces *traces, const char *place, bool broken)
{
    char path[PATH_SIZE];
    path_of(traces, place, path);
    timed_begin();
    timed_spawn(1, A, "client");
    timed_spawn(1, B, "server");
    timed_send(2, A, M(1), 5);
    timed_receive(3, B, M(1), 5);
    if (broken)
        timed_receive(4, B, M(9), 5);
    timed_end(path, true);
}

static void
write_all(struct traces *traces)
{
    static const uint64_t lost = 5;
    char path[PATH_SIZE];
    write_trace(traces, GOOD, false);
    write_trace(traces, BROKEN, true);
    write_trace(traces, LOSSY, false);
    path_of(traces, LOSSY, traces->directory);
    traces_patch(traces, "worker-0.00000000", offsetof(struct tri_trace_packet, events_discarded), &lost, sizeof(lost));
    path_of(traces, EMPTY, path);
    assert_int_equal(mkdir(path, 0700), 0);
    path_of(traces, RULES, path);
    FILE *rules = fopen(path, "w");
    assert_non_null(rules);
    fputs("send 5 of client before receive 5 of server\nnever receive 5 of client\n", rules);
    fclose(rules);
}

static void
remove_all(const struct traces *traces)
{
    char path[PATH_SIZE];
    for (size_t i = 0; i < PLACES; i++) {
        path_of(traces, places[i], path);
        unlink(path);
        tests_directory_remove(path);
    }
}

static int
teardown(void **state)
{
    remove_all(*state);
    return traces_teardown(state);
}

/* -- A run. -- */

enum output {
    NOWHERE,
    FULL_DISK,
    CLOSED_PIPE,
    CLOSED_PIPE_IGNORED, /* who starts it ignores SIGPIPE */
};

/* The exit status, or 128 and the number of the signal; and what came on stderr. */
struct end {
    int status;
    char words[8192];
};

static int
open_output(enum output output)
{
    int ends[2];
    if (output == NOWHERE || output == FULL_DISK)
        return open(output == NOWHERE ? "/dev/null" : "/dev/full", O_WRONLY);
    if (pipe(ends) != 0)
        return -1;
    close(ends[0]);
    return ends[1];
}

static _Noreturn void
become(const char *const *words, enum output output, int to)
{
    signal(SIGPIPE, output == CLOSED_PIPE_IGNORED ? SIG_IGN : SIG_DFL);
    dup2(open_output(output), STDOUT_FILENO);
    dup2(to, STDERR_FILENO);
    execv(words[0], (char **)(uintptr_t)words);
    _exit(127);
}

static struct end
run(const char *const *words, enum output output)
{
    struct end end = {0};
    int ends[2], status;
    ssize_t got;
    size_t length = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0)
        become(words, output, ends[1]);
    close(ends[1]);
    while ((got = read(ends[0], end.words + length, sizeof(end.words) - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    end.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return end;
}

/* -- A row. -- */

struct row {
    const char *words; /* with blanks between them */
    int status;
    const char *says; /* on stderr; NULL: nothing at all */
    enum output output;
};

#define WORDS 12u

/* Splits a copy of the words, and puts paths for places. */
static void
expect_row(const struct traces *traces, const struct row *row)
{
    char copy[300], paths[WORDS][PATH_SIZE], *rest = NULL;
    const char *words[WORDS + 2] = {TROUPE_TRACE};
    size_t count = 0;
    snprintf(copy, sizeof(copy), "%s", row->words);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        assert_true(count < WORDS);
        snprintf(paths[count], sizeof(paths[count]), "%s", word);
        if (word[0] == '{')
            path_of(traces, word, paths[count]);
        words[count + 1] = paths[count];
        count++;
    }
    struct end end = run(words, row->output);
    bool says = row->says == NULL ? end.words[0] == '\0' : strstr(end.words, row->says) != NULL;
    if (end.status != row->status || !says)
        fail_msg("%s (output %d) ended with %d instead of %d, or did not say \"%s\":\n%s", row->words, row->output,
                 end.status, row->status, row->says != NULL ? row->says : "", end.words);
}

/* -- Every command on every kind of trace. -- */

/* The commands that read a trace: what stands before the directory, and behind it. */
static const struct reading {
    const char *before, *after;
} readings[] = {
    {"explain", ""},
    {"info", ""},
    {"dump", ""},
    {"dump --json", ""},
    {"follow --all", ""},
    {"top --once", ""},
    {"stats", ""},
    {"stats --json", ""},
    {"path 0:1", ""},
    {"check", ""},
    {"assert " RULES, ""},
    {"diff " GOOD, ""},
    {"timeline", ""},
    {"seq", ""},
    {"export --to perfetto", ""},
    {"export --to chrome", ""},
    {"export --to shiviz", ""},
    {"export --to dot", ""},
    {"pack", " " PACKED},
};
#define READINGS (sizeof(readings) / sizeof(readings[0]))

/* Is it there? Without libzstd nothing can be packed. */
static bool
can(const struct traces *traces, const struct reading *reading)
{
    char path[PATH_SIZE];
    if (strcmp(reading->before, "pack") != 0)
        return true;
    const char *words[] = {TROUPE_TRACE, "pack", "/no/such", path, NULL};
    path_of(traces, PACKED, path);
    struct end end = run(words, NOWHERE);
    return strstr(end.words, "built without libzstd") == NULL;
}

/* All of them on one trace; their names are the first words. */
static void
expect_all(const struct traces *traces, const char *place, int status, const char *says, enum output output)
{
    for (size_t i = 0; i < READINGS; i++) {
        char words[200], path[PATH_SIZE];
        if (!can(traces, &readings[i]))
            continue;
        snprintf(words, sizeof(words), "%s %s%s", readings[i].before, place, readings[i].after);
        expect_row(traces, &(struct row){words, status, says, output});
        path_of(traces, PACKED, path);
        unlink(path);
    }
}

static void
a_good_trace_gives_0_and_nothing_is_said(void **state)
{
    write_all(*state);
    expect_all(*state, GOOD, 0, NULL, NOWHERE);
    expect_all(*state, GOOD " --no-progress --colour=never", 0, NULL, NOWHERE);
}

static void
events_that_were_lost_give_0_but_with_strict(void **state)
{
    write_all(*state);
    expect_all(*state, LOSSY, 0, NULL, NOWHERE);
    expect_row(*state, &(struct row){"check --strict " LOSSY, 3, NULL, NOWHERE});
    expect_row(*state, &(struct row){"check --strict " GOOD, 0, NULL, NOWHERE});
    expect_row(*state, &(struct row){"assert --strict " RULES " " LOSSY, 3, NULL, NOWHERE});
    expect_row(*state, &(struct row){"assert --strict " RULES " " GOOD, 0, NULL, NOWHERE});
}

static void
a_rule_that_is_broken_gives_1_from_those_that_judge(void **state)
{
    static const struct row rows[] = {
        {"check " BROKEN, 1, NULL, NOWHERE},         {"check --strict " BROKEN, 1, NULL, NOWHERE},
        {"diff " GOOD " " BROKEN, 1, NULL, NOWHERE}, {"diff --order-only " BROKEN " " GOOD, 1, NULL, NOWHERE},
        {"explain " BROKEN, 0, NULL, NOWHERE},       {"dump " BROKEN, 0, NULL, NOWHERE},
        {"stats " BROKEN, 0, NULL, NOWHERE},         {"info " BROKEN, 0, NULL, NOWHERE},
    };
    char path[PATH_SIZE];
    write_all(*state);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_row(*state, &rows[i]);
    path_of(*state, RULES, path);
    FILE *rules = fopen(path, "w");
    assert_non_null(rules);
    fputs("never receive 5 of server\n", rules);
    fclose(rules);
    expect_row(*state, &(struct row){"assert " RULES " " GOOD, 1, NULL, NOWHERE});
    expect_row(*state, &(struct row){"assert --strict " RULES " " LOSSY, 1, NULL, NOWHERE});
}

static void
what_is_no_trace_gives_2_and_is_told_of(void **state)
{
    write_all(*state);
    expect_all(*state, MISSING, 2, "/missing cannot be opened: No such file or directory\n", NOWHERE);
    expect_all(*state, EMPTY, 2, "/empty is not a trace: it holds no file `metadata`\n", NOWHERE);
    expect_all(*state, RULES, 2, "is no directory", NOWHERE);
}

static void
an_option_that_is_wrong_gives_2_and_the_usage(void **state)
{
    write_all(*state);
    expect_all(*state, GOOD " --nonsense", 2, "unrecognized option '--nonsense'\nusage: troupe-trace ", NOWHERE);
    expect_all(*state, GOOD " --flight", 2, "that option belongs to another command\nusage: troupe-trace ", NOWHERE);
    expect_all(*state, GOOD " --colour=green", 2,
               "not a way to colour, which are auto, always and never: green\nusage: troupe-trace ", NOWHERE);
}

/* -- Outputs. -- */

static void
an_output_that_cannot_be_written_gives_2_and_is_told_of(void **state)
{
    write_all(*state);
    expect_all(*state, GOOD, 2, LOST, FULL_DISK);
    expect_row(*state, &(struct row){"--help", 2, LOST, FULL_DISK});
    expect_row(*state, &(struct row){"attach --help", 2, LOST, FULL_DISK});
    expect_row(*state, &(struct row){"check " BROKEN, 2, LOST, FULL_DISK});
}

static void
a_reader_that_has_gone_ends_it_without_a_word(void **state)
{
    write_all(*state);
    expect_all(*state, GOOD, BY_SIGPIPE, NULL, CLOSED_PIPE);
    expect_all(*state, GOOD, BY_SIGPIPE, NULL, CLOSED_PIPE_IGNORED);
}

/* -- The others. -- */

static void
the_other_commands_have_their_statuses(void **state)
{
    static const struct row rows[] = {
        {"", 2, "a command is needed\nusage: troupe-trace COMMAND", NOWHERE},
        {"nonsense", 2, "a command is needed: nonsense\n", NOWHERE},
        {"--help", 0, NULL, NOWHERE},
        {"check --help", 0, NULL, NOWHERE},
        {"check", 2, "a directory is needed\nusage: troupe-trace check ", NOWHERE},
        {"assert " RULES, 2, "a file of rules and a directory are needed\n", NOWHERE},
        {"assert " MISSING " " GOOD, 2, "No such file or directory\n", NOWHERE},
        {"diff " GOOD, 2, "two directories are needed\n", NOWHERE},
        {"path 0:1", 2, "a message and a directory are needed\n", NOWHERE},
        {"path 0:99 " GOOD, 2, "the trace holds no message of that id: 0:99\n", NOWHERE},
        {"export " GOOD, 2, "a format is needed", NOWHERE},
        {"seq --class nobody " GOOD, 2, "the trace has no event of the actors that are chosen\n", NOWHERE},
        {"top --sort nonsense " GOOD, 2, "not a column", NOWHERE},
        {"record", 2, "a program to run is needed\n", NOWHERE},
        {"record --nonsense true", 2, "unrecognized option '--nonsense'\n", NOWHERE},
        {"record -o /dev/null true", 2, "it is no directory\n", NOWHERE},
        {"record -o {missing} false", 1, "nothing was recorded", NOWHERE},
        {"record -o {missing} true", 0, "nothing was recorded", CLOSED_PIPE},
        {"attach --nonsense 1", 2, "unrecognized option '--nonsense'\n", NOWHERE},
        {"attach 2147483647", 2, "there is no process 2147483647\n", NOWHERE},
        {"detach", 2, "the number of one process is needed\n", NOWHERE},
        {"detach 2147483647", 2, "there is no process 2147483647\n", FULL_DISK},
        {"snapshot --flight 1", 2, "that option belongs to another command\n", NOWHERE},
        {"snapshot 2147483647", 2, "there is no process 2147483647\n", CLOSED_PIPE},
    };
    write_all(*state);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_row(*state, &rows[i]);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_good_trace_gives_0_and_nothing_is_said),
        TEST(events_that_were_lost_give_0_but_with_strict),
        TEST(a_rule_that_is_broken_gives_1_from_those_that_judge),
        TEST(what_is_no_trace_gives_2_and_is_told_of),
        TEST(an_option_that_is_wrong_gives_2_and_the_usage),
        TEST(an_output_that_cannot_be_written_gives_2_and_is_told_of),
        TEST(a_reader_that_has_gone_ends_it_without_a_word),
        TEST(the_other_commands_have_their_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
