/*
 * A connection of TLS, as the files of this room see it: layer.c, wire.c, handshake.c, records.c.
 */
#ifndef TROUPE_NET_TLS_CONNECTION_H
#define TROUPE_NET_TLS_CONNECTION_H

#include "record_layer.h"

#include <openssl/types.h>

struct tri_aside;

/* layer.reason: 0; an error of the system's, negative, which is final; or one of reason.h. */
struct tri_tls {
    struct tri_record_layer layer;
    SSL *ssl;
    struct tri_aside *aside; /* wire.c; NULL: nothing is kept */

    /* Of the call that is under way. */
    int fd;         /* -1: it must not touch the descriptor */
    uint16_t error; /* what the descriptor has answered; 0: nothing is wrong */

    uint16_t dry : 1;     /* the last read took all that was there */
    uint16_t full : 1;    /* the kernel has no room: in this call it is not asked again */
    uint16_t at_end : 1;  /* the descriptor has ended */
    uint16_t secure : 1;  /* the handshake is over */
    uint16_t writes : 1;  /* a record of plain bytes is being written */
    uint16_t midway : 1;  /* the kernel has taken part of what OpenSSL has to write */
    uint16_t ended : 1;   /* reading has come to its end */
    uint16_t parted : 1;  /* goodbye was said: nothing is sent any more */
    uint16_t smaller : 1; /* the peer wants records of less than TRI_RECORD_BYTES (RFC 6066, section 4) */
};

static_assert(sizeof(struct tri_tls) <= 56, "a secure socket pays for each byte");

static inline struct tri_tls *
tri_tls_of(struct tri_record_layer *layer)
{
    return (struct tri_tls *)layer;
}

/* What a call gives after one that has failed for good; only if layer.reason is not 0. */
static inline int
tri_tls_answer(const struct tri_tls *tls)
{
    return tls->layer.reason < 0 ? tls->layer.reason : TRI_LAYER_BROKEN;
}

/* The connection is of no use any more, for what OpenSSL's queue says, which is empty then. Gives TRI_LAYER_BROKEN. */
int tri_tls_break(struct tri_tls *tls);

/* The kind's functions. */
int tri_tls_advance(struct tri_record_layer *layer, int fd);
ssize_t tri_tls_read(struct tri_record_layer *layer, int fd, void *memory, size_t size);
ssize_t tri_tls_write(struct tri_record_layer *layer, int fd, const void *data, size_t size);
ssize_t tri_tls_push(struct tri_record_layer *layer, int fd);
ssize_t tri_tls_goodbye(struct tri_record_layer *layer, int fd);

#endif
