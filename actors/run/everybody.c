/*
 * All actors of a worker: draining, when each is asked to stop, and killing what is left.
 */
#include "everybody.h"

#include "body.h"
#include "dead_letters.h"
#include "dispatch.h"
#include "extra.h"
#include "life.h"
#include "offload.h"

static void
for_each_actor(struct tri_actors *home, void (*visit)(tr_actor *actor))
{
    uint32_t made = tri_slots_made(&home->slots);
    for (uint32_t i = 0; i < made; i++) {
        tr_actor *actor = home->slots.table[i].actor;
        if (actor != NULL)
            visit(actor);
    }
}

void
tri_actors_visit(struct tri_worker *worker, const struct tr_behavior *behavior,
                 void (*visit)(tr_actor *actor, void *argument), void *argument)
{
    struct tri_actors *home = tri_actors_of(worker);
    uint32_t made = tri_slots_made(&home->slots);
    for (uint32_t i = 0; i < made; i++) {
        tr_actor *actor = home->slots.table[i].actor;
        if (actor != NULL && (actor->flags & (TRI_ACTOR_UNBORN | TRI_ACTOR_GONE)) == 0 && actor->behavior == behavior)
            visit(actor, argument);
    }
}

static void
ask_if_childless(tr_actor *actor)
{
    if (actor->children == 0 && ((actor->flags & TRI_ACTOR_UNBORN) == 0 || tri_actor_rests(actor)))
        tri_actor_stop(actor, TR_STOP_DRAIN);
}

void
tri_actors_drain(struct tri_worker *worker)
{
    struct tri_actors *home = tri_actors_of(worker);
    home->draining = true;
    for_each_actor(home, ask_if_childless);
    tri_actors_check_quiet(home);
}

/* What is not born by now will never be: from here on its name is that of nobody (tri_actor_is_coming()). */
static void
forget_unborn(tr_actor *holder)
{
    struct tri_death death = {.status = TR_ESTOPPING};
    tri_slots_at(&holder->home->slots, holder->ref)->actor = NULL;
    tri_actor_end_attachments(holder, &death);
    tri_dead_mailbox(holder->home, holder);
    tri_actor_free(holder);
}

static void
kill_one(tr_actor *actor)
{
    if ((actor->flags & TRI_ACTOR_UNBORN) != 0 && !tri_actor_rests(actor))
        forget_unborn(actor);
    else
        tri_actor_stop(actor, TR_STOP_KILL);
}

uint64_t
tri_actors_kill(struct tri_worker *worker)
{
    struct tri_actors *home = tri_actors_of(worker);
    uint64_t alive = home->alive;
    home->draining = home->killing = true;
    for_each_actor(home, kill_one);
    tri_dispatch_bury(home);
    tri_offloads_cancel(home);
    return alive;
}
