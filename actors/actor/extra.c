#include "extra.h"

#include <stdlib.h>
#include <string.h>
#include <troupe/actors/failure.h>
#include <troupe/core/refcount.h>

#define ARENA_BLOCK 4096u /* bytes of the first block; each next one is twice as large, up to ARENA_MOST */
#define ARENA_MOST 262144u

struct tri_arena_block {
    struct tri_arena_block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char bytes[];
};

void
tri_text_hold(struct tri_text *text)
{
    if (text != NULL)
        tri_refcount_hold(&text->holds);
}

void
tri_text_release(struct tri_text *text)
{
    if (text != NULL && tri_refcount_release(&text->holds))
        free(text);
}

static void
free_arena(struct tri_arena_block *block)
{
    while (block != NULL) {
        struct tri_arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void
tri_extra_end(struct tri_attachment *attachment, const struct tri_death *death)
{
    struct tri_extra *extra = (struct tri_extra *)attachment;
    tri_attachments_end(&extra->waiters, death);
    tri_attachments_end(&extra->unsure, death);
    tri_detach(attachment);
    tri_text_release(extra->failure.text);
    free_arena(extra->arena);
    free(extra);
}

struct tri_extra *
tri_extra_make(tr_actor *actor)
{
    struct tri_extra *extra = tri_extra_of(actor);
    if (extra != NULL)
        return extra;
    extra = calloc(1, sizeof(*extra));
    if (extra == NULL)
        return NULL;
    extra->attachment.end = tri_extra_end;
    tri_attach(&actor->attachments, &extra->attachment);
    return extra;
}

void
tri_actor_end_attachments(tr_actor *actor, const struct tri_death *death)
{
    struct tri_extra *extra = tri_extra_of(actor);
    tri_attachments_end(extra != NULL ? &extra->attachment.next : &actor->attachments, death);
    tri_attachments_end(&actor->attachments, death);
}

void
tri_actor_set_failure(tr_actor *actor, tr_status status, struct tri_text *text)
{
    struct tri_extra *extra = tri_extra_make(actor);
    if (extra == NULL || extra->failed)
        return;
    extra->failed = true;
    extra->failure.status = status;
    extra->failure.text = text;
    tri_text_hold(text);
}

/* Memory of an actor's own. */

static struct tri_arena_block *
add_block(struct tri_extra *extra, size_t bytes)
{
    struct tri_arena_block *first = extra->arena;
    size_t size = first == NULL ? ARENA_BLOCK : first->size < ARENA_MOST ? first->size * 2 : ARENA_MOST;
    if (size < bytes)
        size = bytes;
    struct tri_arena_block *block = malloc(sizeof(*block) + size);
    if (block == NULL)
        return NULL;
    block->next = first;
    block->used = 0;
    block->size = size;
    extra->arena = block;
    return block;
}

void *
tr_alloc(tr_actor *self, size_t size)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || size == 0 || size > TRI_STATE_LIMIT || (self->flags & TRI_ACTOR_GONE) != 0)
        return NULL;
    struct tri_extra *extra = tri_extra_make(self);
    if (extra == NULL)
        return NULL;
    size_t bytes = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    struct tri_arena_block *block = extra->arena;
    if (block == NULL || block->size - block->used < bytes)
        block = add_block(extra, bytes);
    if (block == NULL)
        return NULL;
    void *memory = block->bytes + block->used;
    block->used += bytes;
    return memset(memory, 0, size);
}
