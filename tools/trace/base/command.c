#include "command.h"
#include <getopt.h>
#include <stdio.h>

const struct option_text common_texts[] = {
    {"colour", "auto|always|never", "colours: auto, the default, has them on a terminal alone, and not with NO_COLOR"},
    {"help", NULL, "what is said here"},
    {NULL, NULL, NULL},
};

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
