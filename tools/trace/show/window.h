/*
 * The events of a trace in causal order, each with what is known of the other side of its message.
 *
 * Who receives a message stands where it is received. So events are held back, WINDOW of them, and a send is given with
 * its receiver if that comes within as many events; the memory does not grow with the trace.
 */
#ifndef TROUPE_TRACE_WINDOW_H
#define TROUPE_TRACE_WINDOW_H

#include "order.h"

#define WINDOW 65536u

/* An event. A class is the number of the name of the behavior that an actor has then; 0: the trace has not told. */
struct line {
    struct tri_trace_record record;
    uint32_t stream;
    enum role role;
    uint32_t class;
    uint64_t other; /* of a send its receiver, of a receive and a dead letter its sender; 0: not known, or nobody */
    uint32_t other_class;
};

struct window {
    struct order order;
    struct table behaviors; /* uint32_t, by ref: the number of a name */
    struct table flying;    /* uint64_t, by message: the place of its send, plus 1 */
    struct line *lines;     /* a ring */
    uint64_t room, first, last;
    bool ended;
};

void window_init(struct window *window, const struct trace *trace);
void window_fini(struct window *window);

/* The next event, good until the next call; NULL: there are no more. */
const struct line *window_next(struct window *window);

#endif
