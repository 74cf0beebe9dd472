/*
 * Buffers and slices: bytes that many may read and nobody changes.
 *
 * A tr_buffer is a counted block of bytes. A tr_slice is a view of part of one: copy the struct freely, but whoever
 * keeps it beyond the call that gave it holds the buffer first and releases it later. Any number of actors on any
 * worker, and any number of sockets, may hold one buffer at once: that is how a text reaches a thousand receivers
 * without being copied for each.
 */
#ifndef TROUPE_CORE_BUFFER_H
#define TROUPE_CORE_BUFFER_H

#include <stddef.h>
#include <troupe/core/declare.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

typedef struct tr_buffer tr_buffer; /* opaque */

typedef struct tr_slice {
    tr_buffer *buffer; /* NULL: the bytes are constant and live for ever, or are only lent for the call */
    const char *data;
    size_t size; /* bytes */
} tr_slice;

/*
 * Gives a new buffer holding a copy of size bytes, as a slice of all of it. The caller owns one hold.
 * Thread: any. Returns TR_OK, TR_EINVAL (NULL with a size), TR_ENOMEM.
 */
tr_status tr_slice_copy(const void *data, size_t size, tr_slice *out);

/*
 * Gives a new buffer around memory that exists already; destroy(data) is called by whoever releases last, on that
 * thread. destroy may be NULL. It may release what it holds in its turn, in chains of any length: such calls nest 16
 * deep, and what is released deeper is destroyed when they have returned. The caller owns one hold. Thread: any.
 * Returns TR_OK, TR_EINVAL, TR_ENOMEM.
 */
tr_status tr_slice_adopt(void *data, size_t size, void (*destroy)(void *data), tr_slice *out);

/* A slice of bytes that outlive every use, such as a literal. Needs no hold and no release. Thread: any. */
static inline tr_slice
tr_slice_constant(const void *data, size_t size)
{
    tr_slice slice;
    slice.buffer = NULL;
    slice.data = (const char *)data;
    slice.size = size;
    return slice;
}

/* Part of a slice: at most size bytes from offset on; shares the buffer, adds no hold. Thread: any. */
tr_slice tr_slice_part(tr_slice slice, size_t offset, size_t size);

/* One more hold on the slice's buffer. Every hold is released once. Thread: any. */
void tr_slice_hold(tr_slice slice);

/* Gives one hold back; the last one frees the buffer. Thread: any. */
void tr_slice_release(tr_slice slice);

TR_DECLARATIONS_END
#endif
