/*
 * Slots: where a worker looks up its actors by name.
 *
 * A slot holds an actor and the generation that is valid now; a ref of another generation names no actor. The table is
 * one stretch of address space with room for every slot that a ref can name, so a look-up is one load and no ref is out
 * of range; the system gives it memory, zeroed, page by page as slots come into use. Core files have those, not all.
 *
 * The owner takes and gives slots without a lock. Others, who spawn here, need a name at once: they take slots under
 * the lock. Slots are of one kind and change hands: all come back to the owner, who keeps up to two chains of CHUNK
 * slots and lays what is more on a pile under the lock, from which guests take, and the owner itself when it has none.
 * So each of them finds a slot as long as more than two chains are free.
 *
 * Beside each slot stands whether its actor is crowded (mailbox.h), and whether it mutes its senders then (mute.c), in
 * a table of its own: senders of other workers read it, and their reading costs the owner nothing but when it changes.
 * Two more tables say what it has done (ledger.h).
 */
#ifndef TROUPE_ACTORS_SLOTS_H
#define TROUPE_ACTORS_SLOTS_H

#include "ref.h"

#include <ck_pr.h>
#include <stdalign.h>
#include <stdbool.h>
#include <troupe/core/compiler.h>
#include <troupe/core/status.h>
#include <uv.h>

#define TRI_SLOT_CHUNK 1024u

struct tr_actor;

struct tri_slot {
    struct tr_actor *actor; /* NULL: free, or taken by a guest whose actor is on its way */
    uint32_t generation;
    union {
        uint32_t next; /* in a free list: the next one, 0 at its end (slot 0 is never used). slots.c knows one more */
        uint32_t born; /* of an actor that lives: ledger.h */
    };
};

/* What few actors have: ledger.h. */
struct tri_ledger_more {
    uint32_t generation; /* whose the high halves are */
    uint32_t handled, busy;
    uint32_t waiting_lines; /* of a limited mailbox: what waits, in lines of 64 bytes */
};

struct tri_slots {
    /* Constant. */
    unsigned worker;
    struct tri_slot *table;
    uint8_t *crowded; /* by slot, bits; owner writes, any thread reads */
    uint64_t *waits;  /* by slot: whom its actor has asked and waits for, TR_NOBODY: nobody; likewise */
    uint32_t *pile;   /* under the lock: chains of free slots, each of CHUNK or more */

    /* Owner. */
    uint16_t *busy;               /* by slot: the time of its actor, in units of 1,024 ticks; its low half */
    struct tri_ledger_more *more; /* by slot */
    uint32_t free, free_count;    /* a chain, and how many at least are in it */
    uint32_t spare;               /* a chain of CHUNK or more, or 0 */
    uint32_t fresh, fresh_end;    /* of the newest chunk: never used yet */

    /* Any thread, under the lock; apart from what the owner reads with each message. */
    alignas(TRI_CACHE_PAIR) uv_mutex_t lock;
    uint32_t made;     /* slots that belong to a chunk */
    uint32_t in_cores; /* these and some more: a core file has so many */
    uint32_t piled;
    uint32_t guests_free;
    uint32_t guests_fresh, guests_fresh_end;
};

tr_status tri_slots_init(struct tri_slots *slots, unsigned worker);
void tri_slots_fini(struct tri_slots *slots);

/* Takes a slot; gives the ref that names it. TR_OK, TR_ENOMEM. Thread: owner. */
tr_status tri_slots_take(struct tri_slots *slots, tr_ref *out);

/* The same for an actor that another thread spawns here. Until it comes, tri_slots_expected() is true. Thread: any. */
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

#define TRI_SLOT_CROWDED 1u
#define TRI_SLOT_MUTES 2u /* as long as the actor lives */

/* What stands beside the slot that ref names. Of a name that is stale it says something about another. Thread: any. */
static inline uint8_t
tri_slots_shown(const struct tri_slots *slots, tr_ref ref)
{
    return ck_pr_load_8(&slots->crowded[tri_ref_slot(ref)]);
}

/* Thread: owner. */
static inline void
tri_slots_show(struct tri_slots *slots, tr_ref ref, uint8_t shown)
{
    uint8_t *place = &slots->crowded[tri_ref_slot(ref)];
    if (TRI_UNLIKELY(*place != shown))
        ck_pr_store_8(place, shown);
}

/* Is the actor that ref names crowded? Thread: any. */
static inline bool
tri_slots_crowded(const struct tri_slots *slots, tr_ref ref)
{
    return (tri_slots_shown(slots, ref) & TRI_SLOT_CROWDED) != 0;
}

/* Thread: owner. */
static inline void
tri_slots_crowd(struct tri_slots *slots, tr_ref ref, bool crowded)
{
    uint8_t mutes = tri_slots_shown(slots, ref) & TRI_SLOT_MUTES;
    tri_slots_show(slots, ref, mutes | (crowded ? TRI_SLOT_CROWDED : 0));
}

/* Whom the actor that ref names waits for. Of a name that is stale it says something about another. Thread: any. */
static inline tr_ref
tri_slots_waits_for(const struct tri_slots *slots, tr_ref ref)
{
    return ck_pr_load_64(&slots->waits[tri_ref_slot(ref)]);
}

/* Thread: owner. */
static inline void
tri_slots_wait(struct tri_slots *slots, tr_ref ref, tr_ref asked)
{
    ck_pr_store_64(&slots->waits[tri_ref_slot(ref)], asked);
}

/* Was this ref reserved by somebody whose actor has not come yet? Thread: owner. */
bool tri_slots_expected(struct tri_slots *slots, tr_ref ref);

/* How many slots have ever been in use: those beyond are empty. Thread: any. */
uint32_t tri_slots_made(struct tri_slots *slots);

#endif
