/*
 * The other event of a contradiction.
 */
#ifndef TROUPE_TRACE_OTHER_H
#define TROUPE_TRACE_OTHER_H

#include "finding.h"

/* An event of a trace, and the stream that it is in. */
struct other {
    struct tri_trace_record record;
    const struct stream *stream; /* NULL: there is none */
};

/* The event that this one contradicts if it breaks a rule. It reads the trace, and so is for what is printed alone. */
struct other other_of(const struct check *check, enum rule rule, const struct step *step);

#endif
