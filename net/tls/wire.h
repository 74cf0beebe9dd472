/*
 * The wire of a connection: what OpenSSL reads and writes through.
 */
#ifndef TROUPE_NET_TLS_WIRE_H
#define TROUPE_NET_TLS_WIRE_H

#include "connection.h"

#include <stdbool.h>

/* Gives the connection its wire. false: no memory. */
bool tri_wire_init(struct tri_tls *tls);

/* Before OpenSSL's connection goes. */
void tri_wire_fini(struct tri_tls *tls);

/* A call begins, on this descriptor; -1: what it writes is kept. */
void tri_wire_begin(struct tri_tls *tls, int fd);

/* Can it make a record of plain bytes itself? Not while OpenSSL has something to say before them. */
bool tri_wire_seals(const struct tri_tls *tls);

/* Makes it, of up to TRI_RECORD_BYTES bytes. false: it cannot be kept; layer.reason says why. */
bool tri_wire_seal(struct tri_tls *tls, const char *data, size_t size);

/* Sends what was kept. 1: nothing is left; 0: there is no room; or an error. */
ssize_t tri_wire_push(struct tri_tls *tls);

/* In the call that has failed: does OpenSSL wait for bytes, or for room? */
bool tri_wire_wants_bytes(const struct tri_tls *tls);
bool tri_wire_wants_room(const struct tri_tls *tls);

/* Bytes, ever. */
uint64_t tri_wire_read(const struct tri_tls *tls);
uint64_t tri_wire_written(const struct tri_tls *tls);

#endif
