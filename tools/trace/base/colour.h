/*
 * Colours, on a terminal alone, and not if NO_COLOR is set.
 */
#ifndef TROUPE_TRACE_COLOUR_H
#define TROUPE_TRACE_COLOUR_H

enum colour {
    COLOUR_BAD,
    COLOUR_GOOD,
    COLOUR_FAINT,
};

/* What begins a colour on standard output, and what ends it; empty where there are none. */
const char *colour_begin(enum colour colour);
const char *colour_end(void);

#endif
