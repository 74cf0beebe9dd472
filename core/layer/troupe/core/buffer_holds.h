/*
 * What the layers may know of a buffer's holds.
 */
#ifndef TROUPE_CORE_BUFFER_HOLDS_H
#define TROUPE_CORE_BUFFER_HOLDS_H

#include <stdbool.h>
#include <troupe/core/buffer.h>

/*
 * Is the caller's hold on the slice's buffer the only one? Then nobody else reads the bytes any more, and nobody can
 * begin to: the caller may write them anew. Thread: any.
 */
bool tri_slice_is_sole(tr_slice slice);

#endif
