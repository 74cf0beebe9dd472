/* The limit of descriptors. Each test runs in a child, whose limits and rights are its own. */
#include "descriptors.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
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

/* Whether the process may raise the hard limit, the system says. */
static bool
raises_the_hard_limit_if_it_may(void)
{
    if (!set(300, 300) || !set(300, 301))
        return true; /* it may not: as above */
    return set(300, 300) && tri_descriptors_raise() && is(600, 600) && tri_descriptors_raise() && is(1200, 1200);
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

static void
the_hard_limit_goes_with_the_soft_one_for_whom_may_raise_it(void **state)
{
    (void)state;
    assert_true(in_child(raises_the_hard_limit_if_it_may));
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
