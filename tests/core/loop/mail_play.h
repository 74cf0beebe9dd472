/*
 * All workers of a runtime, played by the thread of the test.
 */
#ifndef TESTS_MAIL_PLAY_H
#define TESTS_MAIL_PLAY_H

#include "mail.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANE 1024u /* what a lane holds */

/* What has come to worker 0: numbers of senders in their order, the outside as count. */
extern uint32_t *arrived_order;
extern size_t arrived, order_room;
extern uint64_t expected_of[1024];
extern unsigned cast_refusals;  /* so many deliveries find no memory */
extern unsigned cast_buried;    /* that a worker had not sent */
extern bool cast_answers;       /* what is delivered or buried wants to send something */
extern tr_status cast_answered; /* and hears this, of the last */

struct cast {
    struct tri_runtime runtime;
    uint64_t sent[1024];
};

/* So many workers, with these limits of lanes. */
struct cast *cast_open(unsigned count, uint32_t lane_limit, uint32_t outside_limit);
void cast_close(struct cast *cast);

/* Worker 0. */
struct tri_worker *cast_receiver(struct cast *cast);

/* Sends the next number of a worker, or from outside, to worker 0. */
tr_status send_one(struct cast *cast, unsigned from);
void send_from(struct cast *cast, unsigned from, unsigned count);
tr_status post_one(struct cast *cast);

#endif
