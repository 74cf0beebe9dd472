/*
 * What the layers may know of a buffer's holds.
 */
#ifndef TROUPE_CORE_BUFFER_HOLDS_H
#define TROUPE_CORE_BUFFER_HOLDS_H

#include <stdbool.h>
#include <troupe/core/buffer.h>

#define TRI_KEEP_COPY_BYTES 32768u /* more is not copied to keep it; half of what one read brings */

/*
 * Is the caller's hold on the slice's buffer the only one? Then nobody else reads the bytes any more, and nobody can
 * begin to: the caller may write them again. Thread: any.
 */
bool tri_slice_is_sole(tr_slice slice);

/* The bytes that a hold on the slice keeps in memory: those of its buffer. 0 without a buffer. Thread: any. */
size_t tri_slice_whole(tr_slice slice);

/* Sets that for a buffer whose memory is used again. Thread: any that has the only hold. */
void tri_slice_set_whole(tr_slice slice, size_t size);

/* Adds so many holds at once. Thread: any. */
void tri_slice_hold_more(tr_slice slice, unsigned more);

/*
 * As tr_slice_adopt(), but its bytes do not count for the level: they are part of something that is counted, or of what
 * a worker has once.
 */
tr_status tri_slice_wrap(void *data, size_t size, void (*destroy)(void *data), tr_slice *out);

/* The buffer counts for the level from now on, with so many bytes; it did not. Thread: any that has a hold. */
void tri_slice_count(tr_slice slice, size_t bytes);

/* Was its buffer made while some runtime was at its memory limit? Thread: any that has a hold. */
bool tri_slice_is_new_at_limit(tr_slice slice);

/*
 * Keeps a slice beyond the call that gave it: by a hold, or, where that would keep more than twice its bytes in memory,
 * as a copy if the slice has at most TRI_KEEP_COPY_BYTES. The caller owns one hold of *out. Thread: any. Returns TR_OK,
 * TR_ENOMEM.
 */
tr_status tri_slice_keep(tr_slice slice, tr_slice *out);

#endif
