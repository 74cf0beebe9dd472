/*
 * The two ends of a connection of TLS as the fuzz target has them: always the same, since OpenSSL's random numbers come
 * from a table of the test's own, one for each end. So what the one has said to the other can be given to it again, and
 * is a handshake that succeeds.
 */
#ifndef TESTS_FUZZ_TLS_ENDS_H
#define TESTS_FUZZ_TLS_ENDS_H

#include "layer.h"

/* The first byte of an input. */
enum {
    TLS_SERVES = 1,     /* we are the server; else the client */
    TLS_OLD = 2,        /* version 1.2 alone */
    TLS_ASKS = 4,       /* the server asks for a certificate, and the client has one */
    TLS_PROTOCOLS = 8,  /* they speak of protocols */
    TLS_IN_PIECES = 16, /* the bytes come one by one */
    TLS_KINDS = 32,
};

/* A new end, of the side that `kind` names. */
struct tri_record_layer *tls_end_open(unsigned kind);

/* The next calls are of this side: they get its random numbers. */
void tls_end_turn(bool serves);

#endif
