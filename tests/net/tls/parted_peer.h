/*
 * A server of OpenSSL's own whose ticket comes in several records: what it says goes out in the parts that a test
 * wants.
 */
#ifndef TESTS_NET_TLS_PARTED_PEER_H
#define TESTS_NET_TLS_PARTED_PEER_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

struct parted_peer {
    SSL *ssl;
    int fd;           /* of its end */
    char held[65536]; /* what it has said and not sent */
    size_t held_size;
    size_t got_size; /* plain bytes, ever */
    char got[64];    /* the first of them */
    bool ended;      /* by goodbye */
};

/* It is server.pem, asks for a certificate, and takes any. */
void parted_begin(struct parted_peer *peer, int fd);
void parted_end(struct parted_peer *peer);

/* Reads and handles what came. What it says is sent until its handshake is over, and then held. */
void parted_work(struct parted_peer *peer);

/* Says these bytes, behind what is held. */
void parted_say(struct parted_peer *peer, const char *text);

/* Sends so many bytes of what is held; the second one record, or all. */
void parted_send(struct parted_peer *peer, size_t size);
void parted_send_record(struct parted_peer *peer);
void parted_send_all(struct parted_peer *peer);

/* Sends what is held, behind it so many bytes, and the first record of another ticket, all at once. */
void parted_send_much_and_half_a_ticket(struct parted_peer *peer, size_t size);

/* Its ticket is there and held, in two records at least. */
bool parted_has_ticket(const struct parted_peer *peer);

#endif
