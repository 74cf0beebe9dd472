/*
 * A test under many seeds: what fails, and what is said of it.
 */
#include "simulated.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define FIRST 1000u
#define COUNT 20u
#define BAD (FIRST + 7)

/* What the child has done, in memory that both see. */
static struct {
    unsigned runs;
    uint64_t seeds[COUNT + 1];
    pid_t process;
} * shown;

static int
open_shown(void **state)
{
    (void)state;
    shown = mmap(NULL, sizeof(*shown), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    return shown == MAP_FAILED;
}

static int
close_shown(void **state)
{
    (void)state;
    return munmap(shown, sizeof(*shown));
}

static int
reset(void **state)
{
    (void)state;
    memset(shown, 0, sizeof(*shown));
    unsetenv("TR_SEED");
    return 0;
}

static void
show(uint64_t seed)
{
    shown->seeds[shown->runs++] = seed;
    shown->process = getpid();
}

/* Runs the seeds, and keeps what is said on stderr meanwhile. */
static bool
run(int (*body)(uint64_t seed, void *context), void *context, char *text, size_t size)
{
    FILE *said = tmpfile();
    int before = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fileno(said), STDERR_FILENO);
    bool passed = tr_testing_seeds(FIRST, COUNT, body, context);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(said);
    text[fread(text, 1, size - 1, said)] = '\0';
    fclose(said);
    return passed;
}

/* Fails at BAD with this line on stderr, and no seed after it runs. */
static void
fails(int (*body)(uint64_t seed, void *context), const char *line)
{
    char text[8192];
    assert_false(run(body, NULL, text, sizeof(text)));
    if (strstr(text, line) == NULL)
        fail_msg("not said: %s\nbut: %s", line, text);
    assert_non_null(strstr(text, "TR_SEED=1007 in the environment runs it alone"));
    assert_int_equal(shown->runs, BAD - FIRST + 1);
}

static int
body_that_passes(uint64_t seed, void *context)
{
    tr_runtime *runtime = simulated_open(seed, 2);
    show(seed);
    *(unsigned *)context += 1; /* the child's own copy */
    simulated_close(runtime);
    return 0;
}

static void
each_seed_runs_once_in_a_child(void **state)
{
    char text[8192];
    unsigned changed = 0;
    (void)state;
    assert_true(run(body_that_passes, &changed, text, sizeof(text)));
    assert_string_equal(text, "");
    assert_int_equal(shown->runs, COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(shown->seeds[i], FIRST + i);
    assert_int_not_equal(shown->process, getpid());
    assert_int_equal(changed, 0);
}

static int
body_that_returns(uint64_t seed, void *context)
{
    (void)context;
    show(seed);
    return seed == BAD ? 3 : 0;
}

static void
a_body_that_does_not_return_0_fails_and_its_seed_is_said(void **state)
{
    (void)state;
    fails(body_that_returns, "troupe: seed 1007 failed: exit 1;");
}

static int
body_that_aborts(uint64_t seed, void *context)
{
    (void)context;
    show(seed);
    if (seed == BAD)
        abort();
    return 0;
}

static void
a_body_that_aborts_fails(void **state)
{
    (void)state;
    fails(body_that_aborts, "troupe: seed 1007 failed: signal 6;");
}

static int
body_that_asserts(uint64_t seed, void *context)
{
    (void)context;
    show(seed);
    assert_int_not_equal(seed, BAD);
    return 0;
}

static void
an_assertion_of_cmockas_that_fails_ends_the_child(void **state)
{
    (void)state;
    fails(body_that_asserts, "troupe: seed 1007 failed: signal 6;");
}

static int
body_that_exits(uint64_t seed, void *context)
{
    (void)context;
    show(seed);
    if (seed == BAD)
        exit(0);
    return 0;
}

static void
a_body_that_ends_its_process_fails_however_well(void **state)
{
    (void)state;
    fails(body_that_exits, "troupe: seed 1007 failed: exit 0;");
}

static int
body_that_takes_too_long(uint64_t seed, void *context)
{
    (void)context;
    show(seed);
    if (seed == BAD)
        raise(SIGALRM); /* what the clock sends after a minute */
    return alarm(60) == 0 ? 5 : 0;
}

static void
a_body_that_takes_too_long_fails(void **state)
{
    (void)state;
    fails(body_that_takes_too_long, "troupe: seed 1007 failed: it takes too long, signal 14;");
}

static void
leave_badly(void)
{
    _exit(9);
}

static int
body_that_ends_badly(uint64_t seed, void *context)
{
    (void)context;
    show(seed);
    if (seed == FIRST)
        atexit(leave_badly);
    return 0;
}

static void
a_child_that_ends_badly_after_all_seeds_is_a_failure(void **state)
{
    char text[8192];
    (void)state;
    assert_false(run(body_that_ends_badly, NULL, text, sizeof(text)));
    assert_non_null(strstr(text, "all seeds passed, but their process ended with 9: the last was 1019"));
}

static void
a_seed_in_the_environment_runs_alone_in_this_process(void **state)
{
    char text[8192];
    unsigned changed = 0;
    (void)state;
    setenv("TR_SEED", "18446744073709551615", 1);
    assert_true(run(body_that_passes, &changed, text, sizeof(text)));
    assert_int_equal(shown->runs, 1);
    assert_int_equal(shown->seeds[0], UINT64_MAX);
    assert_int_equal(shown->process, getpid());
    assert_int_equal(changed, 1);
    setenv("TR_SEED", "1007", 1);
    assert_false(run(body_that_returns, NULL, text, sizeof(text)));
    setenv("TR_SEED", "1008", 1);
    assert_true(run(body_that_returns, NULL, text, sizeof(text)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_seed_runs_once_in_a_child, reset),
        cmocka_unit_test_setup(a_body_that_does_not_return_0_fails_and_its_seed_is_said, reset),
        cmocka_unit_test_setup(a_body_that_aborts_fails, reset),
        cmocka_unit_test_setup(an_assertion_of_cmockas_that_fails_ends_the_child, reset),
        cmocka_unit_test_setup(a_body_that_ends_its_process_fails_however_well, reset),
        cmocka_unit_test_setup(a_body_that_takes_too_long_fails, reset),
        cmocka_unit_test_setup(a_child_that_ends_badly_after_all_seeds_is_a_failure, reset),
        cmocka_unit_test_setup(a_seed_in_the_environment_runs_alone_in_this_process, reset),
    };
    return cmocka_run_group_tests(tests, open_shown, close_shown);
}
