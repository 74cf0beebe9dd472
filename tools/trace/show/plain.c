#include "plain.h"
#include "clocks.h"

int
plain_run(const struct command *command, int count, char **words,
          int (*print)(const struct trace *trace, void *nothing))
{
    int status = take_options(command, count, words, NULL, NULL);
    int directories = status == 0 ? count_directories(count, words, 0) : status;
    if (directories < 1)
        return directories;
    return trace_pass((const char *const *)words + optind, (size_t)directories, print, NULL);
}
