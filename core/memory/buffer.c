/*
 * Buffers: a count of holds, and bytes that lie behind it or elsewhere.
 *
 * A copy is one allocation, head and bytes together; memory that is adopted keeps its place and its own destructor. The
 * bytes are written before anybody else knows the buffer and never after, so readers need no order but the one that
 * brought them the slice. Only the end needs one, which refcount.h has.
 */
#include "buffer_life.h"
#include "destroy.h"

#include <ck_pr.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/buffer.h>
#include <troupe/core/buffer_holds.h>
#include <troupe/core/level.h>
#include <troupe/core/refcount.h>

/* `counted`: lines of 64 bytes, 0 if it does not count, and whether a limit was reached when it was made. */
#define LINES (UINT32_MAX >> 1)
#define NEW_AT_LIMIT (LINES + 1)

struct tr_buffer {
    /* Any thread. */
    unsigned holds;

    /* Written before others know of the end: of what is read in parts, with a hold. */
    uint32_t counted;

    /* Constant. */
    TRI_BUFFER_ORIGIN
    void *adopted; /* NULL: nothing is to be destroyed */
    void (*destroy)(void *data);

    /* The thread that has the only hold. */
    size_t size;

    char bytes[]; /* of a copy */
};

/* The level. */

/* How a buffer of that size counts that is made now. */
static uint32_t
lines_of(size_t size)
{
    size_t lines = (size + sizeof(tr_buffer) + TRI_CACHE_LINE - 1) / TRI_CACHE_LINE;
    return lines < LINES ? (uint32_t)lines : LINES;
}

TRI_NOINLINE static void
count(tr_buffer *buffer, size_t size)
{
    uint32_t lines = lines_of(size);
    ck_pr_store_32(&buffer->counted, lines | (tri_level_is_reached() ? NEW_AT_LIMIT : 0));
    tri_level_add((int64_t)lines * TRI_CACHE_LINE);
}

void
tri_slice_count(tr_slice slice, size_t bytes)
{
    if (tri_level_is_watched())
        count(slice.buffer, bytes);
}

bool
tri_slice_is_new_at_limit(tr_slice slice)
{
    return slice.buffer != NULL && (ck_pr_load_32(&slice.buffer->counted) & NEW_AT_LIMIT) != 0;
}

/* Making. */

#ifdef NDEBUG
tr_status
tr_slice_copy(const void *data, size_t size, tr_slice *out)
{
    if (out == NULL || (data == NULL && size > 0))
        return TR_EINVAL;
    if (size > SIZE_MAX - sizeof(tr_buffer))
        return TR_ENOMEM;
    tr_buffer *buffer = malloc(sizeof(*buffer) + size);
    if (buffer == NULL)
        return TR_ENOMEM;
    buffer->holds = 1;
    buffer->adopted = NULL;
    buffer->destroy = NULL;
    buffer->size = size;
    buffer->counted = 0;
    if (tri_level_is_watched())
        count(buffer, size);
    if (size > 0)
        memcpy(buffer->bytes, data, size);
    *out = (tr_slice){.buffer = buffer, .data = buffer->bytes, .size = size};
    return TR_OK;
}
#else
/* The bytes lie apart: they go with the last release, and only the head is kept (buffer_life.h). */
tr_status
tr_slice_copy(const void *data, size_t size, tr_slice *out)
{
    if (out == NULL || (data == NULL && size > 0))
        return TR_EINVAL;
    void *bytes = malloc(size > 0 ? size : 1);
    if (bytes == NULL)
        return TR_ENOMEM;
    if (size > 0)
        memcpy(bytes, data, size);
    tr_status status = tr_slice_adopt(bytes, size, free, out);
    if (status != TR_OK)
        free(bytes);
    return status;
}
#endif

tr_status
tr_slice_adopt(void *data, size_t size, void (*destroy)(void *data), tr_slice *out)
{
    tr_status status = tri_slice_wrap(data, size, destroy, out);
    if (status == TR_OK && tri_level_is_watched())
        count(out->buffer, size);
    return status;
}

tr_status
tri_slice_wrap(void *data, size_t size, void (*destroy)(void *data), tr_slice *out)
{
    if (out == NULL || data == NULL)
        return TR_EINVAL;
    tr_buffer *buffer = malloc(sizeof(*buffer));
    if (buffer == NULL)
        return TR_ENOMEM;
    buffer->holds = 1;
    buffer->adopted = data;
    buffer->destroy = destroy;
    TRI_BUFFER_BORN(buffer, size);
    buffer->size = size;
    buffer->counted = 0;
    *out = (tr_slice){.buffer = buffer, .data = data, .size = size};
    return TR_OK;
}

tr_slice
tr_slice_part(tr_slice slice, size_t offset, size_t size)
{
    if (offset > slice.size)
        offset = slice.size;
    if (size > slice.size - offset)
        size = slice.size - offset;
    if (offset > 0)
        slice.data += offset;
    slice.size = size;
    return slice;
}

void
tr_slice_hold(tr_slice slice)
{
    if (slice.buffer == NULL)
        return;
    TRI_BUFFER_CHECK(slice.buffer, __func__);
    tri_refcount_hold(&slice.buffer->holds);
}

void
tri_slice_hold_more(tr_slice slice, unsigned more)
{
    if (slice.buffer == NULL)
        return;
    TRI_BUFFER_CHECK(slice.buffer, __func__);
    tri_refcount_hold_more(&slice.buffer->holds, more);
}

static void
buffer_free(tr_buffer *buffer)
{
    uint32_t lines = ck_pr_load_32(&buffer->counted) & LINES;
    if (buffer->destroy != NULL)
        tri_destroy(buffer->destroy, buffer->adopted);
    TRI_BUFFER_FREE(buffer);
    if (TRI_UNLIKELY(lines != 0))
        tri_level_add(-(int64_t)lines * TRI_CACHE_LINE);
}

void
tr_slice_release(tr_slice slice)
{
    tr_buffer *buffer = slice.buffer;
    if (buffer == NULL)
        return;
    TRI_BUFFER_CHECK(buffer, __func__);
    if (tri_refcount_release(&buffer->holds))
        buffer_free(buffer);
}

bool
tri_slice_is_sole(tr_slice slice)
{
    return tri_refcount_is_sole(&slice.buffer->holds);
}

size_t
tri_slice_whole(tr_slice slice)
{
    return slice.buffer != NULL ? slice.buffer->size : 0;
}

void
tri_slice_set_whole(tr_slice slice, size_t size)
{
    slice.buffer->size = size;
}

tr_status
tri_slice_keep(tr_slice slice, tr_slice *out)
{
    if (slice.size <= TRI_KEEP_COPY_BYTES && slice.size < tri_slice_whole(slice) / 2)
        return tr_slice_copy(slice.data, slice.size, out);
    tr_slice_hold(slice);
    *out = slice;
    return TR_OK;
}
