/*
 * The limit of descriptors. What the system does with it is tried in a child, whose limits and rights are its own; what
 * it would do for a process with more rights than this one may have is played: calls of setrlimit() come here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <troupe/core/descriptors.h>
#include <unistd.h>

#include <cmocka.h>

static bool
in_child(bool (*promise)(void))
{
    pid_t child = fork();
    if (child == 0)
        _exit(promise() ? 0 : 1);
    int status = 1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool
set(rlim_t soft, rlim_t hard)
{
    return setrlimit(RLIMIT_NOFILE, &(struct rlimit){soft, hard}) == 0;
}

static bool
is(rlim_t soft, rlim_t hard)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == soft && limit.rlim_max == hard;
}

static bool
climbs_to_the_hard_limit(void)
{
    return set(100, 300) && tri_descriptors_raise() && is(200, 300) && tri_descriptors_raise() && is(300, 300);
}

static bool
ends_at_the_hard_limit(void)
{
    if (!set(300, 300) || (geteuid() == 0 && seteuid(65534) != 0))
        return false;
    return !tri_descriptors_raise() && is(300, 300);
}

static void
the_soft_limit_doubles_up_to_the_hard_one(void **state)
{
    (void)state;
    assert_true(in_child(climbs_to_the_hard_limit));
}

static void
the_hard_limit_is_the_end_for_whom_is_not_root(void **state)
{
    (void)state;
    assert_true(in_child(ends_at_the_hard_limit));
}

/* -- A process that may raise the hard limit. -- */

static struct rlimit *played; /* NULL: the system's */

int __real_getrlimit(int resource, struct rlimit *limit);
int __wrap_getrlimit(int resource, struct rlimit *limit);
int __real_setrlimit(int resource, const struct rlimit *limit);
int __wrap_setrlimit(int resource, const struct rlimit *limit);

int
__wrap_getrlimit(int resource, struct rlimit *limit)
{
    if (played == NULL)
        return __real_getrlimit(resource, limit);
    *limit = *played;
    return 0;
}

int
__wrap_setrlimit(int resource, const struct rlimit *limit)
{
    if (played == NULL)
        return __real_setrlimit(resource, limit);
    *played = *limit;
    return 0;
}

static void
the_hard_limit_goes_with_the_soft_one_for_whom_may_raise_it(void **state)
{
    (void)state;
    static const rlim_t steps[][2] = {{200, 250}, {250, 250}, {500, 500}, {1000, 1000}};
    struct rlimit limit = {100, 250};
    played = &limit;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        assert_true(tri_descriptors_raise());
        assert_int_equal(limit.rlim_cur, steps[i][0]);
        assert_int_equal(limit.rlim_max, steps[i][1]);
    }
    limit = (struct rlimit){0, 10};
    assert_true(tri_descriptors_raise());
    assert_int_equal(limit.rlim_cur, 1);
    limit = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    assert_false(tri_descriptors_raise()); /* there is no more */
    played = NULL;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_soft_limit_doubles_up_to_the_hard_one),
        cmocka_unit_test(the_hard_limit_is_the_end_for_whom_is_not_root),
        cmocka_unit_test(the_hard_limit_goes_with_the_soft_one_for_whom_may_raise_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
