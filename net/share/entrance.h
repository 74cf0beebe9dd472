/*
 * The entrance: connections that wait for their PROXY header: entrance.c.
 *
 * Thread: the worker of the share.
 */
#ifndef TROUPE_NET_ENTRANCE_H
#define TROUPE_NET_ENTRANCE_H

#include "deal.h"

/* Lets a descriptor wait, which is taken, or ends it if the share is cut: there is no time left to wait. The share
 * counts the connection already, and hears of its end in any case. */
void tri_entrance_open(struct tri_share *share, tr_actor *parent, const struct tri_entrant *entrant);

/* All of that share's server that wait on this worker are counted as cut, and closed. */
void tri_entrances_cut(struct tri_share *share);

#endif
