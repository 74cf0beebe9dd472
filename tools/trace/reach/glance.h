/*
 * How much is in a trace, by the heads of its files alone.
 */
#ifndef TROUPE_TRACE_GLANCE_H
#define TROUPE_TRACE_GLANCE_H

#include <stdbool.h>
#include <stdint.h>

struct glance {
    bool is_trace;
    unsigned others; /* traces in sub-directories */
    uint64_t events; /* of all of them */
    uint64_t lost;   /* no file was to be had for them */
};

/* Looks at a directory, whatever is in it. */
void glance_at(const char *directory, struct glance *glance);

#endif
