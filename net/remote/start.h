/*
 * When a socket that is told from afar to connect begins to.
 *
 * No data and no event of a connection must be lost because its owner or its pipe is ordered after the connecting, in
 * the same callback. But the messages that an actor sends in one callback are no unit: a batch may go off in the
 * middle, a lane may be full, and the receiver takes a limited number at a time. So the order to connect only prepares
 * it. The word to start is a second message, which the sender's worker sends in its next turn, when the callback has
 * returned. It goes the same way as all that the callback sent, so it comes after that. (To a path one connects at
 * once, as in Node; there the word is the one to tell what has become of it.)
 *
 * A word for which there is no memory is sent as soon as there is. One that finds another order, or none, does nothing.
 */
#ifndef TROUPE_NET_START_H
#define TROUPE_NET_START_H

#include "worker_net.h"

#include <troupe/actors/actor.h>
#include <troupe/core/status.h>

/* Sends the word to start in the next turn. Gives its number, which is not 0. TR_OK, TR_ENOMEM. Thread: owner of
 * net. */
tr_status tri_start_later(struct tri_net *net, tr_ref socket, uint64_t *number);

#endif
