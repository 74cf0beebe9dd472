/*
 * The socket's life, and visitors that mean harm: whatever they do, the program runs and others get their answers.
 */
#include "helpers.h"
#include "stage.h"
#include "visitor.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { GO = 1, PLACES = 32, MANY = 20000 };

static tr_runtime *runtime;
static char directory[64], path[100];

static int
open_runtime(void **state)
{
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/inspect", directory);
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER, .inspect = path};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    return 0;
}

static int
close_runtime(void **state)
{
    (void)state;
    stage_close(runtime);
    return rmdir(directory);
}

static void
assert_others_are_answered(void)
{
    char *answer = visitor_ask(path, "workers\n");
    assert_non_null(strstr(answer, "WORKER"));
    free(answer);
}

/* Does the other side close, whatever it says before? */
static bool
is_closed(int fd)
{
    free(visitor_hear(fd, NULL));
    return true;
}

/* Input. */

static void
a_line_that_is_too_long_ends_the_connection(void **state)
{
    char *line = malloc(1 << 20);
    (void)state;
    memset(line, 'a', (1 << 20) - 1);
    line[(1 << 20) - 1] = '\0';
    int fd = visitor_connect(path);
    visitor_say(fd, line);
    shutdown(fd, SHUT_WR);
    char *answer = visitor_hear(fd, NULL);
    assert_string_equal(answer, "that line is too long\n\n");
    free(answer);
    close(fd);
    free(line);
    assert_others_are_answered();
}

static void
a_header_without_end_ends_the_connection(void **state)
{
    (void)state;
    int fd = visitor_connect(path);
    visitor_say(fd, "GET /metrics HTTP/1.1\r\n");
    for (unsigned i = 0; i < 100000 && visitor_say(fd, "X: y\r\n"); i++)
        continue;
    assert_true(is_closed(fd));
    close(fd);
    assert_others_are_answered();
}

static void
bytes_of_any_kind_do_no_harm(void **state)
{
    uint32_t random = 12345;
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        int fd = visitor_connect(path);
        char bytes[600];
        assert_true(fd >= 0);
        for (size_t i = 0; i < sizeof(bytes); i++) {
            random = random * 1664525u + 1013904223u;
            bytes[i] = random >> 24 < 20 ? '\n' : (char)(random >> 16);
        }
        (void)!send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
        if (round % 2 == 0)
            shutdown(fd, SHUT_WR);
        if (round % 4 == 0)
            free(visitor_hear(fd, NULL));
        close(fd);
    }
    assert_others_are_answered();
}

static void
a_visitor_that_goes_away_in_the_middle_does_no_harm(void **state)
{
    static const struct tr_behavior lives = {.name = "lives", .receive = ignore};
    (void)state;
    for (unsigned i = 0; i < 3000; i++)
        stage_spawn(runtime, &lives, i % 2, NULL);
    for (unsigned round = 0; round < 100; round++) {
        int fd = visitor_connect(path);
        visitor_say(fd, round % 2 == 0 ? "json\nactors\n" : "metrics\nactors\n");
        if (round % 3 == 0)
            (void)!read(fd, &(char){0}, 1);
        close(fd);
    }
    assert_others_are_answered();
}

/* Many. */

static void
one_visitor_more_takes_the_place_of_the_quietest(void **state)
{
    int fds[PLACES];
    (void)state;
    for (unsigned i = 0; i < PLACES; i++) {
        fds[i] = visitor_connect(path);
        visitor_say(fds[i], "help\n");
        free(visitor_hear(fds[i], "\n\n"));
    }
    visitor_say(fds[0], "help\n"); /* so the second is the quietest */
    free(visitor_hear(fds[0], "\n\n"));
    assert_others_are_answered();
    assert_true(is_closed(fds[1]));
    for (unsigned i = 0; i < PLACES; i++) {
        if (i != 1) {
            assert_true(visitor_say(fds[i], "help\n"));
            char *answer = visitor_hear(fds[i], "\n\n");
            assert_true(strlen(answer) > 0);
            free(answer);
        }
        close(fds[i]);
    }
}

static void
hundreds_of_visitors_that_say_nothing_shut_nobody_out(void **state)
{
    enum { VISITORS = 300 };
    static int fds[VISITORS];
    (void)state;
    for (unsigned i = 0; i < VISITORS; i++)
        fds[i] = visitor_connect(path);
    assert_others_are_answered();
    for (unsigned i = 0; i < VISITORS; i++)
        close(fds[i]);
}

/* Each keeps a page, and not an answer. */
static void
slow_readers_hold_little_and_nobody_up(void **state)
{
    static const struct tr_behavior lives = {.name = "lives", .receive = ignore};
    int fds[PLACES];
    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        stage_spawn(runtime, &lives, i % 2, NULL);
    char *whole = visitor_ask(path, "json\n");
    size_t size = strlen(whole), before = tests_allocated();
    free(whole);
    for (unsigned i = 0; i < PLACES; i++) {
        fds[i] = visitor_connect(path);
        visitor_say(fds[i], "json\njson\njson\n");
    }
    assert_others_are_answered();
    assert_true(size > MANY * 100);
    assert_true(tests_allocated() < before + PLACES * size / 4);
    for (unsigned i = 1; i < PLACES; i++)
        close(fds[i]);
    close(fds[0]);
}

/* Life. */

static void
the_end_does_not_wait_for_visitors(void **state)
{
    (void)state;
    open_runtime(state);
    int quiet = visitor_connect(path), slow = visitor_connect(path);
    visitor_say(slow, "json\n");
    assert_int_equal(close_runtime(state), 0);
    assert_true(is_closed(quiet));
    assert_true(is_closed(slow));
    close(quiet);
    close(slow);
}

static void
only_the_user_may_connect(void **state)
{
    struct stat status;
    (void)state;
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void
without_a_path_there_is_no_thread(void **state)
{
    (void)state;
    int fds = tests_open_fds(), threads = tests_threads();
    tr_runtime *plain = stage_open(1);
    assert_false(tests_has_thread("troupe/inspect"));
    stage_close(plain);
    assert_int_equal(tests_open_fds(), fds);
    assert_int_equal(tests_threads(), threads);
}

static void
a_start_fails_with_what_its_path_is_refused_for(void **state)
{
    static const struct {
        const char *path;
        tr_status status;
    } refused[] = {{"", TR_EBADPATH}, {"/nowhere/at/all", TR_ENOENT}, {"/dev/null", TR_EEXIST}};
    (void)state;
    int fds = tests_open_fds(), threads = tests_threads();
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct tr_runtime_options options = {.workers = 1, .inspect = refused[i].path};
        assert_int_equal(tr_runtime_start(&options, &runtime), refused[i].status);
    }
    assert_int_equal(tests_open_fds(), fds);
    assert_int_equal(tests_threads(), threads);
}

/* Starts a runtime under the variable, and gives what it says on stderr. */
static void
start_under(const char *variable, char said[300])
{
    int ends[2], error = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    setenv("TR_INSPECT", variable, 1);
    dup2(ends[1], STDERR_FILENO);
    struct tr_runtime_options options = {.workers = 1, .pinning = TR_PINNING_NEVER};
    tr_status status = tr_runtime_start(&options, &runtime);
    dup2(error, STDERR_FILENO);
    unsetenv("TR_INSPECT");
    close(ends[1]);
    close(error);
    ssize_t got = read(ends[0], said, 299);
    said[got > 0 ? got : 0] = '\0';
    close(ends[0]);
    assert_int_equal(status, TR_OK);
}

static void
the_variable_names_a_path_and_what_it_cannot_have_is_said_in_one_line(void **state)
{
    char said[300];
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/inspect", directory);
    start_under(path, said);
    assert_string_equal(said, "");
    assert_others_are_answered();
    assert_int_equal(close_runtime(state), 0);

    start_under("/nowhere/at/all", said);
    assert_non_null(strstr(said, "/nowhere/at/all"));
    assert_non_null(strstr(said, tr_status_text(TR_ENOENT)));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    stage_close(runtime);
}

int
main(void)
{
#define WITH_RUNTIME(test) cmocka_unit_test_setup_teardown(test, open_runtime, close_runtime)
    const struct CMUnitTest tests[] = {
        WITH_RUNTIME(a_line_that_is_too_long_ends_the_connection),
        WITH_RUNTIME(a_header_without_end_ends_the_connection),
        WITH_RUNTIME(bytes_of_any_kind_do_no_harm),
        WITH_RUNTIME(a_visitor_that_goes_away_in_the_middle_does_no_harm),
        WITH_RUNTIME(one_visitor_more_takes_the_place_of_the_quietest),
        WITH_RUNTIME(hundreds_of_visitors_that_say_nothing_shut_nobody_out),
        WITH_RUNTIME(slow_readers_hold_little_and_nobody_up),
        WITH_RUNTIME(only_the_user_may_connect),
        cmocka_unit_test(the_end_does_not_wait_for_visitors),
        cmocka_unit_test(without_a_path_there_is_no_thread),
        cmocka_unit_test(a_start_fails_with_what_its_path_is_refused_for),
        cmocka_unit_test(the_variable_names_a_path_and_what_it_cannot_have_is_said_in_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
