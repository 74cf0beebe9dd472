/*
 * Pictures of a program from the trace that it writes.
 *
 * Memory does not grow with the trace, but with the actors that live, and with the events of one look (tail.h).
 */
#ifndef TROUPE_TRACE_WATCH_H
#define TROUPE_TRACE_WATCH_H

#include "measure.h"
#include "picture.h"
#include "tail.h"

struct watch {
    struct tail tail;
    struct measure *measure;
    struct hand *before; /* the measure's hands, as they were at the last look */
    size_t before_count;
    bool gone;                       /* nobody writes any more, and all was read */
    uint64_t then;                   /* ticks: until when the last picture went; 0: there was none */
    uint64_t events, received, sent; /* until then */
};

void watch_open(struct watch *watch, const char *const *directories, size_t count);
void watch_close(struct watch *watch);

/* What was done since the last look; at the first, since the begin. picture_fini() is due. */
void watch_look(struct watch *watch, struct picture *picture);

#endif
