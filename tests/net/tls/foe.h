/*
 * A peer that shakes hands as OpenSSL does, and then says what it likes: records of any kind and content, sealed with
 * the keys of the connection. It knows one suite of each version, with AES-128-GCM and SHA-256.
 */
#ifndef TESTS_NET_TLS_FOE_H
#define TESTS_NET_TLS_FOE_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/net/tls.h>

#define FOE_RECORD_BYTES 20000u

enum foe_record { FOE_CIPHERS = 20, FOE_ALERT = 21, FOE_HANDSHAKE = 22, FOE_DATA = 23 };

struct foe {
    int fd; /* closed by foe_end(); it may block, or not */
    bool serves;
    enum tr_tls_version version;
    SSL *ssl;

    /* Of what it sends. */
    unsigned char secret[32], key[16], iv[12];
    uint64_t number; /* of the next record */
};

/* Begins a connection as a server that is "server", or as a client that believes all. */
void foe_begin(struct foe *foe, int fd, bool serves, enum tr_tls_version version);

/* Goes on with the handshake. true: it is over, and records can be forged from now on. It sends no tickets. */
bool foe_shake(struct foe *foe);

void foe_end(struct foe *foe);

/* Makes a record and gives its size; `type` is an enum foe_record, or any other byte. */
size_t foe_seal(struct foe *foe, int type, const void *content, size_t size, unsigned char out[FOE_RECORD_BYTES]);

/* What it seals from now on has the next keys of 1.3: after a key update of its own. */
void foe_renew(struct foe *foe);

/* Sends bytes as they are, all of them; false: the other end is gone, or there is no room. */
bool foe_send(const struct foe *foe, const void *bytes, size_t size);

/* Seals and sends. */
bool foe_say(struct foe *foe, int type, const void *content, size_t size);

/* A record in clear. */
size_t foe_clear(int type, const void *content, size_t size, unsigned char out[FOE_RECORD_BYTES]);

#endif
