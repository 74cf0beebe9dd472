/*
 * A connection over TLS with a tap on its wire: a relay between two pairs of descriptors, which counts the records that
 * pass and can let them stand.
 *
 *   caller --records--> relay --records--> answerer
 *
 * It speaks 1.2, where the kind of a record can be seen. The relay works on the director's worker, once in a turn.
 */
#ifndef TESTS_NET_TLS_TAP_H
#define TESTS_NET_TLS_TAP_H

#include "play.h"

#include <troupe/net/tls.h>

#define TAP_HELD 65536u

struct tap_way {
    int from, to;
    bool stands; /* nothing is taken */
    bool ended;  /* FIN was passed on */

    /* The records in their order: H of a handshake, C change of ciphers, A alert, D data, '.' the FIN. Those of a
     * handshake that follow each other are one letter, and so are those of data. */
    char order[64];
    unsigned data_records;
    size_t last_record; /* bytes behind its header */
    uint64_t bytes;

    /* The relay's. */
    unsigned char header[5];
    size_t header_size, left;
    char held[TAP_HELD];
    size_t held_first, held_size;
};

/* From the caller to the answerer, and back. */
extern struct tap_way tap_up, tap_down;

/* What both ends are made with, besides their contexts. Zero to begin with. */
extern struct tr_tls_options tap_calling, tap_serving;

/* The server "server.example" and who believes it. */
void tap_make_contexts(void);
void tap_release_contexts(void);

/* A setup of tests: all of this as new, with the cast. */
int tap_reset(void **state);

/* Both ends become secure. The caller is `client`. */
extern struct endpoint answerer;
void tap_open(struct tr_socket_options caller, struct tr_socket_options answerer_options);

/* The play ends when both ends are closed and the relay has passed all on. */
void tap_end_when_closed(void);

#endif
