/*
 * A signal that comes as early as it can: with TESTS_EARLY_SIGNAL, once the program has made a file that has no name
 * yet, and knows nothing of it.
 */
#include <signal.h>
#include <stdlib.h>

int __real_mkostemp(char *name, int flags);
int __wrap_mkostemp(char *name, int flags);

int
__wrap_mkostemp(char *name, int flags)
{
    int fd = __real_mkostemp(name, flags);
    if (getenv("TESTS_EARLY_SIGNAL") != NULL)
        raise(SIGTERM);
    return fd;
}
