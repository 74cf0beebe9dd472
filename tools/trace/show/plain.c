#include "plain.h"
#include "clocks.h"
#include <stddef.h>

#include "command.h"

const struct option plain_options[] = {
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

int
plain_run(int count, char **words, void (*print)(const struct trace *trace))
{
    int option = getopt_long(count, words, "", plain_options, NULL);
    if (option != -1)
        return refuse_option(option);
    int directories = count_directories(count, words, 0);
    if (directories < 1)
        return directories;
    struct trace *trace = trace_open_corrected((const char *const *)words + optind, (size_t)directories);
    print(trace);
    trace_close(trace);
    return 0;
}
