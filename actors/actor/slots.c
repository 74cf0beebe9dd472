#include "slots.h"

#include <assert.h>
#include <troupe/core/pages.h>

#define RESERVED UINT32_MAX /* in `next`: taken by a guest */
#define TABLE_BYTES (TRI_REF_SLOTS * sizeof(struct tri_slot))
#define CROWDED_BYTES (TRI_REF_SLOTS * sizeof(uint8_t))
#define PILE_BYTES (TRI_REF_SLOTS / TRI_SLOT_CHUNK * sizeof(uint32_t))
#define WAITS_BYTES (TRI_REF_SLOTS * sizeof(uint64_t))
#define BUSY_BYTES (TRI_REF_SLOTS * sizeof(uint16_t))
#define MORE_BYTES (TRI_REF_SLOTS * sizeof(struct tri_ledger_more))
#define ALL_BYTES (TABLE_BYTES + MORE_BYTES + WAITS_BYTES + BUSY_BYTES + PILE_BYTES + CROWDED_BYTES)
#define FIRST_IN_CORES (4u * TRI_SLOT_CHUNK)

/* A core file of the process is to have the first slots, so many of them. */
static void
take_in(struct tri_slots *slots, uint32_t count)
{
    slots->in_cores = count;
    tri_pages_take_in(slots->table, count * sizeof(slots->table[0]));
    tri_pages_take_in(slots->more, count * sizeof(slots->more[0]));
    tri_pages_take_in(slots->waits, count * sizeof(slots->waits[0]));
    tri_pages_take_in(slots->busy, count * sizeof(slots->busy[0]));
    tri_pages_take_in(slots->crowded, count * sizeof(slots->crowded[0]));
    tri_pages_take_in(slots->pile, PILE_BYTES);
}

tr_status
tri_slots_init(struct tri_slots *slots, unsigned worker)
{
    slots->worker = worker;
    slots->made = TRI_SLOT_CHUNK;
    slots->fresh = 1; /* the first chunk is the owner's, without slot 0: so no ref is TR_NOBODY */
    slots->fresh_end = TRI_SLOT_CHUNK;
    slots->table = tri_pages_new(ALL_BYTES);
    if (slots->table == NULL)
        return TR_ENOMEM;
    slots->more = (struct tri_ledger_more *)(slots->table + TRI_REF_SLOTS);
    slots->waits = (uint64_t *)(slots->more + TRI_REF_SLOTS);
    slots->busy = (uint16_t *)(slots->waits + TRI_REF_SLOTS);
    slots->pile = (uint32_t *)(slots->busy + TRI_REF_SLOTS);
    slots->crowded = (uint8_t *)(slots->pile + TRI_REF_SLOTS / TRI_SLOT_CHUNK);
    tri_pages_leave_out(slots->table, ALL_BYTES);
    take_in(slots, FIRST_IN_CORES);
    if (uv_mutex_init(&slots->lock) == 0)
        return TR_OK;
    tri_pages_free(slots->table, ALL_BYTES);
    return TR_ENOMEM;
}

/* The owner's chains hold free slots only, and as many as they must. Debug builds call it. */
static void
check_chain(const struct tri_slots *slots, uint32_t first, uint32_t at_least)
{
#ifndef NDEBUG
    uint32_t count = 0;
    for (uint32_t slot = first; slot != 0; slot = slots->table[slot].next) {
        assert(slot < slots->made && slots->table[slot].actor == NULL && count < slots->made);
        count++;
    }
    assert(count >= at_least);
#else
    (void)slots;
    (void)first;
    (void)at_least;
#endif
}

void
tri_slots_fini(struct tri_slots *slots)
{
    check_chain(slots, slots->free, slots->free_count);
    check_chain(slots, slots->spare, slots->spare != 0 ? TRI_SLOT_CHUNK : 0);
    tri_pages_free(slots->table, ALL_BYTES);
    uv_mutex_destroy(&slots->lock);
}

/* Sets the next chunk aside. false: all numbers are in use. The lock is held. */
static bool
make_chunk(struct tri_slots *slots, uint32_t *fresh, uint32_t *fresh_end)
{
    if (slots->made == TRI_REF_SLOTS)
        return false;
    *fresh = slots->made;
    *fresh_end = slots->made += TRI_SLOT_CHUNK;
    if (slots->made > slots->in_cores)
        take_in(slots, slots->in_cores * 2);
    return true;
}

static tr_ref
name_of(const struct tri_slots *slots, uint32_t slot)
{
    return tri_ref_of(slots->worker, slot, slots->table[slot].generation);
}

static uint32_t
take_free(struct tri_slots *slots, uint32_t *list)
{
    uint32_t slot = *list;
    *list = slots->table[slot].next;
    return slot;
}

/* The owner has none left: a chain of the pile, a chunk, or what guests have left over. The lock is held. */
static bool
take_over(struct tri_slots *slots)
{
    if (slots->piled > 0) {
        slots->free = slots->pile[--slots->piled];
        slots->free_count = TRI_SLOT_CHUNK;
        return true;
    }
    if (make_chunk(slots, &slots->fresh, &slots->fresh_end))
        return true;
    slots->free = slots->guests_free;
    slots->fresh = slots->guests_fresh;
    slots->fresh_end = slots->guests_fresh_end;
    slots->guests_free = slots->guests_fresh = slots->guests_fresh_end = 0;
    return slots->free != 0 || slots->fresh != slots->fresh_end;
}

static bool
more_slots(struct tri_slots *slots)
{
    if (slots->spare != 0) {
        slots->free = slots->spare;
        slots->free_count = TRI_SLOT_CHUNK;
        slots->spare = 0;
        return true;
    }
    if (slots->fresh != slots->fresh_end)
        return true;
    uv_mutex_lock(&slots->lock);
    bool more = take_over(slots);
    uv_mutex_unlock(&slots->lock);
    return more;
}

tr_status
tri_slots_take(struct tri_slots *slots, tr_ref *out)
{
    if (TRI_UNLIKELY(slots->free == 0) && !more_slots(slots))
        return TR_ENOMEM;
    if (TRI_UNLIKELY(slots->free == 0)) {
        *out = name_of(slots, slots->fresh++);
        return TR_OK;
    }
    *out = name_of(slots, take_free(slots, &slots->free));
    slots->free_count -= slots->free_count > 0;
    return TR_OK;
}

tr_status
tri_slots_reserve(struct tri_slots *slots, tr_ref *out)
{
    tr_status status = TR_OK;
    uv_mutex_lock(&slots->lock);
    if (slots->guests_free == 0 && slots->piled > 0)
        slots->guests_free = slots->pile[--slots->piled];
    if (slots->guests_free != 0)
        *out = name_of(slots, take_free(slots, &slots->guests_free));
    else if (slots->guests_fresh != slots->guests_fresh_end ||
             make_chunk(slots, &slots->guests_fresh, &slots->guests_fresh_end))
        *out = name_of(slots, slots->guests_fresh++);
    else
        status = TR_ENOMEM;
    if (status == TR_OK)
        slots->table[tri_ref_slot(*out)].next = RESERVED;
    uv_mutex_unlock(&slots->lock);
    return status;
}

/* The owner's chain is full: it is the spare one now, and the one that was goes onto the pile. */
static void
put_by(struct tri_slots *slots)
{
    if (slots->spare != 0) {
        uv_mutex_lock(&slots->lock);
        slots->pile[slots->piled++] = slots->spare;
        uv_mutex_unlock(&slots->lock);
    }
    slots->spare = slots->free;
    slots->free = slots->free_count = 0;
}

void
tri_slots_give(struct tri_slots *slots, tr_ref ref)
{
    uint32_t index = tri_ref_slot(ref);
    struct tri_slot *slot = &slots->table[index];
    tri_slots_show(slots, ref, 0);
    slot->actor = NULL;
    if (++slot->generation == TRI_REF_GENERATIONS)
        return; /* it is used up: no ref of this slot is ever valid again */
    slot->next = slots->free;
    slots->free = index;
    if (TRI_UNLIKELY(++slots->free_count == TRI_SLOT_CHUNK))
        put_by(slots);
}

bool
tri_slots_expected(struct tri_slots *slots, tr_ref ref)
{
    struct tri_slot *slot = tri_slots_at(slots, ref);
    if (slot->actor != NULL || slot->generation != tri_ref_generation(ref))
        return false;
    uv_mutex_lock(&slots->lock);
    bool expected = slot->next == RESERVED;
    uv_mutex_unlock(&slots->lock);
    return expected;
}

uint32_t
tri_slots_made(struct tri_slots *slots)
{
    uv_mutex_lock(&slots->lock);
    uint32_t made = slots->made;
    uv_mutex_unlock(&slots->lock);
    return made;
}
