/*
 * The workers here have no threads: the test plays them, and writes down what they would. stderr goes into a file
 * meanwhile.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "helpers.h"
#include "watchdog.h"
#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/core/thread.h>
#include <troupe/core/trace_format.h>
#include <troupe/core/worker.h>

#define WORKERS 2u
#define LIMIT_MS 20u
#define ACTOR TRI_TRACE_REF(2, 17, 3)

struct fixture {
    struct tri_runtime *runtime;
    char directory[256];
    char log[300];
    int saved_stderr;
    char text[4096];
};

static void *
zeroed(size_t alignment, size_t size)
{
    void *memory = aligned_alloc(alignment, size);
    assert_non_null(memory);
    return memset(memory, 0, size);
}

static int
open_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->runtime = zeroed(alignof(struct tri_runtime), sizeof(*f->runtime));
    f->runtime->count = WORKERS;
    f->runtime->workers = calloc(WORKERS, sizeof(struct tri_worker *));
    for (unsigned i = 0; i < WORKERS; i++) {
        f->runtime->workers[i] = zeroed(alignof(struct tri_worker), sizeof(struct tri_worker));
        f->runtime->workers[i]->index = i;
    }
    assert_true(tests_directory_make(f->directory, sizeof(f->directory)));
    snprintf(f->log, sizeof(f->log), "%s/stderr", f->directory);
    f->saved_stderr = dup(STDERR_FILENO);
    int log = open(f->log, O_CREAT | O_WRONLY | O_APPEND, 0600);
    dup2(log, STDERR_FILENO);
    close(log);
    *state = f;
    return tri_watchdog_start(f->runtime, LIMIT_MS, false) != TR_OK;
}

static int
close_fixture(void **state)
{
    struct fixture *f = *state;
    tri_watchdog_stop(f->runtime);
    dup2(f->saved_stderr, STDERR_FILENO);
    close(f->saved_stderr);
    tests_directory_remove(f->directory);
    for (unsigned i = 0; i < WORKERS; i++)
        free(f->runtime->workers[i]);
    free(f->runtime->workers);
    free(f->runtime);
    free(f);
    return 0;
}

/* Worker i enters its next callback. The name is a constant or NULL, the beat comes last. */
static void
enter(struct fixture *f, unsigned i, const char *name, uint32_t tag)
{
    struct tri_worker_activity *activity = &f->runtime->workers[i]->activity;
    ck_pr_store_64(&activity->actor, ACTOR);
    ck_pr_store_32(&activity->tag, tag);
    ck_pr_store_ptr(&activity->name, (void *)(uintptr_t)name);
    ck_pr_fence_store();
    ck_pr_store_64(&activity->beat, activity->beat + 1);
}

static uint64_t
stalls(struct fixture *f, unsigned i)
{
    return ck_pr_load_64(&f->runtime->workers[i]->counters.stalls);
}

static bool
worker_1_stalled(void *argument)
{
    return stalls(argument, 1) > 0;
}

struct stalled {
    struct fixture *fixture;
    unsigned worker;
    uint64_t times;
};

static bool
has_stalled(void *argument)
{
    const struct stalled *wanted = argument;
    return stalls(wanted->fixture, wanted->worker) >= wanted->times;
}

static void
await_stall(struct fixture *f, unsigned worker, uint64_t times)
{
    struct stalled wanted = {f, worker, times};
    assert_true(tests_wait_until(has_stalled, &wanted, TESTS_LIMIT_MS));
}

static void
stop_and_read_log(struct fixture *f)
{
    tri_watchdog_stop(f->runtime);
    FILE *log = fopen(f->log, "r");
    assert_non_null(log);
    f->text[fread(f->text, 1, sizeof(f->text) - 1, log)] = '\0';
    fclose(log);
}

static void
a_callback_that_holds_its_worker_is_named_on_stderr(void **state)
{
    struct fixture *f = *state;
    enter(f, 1, "echo", 5);
    assert_true(tests_wait_until(worker_1_stalled, f, TESTS_LIMIT_MS));
    stop_and_read_log(f);

    unsigned ms = 0;
    char end = 0;
    const char *format = "troupe: actor 2:17.3 (echo) has held worker 1 for %u ms in tag 5%c";
    assert_int_equal(sscanf(f->text, format, &ms, &end), 2);
    assert_int_equal(end, '\n');
    assert_true(ms >= LIMIT_MS);
}

static void
one_stall_is_told_once_and_the_next_again(void **state)
{
    struct fixture *f = *state;
    enter(f, 1, "echo", 5);
    assert_true(tests_wait_until(worker_1_stalled, f, TESTS_LIMIT_MS));
    for (uint32_t tag = 6; tag < 8; tag++) { /* one limit after the other goes by until worker 0 is told of */
        uint64_t before = stalls(f, 0);
        enter(f, 0, "other", tag);
        await_stall(f, 0, before + 1);
    }
    assert_int_equal(stalls(f, 1), 1);

    enter(f, 1, "echo", 8);
    await_stall(f, 1, 2);
    stop_and_read_log(f);
    assert_non_null(strstr(f->text, "(other) has held worker 0"));
    assert_non_null(strstr(f->text, "in tag 8\n"));
}

static void
an_idle_worker_is_no_stall(void **state)
{
    struct fixture *f = *state;
    enter(f, 0, NULL, 0);
    enter(f, 1, "echo", 5);
    assert_true(tests_wait_until(worker_1_stalled, f, TESTS_LIMIT_MS));
    assert_int_equal(stalls(f, 0), 0);
}

struct busy {
    struct fixture *fixture;
    uint64_t callbacks;
};

static bool
worker_0_runs_another_callback_and_worker_1_is_told(void *argument)
{
    struct busy *busy = argument;
    enter(busy->fixture, 0, "busy", 1);
    busy->callbacks++;
    return stalls(busy->fixture, 1) > 0;
}

static void
short_callbacks_without_a_pause_are_no_stall(void **state)
{
    struct fixture *f = *state;
    struct busy busy = {f, 0};
    /* Worker 0 is this thread: the time for which a busy machine does not let it run is no callback's. */
    ck_pr_store_int(&f->runtime->workers[0]->thread_number, tri_thread_number());
    enter(f, 1, "echo", 5);
    assert_true(tests_wait_until(worker_0_runs_another_callback_and_worker_1_is_told, &busy, TESTS_LIMIT_MS));
    assert_true(busy.callbacks > 1);
    assert_int_equal(stalls(f, 0), 0);
}

/* A thread that a test plays worker 1 with: it waits, asleep, until it may end. */
struct sleeper {
    struct fixture *fixture;
    uv_sem_t end;
};

static void
be_worker_1_asleep(void *argument)
{
    struct sleeper *sleeper = argument;
    ck_pr_store_int(&sleeper->fixture->runtime->workers[1]->thread_number, tri_thread_number());
    enter(sleeper->fixture, 1, "sleeper", 4);
    uv_sem_wait(&sleeper->end);
}

static void
a_callback_that_sleeps_is_a_stall(void **state)
{
    struct fixture *f = *state;
    struct sleeper sleeper = {.fixture = f};
    uv_thread_t thread;
    uv_sem_init(&sleeper.end, 0);
    assert_int_equal(tri_thread_start(&thread, "sleeper", 0, be_worker_1_asleep, &sleeper), 0);
    assert_true(tests_wait_until(worker_1_stalled, f, TESTS_LIMIT_MS));
    uv_sem_post(&sleeper.end);
    uv_thread_join(&thread);
    uv_sem_destroy(&sleeper.end);
}

/* Does any file of the directory hold these bytes? */
static bool recorded(const char *path, const void *bytes, size_t size);

static void
be_worker_1_in_its_loop(void *argument)
{
    struct sleeper *sleeper = argument;
    struct tri_worker_activity *activity = &sleeper->fixture->runtime->workers[1]->activity;
    enter(sleeper->fixture, 1, NULL, 6); /* the actor and the tag that it had before are still there */
    ck_pr_store_64(&activity->loop_beat, 1);
    ck_pr_store_int(&sleeper->fixture->runtime->workers[1]->thread_number, tri_thread_number());
    uv_sem_wait(&sleeper->end);
}

/* It sleeps in its loop and not in the poll: a callback of libuv's does, which belongs to no actor. */
static void
a_stall_in_the_loop_is_nobodys(void **state)
{
    struct fixture *f = *state;
    struct sleeper sleeper = {.fixture = f};
    char path[300];
    uv_thread_t thread;
    if (access("/proc/self/syscall", R_OK) != 0)
        return; /* this system does not tell */
    snprintf(path, sizeof(path), "%s/trace", f->directory);
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = path};
    tri_watchdog_stop(f->runtime);
    assert_int_equal(tri_trace_open(&options, WORKERS, &f->runtime->trace), TR_OK);
    assert_int_equal(tri_watchdog_start(f->runtime, LIMIT_MS, false), TR_OK);
    uv_sem_init(&sleeper.end, 0);
    assert_int_equal(tri_thread_start(&thread, "sleeper", 0, be_worker_1_in_its_loop, &sleeper), 0);
    assert_true(tests_wait_until(worker_1_stalled, f, TESTS_LIMIT_MS));
    uv_sem_post(&sleeper.end);
    uv_thread_join(&thread);
    uv_sem_destroy(&sleeper.end);
    stop_and_read_log(f);
    tri_trace_close(f->runtime->trace);

    unsigned ms = 0;
    assert_int_equal(sscanf(f->text, "troupe: libuv callbacks have held worker 1 for %u ms\n", &ms), 1);
    struct {
        uint16_t id, flags;
        uint32_t arg;
        uint64_t actor, message;
    } event = {TRI_TRACE_CORE_stall, 0, ms, 0, 0};
    assert_true(recorded(path, &event, sizeof(event)));
    tests_directory_remove(path);
}

static void
a_thread_that_works_is_runnable_and_its_time_grows(void **state)
{
    (void)state;
    struct tri_thread_time before, now;
    tri_thread_time(0, &now);
    assert_false(now.known);
    tri_thread_time(tri_thread_number(), &now);
    if (!now.known)
        return; /* this system does not tell */
    assert_true(now.runnable);
    before = now;
    volatile uint64_t work = 0;
    for (unsigned i = 0; i < 50000000; i++)
        work += i;
    tri_thread_time(tri_thread_number(), &now);
    assert_true(now.waited_ns >= before.waited_ns);
    assert_true(work > 0 && now.ran_ns > before.ran_ns);
}

/* A thread that sleeps in epoll's wait until the pipe is written to. */
struct poller {
    int epoll, ends[2], number;
};

static void
poll_until_written(void *argument)
{
    struct poller *poller = argument;
    struct epoll_event event = {.events = EPOLLIN};
    ck_pr_store_int(&poller->number, tri_thread_number());
    epoll_ctl(poller->epoll, EPOLL_CTL_ADD, poller->ends[0], &event);
    while (epoll_wait(poller->epoll, &event, 1, -1) != 1)
        ;
}

static bool
it_polls(void *argument)
{
    struct poller *poller = argument;
    int number = ck_pr_load_int(&poller->number);
    return number != 0 && tri_thread_may_poll(number, poller->epoll);
}

static void
a_thread_that_sleeps_in_a_poll_is_told_from_one_that_sleeps_elsewhere(void **state)
{
    (void)state;
    struct poller poller = {.epoll = epoll_create1(0)};
    uv_thread_t thread;
    assert_int_equal(pipe(poller.ends), 0);
    assert_int_equal(tri_thread_start(&thread, "poller", 0, poll_until_written, &poller), 0);
    assert_true(tests_wait_until(it_polls, &poller, TESTS_LIMIT_MS));
    bool told = access("/proc/self/syscall", R_OK) == 0;
    assert_int_equal(tri_thread_may_poll(poller.number, poller.ends[0]), !told);     /* not for that descriptor */
    assert_int_equal(tri_thread_may_poll(tri_thread_number(), poller.epoll), !told); /* it reads a file */
    assert_int_equal(write(poller.ends[1], "x", 1), 1);
    uv_thread_join(&thread);
    close(poller.epoll);
    close(poller.ends[0]);
    close(poller.ends[1]);
}

static bool
recorded(const char *path, const void *bytes, size_t size)
{
    char command[512];
    snprintf(command, sizeof(command), "cat %s/* 2>/dev/null", path);
    FILE *files = popen(command, "r");
    assert_non_null(files);
    static unsigned char content[8 * 1024 * 1024];
    size_t length = fread(content, 1, sizeof(content), files);
    pclose(files);
    return memmem(content, length, bytes, size) != NULL;
}

static void
a_stall_is_recorded_in_the_trace(void **state)
{
    struct fixture *f = *state;
    char path[300];
    snprintf(path, sizeof(path), "%s/trace", f->directory);
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = path};
    tri_watchdog_stop(f->runtime);
    assert_int_equal(tri_trace_open(&options, WORKERS, &f->runtime->trace), TR_OK);
    assert_int_equal(tri_watchdog_start(f->runtime, LIMIT_MS, false), TR_OK);
    enter(f, 1, "echo", 5);
    assert_true(tests_wait_until(worker_1_stalled, f, TESTS_LIMIT_MS));
    tri_watchdog_stop(f->runtime);
    tri_trace_close(f->runtime->trace);

    uint64_t actor_and_tag[] = {ACTOR, 5};
    assert_true(recorded(path, actor_and_tag, sizeof(actor_and_tag)));
    tests_directory_remove(path);
}

static bool
all_other_threads_sleep(void *argument)
{
    (void)argument;
    bool all = true;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *task; (task = readdir(tasks)) != NULL;)
        if (task->d_name[0] != '.' && atoi(task->d_name) != getpid())
            all = all && tests_thread_sleeps(atoi(task->d_name));
    closedir(tasks);
    return all;
}

static void
stopping_does_not_wait_for_the_next_look(void **state)
{
    struct fixture *f = *state;
    tri_watchdog_stop(f->runtime);
    int threads = tests_threads();
    uint64_t began_ns = uv_hrtime();
    assert_int_equal(tri_watchdog_start(f->runtime, 3600 * 1000, false), TR_OK);
    assert_true(tests_wait_until(all_other_threads_sleep, NULL, TESTS_LIMIT_MS));
    tri_watchdog_stop(f->runtime);
    assert_true(uv_hrtime() - began_ns < TESTS_LIMIT_MS * UINT64_C(1000000));
    assert_int_equal(tests_threads(), threads);
    tri_watchdog_stop(f->runtime);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_callback_that_holds_its_worker_is_named_on_stderr),
        TEST(one_stall_is_told_once_and_the_next_again),
        TEST(an_idle_worker_is_no_stall),
        TEST(short_callbacks_without_a_pause_are_no_stall),
        TEST(a_callback_that_sleeps_is_a_stall),
        TEST(a_stall_in_the_loop_is_nobodys),
        TEST(a_thread_that_works_is_runnable_and_its_time_grows),
        TEST(a_thread_that_sleeps_in_a_poll_is_told_from_one_that_sleeps_elsewhere),
        TEST(a_stall_is_recorded_in_the_trace),
        TEST(stopping_does_not_wait_for_the_next_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
