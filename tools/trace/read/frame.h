/*
 * One frame of a packed trace: a piece of bytes as zstd packs it, with a checksum. frame_zstd.c does it with libzstd;
 * frame_none.c stands in for it where that was not there when this program was built.
 */
#ifndef TROUPE_TRACE_FRAME_H
#define TROUPE_TRACE_FRAME_H

#include <stdbool.h>
#include <stddef.h>

#define FRAME_SIZE (128u * 1024) /* bytes in a frame, before it is packed; the last of a file may have less */

/* Can this program pack and unpack? */
bool frame_is_built_in(void);

/* The most bytes that a packed frame has. */
size_t frame_bound(void);

/* Packs up to FRAME_SIZE bytes into a room of frame_bound(). Returns how many it takes; 0: there is no memory. */
size_t frame_pack(void *out, const void *bytes, size_t size);

/* Unpacks a frame of exactly `size` bytes. Returns what is wrong with it; NULL: nothing. */
const char *frame_unpack(void *out, size_t size, const void *packed, size_t packed_size);

#endif
