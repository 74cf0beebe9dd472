/*
 * The side of the workers in random orders: sources and sinks, and what the hands do when they are ordered to. See
 * test_orders.c.
 */
#ifndef TESTS_ORDERS_HANDS_H
#define TESTS_ORDERS_HANDS_H

#include "hands.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORKERS 2u
#define SINKS 2u
#define SOURCES 4u /* two for each sink */
#define ORIGINS 4u /* of a sink's bytes: the hands, its sources */
#define MANY_MESSAGES 80u

enum kind { TOGGLED, OWNED, AFAR, KINDS };

struct sink {
    unsigned worker;
    tr_ref ref;
    int fd, peer;
    uint64_t expected[ORIGINS], received[ORIGINS];
    bool destroyed, asked_to_end;
};

struct source {
    enum kind kind;
    unsigned worker, owner, index;
    struct sink *sink;
    tr_ref ref;
    int fd, peer, listening;
    uint16_t port;
    uint64_t sent, size, by_event;
    uint32_t credit, unanswered;
    bool split; /* afar: connected in one callback, piped in another */
    bool ended; /* by its peer */
};

extern struct sink sinks[SINKS];
extern struct source sources[SOURCES];
extern uint64_t written[WORKERS][SINKS]; /* by a hand; its own */
extern unsigned opened, closed, asked, answered;

/* What has happened, in all plays: each must have. */
enum { BY_EVENT, BY_PIPE, SAME_WORKER, OTHER_WORKER, TOGGLES, UNHEARD, DESTROYED, LATE_CREDITS, QUESTIONS, KINDS_SEEN };
extern const char *const seen_names[];
extern uint64_t seen[KINDS_SEEN];

/* It has happened. */
void see(unsigned what);

/* Chance: one of each worker, and one of this thread. */
extern uint64_t chance[WORKERS + 1];
#define HERE WORKERS

/* Draws a number below the limit: a worker, or HERE. */
unsigned draw(unsigned who, unsigned limit);

/* Bytes from a place on, of one origin; and whether a sink has got the next ones. */
void fill(unsigned char *data, size_t size, unsigned origin, uint64_t place);
void check_bytes(struct sink *sink, const unsigned char *data, size_t size);

/* Origin 2 or 3. */
unsigned origin_of(const struct source *source);

/* For on_worker(). */
void adopt_sink(tr_actor *self, void *argument);
void adopt_source(tr_actor *self, void *argument);

enum what { WRITE, FILL_UP, PIPE, UNPIPE, PAUSE, RESUME, CORK, OWN, DESTROY, END, MAKE, PIPE_AFAR };

/* For hands_receive. */
void orders_receive(tr_actor *self, tr_message *message);

/* Has the hand of a worker do that. */
void give_order(unsigned worker, enum what what, unsigned which, unsigned count);

#endif
