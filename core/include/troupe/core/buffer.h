/*
 * Buffers and slices: bytes that many may read and nobody changes.
 *
 * A tr_buffer is a block of bytes with a reference count. A tr_slice is a view of part of one. Any number of actors on
 * any worker, and any number of sockets, may hold one buffer at once: so a text reaches a thousand receivers without
 * being copied for each.
 *
 * Memory:  copy the struct tr_slice freely. To keep a slice beyond the call that gave it, hold its buffer first and
 *          release it later.
 * Thread:  any, for all functions.
 */
#ifndef TROUPE_CORE_BUFFER_H
#define TROUPE_CORE_BUFFER_H

#include <stddef.h>
#include <troupe/core/declare.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

typedef struct tr_buffer tr_buffer; /* opaque */

typedef struct tr_slice {
    tr_buffer *buffer; /* NULL: the bytes are constant and always valid, or only borrowed for the call */
    const char *data;
    size_t size; /* bytes */
} tr_slice;

/*
 * Makes a buffer with a copy of size bytes, and gives a slice of all of it.
 * Memory:  one hold is the caller's.
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL  out is NULL, or data is NULL with a size
 *          TR_ENOMEM
 */
tr_status tr_slice_copy(const void *data, size_t size, tr_slice *out);

/*
 * Makes a buffer of memory that exists already, and gives a slice of all of it.
 *
 * The last release calls destroy(data), on its thread. destroy may be NULL. It may release other buffers, in chains of
 * any length: such calls nest 16 deep, and what is released deeper is destroyed when they have returned.
 *
 * Memory:  takes data on success; on failure it is still the caller's. One hold is the caller's.
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL  out or data is NULL
 *          TR_ENOMEM
 */
tr_status tr_slice_adopt(void *data, size_t size, void (*destroy)(void *data), tr_slice *out);

/* A slice of bytes that outlive every use, such as a literal. It needs no hold and no release. Thread: any. */
static inline tr_slice
tr_slice_constant(const void *data, size_t size)
{
    tr_slice slice;
    slice.buffer = NULL;
    slice.data = (const char *)data;
    slice.size = size;
    return slice;
}

/* Part of a slice: at most size bytes from offset on. It shares the buffer and adds no hold. Thread: any. */
tr_slice tr_slice_part(tr_slice slice, size_t offset, size_t size);

/* Adds a hold on the slice's buffer. Each hold must be released once. Thread: any. */
void tr_slice_hold(tr_slice slice);

/* Releases one hold; the last release frees the buffer. Thread: any. */
void tr_slice_release(tr_slice slice);

TR_DECLARATIONS_END
#endif
