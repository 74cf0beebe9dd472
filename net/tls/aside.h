/*
 * What a connection has put aside, which most never do: bytes of the wire that came before the handshake (early), and
 * bytes of the wire that the kernel has no room for (spill). Both are given in the order in which they came.
 */
#ifndef TROUPE_NET_TLS_ASIDE_H
#define TROUPE_NET_TLS_ASIDE_H

#include "connection.h"

#include <troupe/core/buffer.h>

/* Drops all of it. Before OpenSSL's connection goes. */
void tri_aside_fini(struct tri_tls *tls);

/* Holds the bytes. TR_OK, TR_ENOMEM. */
tr_status tri_early_take(struct tri_tls *tls, tr_slice bytes);

/* Gives how many of the early bytes it has copied; 0: there are none. */
size_t tri_early_read(struct tri_tls *tls, void *memory, size_t size);

/* Copies the bytes behind those that are there. With more than `most` together it refuses. TR_OK, TR_ENOMEM,
 * TR_EQUEUELIMIT. */
tr_status tri_spill_add(struct tri_tls *tls, const void *data, size_t size, size_t most);

/* What is there; size 0: nothing. */
tr_slice tri_spill_first(const struct tri_tls *tls);

/* The first of them have gone. */
void tri_spill_shorten(struct tri_tls *tls, size_t size);

#endif
