#include "held.h"

#include <stdlib.h>
#include <troupe/core/descriptors.h>

static bool
append(struct tri_held *held, tr_slice slice, int fd)
{
    struct tri_held_read *read = malloc(sizeof(*read));
    if (read == NULL)
        return false;
    *read = (struct tri_held_read){.slice = slice, .fd = fd};
    if (held->first == NULL)
        held->first = read;
    else
        held->last->next = read;
    held->last = read;
    held->bytes += slice.size;
    held->reads++;
    return true;
}

bool
tri_held_bytes(struct tri_held *held, tr_slice slice)
{
    if (!append(held, slice, -1))
        return false;
    tr_slice_hold(slice);
    return true;
}

bool
tri_held_descriptor(struct tri_held *held, int fd)
{
    return append(held, tr_slice_constant("", 0), fd);
}

int
tri_held_take(struct tri_held *held, tr_slice *out)
{
    struct tri_held_read *read = held->first;
    int fd = read->fd;
    *out = read->slice;
    held->first = read->next;
    held->bytes -= read->slice.size;
    held->reads--;
    free(read);
    return fd;
}

void
tri_held_drop(struct tri_held *held)
{
    while (held->first != NULL) {
        tr_slice slice;
        int fd = tri_held_take(held, &slice);
        if (fd >= 0)
            tri_close(fd);
        tr_slice_release(slice);
    }
    *held = (struct tri_held){0};
}
