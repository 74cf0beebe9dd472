/*
 * What a socket has received and cannot give yet: the user has paused it, or its owner has no credit left, or a pipe is
 * full.
 *
 * A queue of reads, of descriptors, and of the stream's end, in the order in which they came. Reading goes on as in
 * Node until TRI_HELD_BYTES wait, so that a paused socket notices an end, an error or a reset, and goes on counting;
 * the read that passes the mark may bring up to TRI_READ_BYTES, but only while a worker's sockets hold less than
 * TRI_HELD_FREELY together. TRI_HELD_READS bounds what many small reads cost. So
 *
 *   what n paused sockets of a worker hold  <=  n x TRI_HELD_BYTES + TRI_HELD_FREELY + TRI_READ_BYTES.
 */
#ifndef TROUPE_NET_HELD_H
#define TROUPE_NET_HELD_H

#include <stdbool.h>
#include <troupe/core/buffer.h>

#define TRI_HELD_BYTES 16384u /* Node's */
#define TRI_HELD_READS 256u
#define TRI_HELD_FREELY (1u << 20)

struct tri_held_read {
    struct tri_held_read *next;
    tr_slice slice; /* a hold of it; unused with a descriptor */
    int fd;         /* -1: none */
};

/* All zero: empty. */
struct tri_held {
    struct tri_held_read *first, *last;
    size_t bytes;
    unsigned reads;
    bool ends; /* the end of the stream comes after them */
    bool gone; /* the peer has ended; how, reading finds out */
};

/* Takes a hold of bytes, or takes a descriptor. false without memory: then nothing is taken. */
bool tri_held_bytes(struct tri_held *held, tr_slice slice);
bool tri_held_descriptor(struct tri_held *held, int fd);

/* Takes the first out: gives its bytes with their hold and returns -1, or returns its descriptor. */
int tri_held_take(struct tri_held *held, tr_slice *out);

/* So much is held that the socket is not to be read. */
static inline bool
tri_held_is_full(const struct tri_held *held)
{
    return held->bytes >= TRI_HELD_BYTES || held->reads >= TRI_HELD_READS;
}

/* Drops everything. */
void tri_held_drop(struct tri_held *held);

#endif
