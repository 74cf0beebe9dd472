/*
 * What a worker has once.
 *
 * A hash table on each worker leads from the address of a kind to its state: a multiplication, and one load if nothing
 * collides. It holds what is open and nothing else, so nothing ever leaves it; it is at most half full, so a look-up
 * for one that is not there ends soon.
 *
 * Opening may open further kinds. Those that are being opened stand in a list, in which one that asks for itself is
 * found, and the table has room for all of them before the first is opened: when open has succeeded nothing can fail.
 */
#include "local.h"

#include "actor_internal.h"

#include <stdlib.h>
#include <troupe/actors/local.h>

#define LOG_OF_FIRST_SIZE 3u

struct tri_local {
    const struct tr_local_kind *kind;
    struct tri_local *next; /* of the worker's lists */
    alignas(max_align_t) unsigned char state[];
};

struct tri_local_place {
    const struct tr_local_kind *kind; /* NULL: the place is free */
    void *state;
};

static uint32_t
size_of(const struct tri_locals *locals)
{
    return locals->table != NULL ? UINT32_C(1) << (64 - locals->shift) : 0;
}

/* The place of the kind, or the free one where it belongs. There is a table. */
static struct tri_local_place *
place_of(const struct tri_locals *locals, const struct tr_local_kind *kind)
{
    uint32_t mask = size_of(locals) - 1;
    uint32_t i = (uint32_t)((uintptr_t)kind * UINT64_C(0x9e3779b97f4a7c15) >> locals->shift);
    while (locals->table[i].kind != kind && locals->table[i].kind != NULL)
        i = (i + 1) & mask;
    return &locals->table[i];
}

static void *
find(const struct tri_locals *locals, const struct tr_local_kind *kind)
{
    return TRI_LIKELY(locals->table != NULL) ? place_of(locals, kind)->state : NULL;
}

static tr_status
grow(struct tri_locals *locals)
{
    struct tri_locals larger = *locals;
    larger.shift = locals->table != NULL ? locals->shift - 1 : 64 - LOG_OF_FIRST_SIZE;
    larger.table = calloc((size_t)1 << (64 - larger.shift), sizeof(*larger.table));
    if (larger.table == NULL)
        return TR_ENOMEM;
    for (uint32_t i = 0; i < size_of(locals); i++)
        if (locals->table[i].kind != NULL)
            *place_of(&larger, locals->table[i].kind) = locals->table[i];
    free(locals->table);
    *locals = larger;
    return TR_OK;
}

/* Room for one more, and for all that are being opened. */
static tr_status
make_room(struct tri_locals *locals)
{
    uint32_t needed = locals->count + 1;
    for (const struct tri_local *local = locals->opening; local != NULL; local = local->next)
        needed++;
    return needed * 2 > size_of(locals) ? grow(locals) : TR_OK;
}

static bool
is_being_opened(const struct tri_locals *locals, const struct tr_local_kind *kind)
{
    const struct tri_local *local = locals->opening;
    while (local != NULL && local->kind != kind)
        local = local->next;
    return local != NULL;
}

static tr_status
check(const struct tri_locals *locals, const struct tr_local_kind *kind)
{
    if (kind->name == NULL || kind->name[0] == '\0')
        return TR_ENONAME;
    if (kind->size > TRI_STATE_LIMIT)
        return TR_EBADSTATE;
    return is_being_opened(locals, kind) ? TR_EBUSY : TR_OK;
}

static tr_status
call_open(struct tri_locals *locals, struct tri_local *local, tr_actor *self)
{
    if (local->kind->open == NULL)
        return TR_OK;
    local->next = locals->opening;
    locals->opening = local;
    tr_status status = local->kind->open(local->state, self);
    locals->opening = local->next;
    return status;
}

static void
add(struct tri_locals *locals, struct tri_local *local)
{
    *place_of(locals, local->kind) = (struct tri_local_place){local->kind, local->state};
    locals->count++;
    local->next = locals->latest;
    locals->latest = local;
}

TRI_NOINLINE static tr_status
open_kind(tr_actor *self, const struct tr_local_kind *kind, void **out)
{
    struct tri_locals *locals = &self->home->locals;
    tr_status status = check(locals, kind);
    if (status == TR_OK)
        status = make_room(locals);
    if (status != TR_OK)
        return status;
    struct tri_local *local = calloc(1, sizeof(*local) + kind->size);
    if (local == NULL)
        return TR_ENOMEM;
    local->kind = kind;
    status = call_open(locals, local, self);
    if (status != TR_OK) {
        free(local);
        return status;
    }
    add(locals, local);
    *out = local->state;
    return TR_OK;
}

tr_status
tr_local_open(tr_actor *self, const struct tr_local_kind *kind, void **out)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || kind == NULL || out == NULL)
        return TR_EINVAL;
    void *state = find(&self->home->locals, kind);
    if (TRI_UNLIKELY(state == NULL))
        return open_kind(self, kind, out);
    *out = state;
    return TR_OK;
}

void *
tr_local(tr_actor *self, const struct tr_local_kind *kind)
{
    TRI_CHECK_SELF(self);
    void *state;
    return tr_local_open(self, kind, &state) == TR_OK ? state : NULL;
}

/* The watchdog names the kind if this takes long. */
static void
call_close(struct tri_worker *worker, struct tri_local *local)
{
    if (local->kind->close == NULL)
        return;
    tri_actor_restore(&worker->activity, (struct tri_actor_frame){.name = local->kind->name});
    local->kind->close(local->state);
    tri_actor_restore(&worker->activity, (struct tri_actor_frame){0});
}

void
tri_locals_close(struct tri_actors *home)
{
    struct tri_locals *locals = &home->locals;
    for (struct tri_local *local; (local = locals->latest) != NULL;) {
        locals->latest = local->next;
        call_close(home->worker, local);
        free(local);
    }
    free(locals->table);
    *locals = (struct tri_locals){0};
}
