/*
 * What led to a message: the messages before it, each sent while the one before was handled, back to the first.
 *
 * Looked for backward in the streams: from a send to the beginning of the work that it was done in, and from the
 * receive which that is to its send. So it takes no memory for all the messages that do not matter.
 */
#ifndef TROUPE_TRACE_CHAIN_H
#define TROUPE_TRACE_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reader.h"
#include "roles.h"

/* A message of the chain. */
struct link {
    uint64_t message;
    bool parcel; /* it went from process to process: the id is that of a parcel */
    uint32_t tag;
    uint32_t stream;     /* in which it was sent */
    bool sent, received; /* these are in the trace */
    bool dead;           /* its end, whose fields stand for those of the receive, is that of a dead letter */
    uint64_t sender, receiver;
    uint64_t send_time, receive_time;
    uint64_t done_time; /* when the next was sent; of the last, when its handler ended */
    bool done;          /* that is known */
    uint32_t reason;    /* of a dead letter */
};

/* What was before the first message. */
enum origin {
    ORIGIN_unknown, /* the actor's work began in nothing that is in the trace: a timer, or events that were lost */
    ORIGIN_outside, /* a thread outside sent it */
    ORIGIN_event,   /* an event that is no message: an actor was spawned, a socket had news */
    ORIGIN_unsent,  /* the send of the first is not in the trace */
    ORIGIN_far,     /* there are more links than are wanted */
};

struct chain {
    struct link *links; /* the last message first */
    size_t count;
    enum origin origin;
    enum role role;                /* of the event, with ORIGIN_event */
    struct tri_trace_record event; /* the same */
};

/* false: the trace holds nothing of the message, or parcel. Otherwise chain_fini() is due. */
bool chain_find(struct chain *chain, const struct trace *trace, uint64_t message, bool parcel, size_t most);
void chain_fini(struct chain *chain);

#endif
