/*
 * Why something was done: the event in which the work began that did it.
 *
 * An actor works when it is given a message, when it is born, and when its socket has news; all it sends until the
 * worker turns to something else comes of that. So the cause of an event is the last one of the same stream and the
 * same actor that begins work, unless the worker turned away in between.
 */
#ifndef TROUPE_TRACE_CAUSE_H
#define TROUPE_TRACE_CAUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/trace_format.h>

#include "roles.h"

/* May work of the event's actor begin here? */
bool begins_work(enum role role);

/* Has the worker turned to something else, so that what was done before is over? A receive does both. */
bool ends_work(enum role role);

#define WORKS 8u /* begun one within the other: a handler that spawns; of more, the oldest are forgotten */

/* What a stream's worker is doing, as far as its events tell. All zeros: nothing. */
struct work {
    struct begin {
        struct tri_trace_record record;
        enum role role;
    } begun[WORKS]; /* the last is the newest; a ring */
    size_t count;   /* since the worker turned to it */
};

/* Goes on by one event of the stream. */
void work_note(struct work *work, enum role role, const struct tri_trace_record *record);

/* The beginning of the work in which the actor does what it does now; NULL: it is not known. */
const struct begin *work_cause(const struct work *work, uint64_t actor);

#endif
