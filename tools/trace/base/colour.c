#include "colour.h"
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static bool
is_on(void)
{
    return getenv("NO_COLOR") == NULL && isatty(STDOUT_FILENO);
}

const char *
colour_begin(enum colour colour)
{
    static const char *const codes[] = {
        [COLOUR_BAD] = "\x1b[1;31m", [COLOUR_GOOD] = "\x1b[32m", [COLOUR_FAINT] = "\x1b[2m"};
    return is_on() ? codes[colour] : "";
}

const char *
colour_end(void)
{
    return is_on() ? "\x1b[0m" : "";
}
