#include "output.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bad_input.h"

/* Of a pipe or a socket there is no name that a user knows. */
static const char *
find_name(char name[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/fd/1", name, PATH_MAX - 1);
    if (length <= 0 || name[0] != '/')
        return "the output";
    name[length] = '\0';
    return name;
}

/* A stream remembers that something went wrong, but not what: it is tried again. */
static const char *
find_reason(void)
{
    clearerr(stdout);
    if (fputc('\n', stdout) != EOF && fflush(stdout) == 0)
        return "a part of it was not taken";
    return strerror(errno);
}

void
output_check(void)
{
    char name[PATH_MAX];
    if (ferror(stdout))
        give_up("%s cannot be written: %s", find_name(name), find_reason());
}

void
output_finish(void)
{
    fflush(stdout);
    output_check();
}
