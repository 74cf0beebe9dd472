/*
 * Messages on their way, by their ids: what their ends must know of their sends.
 *
 * Ids count up in each stream, so those on their way stand close together: each stream has a ring of them, where a
 * message has its place by its count. What still waits when its place is needed moves to a table. Of the messages that
 * are on their way, MOST_WAITING of that table are known; more are forgotten, and counted.
 */
#ifndef TROUPE_TRACE_FLIGHT_H
#define TROUPE_TRACE_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "table.h"

#define MOST_WAITING (1u << 20)

/* A message's send, as far as its end must know it. */
struct sending {
    uint64_t sender;
    uint64_t place; /* in the order of all events, from 0; of order.h alone */
    uint64_t timestamp;
    uint32_t stream; /* in which it was sent, or set aside; likewise */
    uint32_t tag;
    bool returned;  /* its receiver had set it aside: it was sent long before, and with what tag is forgotten */
    bool early;     /* it is the receive, which came before the send; of measure.h alone */
    bool marked;    /* by order_mark() */
    uint8_t role;   /* enum role, of what sent it; of order.h alone */
    uint16_t flags; /* likewise */
};

struct sent {
    struct sending sending;
    uint64_t message; /* 0: a free place */
};

struct flight {
    struct ring {
        struct sent *places;
        size_t room; /* 0 or a power of two */
        size_t count;
    } * rings;            /* by the stream in the id */
    struct table waiting; /* struct sent, by id */
    uint64_t forgotten;
    uint64_t count; /* on their way */
};

void flight_init(struct flight *flight);
void flight_fini(struct flight *flight);

void flight_put(struct flight *flight, uint64_t message, const struct sending *sending);

/* Takes a message out; false: it is not there. */
bool flight_take(struct flight *flight, uint64_t message, struct sending *sending);

/* The send of a message that is there, good until the next flight_put() or flight_take(); NULL: it is not there. */
struct sending *flight_find(const struct flight *flight, uint64_t message);

/* Calls for each that is there. */
void flight_each(const struct flight *flight, void (*call)(void *argument, const struct sent *sent), void *argument);

#endif
