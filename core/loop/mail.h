/*
 * Mail: what comes to a worker through its lanes and its inbox, and what goes out through its outboxes.
 *
 * A turn takes the mail first and sends it last. A sender that has published for another worker rings its bell.
 */
#ifndef TROUPE_CORE_MAIL_H
#define TROUPE_CORE_MAIL_H

#include <troupe/core/worker.h>

/* Makes the ways in and out; after a failure too, tri_mail_close() frees what there is. Thread: setup. */
tr_status tri_mail_open(struct tri_worker *worker);
void tri_mail_close(struct tri_worker *worker);

/* Hands what has come to the layer above, within reason. Returns how many messages. Thread: owner. */
unsigned tri_mail_take(struct tri_worker *worker);

/* Is there mail to take? Thread: owner. */
bool tri_mail_waits(struct tri_worker *worker);

/* Publishes what is staged, as far as the lanes have room, and wakes the receivers. Thread: owner. */
void tri_mail_send(struct tri_worker *worker);

/* The same in parts, for workers that are stepped (steps.h). A way is a lane, by its sender, or after the last the
 * inbox; `most` messages are taken at the most. send_to publishes what is staged for one worker. Thread: owner. */
bool tri_mail_way_waits(struct tri_worker *worker, unsigned way);
unsigned tri_mail_take_way(struct tri_worker *worker, unsigned way, unsigned most);
bool tri_mail_is_staged(const struct tri_worker *worker, unsigned target);
void tri_mail_send_to(struct tri_worker *worker, unsigned target);

/* Before sleeping: asks the consumers of full lanes to ring when there is room. false: there is room already. Thread:
 * owner. */
bool tri_mail_starve(struct tri_worker *worker);

/*
 * The end, in two steps. Thread: owner.
 *
 * seal: from now on this worker sends nothing and takes nothing from threads that are no workers; what is in its inbox
 * and what it has not sent yet is buried.
 * bury: all workers are sealed, so what the lanes hold now is the last; it is buried too.
 */
void tri_mail_seal(struct tri_worker *worker);
void tri_mail_bury(struct tri_worker *worker);

#endif
