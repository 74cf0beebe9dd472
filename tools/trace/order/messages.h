/*
 * The messages of a trace: which were sent, which have come to an end, which are on their way.
 *
 * Ids count up in each stream, so what is known for ever takes three bits a message; more is kept only of those on
 * their way.
 */
#ifndef TROUPE_TRACE_MESSAGES_H
#define TROUPE_TRACE_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "table.h"

struct messages {
    struct table known;  /* struct known, by id / 64 */
    struct table flying; /* struct sending, by id */
};

/* A message's send, as far as its end must know it. */
struct sending {
    uint64_t sender;
    uint64_t place; /* in the order of all events */
    uint64_t timestamp;
};

void messages_init(struct messages *messages);
void messages_fini(struct messages *messages);

/* false: a message of that id was sent before. */
bool messages_send(struct messages *messages, uint64_t id, const struct sending *sending);

/* A send of that id is in the trace, and is still to come. */
bool messages_will_be_sent(const struct messages *messages, uint64_t id);

/* Says so, for a stream's own messages. Before the first messages_send(). */
void messages_foresee(struct messages *messages, uint64_t id);

enum ending {
    ENDING_RIGHT,    /* it was on its way; its send is given */
    ENDING_UNSENT,   /* it was not sent before */
    ENDING_REPEATED, /* it was received or became a dead letter before */
};

enum ending messages_end(struct messages *messages, uint64_t id, struct sending *sending);

/* Who received it has set it aside: it is on its way again, from nobody, and will have an end again. */
void messages_return(struct messages *messages, uint64_t id, uint64_t place, uint64_t timestamp);

#endif
