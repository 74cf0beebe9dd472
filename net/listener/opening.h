/*
 * From a wish to a descriptor that listens, and its end: opening.c.
 *
 * Thread: any.
 */
#ifndef TROUPE_NET_OPENING_H
#define TROUPE_NET_OPENING_H

#include "bound.h"

/* A descriptor that the wish brings is taken, also if it cannot listen. error says what has failed. */
tr_status tri_opened_open(const struct tri_bound_wish *wish, struct tri_opened *out, struct tr_error *error);

/* Removes the file. Before the descriptor is closed, since the open socket is what makes sure that the file is ours. */
void tri_opened_unlink(struct tri_opened *opened);

/* Closes it. The parent of a cluster that has lent it is told. */
void tri_opened_close(struct tri_opened *opened);

#endif
