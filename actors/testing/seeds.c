/*
 * A test under many seeds, in one child of the process.
 *
 * A child for each seed would take most of the time. One for all of them writes which seed it is at into memory that it
 * shares with its parent, so the parent knows who failed, however the child ended. The child ends by exit(), so that
 * leak checkers and coverage see it end.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <troupe/core/say.h>
#include <troupe/testing.h>
#include <unistd.h>

#define SEED_TAKES_S 60u /* at most */
#define VARIABLE "TR_SEED"

typedef int (*body_function)(uint64_t seed, void *context);

/* What the child shows. */
struct progress {
    volatile uint64_t seed; /* it runs now */
    volatile bool over;     /* all seeds have passed */
};

static _Noreturn void
run_seeds(struct progress *progress, uint64_t first, unsigned count, body_function body, void *context)
{
    /* Its assertions jump back into its runner otherwise, which has no place here. */
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    signal(SIGALRM, SIG_DFL);
    for (unsigned i = 0; i < count; i++) {
        progress->seed = first + i;
        alarm(SEED_TAKES_S);
        if (body(first + i, context) != 0)
            exit(1);
    }
    alarm(0);
    progress->over = true;
    exit(0);
}

static void
say_how(uint64_t seed, const char *how, int number)
{
    tri_say("seed %" PRIu64 " failed: %s %d; " VARIABLE "=%" PRIu64 " in the environment runs it alone", seed, how,
            number, seed);
}

/* How a child has ended. true: well. */
static bool
judge(const struct progress *progress, int status)
{
    if (WIFSIGNALED(status))
        say_how(progress->seed, WTERMSIG(status) == SIGALRM ? "it takes too long, signal" : "signal", WTERMSIG(status));
    else if (!progress->over)
        say_how(progress->seed, "exit", WEXITSTATUS(status));
    else if (WEXITSTATUS(status) != 0)
        tri_say("all seeds passed, but their process ended with %d: the last was %" PRIu64, WEXITSTATUS(status),
                progress->seed);
    return WIFEXITED(status) && progress->over && WEXITSTATUS(status) == 0;
}

static bool
run_child(struct progress *progress, uint64_t first, unsigned count, body_function body, void *context)
{
    fflush(NULL); /* or the child would write it again */
    pid_t child = fork();
    if (child == 0)
        run_seeds(progress, first, count, body, context);
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        tri_say("there is no process for the seeds");
        return false;
    }
    return judge(progress, status);
}

bool
tr_testing_seeds(uint64_t first, unsigned count, body_function body, void *context)
{
    const char *alone = getenv(VARIABLE);
    if (alone != NULL && alone[0] != '\0')
        return body(strtoull(alone, NULL, 10), context) == 0;
    struct progress *progress =
        mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED)
        return false;
    bool passed = run_child(progress, first, count, body, context);
    munmap(progress, sizeof(*progress));
    return passed;
}
