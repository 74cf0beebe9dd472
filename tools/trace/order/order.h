/*
 * All events of a trace in one order: causal first, time second.
 *
 * Each stream is in the order in which its thread did things, and a message is sent before it is received or dies; so
 * is what one process sends another. An event for which neither decides comes after those with an earlier time. Times
 * that contradict that are counted, and corrected by clocks.h.
 */
#ifndef TROUPE_TRACE_ORDER_H
#define TROUPE_TRACE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "messages.h"
#include "reader.h"

struct order_source; /* a stream being read */

struct order {
    const struct trace *trace;
    struct order_source *sources;
    struct heap {
        struct turn {
            uint64_t time; /* of the next event */
            size_t source;
        } * turns; /* the earliest first */
        size_t count;
    } ready,              /* can go on */
        waiting;          /* whose next event is the end of a message that is not sent yet */
    uint64_t until;       /* the first that can go on is the first while its next event is before this */
    struct table waiters; /* size_t: a source that waits, by the message, and whether that is a parcel */
    bool started;
    struct messages messages;
    struct messages parcels; /* what goes from process to process */
    uint64_t events;         /* given so far */
    uint64_t contradictions; /* ends among them whose time is before that of their send, of another stream */
};

/* An event in its place. */
struct step {
    const struct tri_trace_record *record; /* good until the next step */
    const struct stream *stream;
    enum role role;
    bool gap; /* events of its stream are missing somewhere before it */
    /* role send, and what sends a parcel: */
    bool sent_again;
    /* role receive and dead_letter, and what is the end of a parcel: */
    enum ending ending;
    struct sending sending; /* with ENDING_RIGHT */
};

/* Does a message or a parcel come to its end there? */
bool step_is_end(const struct step *step);

void order_init(struct order *order, const struct trace *trace);
void order_fini(struct order *order);

/* false: there are no more. */
bool order_next(struct order *order, struct step *step);

/* Of the step that was given last, which sends a message or sets one aside: at the message's end it is `marked`. */
void order_mark(struct order *order, const struct step *step);

#endif
