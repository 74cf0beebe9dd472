/*
 * A picture as text: for a screen of a size, or for a file.
 */
#ifndef TROUPE_TRACE_VIEW_H
#define TROUPE_TRACE_VIEW_H

#include "picture.h"

struct view {
    const char *directory;
    bool by_actor; /* else by class */
    enum column column;
    uint64_t every_ns;      /* between two pictures */
    unsigned columns, rows; /* of the screen; 0: what is printed goes to no screen */
};

/*
 * Prints it. On a screen of known size all lines are as long as that is wide at most, and so many that the cursor's
 * line is the last one; what is longer or more is left out.
 */
void view_print(const struct view *view, const struct picture *picture);

#endif
