#include "plain.h"
#include "clocks.h"
#include <stddef.h>

#include "command.h"

const struct option plain_options[] = {
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

int
plain_run(int count, char **words, int (*print)(const struct trace *trace, void *nothing))
{
    int option = getopt_long(count, words, "", plain_options, NULL);
    if (option != -1)
        return refuse_option(option);
    int directories = count_directories(count, words, 0);
    if (directories < 1)
        return directories;
    return trace_pass((const char *const *)words + optind, (size_t)directories, print, NULL);
}
