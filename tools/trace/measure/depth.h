/*
 * How many messages were in an actor's mailbox, or on the way to it, when one of those that it received was sent.
 *
 * A send does not say to whom. But a mailbox is first in, first out, so those before a message are those that its actor
 * received between the send and the receive of it. Of its receives, the times of at most DEPTH_MARKS are kept, evenly
 * spread over the present mailbox: what is given is too large by 1 part in 64 at most.
 */
#ifndef TROUPE_TRACE_DEPTH_H
#define TROUPE_TRACE_DEPTH_H

#include <stdint.h>

#define DEPTH_MARKS 128u

struct depth {
    struct depth_mark {
        uint64_t timestamp; /* of a receive */
        uint64_t received;  /* with it */
    } * marks;              /* the oldest first, from `first` on */
    uint32_t first, count, room;
    uint32_t stride;   /* receives from one mark to the next */
    uint64_t received; /* so far */
    uint64_t before;   /* those that were certainly before the last message was sent */
};

/* One that is all zeros has received nothing. */
void depth_fini(struct depth *depth);

/* Goes on by one message. Returns how many there were when it was sent, itself included. */
uint64_t depth_note(struct depth *depth, uint64_t sent, uint64_t received);

#endif
