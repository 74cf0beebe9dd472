/*
 * Introductions: in a trace that begins while the program runs, an event `present` tells of each actor that lived when
 * its worker was attached, before anything else of it is recorded.
 *
 * A worker may have a million actors, and to introduce them in a row would take it 40 ms. So it goes on SLOTS_A_TURN
 * slots in each turn. Who comes into an event earlier is introduced before that: until all are, the recorder tells of
 * each event beforehand (meet()), which costs nothing afterwards.
 *
 * Nobody waits for introductions, and a thousand of them take less time than the recorder has for a file that holds
 * them. So they pause while half of the stream's file is full and the next one is not there: what the program does
 * meanwhile finds room, and no introduction is lost. A pause that was too short is followed by one of twice its length:
 * looking costs no turns, nor events of a worker that wakes for nothing, and a file is used at the latest when it has
 * been there for as long as it took, or for PAUSE_MOST_MS. If no file is to be had, they go on, and are lost.
 *
 * An event tells of an actor by its name, after what it tells has been done. So who has lost its name by then, or is
 * another, is introduced by the one who does that to it, tri_introduce(); and who begins is spared,
 * tri_introduce_not(). With these, bits say of each slot that its actor needs no introduction.
 *
 * Introduced is who was there at the beginning, when every category was recorded. So categories that were switched off
 * since, and actors, do not matter.
 */
#include "introductions.h"

#include <stdlib.h>
#include <troupe/actors/trace.h>
#include <troupe/core/clock.h>

#define SLOTS_A_TURN 1000u /* 40 us, if an actor lives in each */
#define PAUSE_MOST_MS 64u

static bool
may_need_it(const struct tri_actors *home, tr_ref ref)
{
    uint32_t slot = tri_ref_slot(ref);
    return tri_ref_worker(ref) == home->worker->index && slot < home->introducing.end &&
           (home->introducing.met[slot / 8] & 1u << slot % 8) == 0;
}

static void
spare(struct tri_actors *home, tr_ref ref)
{
    uint32_t slot = tri_ref_slot(ref);
    home->introducing.met[slot / 8] |= (uint8_t)(1u << slot % 8);
}

void
tri_introduce_nobody(const tr_actor *actor)
{
    if (may_need_it(actor->home, actor->ref))
        spare(actor->home, actor->ref);
}

/* One that is not born yet holds mail only. */
static bool
is_there(const tr_actor *actor)
{
    return (actor->flags & TRI_ACTOR_RESTS) != TRI_ACTOR_UNBORN;
}

void
tri_introduce_now(const tr_actor *actor)
{
    struct tri_actors *home = actor->home;
    struct tri_trace_stream *stream = home->worker->trace;
    if (!may_need_it(home, actor->ref) || !is_there(actor))
        return;
    spare(home, actor->ref);
    uint32_t name = tri_trace_name_again(tri_runtime_trace(home->worker->runtime), stream, actor->behavior->name);
    tri_trace_present_at(stream, tri_ticks(), actor->ref, tri_actor_rests(actor), name, actor->parent);
}

static void
meet_one(struct tri_actors *home, tr_ref ref)
{
    const tr_actor *actor = may_need_it(home, ref) ? tri_slots_find(&home->slots, ref) : NULL;
    if (actor != NULL)
        tri_introduce_now(actor);
}

/* The message may be an actor, too, such as a parent. A number that is the name of one by chance does no harm. */
static void
meet(void *host, uint64_t actor, uint64_t message)
{
    meet_one(host, actor);
    meet_one(host, message);
}

bool
tri_introductions_prepare(struct tri_actors *home)
{
    uint32_t made = tri_slots_made(&home->slots);
    home->introducing.met = calloc(made / 8 + 1, 1);
    home->introducing.next = 0;
    home->introducing.pause_ms = 0;
    home->introducing.end = made;
    return home->introducing.met != NULL;
}

void
tri_introductions_fini(struct tri_actors *home)
{
    free(home->introducing.met);
    home->introducing.met = NULL;
}

void
tri_introductions_begin(struct tri_actors *home)
{
    tri_trace_meet(tri_runtime_trace(home->worker->runtime), home->worker->index, meet, home);
    tri_introductions_go_on(home);
}

static void
pause_is_over(struct tri_timer *timer)
{
    (void)timer; /* the turn that follows goes on */
}

/* Without memory for the timer it looks again in the next turn. */
static void
pause_a_while(struct tri_actors *home)
{
    unsigned before_ms = home->introducing.pause_ms;
    home->introducing.pause_ms = before_ms == 0 ? 1 : before_ms < PAUSE_MOST_MS ? before_ms * 2 : PAUSE_MOST_MS;
    home->introducing.pause.fire = pause_is_over;
    (void)tri_timer_start(&home->worker->timers, &home->introducing.pause, home->introducing.pause_ms);
}

void
tri_introductions_end(struct tri_actors *home)
{
    if (!tri_introductions_are_left(home))
        return;
    tri_timer_stop(&home->worker->timers, &home->introducing.pause);
    tri_trace_meet(tri_runtime_trace(home->worker->runtime), home->worker->index, NULL, NULL);
    tri_introductions_fini(home);
}

void
tri_introductions_go_on(struct tri_actors *home)
{
    if (!tri_introductions_are_due(home))
        return;
    uint32_t next = home->introducing.next, end = home->introducing.end;
    uint32_t until = end - next > SLOTS_A_TURN ? next + SLOTS_A_TURN : end;
    for (; next < until && !tri_trace_is_short(home->worker->trace); next++)
        if (home->slots.table[next].actor != NULL)
            tri_introduce_now(home->slots.table[next].actor);
    home->introducing.next = next;
    if (next == end)
        tri_introductions_end(home);
    else if (next < until)
        pause_a_while(home);
    else
        home->introducing.pause_ms = 0;
}
