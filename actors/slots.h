/*
 * Slots: where a worker looks up its actors by name.
 *
 * A slot holds an actor and the generation that is valid now; a ref of another generation finds nobody. The table is one
 * stretch of address space with room for every slot that a ref can name, so a look-up is one load and no ref is out of
 * range; the system gives it memory, zeroed, page by page as slots come into use.
 *
 * The owner takes and gives slots without locks. Others, who spawn here, need a name at once: they take slots from
 * chunks set aside for guests, under a lock. A slot goes back to the list that it came from.
 */
#ifndef TROUPE_ACTORS_SLOTS_H
#define TROUPE_ACTORS_SLOTS_H

#include "ref.h"

#include <stdbool.h>
#include <troupe/core/order.h>
#include <troupe/core/status.h>
#include <uv.h>

#define TRI_SLOT_CHUNK 1024u

struct tr_actor;

struct tri_slot {
    struct tr_actor *actor; /* NULL: free, or taken by a guest whose actor is on its way */
    uint32_t generation;
    uint32_t next; /* in a free list: the next free slot, 0 at its end (slot 0 is never used). slots.c knows one more */
};

struct tri_slots {
    /* Constant. */
    unsigned worker;
    struct tri_slot *table;

    /* Owner. */
    uint32_t free;
    uint32_t fresh, fresh_end; /* of the newest chunk: never used yet */

    /* Any thread, under the lock. */
    uv_mutex_t lock;
    uint32_t made; /* slots that belong to a chunk */
    uint32_t guests_free;
    uint32_t guests_fresh, guests_fresh_end;
    bool for_guests[TRI_REF_SLOTS / TRI_SLOT_CHUNK]; /* a chunk's is constant once one of its slots is in use */
};

tr_status tri_slots_init(struct tri_slots *slots, unsigned worker);
void tri_slots_fini(struct tri_slots *slots);

/* Takes a slot; gives the ref that names it. TR_OK, TR_ENOMEM. Thread: owner. */
tr_status tri_slots_take(struct tri_slots *slots, tr_ref *out);

/* The same for an actor that shall live here. Until it comes, tri_slots_expected() is true. Thread: any. */
tr_status tri_slots_reserve(struct tri_slots *slots, tr_ref *out);

/* Ends the generation of a slot that was taken or reserved. Thread: owner. */
void tri_slots_give(struct tri_slots *slots, tr_ref ref);

/* The slot that ref means, in whatever generation it is now. Thread: owner. */
static inline struct tri_slot *
tri_slots_at(const struct tri_slots *slots, tr_ref ref)
{
    return &slots->table[tri_ref_slot(ref)];
}

/* The actor that ref names, NULL if it is gone or not there yet. Thread: owner. */
static inline struct tr_actor *
tri_slots_find(const struct tri_slots *slots, tr_ref ref)
{
    struct tri_slot *slot = tri_slots_at(slots, ref);
    return TRI_LIKELY(slot->generation == tri_ref_generation(ref)) ? slot->actor : NULL;
}

/* Was this ref reserved by somebody whose actor has not come yet? Thread: owner. */
bool tri_slots_expected(struct tri_slots *slots, tr_ref ref);

/* How many slots have ever been in use: those beyond are empty. Thread: any. */
uint32_t tri_slots_made(struct tri_slots *slots);

#endif
