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

int
count_directories(int count, char **words, int skipped)
{
    int given = count - optind - skipped;
    (void)words;
    if (given < 1 && skipped == 0)
        refuse("a directory is needed", "");
    return given < 1 ? RUN_REFUSED : given;
}
