#include "colour.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum { UNKNOWN, ON, OFF } state; /* asked once: a line of dump asks often */

bool
colour_choose(const char *word)
{
    state = strcmp(word, "always") == 0 ? ON : strcmp(word, "never") == 0 ? OFF : UNKNOWN;
    return state != UNKNOWN || strcmp(word, "auto") == 0;
}

static bool
is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value != NULL && value[0] != '\0';
}

static bool
has_colours(void)
{
    const char *term = getenv("TERM");
    return !is_set("NO_COLOR") && term != NULL && strcmp(term, "dumb") != 0 && isatty(STDOUT_FILENO);
}

static bool
is_on(void)
{
    if (state == UNKNOWN)
        state = has_colours() ? ON : OFF;
    return state == ON;
}

const char *
colour_begin(enum colour colour)
{
    static const char *const codes[] = {[COLOUR_BAD] = "\x1b[1;31m",
                                        [COLOUR_GOOD] = "\x1b[32m",
                                        [COLOUR_FAINT] = "\x1b[2m",
                                        [COLOUR_TITLE] = "\x1b[1m",
                                        [COLOUR_CHOSEN] = "\x1b[1;7m"};
    return is_on() ? codes[colour] : "";
}

const char *
colour_end(void)
{
    return is_on() ? "\x1b[0m" : "";
}
