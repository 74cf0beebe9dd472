/*
 * How the children of a cluster end, and what follows.
 */
#include "crew.h"
#include "helpers.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <troupe/actors/runtime.h>
#include <unistd.h>

#include <cmocka.h>

#define FOREVER_MS 1000000u

static int
do_nothing(tr_cluster_child *self, void *data)
{
    (void)self, (void)data;
    return 0;
}

static void
what_cannot_be_is_refused(void **state)
{
    (void)state;
    assert_int_equal(tr_cluster_run(NULL), TR_EINVAL);
    assert_int_equal(tr_cluster_run(&(struct tr_cluster_options){.children = 1}), TR_EINVAL);
    struct tr_cluster_options options = {.child = do_nothing, .children = TR_CLUSTER_CHILDREN_MAX + 1};
    assert_int_equal(tr_cluster_run(&options), TR_EBADLIMIT);
    options = (struct tr_cluster_options){.child = do_nothing, .stop_ms = 0x80000000u};
    assert_int_equal(tr_cluster_run(&options), TR_EBADLIMIT);
    options = (struct tr_cluster_options){.child = do_nothing, .scheduling = (enum tr_cluster_scheduling)3};
    assert_int_equal(tr_cluster_run(&options), TR_EINVAL);
    assert_int_equal(tr_cluster_send(NULL, 0, "", 0, -1), TR_EINVAL);
    assert_int_equal(tr_cluster_child_send(NULL, 0, "", 0, -1), TR_EINVAL);
    assert_int_equal(tr_cluster_child_deliver(NULL, NULL, 1, 1), TR_EINVAL);
    assert_int_equal(tr_cluster_child_wait(NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_cluster_take_fd(NULL), -1);
    assert_int_equal(tr_cluster_children(NULL), 0);
    assert_int_equal(tr_cluster_pid(NULL, 0), 0);
    assert_int_equal(tr_cluster_child_number(NULL), 0);
    assert_int_equal(tr_cluster_child_count(NULL), 0);
    tr_cluster_stop(NULL);
    tr_cluster_restart(NULL);
}

static int
run_another(tr_cluster_child *self, void *data)
{
    struct tr_cluster_options options = {.child = do_nothing, .children = 1};
    (void)self, (void)data;
    return tr_cluster_run(&options) == TR_EALREADY ? 0 : 1;
}

static void
count_started(tr_cluster *cluster, unsigned number, int pid, void *data)
{
    (void)number, (void)pid;
    *(unsigned *)data += tr_cluster_children(cluster);
}

static void
a_child_runs_no_cluster(void **state)
{
    static const struct tr_cluster_events events = {.started = count_started};
    unsigned sum = 0;
    struct tr_cluster_options options = {
        .child = run_another, .children = 1, .tries = 1, .events = &events, .data = &sum};
    (void)state;
    assert_int_equal(tr_cluster_run(&options), TR_OK);
    assert_int_equal(sum, 1);
}

/* tests of quotas are those of tr_runtime_start(): here it is at least one, and all have ended. */
static void
by_default_there_is_a_child_for_each_cpu(void **state)
{
    static const struct tr_cluster_events events = {.started = count_started};
    unsigned sum = 0;
    struct tr_cluster_options options = {.child = do_nothing, .events = &events, .data = &sum};
    tr_runtime *runtime;
    int status;
    (void)state;
    fflush(NULL);
    int pid = fork(); /* a runtime is only for a process that forks no more */
    if (pid == 0)
        _exit(tr_runtime_start(NULL, &runtime) == TR_OK ? (int)tr_runtime_workers(runtime) : 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    unsigned workers = (unsigned)WEXITSTATUS(status);
    assert_true(workers > 0);
    assert_int_equal(tr_cluster_run(&options), TR_OK);
    assert_int_equal(sum, workers * workers);
}

static void
a_child_that_returns_0_is_not_replaced(void **state)
{
    struct crew crew;
    (void)state;
    crew_start(&crew, (struct tr_cluster_options){.children = 2});
    crew_tell(&crew, 0, "exit 0");
    assert_string_equal(crew_word(&crew), "ended 0 status 0");
    crew_tell(&crew, 1, "exit 0");
    assert_string_equal(crew_word(&crew), "ended 1 status 0");
    crew_await_end(&crew, "OK");
}

static void
a_child_that_dies_is_replaced(void **state)
{
    struct crew crew;
    (void)state;
    crew_start(&crew, (struct tr_cluster_options){.children = 2, .backoff_min_ms = 1});
    int first = crew_child(&crew, 0);
    assert_int_equal(kill(first, SIGKILL), 0);
    assert_string_equal(crew_word(&crew), "ended 0 signal 9");
    assert_string_equal(crew_word(&crew), "started 0");
    assert_int_not_equal(crew_child(&crew, 0), first);
    crew_tell(&crew, 1, "exit 3");
    assert_string_equal(crew_word(&crew), "ended 1 status 3");
    assert_string_equal(crew_word(&crew), "started 1");
    crew_end(&crew, "OK");
}

/* From before an end, of which the word may come late, to the next beginning: no less than was waited. */
static uint64_t
ms_until_replaced(struct crew *crew)
{
    uint64_t before_ns = tests_now_ns();
    crew_tell(crew, 0, "exit 1");
    crew_await(crew, "ended 0 status 1");
    crew_await(crew, "started 0");
    return (tests_now_ns() - before_ns) / 1000000u;
}

static void
each_death_that_comes_soon_doubles_the_wait_up_to_a_limit(void **state)
{
    struct crew crew;
    (void)state;
    crew_start(
        &crew,
        (struct tr_cluster_options){
            .children = 1, .backoff_min_ms = 100, .backoff_max_ms = 250, .healthy_ms = FOREVER_MS, .tries = 100});
    assert_true(ms_until_replaced(&crew) >= 100);
    assert_true(ms_until_replaced(&crew) >= 200);
    assert_true(ms_until_replaced(&crew) >= 250);
    uint64_t last_ms = ms_until_replaced(&crew);
    assert_true(last_ms >= 250);
    assert_true(last_ms < 800); /* what would have come without the limit */
    crew_end(&crew, "OK");
}

static void
who_was_healthy_is_replaced_at_once(void **state)
{
    struct crew crew;
    (void)state;
    crew_start(
        &crew,
        (struct tr_cluster_options){
            .children = 1, .backoff_min_ms = FOREVER_MS, .backoff_max_ms = FOREVER_MS, .healthy_ms = 1, .tries = 1});
    for (int i = 0; i < 3; i++) {
        crew_child(&crew, 0);
        tests_let_pass(2000000);
        crew_tell(&crew, 0, "exit 1");
        crew_await(&crew, "started 0");
    }
    crew_end(&crew, "OK");
}

static void
who_dies_in_a_loop_is_given_up_and_the_others_go_on(void **state)
{
    struct crew crew;
    (void)state;
    crew_start(&crew,
               (struct tr_cluster_options){.children = 2, .backoff_min_ms = 1, .healthy_ms = FOREVER_MS, .tries = 3});
    for (int i = 0; i < 2; i++) {
        crew_tell(&crew, 0, "exit 1");
        assert_string_equal(crew_word(&crew), "ended 0 status 1");
        assert_string_equal(crew_word(&crew), "started 0");
    }
    crew_tell(&crew, 0, "exit 1");
    assert_string_equal(crew_word(&crew), "given up 0");
    assert_string_equal(crew_word(&crew), "ended 0 status 1");
    assert_true(crew_child(&crew, 1) > 0);
    for (int i = 0; i < 3; i++)
        crew_tell(&crew, 1, "exit 1"), crew_await(&crew, "ended 1 status 1");
    crew_await_end(&crew, "ERR_CHILD_GIVEN_UP");
}

static void
a_signal_to_the_parent_stops_all(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct crew crew;
        crew_start(&crew, (struct tr_cluster_options){.children = 2, .stop_ms = FOREVER_MS});
        crew_listen(&crew, 0);
        crew_tell(&crew, 0, "wait");
        crew_tell(&crew, 1, "wait");
        assert_int_equal(kill(crew.process, signals[i]), 0);
        assert_string_equal(crew_answer(&crew, 0), "stopped 0");
        assert_string_equal(crew_answer(&crew, 1), "stopped 0");
        crew_await_end(&crew, "OK");
    }
}

static void
a_callback_stops_all(void **state)
{
    struct crew crew;
    (void)state;
    crew_start(&crew, (struct tr_cluster_options){.children = 2, .stop_ms = FOREVER_MS});
    assert_string_equal(crew_ask(&crew, 0, "send parent stop"), "ok");
    crew_tell(&crew, 0, "wait");
    crew_tell(&crew, 1, "wait");
    assert_string_equal(crew_answer(&crew, 0), "stopped 0");
    assert_string_equal(crew_answer(&crew, 1), "stopped 0");
    crew_await_end(&crew, "OK");
}

static void
who_does_not_listen_to_it_gets_a_signal(void **state)
{
    struct crew crew;
    (void)state;
    crew_start(&crew, (struct tr_cluster_options){.children = 1, .stop_ms = 2000});
    assert_string_equal(crew_ask(&crew, 0, "hold"), "ok");
    assert_int_equal(kill(crew.process, SIGTERM), 0);
    crew_await(&crew, "ended 0 signal 15");
    crew_await_end(&crew, "OK");
}

static void
who_does_not_stop_in_time_is_killed(void **state)
{
    struct crew crew;
    (void)state;
    crew_start(&crew, (struct tr_cluster_options){.children = 1, .stop_ms = 50});
    crew_freeze(&crew, 0);
    assert_int_equal(kill(crew.process, SIGTERM), 0);
    crew_await(&crew, "ended 0 signal 9");
    crew_await_end(&crew, "ERR_STOP_DEADLINE");
}

static void
children_stop_when_their_parent_has_died(void **state)
{
    struct crew crew;
    int status;
    (void)state;
    crew_start(&crew, (struct tr_cluster_options){.children = 2});
    uint16_t port = crew_listen(&crew, 0);
    assert_int_equal(crew_listen(&crew, 1), port);
    crew_tell(&crew, 0, "wait");
    assert_int_equal(kill(crew.process, SIGKILL), 0);
    assert_int_equal(waitpid(crew.process, &status, 0), crew.process);
    assert_string_equal(crew_answer(&crew, 0), "stopped 0");
    assert_string_equal(crew_ask(&crew, 1, "listen b 127.0.0.1 0"), "EPIPE"); /* at once */
    assert_string_equal(crew_ask(&crew, 1, "send parent x"), "EPIPE");
    crew_tell(&crew, 1, "wait");
    assert_string_equal(crew_answer(&crew, 1), "stopped 0");
    assert_string_equal(crew_word(&crew), ""); /* nobody has the other end any more */
    close(crew.orders[0]);
    close(crew.orders[1]);
    close(crew.words);
}

/* It has asked already, most likely, and waits for the answer; else it finds that out when it asks. */
static void
who_waits_for_a_parent_that_dies_waits_no_more(void **state)
{
    struct crew crew;
    int status;
    (void)state;
    crew_start(&crew, (struct tr_cluster_options){.children = 1});
    crew_child(&crew, 0);
    assert_int_equal(kill(crew.process, SIGSTOP), 0);
    assert_int_equal(waitpid(crew.process, &status, WUNTRACED), crew.process);
    crew_tell(&crew, 0, "listen a 127.0.0.1 0");
    tests_let_pass(50000000u);
    assert_int_equal(kill(crew.process, SIGKILL), 0);
    assert_int_equal(waitpid(crew.process, &status, 0), crew.process);
    assert_string_equal(crew_answer(&crew, 0), "EPIPE");
    close(crew.orders[0]);
    while (crew_word(&crew)[0] != '\0')
        continue;
    close(crew.words);
}

/* Replacing: the commands of the old child are not those of the new one, so each is told when it is there. */
static void
restart_replaces_one_after_the_other(void **state)
{
    struct crew crew;
    int before[3];
    (void)state;
    crew_start(&crew, (struct tr_cluster_options){
                          .children = 3, .restart_on_hangup = true, .healthy_ms = FOREVER_MS, .stop_ms = FOREVER_MS});
    uint16_t port = crew_listen(&crew, 0);
    for (unsigned i = 0; i < 3; i++) {
        if (i > 0)
            assert_int_equal(crew_listen(&crew, i), port);
        before[i] = crew_child(&crew, i);
        crew_tell(&crew, i, "wait");
    }
    assert_int_equal(kill(crew.process, SIGHUP), 0);
    for (unsigned i = 0; i < 3; i++) {
        char word[64];
        assert_string_equal(crew_answer(&crew, i), "stopped 0");
        snprintf(word, sizeof(word), "ended %u status 0 asked", i);
        assert_string_equal(crew_word(&crew), word);
        snprintf(word, sizeof(word), "started %u", i);
        assert_string_equal(crew_word(&crew), word);
        close(crew_connect(port, NULL, NULL)); /* the others serve, or the last of the old ones does */
        assert_int_equal(crew_listen(&crew, i), port);
        assert_int_not_equal(crew_child(&crew, i), before[i]);
    }
    crew_end(&crew, "OK");
}

static void
nobody_is_refused_while_the_only_child_is_replaced(void **state)
{
    struct crew crew;
    (void)state;
    for (enum tr_cluster_scheduling how = TR_CLUSTER_ROUND_ROBIN; how <= TR_CLUSTER_BY_KERNEL; how++) {
        crew_start(&crew, (struct tr_cluster_options){.children = 1, .scheduling = how, .stop_ms = FOREVER_MS});
        uint16_t port = crew_listen(&crew, 0);
        assert_string_equal(crew_ask(&crew, 0, "send parent restart"), "ok");
        crew_tell(&crew, 0, "wait");
        assert_string_equal(crew_answer(&crew, 0), "stopped 0");
        crew_await(&crew, "ended 0 status 0 asked");
        int fd = tests_peer_connect(port); /* nobody listens there now but the parent */
        assert_true(fd >= 0);
        crew_await(&crew, "started 0");
        assert_int_equal(crew_listen(&crew, 0), port);
        char line[64];
        assert_true(crew_read_line(fd, line, sizeof(line)));
        assert_true(crew_is_alive(fd));
        close(fd);
        crew_end(&crew, "OK");
    }
}

static double
cpu_ms_of(int process)
{
    char path[64];
    unsigned long user, system;
    snprintf(path, sizeof(path), "/proc/%d/stat", process);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    int found = fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    fclose(file);
    assert_int_equal(found, 2);
    return (double)(user + system) * 1000.0 / (double)sysconf(_SC_CLK_TCK);
}

static void
the_parent_rests_while_nothing_happens(void **state)
{
    struct crew crew;
    (void)state;
    crew_start(&crew, (struct tr_cluster_options){.children = 2});
    crew_listen(&crew, 0);
    crew_listen(&crew, 1);
    double before = cpu_ms_of(crew.process);
    tests_let_pass(500000000u);
    assert_true(cpu_ms_of(crew.process) - before < 50);
    crew_end(&crew, "OK");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(a_child_runs_no_cluster),
        cmocka_unit_test(by_default_there_is_a_child_for_each_cpu),
        cmocka_unit_test(a_child_that_returns_0_is_not_replaced),
        cmocka_unit_test(a_child_that_dies_is_replaced),
        cmocka_unit_test(each_death_that_comes_soon_doubles_the_wait_up_to_a_limit),
        cmocka_unit_test(who_was_healthy_is_replaced_at_once),
        cmocka_unit_test(who_dies_in_a_loop_is_given_up_and_the_others_go_on),
        cmocka_unit_test(a_signal_to_the_parent_stops_all),
        cmocka_unit_test(a_callback_stops_all),
        cmocka_unit_test(who_does_not_listen_to_it_gets_a_signal),
        cmocka_unit_test(who_does_not_stop_in_time_is_killed),
        cmocka_unit_test(children_stop_when_their_parent_has_died),
        cmocka_unit_test(who_waits_for_a_parent_that_dies_waits_no_more),
        cmocka_unit_test(restart_replaces_one_after_the_other),
        cmocka_unit_test(nobody_is_refused_while_the_only_child_is_replaced),
        cmocka_unit_test(the_parent_rests_while_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
