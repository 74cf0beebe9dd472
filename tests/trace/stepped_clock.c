/*
 * A clock for a troupe-trace that is to take long: each look at it takes TESTS_CLOCK_STEP_MS milliseconds. The look of
 * the number TESTS_CLOCK_STOPS_AT takes until a signal ends the program, or one has continued it: SIGCONT is held back,
 * so it may come before the look.
 */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

int __wrap_clock_gettime(clockid_t clock, struct timespec *time);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    static uint64_t ms, looks;
    const char *step = getenv("TESTS_CLOCK_STEP_MS"), *stops_at = getenv("TESTS_CLOCK_STOPS_AT");
    sigset_t one;
    int number;
    (void)clock;
    sigemptyset(&one);
    sigaddset(&one, SIGCONT);
    sigprocmask(SIG_BLOCK, &one, NULL);
    looks++;
    while (stops_at != NULL && looks == strtoul(stops_at, NULL, 10) && sigwait(&one, &number) != 0)
        continue;
    ms += step != NULL ? strtoul(step, NULL, 10) : 0;
    *time = (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};
    return 0;
}
