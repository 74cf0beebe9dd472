/*
 * The messages of a trace: which were sent, which have come to an end, which are on their way.
 *
 * Memory grows with those that are on their way, not with the trace: ids count up in each stream, so those that were
 * sent are a few spans; and what was sent and is not on its way has come to an end. Apart stand those that ended before
 * they were sent, which only lost events and contradictions bring about.
 */
#ifndef TROUPE_TRACE_MESSAGES_H
#define TROUPE_TRACE_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "flight.h"
#include "reader.h"
#include "table.h"

#define MOST_EARLY (1u << 20) /* ends without a send that are remembered */

struct messages {
    struct flight flying;
    struct spans *sent; /* counts, by the stream in the id */
    struct table early; /* a bool, by id: came to an end, and was not sent before */
};

void messages_init(struct messages *messages);
void messages_fini(struct messages *messages);

/* false: a message of that id was sent before. */
bool messages_send(struct messages *messages, uint64_t id, const struct sending *sending);

/* A send of that id is in its stream, all of whose counts are given, and is still to come. NULL: there is none. */
bool messages_will_be_sent(const struct messages *messages, const struct spans *sent, uint64_t id);

enum ending {
    ENDING_RIGHT,     /* it was on its way; its send is given */
    ENDING_UNSENT,    /* it was not sent before */
    ENDING_REPEATED,  /* it was received or became a dead letter before */
    ENDING_FORGOTTEN, /* it was sent, and either is possible: too many were on their way */
};

enum ending messages_end(struct messages *messages, uint64_t id, struct sending *sending);

/* Who received it has set it aside: it is on its way again, from nobody, and will have an end again. */
void messages_return(struct messages *messages, uint64_t id, const struct sending *sending);

/* What messages_end() will give has `marked`, if the message is on its way. */
void messages_mark(struct messages *messages, uint64_t id);

#endif
