/*
 * What an actor has done, for those who inspect it: messages handled, time spent, when it was born.
 *
 * The low half of the messages stands in the actor, where dispatch writes anyway, and its birth in its slot, which is
 * written then. All else stands beside the slot in two tables of which the system gives a page when somebody writes to
 * it; nobody has to clear them, and who has nothing there touches no page of them. One has the time of those that ran
 * last before a look: a bit beside the birth says that the number is this actor's. In the other are numbers that few
 * actors have: the high halves, and what a limited mailbox weighs. They hold for the generation that they name.
 *
 * The time comes from the looks at the clock that dispatch takes anyway: what passed between two looks counts for the
 * actor that ran last. That one also gets its high half: whether the low half has come round is seen by its highest
 * bit, of which the slot has a copy. So a message costs an addition and no branch. (An actor would have to handle
 * 2^31 messages without being the last before a look, of which there is one in 40 messages, at random.)
 * Thread: owner.
 */
#ifndef TROUPE_ACTORS_LEDGER_H
#define TROUPE_ACTORS_LEDGER_H

#include "actor_internal.h"

#define TRI_BORN_SHIFT 7                    /* its unit is 128 ms: 30 bits of them are four years */
#define TRI_HANDLED_BIT (UINT32_C(1) << 31) /* in `born`: the copy of the highest bit of `handled` */
#define TRI_BUSY_BIT (UINT32_C(1) << 30)    /* in `born`: `busy` is this actor's */
#define TRI_BORN_MASK (TRI_BUSY_BIT - 1u)   /* the rest of `born` */
#define TRI_BUSY_SHIFT 10                   /* its unit is 1,024 ticks */
#define TRI_BUSY_LOW_BITS 16                /* of those that stand apart, some 30 ms */

static inline struct tri_ledger_more *
tri_ledger_more_of(const tr_actor *actor)
{
    return &actor->home->slots.more[tri_ref_slot(actor->ref)];
}

/* The numbers that few have, those of another actor cleared. */
static inline struct tri_ledger_more *
tri_ledger_open_more(struct tri_slots *slots, tr_ref ref)
{
    struct tri_ledger_more *more = &slots->more[tri_ref_slot(ref)];
    if (more->generation != tri_ref_generation(ref))
        *more = (struct tri_ledger_more){.generation = tri_ref_generation(ref), .waiting_lines = more->waiting_lines};
    return more;
}

/* An actor has its name. */
static inline void
tri_ledger_begin(const tr_actor *actor, struct tri_slot *slot)
{
    const struct tri_actors *home = actor->home;
    uint64_t age_ms = tri_clock_of_loop_ms(&home->worker->loop) - home->began_ms;
    slot->born = (uint32_t)(age_ms >> TRI_BORN_SHIFT) & TRI_BORN_MASK;
    if (TRI_UNLIKELY((actor->flags & TRI_ACTOR_LIMITED) != 0))
        tri_ledger_more_of(actor)->waiting_lines = 0;
}

/* The highest bit of the low half has changed since the last time; from one to zero it has come round. */
static inline bool
tri_ledger_has_turned(const tr_actor *actor, const struct tri_slot *slot)
{
    return ((actor->handled ^ slot->born) & TRI_HANDLED_BIT) != 0;
}

static inline void
tri_ledger_turn(tr_actor *actor, struct tri_slot *slot)
{
    slot->born ^= TRI_HANDLED_BIT;
    if ((actor->handled & TRI_HANDLED_BIT) == 0)
        tri_ledger_open_more(&actor->home->slots, actor->ref)->handled++;
}

static inline uint16_t
tri_ledger_busy(const struct tri_slots *slots, tr_ref ref)
{
    return (tri_slots_at(slots, ref)->born & TRI_BUSY_BIT) != 0 ? slots->busy[tri_ref_slot(ref)] : 0;
}

/* So many ticks passed, and that actor of this worker ran last. What is less than a unit counts for the next. */
static inline void
tri_ledger_add(struct tri_actors *home, tr_ref ref, uint64_t ticks)
{
    struct tri_slots *slots = &home->slots;
    tr_actor *actor = tri_slots_find(slots, ref);
    if (TRI_UNLIKELY(actor == NULL))
        return; /* it has ended */
    struct tri_slot *slot = tri_slots_at(slots, ref);
    ticks += home->busy_rest;
    uint64_t busy = tri_ledger_busy(slots, ref) + (ticks >> TRI_BUSY_SHIFT);
    home->busy_rest = ticks & ((1u << TRI_BUSY_SHIFT) - 1);
    slots->busy[tri_ref_slot(ref)] = (uint16_t)busy;
    slot->born |= TRI_BUSY_BIT;
    if (TRI_UNLIKELY(busy >> TRI_BUSY_LOW_BITS != 0))
        tri_ledger_open_more(slots, ref)->busy += (uint32_t)(busy >> TRI_BUSY_LOW_BITS);
    if (TRI_UNLIKELY(tri_ledger_has_turned(actor, slot)))
        tri_ledger_turn(actor, slot);
}

/* What is known of an actor that has been born. */

static inline struct tri_ledger_more
tri_ledger_read_more(const tr_actor *actor)
{
    const struct tri_ledger_more *more = tri_ledger_more_of(actor);
    return more->generation == tri_ref_generation(actor->ref) ? *more : (struct tri_ledger_more){0};
}

static inline uint64_t
tri_ledger_handled(const tr_actor *actor)
{
    const struct tri_slot *slot = tri_slots_at(&actor->home->slots, actor->ref);
    uint64_t high = tri_ledger_read_more(actor).handled;
    if (tri_ledger_has_turned(actor, slot) && (actor->handled & TRI_HANDLED_BIT) == 0)
        high++;
    return high << 32 | actor->handled;
}

static inline uint64_t
tri_ledger_busy_ns(const tr_actor *actor)
{
    uint64_t units = (uint64_t)tri_ledger_read_more(actor).busy << TRI_BUSY_LOW_BITS;
    units |= tri_ledger_busy(&actor->home->slots, actor->ref);
    double ns_of_unit = (1u << TRI_BUSY_SHIFT) * 1e6 / (double)actor->home->worker->runtime->ticks_per_ms;
    return (uint64_t)((double)units * ns_of_unit);
}

static inline uint64_t
tri_ledger_age_ms(const tr_actor *actor)
{
    const struct tri_actors *home = actor->home;
    uint64_t now_ms = tri_clock_of_loop_ms(&home->worker->loop) - home->began_ms;
    uint64_t born_ms = (uint64_t)(tri_slots_at(&home->slots, actor->ref)->born & TRI_BORN_MASK) << TRI_BORN_SHIFT;
    return now_ms > born_ms ? now_ms - born_ms : 0;
}

#endif
