/*
 * A record protocol for tests of the seam (record_layer.h), small enough to see through:
 *
 *   record     kind, number of the record, length (2 bytes), payload; all but the kind is XORed with the side's key
 *   handshake  the client's HELLO, the server's WELCOME, the client's FINISH
 *   then       DATA of 1 to 16,384 bytes; RENEW, which RENEWED must answer: each changes the sender's key; BYE
 *
 * It reads ahead, so that it has records inside that polling does not see. Its calls of the system can be made to split
 * and to say EAGAIN at random. What a kind may expect of the seam it demands: a call out of turn ends the program.
 */
#ifndef TESTS_TOY_LAYER_H
#define TESTS_TOY_LAYER_H

#include "play.h"
#include "secure.h"

#define TOY_RECORD 16384u
#define TOY_HEADER 4u
#define TOY_AHEAD (4 * (TOY_RECORD + TOY_HEADER)) /* what it reads at most in one call */

enum toy_kind {
    TOY_HELLO = 'H',
    TOY_WELCOME = 'W',
    TOY_FINISH = 'F',
    TOY_DATA = 'D',
    TOY_RENEW = 'R',
    TOY_RENEWED = 'r',
    TOY_BYE = 'B'
};

struct toy {
    struct tri_record_layer layer;
    bool serves;
    bool is_done;     /* the handshake */
    int failed;       /* 0: not; a negative errno, or TRI_LAYER_BROKEN */
    const char *code; /* of that, if it is broken */
    bool at_end;      /* the wire */
    bool said_hello, said_goodbye;

    /* Reading. */
    char in[TOY_AHEAD];
    size_t in_first, in_size;
    size_t opened; /* bytes of a DATA record at in_first that are readable */
    char *early;
    size_t early_first, early_size;
    unsigned char read_key, read_number;

    /* Writing. */
    char out[2 * TOY_AHEAD];
    size_t out_first, out_size;
    uint64_t made, gone; /* bytes of the wire, ever */
    size_t pending;      /* plain bytes of the record that is not gone yet; 0: none */
    uint64_t pending_end;
    unsigned char write_key, write_number;

    /* What the transport does. */
    uint64_t random;     /* 0: nothing special */
    size_t most_written; /* in one call; 0: any */
    int write_error;     /* given once, in place of a call */
    bool stands;         /* the kernel takes nothing */

    /* Counts. */
    uint64_t received;
    unsigned records_read, records_written, renewed;
    size_t last_record; /* plain bytes of the last one that was written */
};

/* How many there are. */
extern unsigned toys;

struct toy *toy_new(bool serves);

/* Makes the socket secure with it. */
tr_status toy_secure(tr_socket *socket, bool serves, const struct tri_secure_options *options, struct toy **out);

/* Both ends of a pair, secure as soon as they have spoken. */
void toy_pair(int family, struct endpoint *one, struct tr_socket_options one_options, struct endpoint *two,
              struct tr_socket_options two_options);

/* The toy of a secure socket. */
struct toy *toy_of(const tr_socket *socket);

/* Asks for a renewal: the peer must answer. */
void toy_renew(tr_socket *socket);

#define TOY_CLIENT_KEY 0x5a
#define TOY_SERVER_KEY 0xa5

/* What a raw peer sends: a client's records, one after the other. All zero to begin with. */
struct toy_wire {
    char bytes[10 * (TOY_RECORD + TOY_HEADER)];
    size_t size;
    unsigned char number, renewals;
};
void toy_put(struct toy_wire *wire, enum toy_kind kind, const char *text);
void toy_put_bytes(struct toy_wire *wire, const char *data, size_t size); /* DATA */

/* HELLO, FINISH, DATA of that text, unless it is NULL. */
void toy_put_beginning(struct toy_wire *wire, const char *text);

/* The answer to HELLO, which a server's side sends. */
void toy_put_welcome(struct toy_wire *wire);

#endif
