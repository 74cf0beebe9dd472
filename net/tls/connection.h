/*
 * A connection of TLS, as the files of this room see it: layer.c, wire.c, handshake.c, records.c.
 */
#ifndef TROUPE_NET_TLS_CONNECTION_H
#define TROUPE_NET_TLS_CONNECTION_H

#include "record_layer.h"

#include <openssl/types.h>
#include <stdbool.h>

/* Bits of layer.own. */
enum tri_tls_state {
    TRI_TLS_DRY = 1 << 0,    /* the last read took all that was there */
    TRI_TLS_AT_END = 1 << 1, /* the descriptor has ended */
    TRI_TLS_SECURE = 1 << 2, /* the handshake is over */
    TRI_TLS_ENDED = 1 << 3,  /* reading has come to its end */
    TRI_TLS_PARTED = 1 << 4, /* goodbye was said: nothing is sent any more */
    TRI_TLS_KEEPS = 1 << 5,  /* something was put aside (aside.h) */
};

/* layer.reason: 0; an error of the system's, negative, which is final; or one of reason.h. */
struct tri_tls {
    struct tri_record_layer layer;
    SSL *ssl;                  /* its app data is of aside.c */
    struct tri_sealer *sealer; /* makes the records that are written; NULL: OpenSSL does */
    uint64_t sent : 56;        /* bytes of the wire, ever, that the kernel has taken */
    uint64_t type : 8;         /* of what the sealer is given next, if that is not plain bytes; 0: it is */
};

static_assert(sizeof(struct tri_tls) <= 56, "a secure socket pays for each byte");

/* The call that is under way, of which there is one on a thread: tri_wire_begin(). */
struct tri_tls_call {
    const struct tri_tls *tls;
    int fd;         /* -1: it must not touch the descriptor */
    int error;      /* what the descriptor has answered to OpenSSL; 0: nothing is wrong */
    int unsent;     /* why the descriptor has not taken what was kept; 0: it had no room */
    bool full;      /* the kernel has no room: it is not asked again */
    bool waits;     /* the last that OpenSSL asked for is had later */
    bool writes;    /* plain bytes are being written */
    unsigned reads; /* of the descriptor */
};

extern _Thread_local struct tri_tls_call tri_tls_call;

static inline struct tri_tls *
tri_tls_of(struct tri_record_layer *layer)
{
    return (struct tri_tls *)layer;
}

static inline bool
tri_tls_is(const struct tri_tls *tls, enum tri_tls_state state)
{
    return (tls->layer.own & state) != 0;
}

static inline void
tri_tls_note(struct tri_tls *tls, enum tri_tls_state state, bool is_so)
{
    unsigned others = tls->layer.own & ~(unsigned)state;
    tls->layer.own = (uint16_t)(is_so ? others | state : others);
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
