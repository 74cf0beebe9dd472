/*
 * The greeting: connections of secure servers, in their handshake: greeting.c.
 *
 * Thread: the worker of the share.
 */
#ifndef TROUPE_NET_GREETING_H
#define TROUPE_NET_GREETING_H

#include "deal.h"

/* Shakes hands over a descriptor, which is taken with all that the entrant has, or ends it if the share is cut. The
 * share counts the connection already, and hears of its end in any case. parent may be NULL. */
void tri_greeting_open(struct tri_share *share, tr_actor *parent, const struct tri_entrant *entrant);

/* All of that share's server that shake hands on this worker are counted as cut, and closed. */
void tri_greetings_cut(struct tri_share *share);

/* bad_handshakes.c */

/* The handshake of a connection has failed: that is counted, and the server is told if it wants to be. */
void tri_deal_handshake_failed(struct tri_deal *deal, struct tri_worker *worker,
                               const struct tr_handshake_failure *failure);

#endif
