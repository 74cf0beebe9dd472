#include "slots.h"

#include <sys/mman.h>

#define RESERVED UINT32_MAX /* in `next`: taken by a guest */
#define TABLE_BYTES (TRI_REF_SLOTS * sizeof(struct tri_slot))

tr_status
tri_slots_init(struct tri_slots *slots, unsigned worker)
{
    slots->worker = worker;
    slots->made = TRI_SLOT_CHUNK;
    slots->fresh = 1; /* the first chunk is the owner's, without slot 0: so no ref is TR_NOBODY */
    slots->fresh_end = TRI_SLOT_CHUNK;
    slots->table = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slots->table == MAP_FAILED)
        return TR_ENOMEM;
    if (uv_mutex_init(&slots->lock) == 0)
        return TR_OK;
    munmap(slots->table, TABLE_BYTES);
    return TR_ENOMEM;
}

void
tri_slots_fini(struct tri_slots *slots)
{
    munmap(slots->table, TABLE_BYTES);
    uv_mutex_destroy(&slots->lock);
}

/* Sets the next chunk aside. false: all numbers are in use. The lock is held. */
static bool
make_chunk(struct tri_slots *slots, bool for_guests, uint32_t *fresh, uint32_t *fresh_end)
{
    if (slots->made == TRI_REF_SLOTS)
        return false;
    slots->for_guests[slots->made / TRI_SLOT_CHUNK] = for_guests;
    *fresh = slots->made;
    *fresh_end = slots->made += TRI_SLOT_CHUNK;
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

static bool
more_slots(struct tri_slots *slots)
{
    uv_mutex_lock(&slots->lock);
    bool made = make_chunk(slots, false, &slots->fresh, &slots->fresh_end);
    uv_mutex_unlock(&slots->lock);
    return made;
}

tr_status
tri_slots_take(struct tri_slots *slots, tr_ref *out)
{
    if (TRI_LIKELY(slots->free != 0)) {
        *out = name_of(slots, take_free(slots, &slots->free));
        return TR_OK;
    }
    if (slots->fresh == slots->fresh_end && !more_slots(slots))
        return TR_ENOMEM;
    *out = name_of(slots, slots->fresh++);
    return TR_OK;
}

tr_status
tri_slots_reserve(struct tri_slots *slots, tr_ref *out)
{
    tr_status status = TR_OK;
    uv_mutex_lock(&slots->lock);
    if (slots->guests_free != 0)
        *out = name_of(slots, take_free(slots, &slots->guests_free));
    else if (slots->guests_fresh != slots->guests_fresh_end ||
             make_chunk(slots, true, &slots->guests_fresh, &slots->guests_fresh_end))
        *out = name_of(slots, slots->guests_fresh++);
    else
        status = TR_ENOMEM;
    if (status == TR_OK)
        slots->table[tri_ref_slot(*out)].next = RESERVED;
    uv_mutex_unlock(&slots->lock);
    return status;
}

void
tri_slots_give(struct tri_slots *slots, tr_ref ref)
{
    uint32_t index = tri_ref_slot(ref);
    struct tri_slot *slot = &slots->table[index];
    bool guests = slots->for_guests[index / TRI_SLOT_CHUNK];
    if (guests)
        uv_mutex_lock(&slots->lock);
    uint32_t *list = guests ? &slots->guests_free : &slots->free;
    slot->actor = NULL;
    if (++slot->generation < TRI_REF_GENERATIONS) { /* else it is used up: no ref of this slot is ever valid again */
        slot->next = *list;
        *list = index;
    }
    if (guests)
        uv_mutex_unlock(&slots->lock);
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
