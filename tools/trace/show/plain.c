#include "plain.h"
#include <stddef.h>

#include "command.h"

const struct option plain_options[] = {
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

int
plain_run(int count, char **words, void (*print)(const struct trace *trace, const char *directory))
{
    int option = getopt_long(count, words, "", plain_options, NULL);
    if (option != -1)
        return refuse_option(option);
    const char *directory = one_directory(count, words);
    if (directory == NULL)
        return RUN_REFUSED;
    struct trace *trace = trace_open(directory);
    print(trace, directory);
    trace_close(trace);
    return 0;
}
