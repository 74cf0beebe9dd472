#include "describe.h"

#include "ledger.h"
#include "mute.h"
#include "registry.h"

/* It has a holder for its mail, and nothing of it is there yet. */
static bool
is_coming(const tr_actor *actor)
{
    return (actor->flags & TRI_ACTOR_RESTS) == TRI_ACTOR_UNBORN;
}

static unsigned
state_of(const tr_actor *actor)
{
    static const struct {
        unsigned flag, state;
    } words[] = {
        {TRI_ACTOR_SLOW, TR_ACTOR_SLOW},   {TRI_ACTOR_CLOSED, TR_ACTOR_CLOSED}, {TRI_ACTOR_ENDING, TR_ACTOR_ENDING},
        {TRI_ACTOR_MUTED, TR_ACTOR_MUTED}, {TRI_ACTOR_AWAITED, TR_ACTOR_MUTES},
    };
    unsigned state = tri_slots_crowded(&actor->home->slots, actor->ref) ? TR_ACTOR_CROWDED : 0;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        state |= (actor->flags & words[i].flag) != 0 ? words[i].state : 0;
    if ((actor->flags & TRI_ACTOR_ASKED) != 0 && (actor->flags & (TRI_ACTOR_CLOSED | TRI_ACTOR_ENDING)) == 0)
        state |= TR_ACTOR_ASKED;
    if (tri_muted_by(actor) != TR_NOBODY) /* a hosted one has no flag for it */
        state |= TR_ACTOR_MUTED;
    return state | (is_coming(actor) ? TR_ACTOR_COMING : 0) | (tri_actor_rests(actor) ? TR_ACTOR_RESTING : 0);
}

struct tr_actor_info
tri_actor_describe(const tr_actor *actor)
{
    struct tr_actor_info info = {
        .ref = actor->ref,
        .parent = actor->parent,
        .name = actor->behavior->name,
        .state = state_of(actor),
        .waiting = actor->waiting,
    };
    if (is_coming(actor))
        return info; /* what stands beside the slot is of the one before */
    info.supervisor = tri_actor_supervisor(actor);
    info.waits_for = tri_slots_waits_for(&actor->home->slots, actor->ref);
    info.muted_by = tri_muted_by(actor);
    info.registered_count = tri_names_of_actor(actor, info.registered, TR_REGISTERED_TOLD);
    info.handled = tri_ledger_handled(actor);
    info.busy_ns = tri_ledger_busy_ns(actor);
    info.age_ms = tri_ledger_age_ms(actor);
    return info;
}
