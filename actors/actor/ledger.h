/*
 * What an actor has done, for those who inspect it: messages handled, time spent, when it was born.
 *
 * The low half of the messages stands in the actor, where dispatch writes anyway. All else stands beside its slot in
 * two tables of which the system gives a page when somebody writes to it. One has eight bytes for every actor. In the
 * other are numbers that few actors have: the high halves, and what a limited mailbox weighs. Its numbers hold for the
 * generation that they name, so nobody has to clear them, and who has none touches no page of it.
 *
 * The time comes from the looks at the clock that dispatch takes anyway: what passed between two looks counts for the
 * actor that ran last. That one also gets its high half: whether the low half has come round is seen by its highest
 * bit, of which the ledger has a copy. So a message costs an addition and no branch. (An actor would have to handle
 * 2^31 messages without being the last before a look, of which there is one in 40 messages, at random.)
 * Thread: owner.
 */
#ifndef TROUPE_ACTORS_LEDGER_H
#define TROUPE_ACTORS_LEDGER_H

#include "actor_internal.h"

#define TRI_BORN_SHIFT 6                     /* its unit is 64 ms: 31 bits of them are four years */
#define TRI_HANDLED_BIT (UINT32_C(1) << 31)  /* in `born`: the copy of the highest bit of `handled` */
#define TRI_BORN_MASK (TRI_HANDLED_BIT - 1u) /* the rest of `born` */
#define TRI_BUSY_SHIFT 10                    /* its unit is 1,024 ticks */

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
tri_ledger_begin(const tr_actor *actor)
{
    struct tri_actors *home = actor->home;
    uint64_t age_ms = tri_clock_of_loop_ms(&home->worker->loop) - home->began_ms;
    struct tri_ledger *ledger = &home->slots.ledgers[tri_ref_slot(actor->ref)];
    *ledger = (struct tri_ledger){.born = (uint32_t)(age_ms >> TRI_BORN_SHIFT) & TRI_BORN_MASK};
    if (TRI_UNLIKELY((actor->flags & TRI_ACTOR_LIMITED) != 0))
        tri_ledger_more_of(actor)->waiting_lines = 0;
}

/* The highest bit of the low half has changed since the last time; from one to zero it has come round. */
static inline bool
tri_ledger_has_turned(const tr_actor *actor, const struct tri_ledger *ledger)
{
    return ((actor->handled ^ ledger->born) & TRI_HANDLED_BIT) != 0;
}

static inline void
tri_ledger_turn(tr_actor *actor, struct tri_ledger *ledger)
{
    ledger->born ^= TRI_HANDLED_BIT;
    if ((actor->handled & TRI_HANDLED_BIT) == 0)
        tri_ledger_open_more(&actor->home->slots, actor->ref)->handled++;
}

/* So many ticks passed, and that actor of this worker ran last. What is less than a unit counts for the next. */
static inline void
tri_ledger_add(struct tri_actors *home, tr_ref ref, uint64_t ticks)
{
    tr_actor *actor = tri_slots_find(&home->slots, ref);
    if (TRI_UNLIKELY(actor == NULL))
        return; /* it has ended */
    struct tri_ledger *ledger = &home->slots.ledgers[tri_ref_slot(ref)];
    ticks += home->busy_rest;
    uint64_t busy = ledger->busy + (ticks >> TRI_BUSY_SHIFT);
    home->busy_rest = ticks & ((1u << TRI_BUSY_SHIFT) - 1);
    ledger->busy = (uint32_t)busy;
    if (TRI_UNLIKELY(busy >> 32 != 0))
        tri_ledger_open_more(&home->slots, ref)->busy += (uint32_t)(busy >> 32);
    if (TRI_UNLIKELY(tri_ledger_has_turned(actor, ledger)))
        tri_ledger_turn(actor, ledger);
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
    const struct tri_ledger *ledger = &actor->home->slots.ledgers[tri_ref_slot(actor->ref)];
    uint64_t high = tri_ledger_read_more(actor).handled;
    if (tri_ledger_has_turned(actor, ledger) && (actor->handled & TRI_HANDLED_BIT) == 0)
        high++;
    return high << 32 | actor->handled;
}

static inline uint64_t
tri_ledger_busy_ns(const tr_actor *actor)
{
    uint64_t units = (uint64_t)tri_ledger_read_more(actor).busy << 32;
    units |= actor->home->slots.ledgers[tri_ref_slot(actor->ref)].busy;
    double ns_of_unit = (1u << TRI_BUSY_SHIFT) * 1e6 / (double)actor->home->worker->runtime->ticks_per_ms;
    return (uint64_t)((double)units * ns_of_unit);
}

static inline uint64_t
tri_ledger_age_ms(const tr_actor *actor)
{
    const struct tri_actors *home = actor->home;
    uint64_t now_ms = tri_clock_of_loop_ms(&home->worker->loop) - home->began_ms;
    uint64_t born_ms = (uint64_t)(home->slots.ledgers[tri_ref_slot(actor->ref)].born & TRI_BORN_MASK) << TRI_BORN_SHIFT;
    return now_ms > born_ms ? now_ms - born_ms : 0;
}

#endif
