/*
 * The trace of a cluster: real processes that send each other messages and descriptors, die and are replaced, read as
 * one by troupe-trace, one by one by babeltrace2, and by the second reader.
 */
#include <inttypes.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

#include "crew.h"
#include "helpers.h"
#include "timed.h"

static int
setup(void **state)
{
    int failed = traces_setup(state);
    if (failed == 0)
        setenv("TR_TRACE", ((const struct traces *)*state)->directory, 1);
    return failed;
}

/* Sub-directories first. */
static int
teardown(void **state)
{
    struct traces *traces = *state;
    const char *const words[] = {"rm", "-rf", traces->directory, NULL};
    free(traces_run(words).text);
    return traces_teardown(state);
}

static void
start(struct crew *crew, unsigned children)
{
    crew_start(crew, (struct tr_cluster_options){
                         .children = children, .backoff_min_ms = 1, .backoff_max_ms = 1, .tries = 1000});
}

/* The first child sends the second, which is child 1, a message and a file, and asks the parent for an echo. */
static void
talk(struct crew *crew)
{
    assert_string_equal(crew_ask(crew, 1, "take"), "ok");
    assert_string_equal(crew_ask(crew, 0, "take"), "ok");
    assert_string_equal(crew_ask(crew, 0, "send 1 hello"), "ok");
    assert_string_equal(crew_ask(crew, 1, "message"), "0 hello");
    assert_string_equal(crew_ask(crew, 0, "pass 1 with"), "ok");
    assert_string_equal(crew_ask(crew, 1, "message"), "0 with fd:with");
    assert_string_equal(crew_ask(crew, 0, "send parent echo yes"), "ok");
    assert_string_equal(crew_word(crew), "echo OK");
    assert_string_equal(crew_ask(crew, 0, "message"), "parent yes");
}

static void
leave_trace_of_talk(void)
{
    struct crew crew;
    start(&crew, 2);
    talk(&crew);
    crew_end(&crew, "OK");
}

static struct outcome
dump(const struct traces *traces, const char *event)
{
    struct outcome outcome = traces_tool(traces, "dump", "--event", event, NULL, NULL);
    assert_int_equal(outcome.status, 0);
    return outcome;
}

static void
what_processes_send_each_other_has_one_id_at_both_ends(void **state)
{
    struct traces *traces = *state;
    leave_trace_of_talk();
    struct outcome sends = dump(traces, "cluster_send"), receives = dump(traces, "cluster_receive");
    assert_int_equal(traces_count(sends.text, "\n"), 4);
    assert_int_equal(traces_count(receives.text, "\n"), 4);
    assert_int_equal(traces_count(sends.text, "descriptors 1"), 1);
    assert_int_equal(traces_count(receives.text, "descriptors 1"), 1);
    assert_int_equal(traces_count(sends.text, "  child parent"), 1);
    assert_int_equal(traces_count(receives.text, "  child parent"), 1);
    for (const char *at = sends.text; (at = strstr(at, "parcel ")) != NULL; at++) {
        char parcel[64];
        snprintf(parcel, sizeof(parcel), "%.*s ", (int)(strcspn(at + 7, " ") + 7), at);
        assert_int_equal(traces_count(sends.text, parcel), 1);
        assert_int_equal(traces_count(receives.text, parcel), 1);
    }
    free(sends.text);
    free(receives.text);
    traces_expect(traces, "check", 0, "passed   parcel                    8 times");
    traces_expect(traces, "check", 0, "passed   sent_before");
    traces_expect(traces, "check", 0, "passed   cluster                  12 times");
}

static void
the_parent_is_a_word_in_the_place_of_a_childs_number(void **state)
{
    struct traces *traces = *state;
    char rules[400];
    leave_trace_of_talk();
    expect_parts(traces, "dump", "--json", NULL, 0,
                 (const char *const[]){"\"child\":4294967295,\"child_name\":\"parent\"", NULL});
    expect_parts(traces, "export", "--to=chrome", NULL, 0, (const char *const[]){"\"child\":\"parent\"", NULL});
    struct outcome outcome = traces_tool(traces, "seq", NULL, NULL, NULL, NULL);
    assert_null(strstr(outcome.text, "4294967295"));
    free(outcome.text);
    snprintf(rules, sizeof(rules), "%s/rules", traces->base);
    FILE *file = fopen(rules, "w");
    assert_non_null(file);
    fputs("never cluster_receive parent\n", file);
    fclose(file);
    traces_expect_run((const char *const[]){TROUPE_TRACE, "assert", rules, traces->directory, NULL}, 1, "1 time");
    unlink(rules);
}

static void
empty_metadata_of(const struct traces *traces, const char *folder)
{
    char path[400];
    snprintf(path, sizeof(path), "%s%s/metadata", traces->directory, folder);
    assert_int_equal(truncate(path, 0), 0);
}

static void
of_a_process_that_ended_before_it_recorded_anything_the_others_are_read(void **state)
{
    struct traces *traces = *state;
    leave_trace_of_talk();
    empty_metadata_of(traces, "/2");
    expect_parts(traces, "info", NULL, NULL, 0, (const char *const[]){"parent     properly", "/3\n", NULL});
    empty_metadata_of(traces, "");
    traces_expect(
        traces, "info", 0,
        "/trace holds no trace yet: its program has ended before it recorded anything, or has only just begun\n");
    traces_expect(traces, "dump", 0, "cluster_receive");
    empty_metadata_of(traces, "/3");
    traces_expect(traces, "info", 2, "holds no trace yet: ");
}

static void
each_process_is_told_with_its_number_and_its_directory(void **state)
{
    struct traces *traces = *state;
    char path[400];
    leave_trace_of_talk();
    traces_expect(traces, "info", 0, "parent     properly");
    for (unsigned process = 2; process <= 3; process++) {
        snprintf(path, sizeof(path), "properly %s/%u\n", traces->directory, process);
        traces_expect(traces, "info", 0, path);
        snprintf(path, sizeof(path), "\n%u/0 ", process);
        traces_expect(traces, "stats", 0, path);
        traces_expect(traces, "info", 0, path);
    }
    traces_expect(traces, "info", 0, "\n1/outside ");
    traces_expect(traces, "explain", 0, "worker ");
}

/* The id of the message that tells the taker of a child what came from another: the first, or that after `at`. */
static void
find_delivery(const char *text, char id[64])
{
    const char *at = strstr(text, "(cluster)  message ");
    assert_non_null(at);
    at += strlen("(cluster)  message ");
    snprintf(id, 64, "%.*s", (int)strcspn(at, " "), at);
}

static void
the_path_of_a_message_goes_through_processes(void **state)
{
    struct traces *traces = *state;
    char id[64];
    leave_trace_of_talk();
    struct outcome sends = dump(traces, "send");
    find_delivery(sends.text, id);
    free(sends.text);
    const char *const parts[] = {"   1  p", "between processes", "waited", "then sent\n   2  ", id, "worked", NULL};
    expect_parts(traces, "path", id, NULL, 0, parts);
}

static void
a_child_that_was_killed_and_its_successor_are_two_processes(void **state)
{
    struct traces *traces = *state;
    struct crew crew;
    unsigned child;
    int process;
    start(&crew, 1);
    int fd = crew_connect(crew_listen(&crew, 0), &child, &process);
    assert_true(crew_is_alive(fd));
    crew_tell(&crew, 0, "die");
    crew_await(&crew, "ended 0 signal 9");
    close(fd);
    fd = crew_connect(crew_listen(&crew, 0), &child, &process);
    assert_true(crew_is_alive(fd));
    close(fd);
    crew_end(&crew, "OK");
    traces_expect(traces, "info", 0, "0          no       ");
    traces_expect(traces, "info", 0, "0          properly ");
    traces_expect(traces, "check", 0, "passed   parcel                    4 times");
    traces_expect(traces, "check", 0, "passed   socket");
    traces_expect(traces, "check", 0, "passed   cluster");
    struct outcome taken = dump(traces, "cluster_take"), ended = dump(traces, "child_ended");
    assert_int_equal(traces_count(taken.text, "parcel p0:1\n"), 1);
    assert_int_equal(traces_count(taken.text, "parcel p0:2\n"), 1);
    assert_int_equal(traces_count(ended.text, "signal 9"), 1);
    free(taken.text);
    free(ended.text);
}

static void
the_next_run_of_a_cluster_has_a_directory_of_its_own(void **state)
{
    struct traces *traces = *state;
    leave_trace_of_talk();
    leave_trace_of_talk();
    traces_expect(traces, "info", 0, "traces of their own: 4\n");
    traces_expect(traces, "check", 0, "passed   parcel                    8 times");
    strcat(traces->directory, "/4");
    traces_expect(traces, "check", 0, "passed   parcel                    8 times");
    *strrchr(traces->directory, '/') = '\0';
}

/* -- Children that are more than one runtime. -- */

/* Runs a cluster of one child, which fails the test unless it returns 0. */
static void
run_cluster(int (*child)(tr_cluster_child *self, void *data), void *data, int namespaces)
{
    int status;
    fflush(NULL);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        if (namespaces != 0 && unshare(namespaces) != 0)
            _exit(2);
        _exit(tr_cluster_run(&(struct tr_cluster_options){.child = child, .data = data, .children = 1, .tries = 1}) !=
              TR_OK);
    }
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static tr_runtime *
start_runtime(const char *trace)
{
    tr_runtime *runtime;
    struct tr_runtime_options options = {.workers = 1, .pinning = TR_PINNING_NEVER};
    if (trace != NULL)
        options.trace = (struct tr_trace_options){.mode = TR_TRACE_FILE, .directory = trace};
    return tr_runtime_start(&options, &runtime) == TR_OK ? runtime : NULL;
}

static void
take_leave(tr_socket *socket)
{
    tr_socket_end(socket);
}

static void
take_nothing(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state, (void)message;
}

/* Sends the parent a message, and takes a connection, which it tells of in this runtime's trace alone. */
static bool
use_cluster(tr_cluster_child *self, tr_runtime *runtime)
{
    static const struct tr_behavior sink = {.name = "sink", .receive = take_nothing};
    struct tr_server_options server = {.connection = take_leave};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address at = {0};
    char byte;
    tr_ref ref;
    if (tr_runtime_spawn(runtime, &sink, NULL, &ref) != TR_OK ||
        tr_cluster_child_deliver(self, runtime, ref, 1) != TR_OK ||
        tr_cluster_child_send(self, TR_CLUSTER_PARENT, "x", 1, -1) != TR_OK ||
        tr_runtime_listen(runtime, &server, &listen, NULL, &at) != TR_OK)
        return false;
    int fd = tests_peer_connect(at.port);
    bool ended = fd >= 0 && read(fd, &byte, 1) == 0;
    close(fd);
    return ended;
}

struct two_runtimes {
    char elsewhere[400]; /* the trace of the second */
    bool at_once;        /* else one after the other */
};

static int
be_child_of_two_runtimes(tr_cluster_child *self, void *data)
{
    const struct two_runtimes *two = data;
    tr_runtime *first = start_runtime(NULL);
    if (first == NULL || (!two->at_once && tr_runtime_stop(first, TESTS_LIMIT_MS, NULL) != TR_OK))
        return 1;
    tr_runtime *second = start_runtime(two->elsewhere);
    if (second == NULL || !use_cluster(self, second) || tr_runtime_stop(second, TESTS_LIMIT_MS, NULL) != TR_OK)
        return 1;
    return two->at_once && tr_runtime_stop(first, TESTS_LIMIT_MS, NULL) != TR_OK;
}

static void
a_runtime_of_a_child_that_records_elsewhere_is_not_missed(void **state)
{
    struct traces *traces = *state;
    for (int at_once = 0; at_once <= 1; at_once++) {
        struct two_runtimes two = {.at_once = at_once};
        snprintf(two.elsewhere, sizeof(two.elsewhere), "%s-elsewhere", traces->directory);
        run_cluster(be_child_of_two_runtimes, &two, 0);
        traces_expect(traces, "check", 0, "unknown  parcel                    2 times");
        traces_expect(traces, "check", 0, "passed   cluster                   4 times");
        const char *const both[] = {TROUPE_TRACE, "check", traces->directory, two.elsewhere, NULL};
        struct outcome outcome = traces_run(both);
        assert_int_equal(outcome.status, 0);
        assert_non_null(strstr(outcome.text, "passed   parcel                    4 times"));
        free(outcome.text);
        const char *const words[] = {"rm", "-rf", traces->directory, two.elsewhere, NULL};
        free(traces_run(words).text);
    }
}

/* What it forks before it has threads may use the library, and is no child. */
static int
be_child_that_forks(tr_cluster_child *self, void *data)
{
    int status;
    (void)data;
    pid_t process = fork();
    if (process < 0)
        return 1;
    tr_runtime *runtime = start_runtime(NULL);
    if (process == 0) {
        bool is_child = tr_cluster_child_send(self, TR_CLUSTER_PARENT, "x", 1, -1) != TR_EINVAL;
        _exit(is_child || runtime == NULL || tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL) != TR_OK);
    }
    bool used = runtime != NULL && use_cluster(self, runtime);
    bool ended = waitpid(process, &status, 0) == process && status == 0;
    return !used || !ended || tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL) != TR_OK;
}

static void
what_a_child_forks_is_none_of_the_cluster(void **state)
{
    struct traces *traces = *state;
    run_cluster(be_child_that_forks, NULL, 0);
    traces_expect(traces, "check", 0, "passed   parcel                    4 times");
    traces_expect(traces, "check", 0, "passed   cluster                   6 times");
    traces_expect(traces, "info", 0, "traces of their own: ");
}

static int
be_child_of_one_runtime(tr_cluster_child *self, void *data)
{
    (void)data;
    tr_runtime *runtime = start_runtime(NULL);
    return runtime == NULL || !use_cluster(self, runtime) || tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL) != TR_OK;
}

/* To the parent its child is one process of many, to itself the first of all. */
static void
a_child_in_a_pid_namespace_of_its_own_is_the_one_that_the_parent_began(void **state)
{
    struct traces *traces = *state;
    run_cluster(be_child_of_one_runtime, NULL, CLONE_NEWUSER | CLONE_NEWPID);
    traces_expect(traces, "check", 0, "passed   cluster                   6 times");
}

static void
follow_reads_processes_that_have_begun_meanwhile(void **state)
{
    struct traces *traces = *state;
    leave_trace_of_talk();
    struct outcome follow = traces_tool(traces, "follow", "--all", "--event", "cluster_receive", NULL);
    assert_int_equal(follow.status, 0);
    assert_int_equal(traces_count(follow.text, "\n"), 4);
    free(follow.text);
}

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
#define NEED(program)                                                                                                  \
    do {                                                                                                               \
        if (!is_installed(program)) {                                                                                  \
            print_message("%s is not installed\n", program);                                                           \
            skip();                                                                                                    \
        }                                                                                                              \
    } while (0)

/* How many events babeltrace2 finds in a process's own files, without a word of complaint; names are no events. */
static unsigned
count_of_babeltrace(const char *directory)
{
    const char *const words[] = {"babeltrace2", "--no-delta", directory, NULL};
    struct outcome outcome = traces_run(words);
    if (outcome.status != 0 || strstr(outcome.text, "ERROR") != NULL || strstr(outcome.text, "WARNING") != NULL)
        fail_msg("babeltrace2 %s ended with %d:\n%.4000s", directory, outcome.status, outcome.text);
    unsigned count = traces_count(outcome.text, "\n") - traces_count(outcome.text, " name: ") -
                     traces_count(outcome.text, " tag_name: ");
    free(outcome.text);
    return count;
}

static void
babeltrace_reads_each_process_and_counts_as_many_events(void **state)
{
    struct traces *traces = *state;
    char below[400];
    NEED("babeltrace2");
    leave_trace_of_talk();
    struct outcome all = traces_tool(traces, "dump", NULL, NULL, NULL, NULL);
    unsigned count = count_of_babeltrace(traces->directory);
    for (unsigned process = 2; process <= 3; process++) {
        snprintf(below, sizeof(below), "%s/%u", traces->directory, process);
        count += count_of_babeltrace(below);
    }
    assert_int_equal(count, traces_count(all.text, "\n"));
    free(all.text);
}

static void
the_second_reader_agrees_on_all_processes(void **state)
{
    const struct traces *traces = *state;
    char command[2000];
    NEED("python3");
    leave_trace_of_talk();
    snprintf(command, sizeof(command), "'%s' dump --json '%s' | python3 '%s' '%s'", TROUPE_TRACE, traces->directory,
             TROUPE_READER, traces->directory);
    const char *const line[] = {"sh", "-c", command, NULL};
    struct outcome outcome = traces_run(line);
    if (outcome.status != 0 || strstr(outcome.text, " events agree\n") == NULL)
        fail_msg("it ended with %d:\n%s", outcome.status, outcome.text);
    assert_true(atoi(outcome.text) > 30);
    free(outcome.text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void
a_packed_trace_of_a_cluster_is_read_as_its_directory_is(void **state)
{
    struct traces *traces = *state;
    char path[400];
    leave_trace_of_talk();
    snprintf(path, sizeof(path), "%s/run.tar.zst", traces->base);
    struct outcome pack = traces_run((const char *[]){TROUPE_TRACE, "pack", traces->directory, path, NULL});
    bool can = strstr(pack.text, "was built without libzstd") == NULL;
    free(pack.text);
    if (!can)
        skip();
    assert_int_equal(pack.status, 0);
    struct outcome plain = traces_tool(traces, "dump", "--json", NULL, NULL, NULL);
    struct outcome packed = traces_run((const char *[]){TROUPE_TRACE, "dump", "--json", path, NULL});
    unlink(path);
    assert_int_equal(plain.status, 0);
    assert_int_equal(packed.status, 0);
    assert_true(traces_count(plain.text, "\"process\":3,") > 0);
    assert_string_equal(plain.text, packed.text);
    free(plain.text);
    free(packed.text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_processes_send_each_other_has_one_id_at_both_ends),
        TEST(the_parent_is_a_word_in_the_place_of_a_childs_number),
        TEST(of_a_process_that_ended_before_it_recorded_anything_the_others_are_read),
        TEST(each_process_is_told_with_its_number_and_its_directory),
        TEST(the_path_of_a_message_goes_through_processes),
        TEST(a_child_that_was_killed_and_its_successor_are_two_processes),
        TEST(the_next_run_of_a_cluster_has_a_directory_of_its_own),
        TEST(a_runtime_of_a_child_that_records_elsewhere_is_not_missed),
        TEST(what_a_child_forks_is_none_of_the_cluster),
        TEST(a_child_in_a_pid_namespace_of_its_own_is_the_one_that_the_parent_began),
        TEST(follow_reads_processes_that_have_begun_meanwhile),
        TEST(a_packed_trace_of_a_cluster_is_read_as_its_directory_is),
        TEST(babeltrace_reads_each_process_and_counts_as_many_events),
        TEST(the_second_reader_agrees_on_all_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
