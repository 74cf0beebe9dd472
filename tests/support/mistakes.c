#include "mistakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENT "--mistake"

void
mistakes_main(int argc, char **argv, const struct mistake *mistakes, size_t count)
{
    if (argc != 3 || strcmp(argv[1], ARGUMENT) != 0)
        return;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    for (size_t i = 0; i < count; i++)
        if (strcmp(mistakes[i].name, argv[2]) == 0) {
            mistakes[i].make();
            exit(EXIT_SUCCESS);
        }
    exit(EXIT_FAILURE);
}

/* Reads what the child says until it ends. */
static void
read_all(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t n;
    char rest[512];
    while ((n = used + 1 < size ? read(fd, text + used, size - used - 1) : read(fd, rest, sizeof(rest))) > 0)
        used += used + 1 < size ? (size_t)n : 0;
    text[used] = '\0';
}

/* Gives the child's status as wait() tells it. */
static int
run(const char *name, char *text, size_t size)
{
    int words[2], status = 0;
    assert_int_equal(pipe(words), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(words[1], STDERR_FILENO);
        execl("/proc/self/exe", "mistakes", ARGUMENT, name, (char *)NULL);
        _exit(EXIT_FAILURE);
    }
    close(words[1]);
    read_all(words[0], text, size);
    close(words[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static bool
speaks(const struct mistake *mistake)
{
    char text[4096];
    int status = run(mistake->name, text, sizeof(text));
    bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    if (aborted && strstr(text, mistake->message) != NULL)
        return true;
    print_error("%s: %s; stderr: \"%s\"; expected: \"%s\"\n", mistake->name, aborted ? "aborted" : "not aborted", text,
                mistake->message);
    return false;
}

void
mistakes_all_speak(const struct mistake *mistakes, size_t count)
{
#ifdef NDEBUG
    (void)mistakes, (void)count, (void)speaks;
    skip();
#else
    size_t silent = 0;
    for (size_t i = 0; i < count; i++)
        silent += !speaks(&mistakes[i]);
    assert_int_equal(silent, 0);
#endif
}
