/*
 * Lines on stderr that do no harm, whatever stderr is.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/core/say.h>

/* Says it in a child whose stderr is fd; what the child ends with. */
static int
say_to(int fd, const char *text)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        signal(SIGXFSZ, SIG_DFL);
        dup2(fd, STDERR_FILENO);
        tri_say("%s", text);
        _exit(7);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void
expect_line(const char *text, const char *line)
{
    char got[2 * TRI_SAY_MAX] = "";
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(WEXITSTATUS(say_to(ends[1], text)), 7);
    assert_true(read(ends[0], got, sizeof(got) - 1) > 0);
    assert_string_equal(got, line);
    close(ends[0]);
    close(ends[1]);
}

static void
a_line_is_one_line_whatever_it_says(void **state)
{
    (void)state;
    static char longest[3 * TRI_SAY_MAX], cut[TRI_SAY_MAX + 1] = "troupe: ";
    expect_line("all is well", "troupe: all is well\n");
    expect_line("a\nb\033[31m\177", "troupe: a?b?[31m?\n");
    memset(longest, 'x', sizeof(longest) - 1);
    memset(cut + 8, 'x', TRI_SAY_MAX - 9);
    cut[TRI_SAY_MAX - 1] = '\n';
    expect_line(longest, cut);
}

static void
a_stderr_that_nobody_reads_is_not_waited_for(void **state)
{
    (void)state;
    int ends[2];
    char byte = 0;
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[1], &byte, 1) == 1)
        continue;
    fcntl(ends[1], F_SETFL, 0);
    assert_int_equal(WEXITSTATUS(say_to(ends[1], "nobody reads")), 7);
    close(ends[0]);
    assert_int_equal(WEXITSTATUS(say_to(ends[1], "the reader is gone")), 7);
    close(ends[1]);
}

static void
a_file_at_its_limit_ends_nobody(void **state)
{
    (void)state;
    char path[] = "/tmp/troupe-say-XXXXXX";
    struct rlimit limit, none;
    int file = mkstemp(path);
    assert_true(file >= 0);
    getrlimit(RLIMIT_FSIZE, &limit);
    none = limit;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_FSIZE, &none);
    int status = say_to(file, "too much");
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    close(file);
    unlink(path);
}

/* SIGXFSZ from elsewhere, which waits for the thread already, stays what it was. */
static void
signals_that_waited_before_are_not_swallowed(void **state)
{
    (void)state;
    sigset_t one, before, pending;
    struct tri_quiet quiet;
    sigemptyset(&one);
    sigaddset(&one, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &one, &before);
    pthread_kill(pthread_self(), SIGXFSZ);
    tri_quiet_begin(&quiet);
    tri_quiet_end(&quiet);
    sigpending(&pending);
    assert_true(sigismember(&pending, SIGXFSZ));
    assert_int_equal(sigtimedwait(&one, NULL, &(struct timespec){0}), SIGXFSZ);
    tri_quiet_begin(&quiet);
    pthread_kill(pthread_self(), SIGXFSZ);
    tri_quiet_end(&quiet);
    sigpending(&pending);
    assert_false(sigismember(&pending, SIGXFSZ));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* A pipe that nobody reads, between two that are quiet. */
static void
a_write_that_fails_quietly_says_why_and_the_outer_quiet_goes_on(void **state)
{
    (void)state;
    struct tri_quiet outer, inner;
    sigset_t before, within, after;
    int ends[2];
    void (*handler)(int) = signal(SIGPIPE, SIG_DFL);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    tri_quiet_begin(&outer);
    tri_quiet_begin(&inner);
    assert_int_equal(write(ends[1], "x", 1), -1);
    tri_quiet_end(&inner);
    assert_int_equal(errno, EPIPE);
    pthread_sigmask(SIG_BLOCK, NULL, &within);
    assert_true(sigismember(&within, SIGPIPE) && sigismember(&within, SIGXFSZ));
    assert_int_equal(write(ends[1], "x", 1), -1);
    tri_quiet_end(&outer);
    assert_int_equal(errno, EPIPE);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int number = 1; number < SIGRTMIN; number++)
        assert_int_equal(sigismember(&after, number), sigismember(&before, number));
    close(ends[1]);
    signal(SIGPIPE, handler);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_one_line_whatever_it_says),
        cmocka_unit_test(a_stderr_that_nobody_reads_is_not_waited_for),
        cmocka_unit_test(a_file_at_its_limit_ends_nobody),
        cmocka_unit_test(signals_that_waited_before_are_not_swallowed),
        cmocka_unit_test(a_write_that_fails_quietly_says_why_and_the_outer_quiet_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
