/*
 * One of two traces that are compared: its deliveries in causal order, with actors that have the same identity in both.
 *
 * Refs differ from run to run. An actor's identity is its class, its parent's identity, and how many children of that
 * class its parent had before. One whose begin is not in the trace is known by its ref.
 */
#ifndef TROUPE_TRACE_SIDE_H
#define TROUPE_TRACE_SIDE_H

#include "order.h"

struct delivery {
    uint64_t identity, sender; /* of the receiver, and of the sender */
    uint32_t tag;
    uint64_t message, actor, timestamp;
    uint32_t class; /* a name, of the receiver */
};

struct side {
    const char *directory;
    struct trace *trace;
    struct order order;
    struct table persons;  /* struct person, by ref */
    struct table children; /* uint64_t: how many, by parent's identity and class */
};

/* Finds the files of a trace, and opens it. Both traces are found first, so that it is known how much is to be read. */
void side_find(struct side *side, const char *directory);
void side_open(struct side *side);

void side_close(struct side *side);

/* Goes on by one event. Returns 1: it is a delivery; 0: it is not; -1: there are no more. */
int side_next(struct side *side, struct delivery *delivery);

#endif
