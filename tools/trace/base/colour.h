/*
 * Colours of what is printed on standard output.
 *
 * There are none unless it is a terminal, TERM names one that is not "dumb", and NO_COLOR is unset or empty; or the
 * option --colour says otherwise.
 */
#ifndef TROUPE_TRACE_COLOUR_H
#define TROUPE_TRACE_COLOUR_H

#include <stdbool.h>

enum colour {
    COLOUR_BAD,
    COLOUR_GOOD,
    COLOUR_FAINT,
    COLOUR_TITLE,
    COLOUR_CHOSEN,
};

/* Takes the word of --colour; false: it is neither auto nor always nor never. */
bool colour_choose(const char *word);

/* What begins a colour on standard output, and what ends it; empty where there are none. */
const char *colour_begin(enum colour colour);
const char *colour_end(void);

#endif
