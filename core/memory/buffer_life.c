#include "buffer_life.h"

#ifndef NDEBUG

#include <inttypes.h>
#include <stdio.h>
#include <troupe/core/activity.h>
#include <troupe/core/mistake.h>
#include <troupe/core/trace_format.h>
#include <uv.h>

#define HEADS_KEPT 4096u

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock;
static void *heads[HEADS_KEPT]; /* under the lock */
static unsigned next;           /* under the lock: the oldest of them */

struct tri_buffer_origin
tri_buffer_origin_here(size_t size)
{
    const struct tri_worker_activity *now = tri_activity_current();
    if (now == NULL || now->name == NULL)
        return (struct tri_buffer_origin){.size = size};
    return (struct tri_buffer_origin){.name = now->name, .actor = now->actor, .tag = now->tag, .size = size};
}

static void
print_origin(char *text, size_t size, const struct tri_buffer_origin *origin)
{
    if (origin->name == NULL)
        snprintf(text, size, "outside of actors");
    else
        snprintf(text, size, "by actor " TRI_TRACE_REF_FORMAT " (%s) in tag %" PRIu32,
                 TRI_TRACE_REF_WORDS(origin->actor), origin->name, origin->tag);
}

void
tri_buffer_check(unsigned holds, const struct tri_buffer_origin *origin, const char *function)
{
    char maker[160];
    if (holds > 0)
        return;
    print_origin(maker, sizeof(maker), origin);
    tri_mistake(
        "%s() on a slice whose buffer was released for the last time before; the buffer of %zu bytes was made %s",
        function, origin->size, maker);
}

static void
init_lock(void)
{
    if (uv_mutex_init(&lock) != 0)
        abort();
}

void
tri_buffer_keep_head(void *head)
{
    uv_once(&once, init_lock);
    uv_mutex_lock(&lock);
    void *oldest = heads[next];
    heads[next] = head;
    next = (next + 1) % HEADS_KEPT;
    uv_mutex_unlock(&lock);
    free(oldest);
}

#endif
