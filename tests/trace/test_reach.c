/*
 * The commands that reach for programs that run: record, attach, detach, snapshot. The program is this one, called with
 * a word that says what it is to do.
 */
#include "helpers.h"
#include "stage.h"
#include "traces.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { GO = 1, MESSAGES = 20, EXIT = 7, ENDED = 9 };

static char self[300];

/* -- The program. -- */

static struct tally handled;

static void
take(tr_actor *actor, void *state, tr_message *message)
{
    uint64_t round = message->payload.words[0] + 1;
    (void)state;
    tally_add(&handled, 1);
    if (round < MESSAGES)
        tr_tell(actor, tr_self(actor), GO, &round, sizeof(round));
}

static const struct tr_behavior taker = {.name = "taker", .receive = take};

static int
program(const char *what)
{
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER};
    tr_runtime *runtime;
    uint64_t round = 0;
    sigset_t terminate;               /* is for tr_runtime_wait(), however early it comes */
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    sigprocmask(SIG_BLOCK, &terminate, NULL);
    if (tr_runtime_start(&options, &runtime) != TR_OK)
        return 1;
    stage_send(runtime, stage_spawn(runtime, &taker, 0, NULL), GO, &round, sizeof(round));
    tally_await(&handled, MESSAGES);
    if (strcmp(what, "die") == 0)
        raise(SIGKILL);
    int status = strcmp(what, "wait") == 0 && tr_runtime_wait(runtime) == SIGTERM ? ENDED : EXIT;
    tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL);
    return status;
}

/* -- record. -- */

static void
a_program_is_run_with_the_recorder_on_and_its_exit_status_is_passed_on(void **state)
{
    struct traces *traces = *state;
    const char *words[] = {TROUPE_TRACE, "record", "-o", traces->directory, "--", self, "exit", NULL};
    traces_expect_run(words, EXIT, " events in ");
    traces_expect(traces, "check", 0, "passed   sent_before");
    traces_expect(traces, "info", 0, "mode        file");
    traces_expect_run(words, 2, "it is not empty; name another one with -o");
}

/* The second of the day and so on, as `info` shows it behind a word. */
static time_t
time_behind(const char *text, const char *word)
{
    const char *at = strstr(text, word);
    struct tm tm = {0};
    assert_non_null(at);
    assert_non_null(strptime(at + strlen(word), " %Y-%m-%dT%H:%M:%S", &tm));
    return timegm(&tm);
}

static void
with_the_monotonic_clock_times_and_rules_are_as_ever(void **state)
{
    struct traces *traces = *state;
    const char *words[] = {TROUPE_TRACE, "record", "-o", traces->directory, "--", "env", "TR_CLOCK=monotonic",
                           self,         "exit",   NULL};
    char path[400];
    time_t before = time(NULL);
    traces_expect_run(words, EXIT, " events in ");
    time_t after = time(NULL);
    struct outcome info = traces_tool(traces, "info", NULL, NULL, NULL, NULL);
    assert_non_null(strstr(info.text, "clock       1000000000 ticks a second\n"));
    assert_in_range(time_behind(info.text, "\nbegins "), before - 1, after + 1);
    assert_in_range(time_behind(info.text, "\nends "), before - 1, after + 1);
    free(info.text);
    traces_expect(traces, "check", 0, "passed   sent_before");
    snprintf(path, sizeof(path), "%s/metadata", traces->directory);
    struct outcome text = traces_run((const char *[]){"cat", path, NULL});
    assert_non_null(strstr(text.text, "CLOCK_MONOTONIC"));
    free(text.text);
}

static void
the_flight_recorder_is_used_if_it_is_asked_for_also_where_a_name_has_a_comma(void **state)
{
    struct traces *traces = *state;
    snprintf(traces->directory, sizeof(traces->directory), "%s/a,file", traces->base);
    const char *words[] = {TROUPE_TRACE, "record", "--flight", "-o", traces->directory, self, "exit", NULL};
    assert_int_equal(mkdir(traces->directory, 0777), 0); /* that is empty */
    traces_expect_run(words, EXIT, " events in ");
    traces_expect(traces, "info", 0, "mode        flight");
}

static void
a_program_that_a_signal_ends_gives_128_and_its_number(void **state)
{
    struct traces *traces = *state;
    const char *words[] = {TROUPE_TRACE, "record", "-o", traces->directory, "--", self, "die", NULL};
    traces_expect_run(words, 128 + SIGKILL, " events in ");
    traces_expect(traces, "check", 0, "the trace was cut off");
}

static void
what_cannot_be_run_or_written_is_refused_and_leaves_nothing(void **state)
{
    struct traces *traces = *state;
    const char *none[] = {TROUPE_TRACE, "record", "-o", traces->directory, "--", "/no/such/program", NULL};
    const char *place[] = {TROUPE_TRACE, "record", "-o", "/proc/no/such", "--", self, "exit", NULL};
    const char *file[] = {TROUPE_TRACE, "record", "-o", self, "--", self, "exit", NULL};
    const char *nothing[] = {TROUPE_TRACE, "record", "--flight", NULL};
    const char *option[] = {TROUPE_TRACE, "record", "--such", self, NULL};
    traces_expect_run(none, 2, "cannot run /no/such/program: No such file or directory");
    traces_expect_run(place, 2, "no trace can be written to /proc/no/such: No such file or directory");
    traces_expect_run(file, 2, "it is no directory");
    traces_expect_run(nothing, 2, "a program to run is needed");
    traces_expect_run(option, 2, "unrecognized option");
    assert_int_equal(access(traces->directory, F_OK), -1);
}

static void
a_program_that_records_nothing_is_told_of_and_keeps_its_status(void **state)
{
    struct traces *traces = *state;
    const char *words[] = {TROUPE_TRACE, "record", "-o", traces->directory, "--", "sh", "-c", "exit 5", NULL};
    traces_expect_run(words, 5, "nothing was recorded: sh is no program of Troupe's");
    assert_int_equal(access(traces->directory, F_OK), -1);
}

static void
options_behind_the_program_are_the_program_s(void **state)
{
    struct traces *traces = *state;
    const char *words[] = {TROUPE_TRACE,    "record", "-o",       traces->directory, "sh", "-c",
                           "echo \"$1$2\"", "sh",     "--colour", "never",           NULL};
    traces_expect_run(words, 0, "--colournever\n");
}

/* Runs words in the background with an environment variable more. */
static pid_t
start(const char *const *words, const char *variable, const char *value)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    int null = open("/dev/null", O_WRONLY);
    dup2(null, 1);
    dup2(null, 2);
    if (variable != NULL)
        setenv(variable, value, 1);
    execv(words[0], (char **)(uintptr_t)words);
    _exit(127);
}

static bool
exists(void *path)
{
    return access(path, F_OK) == 0;
}

/* Has worker 0 written all of it? */
static bool
has_recorded_all(void *argument)
{
    struct outcome outcome = traces_tool(argument, "dump", "--event", "receive", NULL, NULL);
    bool all = outcome.status == 0 && traces_count(outcome.text, "  receive ") >= MESSAGES;
    free(outcome.text);
    return all;
}

static void
a_signal_that_the_command_is_sent_reaches_the_program(void **state)
{
    struct traces *traces = *state;
    const char *words[] = {TROUPE_TRACE, "record", "-o", traces->directory, "--", self, "wait", NULL};
    int status;
    pid_t child = start(words, NULL, NULL);
    assert_true(tests_wait_until(has_recorded_all, traces, TESTS_LIMIT_MS));
    kill(child, SIGTERM);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ENDED); /* what the program does at SIGTERM */
    traces_expect(traces, "info", 0, "properly");
}

/* -- attach, detach, snapshot. -- */

static void
expect_reach(const char *command, const char *a, const char *b, const char *c, int status, const char *text)
{
    const char *words[] = {TROUPE_TRACE, command, a, b, c, NULL};
    traces_expect_run(words, status, text);
}

static void
end_program(pid_t child)
{
    int status;
    kill(child, SIGTERM);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == ENDED);
}

/* The program that waits, and can be asked. */
struct inspected {
    char socket[300], pid[32];
    pid_t child;
};

static void
start_inspected(const struct traces *traces, struct inspected *program)
{
    const char *words[] = {self, "wait", NULL};
    snprintf(program->socket, sizeof(program->socket), "%s/socket", traces->base);
    program->child = start(words, "TR_INSPECT", program->socket);
    assert_true(tests_wait_until(exists, program->socket, TESTS_LIMIT_MS));
    snprintf(program->pid, sizeof(program->pid), "%ld", (long)program->child);
}

static void
a_program_that_runs_is_recorded_from_attach_to_detach(void **state)
{
    struct traces *traces = *state;
    struct inspected program;
    start_inspected(traces, &program);
    expect_reach("detach", program.pid, NULL, NULL, 2, "cannot do that: nothing is recorded (ERR_NOT_SUPPORTED)");
    expect_reach("attach", program.pid, "/proc/no/such", NULL, 2, "no such file or directory");
    expect_reach("attach", program.pid, traces->directory, NULL, 0, "it is recorded, in /");
    expect_reach("attach", program.pid, "other", NULL, 2, "it is recorded already (EALREADY)");
    expect_reach("detach", program.pid, NULL, NULL, 0, traces->directory);
    traces_expect(traces, "check", 0, "passed   life");
    traces_expect_counts(traces, "attached ");
    traces_expect(traces, "info", 0, "properly");
    end_program(program.child);
    assert_int_equal(access(program.socket, F_OK), -1);
}

static void
top_takes_the_number_of_a_process_that_records(void **state)
{
    struct traces *traces = *state;
    struct inspected program;
    start_inspected(traces, &program);
    expect_reach("top", "--once", program.pid, NULL, 2, "records nothing: troupe-trace attach ");
    expect_reach("attach", program.pid, traces->directory, NULL, 0, "it is recorded, in /");
    expect_reach("top", "--once", program.pid, NULL, 0, "troupe-trace top: all that was recorded, ");
    expect_reach("top", "--once", program.pid, NULL, 0, traces->directory);
    expect_reach("detach", program.pid, NULL, NULL, 0, traces->directory);
    end_program(program.child);
    expect_reach("top", "--once", "0", NULL, 2, "0 cannot be opened: ");
}

static void
top_says_that_a_program_is_gone_when_and_what_it_did_last(void **state)
{
    struct traces *traces = *state;
    const char *words[] = {TROUPE_TRACE, "record", "-o", traces->directory, "--", self, "die", NULL};
    traces_expect_run(words, 128 + SIGKILL, " events in ");
    struct outcome last = traces_tool(traces, "dump", NULL, NULL, NULL, NULL);
    struct outcome top = traces_tool(traces, "top", NULL, NULL, NULL, NULL); /* it ends by itself */
    char gone[100], *line = last.text;
    for (char *next; (next = strchr(line, '\n')) != NULL && next[1] != '\0';)
        line = next + 1;
    snprintf(gone, sizeof(gone), ", and the program is gone since %.30s, ", line);
    assert_int_equal(top.status, 0);
    assert_int_equal(traces_count(top.text, "troupe-trace top: all that was recorded, "), 1);
    if (strstr(top.text, gone) == NULL || strstr(top.text, "\ntaker ") == NULL)
        fail_msg("there is no \"%s\", or no taker, in:\n%s", gone, top.text);
    free(last.text);
    free(top.text);
}

static void
a_flight_recorder_is_begun_and_copied_from_outside(void **state)
{
    struct traces *traces = *state;
    struct traces copy = *traces;
    const char *words[] = {self, "wait", NULL};
    char path[300], pid[32];
    snprintf(copy.directory, sizeof(copy.directory), "%s/copy", traces->base);
    snprintf(path, sizeof(path), "%s/%%p", traces->base);
    pid_t child = start(words, "TR_INSPECT", path);
    snprintf(path, sizeof(path), "%s/%ld", traces->base, (long)child);
    assert_true(tests_wait_until(exists, path, TESTS_LIMIT_MS));
    snprintf(pid, sizeof(pid), "%ld", (long)child);
    expect_reach("attach", "--flight", pid, traces->directory, 0, "the flight recorder runs, in /");
    expect_reach("snapshot", pid, copy.directory, NULL, 0, "the trace is copied to /");
    expect_reach("snapshot", pid, copy.directory, NULL, 2, "(EEXIST)");
    traces_expect(&copy, "check", 0, "passed   life");
    traces_expect(&copy, "info", 0, "mode        flight");
    end_program(child);
    traces_expect(traces, "info", 0, "properly"); /* as the program's end leaves it */
    tests_directory_remove(copy.directory);
}

static void
a_process_that_cannot_be_asked_is_told_of(void **state)
{
    char pid[32];
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[1]);
        (void)!read(ends[0], pid, 1); /* until the test has looked */
        _exit(0);
    }
    snprintf(pid, sizeof(pid), "%ld", (long)child);
    expect_reach("attach", pid, NULL, NULL, 2, "has no socket to be asked on: start it with TR_INSPECT=/tmp/%p.sock");
    close(ends[1]);
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    expect_reach("detach", "2147483647", NULL, NULL, 2, "there is no process 2147483647");
    expect_reach("snapshot", "one", NULL, NULL, 2, "not the number of a process: one");
    expect_reach("attach", NULL, NULL, NULL, 2, "the number of a process and a directory are needed");
    expect_reach("detach", "1", "2", NULL, 2, "the number of one process is needed");
    expect_reach("detach", "--flight", "1", NULL, 2, "that option belongs to another command");
}

int
main(int count, char **words)
{
    if (count > 1)
        return program(words[1]);
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length <= 0)
        return 1;
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_program_is_run_with_the_recorder_on_and_its_exit_status_is_passed_on),
        TEST(with_the_monotonic_clock_times_and_rules_are_as_ever),
        TEST(the_flight_recorder_is_used_if_it_is_asked_for_also_where_a_name_has_a_comma),
        TEST(a_program_that_a_signal_ends_gives_128_and_its_number),
        TEST(what_cannot_be_run_or_written_is_refused_and_leaves_nothing),
        TEST(a_program_that_records_nothing_is_told_of_and_keeps_its_status),
        TEST(options_behind_the_program_are_the_program_s),
        TEST(a_signal_that_the_command_is_sent_reaches_the_program),
        TEST(a_program_that_runs_is_recorded_from_attach_to_detach),
        TEST(top_takes_the_number_of_a_process_that_records),
        TEST(top_says_that_a_program_is_gone_when_and_what_it_did_last),
        TEST(a_flight_recorder_is_begun_and_copied_from_outside),
        TEST(a_process_that_cannot_be_asked_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
