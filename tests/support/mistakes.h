/*
 * Tests of mistakes that end the process: each runs in a process of its own, this program started again.
 */
#ifndef TESTS_SUPPORT_MISTAKES_H
#define TESTS_SUPPORT_MISTAKES_H

#include <stddef.h>

struct mistake {
    const char *name;    /* the function that is misused, or what is done: unique */
    void (*make)(void);  /* makes the mistake; does not return, unless nothing notices it */
    const char *message; /* what stderr must hold */
};

/* At the beginning of main(): makes the mistake that the arguments name and exits, or returns if they name none. */
void mistakes_main(int argc, char **argv, const struct mistake *mistakes, size_t count);

/* Makes each in a process of its own and fails the test unless that is aborted with its message on stderr. In a build
 * with NDEBUG, which looks for no mistakes, the test is skipped. */
void mistakes_all_speak(const struct mistake *mistakes, size_t count);

#endif
