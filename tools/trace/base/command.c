#include "command.h"
#include <getopt.h>
#include <stdio.h>

int
refuse_option(int option)
{
    return option == OPTION_HELP ? RUN_HELP : RUN_UNKNOWN_OPTION;
}

int
refuse(const char *why, const char *what)
{
    fprintf(stderr, "troupe-trace: %s%s%s\n", why, what[0] != '\0' ? ": " : "", what);
    return RUN_REFUSED;
}

const char *
one_directory(int count, char **words)
{
    if (optind + 1 == count)
        return words[optind];
    refuse("one directory is needed", "");
    return NULL;
}
