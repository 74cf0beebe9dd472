#include "depth.h"
#include <stdlib.h>
#include <string.h>

#include "bad_input.h"

#define FIRST_ROOM 4u

void
depth_fini(struct depth *depth)
{
    free(depth->marks);
}

/* Every second mark goes. The newest stays, so that the distance to the next one is right. */
static void
thin_out(struct depth *depth)
{
    uint32_t kept = 0;
    for (uint32_t i = 1; i < depth->count; i += 2)
        depth->marks[kept++] = depth->marks[i];
    depth->count = kept;
    depth->stride *= 2;
}

static void
make_room(struct depth *depth)
{
    if (depth->first > 0) {
        memmove(depth->marks, depth->marks + depth->first, depth->count * sizeof(*depth->marks));
        depth->first = 0;
    }
    if (depth->count < depth->room)
        return;
    if (depth->room == DEPTH_MARKS) {
        thin_out(depth);
        return;
    }
    depth->room = depth->room > 0 ? depth->room * 2 : FIRST_ROOM;
    depth->marks = must_realloc(depth->marks, depth->room, sizeof(*depth->marks));
}

/* Forgets the receives that were before a send. */
static void
forget_until(struct depth *depth, uint64_t sent)
{
    while (depth->count > 0 && depth->marks[depth->first].timestamp <= sent) {
        depth->before = depth->marks[depth->first].received;
        depth->first++;
        depth->count--;
    }
    if (depth->count > 0)
        return;
    depth->first = 0;
    depth->stride = 1;
}

static void
add_mark(struct depth *depth, uint64_t timestamp)
{
    uint64_t last = depth->count > 0 ? depth->marks[depth->first + depth->count - 1].received : depth->before;
    if (depth->count > 0 && depth->received - last < depth->stride)
        return;
    if (depth->first + depth->count == depth->room)
        make_room(depth);
    depth->marks[depth->first + depth->count++] = (struct depth_mark){timestamp, depth->received};
}

uint64_t
depth_note(struct depth *depth, uint64_t sent, uint64_t received)
{
    forget_until(depth, sent);
    depth->received++;
    add_mark(depth, received);
    return depth->received - depth->before;
}
