/*
 * The hall: where the handshakes of a worker's servers wait for a seat, and for their turn: hall.c.
 *
 * Thread: the worker.
 */
#ifndef TROUPE_NET_HALL_H
#define TROUPE_NET_HALL_H

#include "worker_net.h"

#include <stdbool.h>
#include <stdint.h>

struct tri_hall;

struct tri_visitors {
    struct tri_visitor *first, *last;
};

/* One who wants to shake hands, or does so: part of what it is about. Zero is one who has not come. */
struct tri_visitor {
    struct tri_visitor *prev, *next;
    struct tri_visitors *in;                    /* where it waits; NULL: nowhere */
    void (*go_on)(struct tri_visitor *visitor); /* does some of its work: it waits nowhere by then */
    bool has_seat;
};

/* The seats of one server. Zero: all are free. */
struct tri_seats {
    uint32_t taken; /* any thread may read it */
    struct tri_visitors line;
};

/* The worker's own, made if need be. NULL without memory. */
struct tri_hall *tri_hall_of(struct tri_net *net);

/*
 * It can go on: its turn comes. Without a seat it first waits in line for one of so many. Who waits already waits on.
 */
void tri_hall_come(struct tri_hall *hall, struct tri_seats *seats, uint32_t most, struct tri_visitor *visitor);

/* It waits in line. */
static inline bool
tri_hall_is_in_line(const struct tri_visitor *visitor)
{
    return visitor->in != NULL && !visitor->has_seat;
}

/* It waits no more, and who is first in line gets its seat. */
void tri_hall_go(struct tri_hall *hall, struct tri_seats *seats, struct tri_visitor *visitor);

#endif
