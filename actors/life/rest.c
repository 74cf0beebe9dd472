/*
 * Rest: between two lives of a supervised actor, whose name outlives both.
 *
 *   it ends -> it rests, and its supervisor may not know yet -> the supervisor has the ward (ward.h) -> restart, or
 *   release
 *
 * Each life's death is a death: whoever watches hears of it, links act, timers end. What stays is the struct with the
 * name, the number of children, and the mailbox: mail that comes is held, as that of an actor that is not born yet, and
 * who begins to watch watches the next life. What was in the mailbox is kept or buried, as the supervisor wished; so is
 * what the actor had set aside (state/stash.c), which comes first in the next life.
 *
 * Two things may still be in use when the actor has ended: mail in the worker's queue, which must stay older than what
 * is held, and the state, if the actor was killed and has not called tr_exit() yet. So the supervisor hears of the end
 * only when both are free; that takes as long as the queue goes round once. Then nothing can be in the way of a
 * restart.
 *
 * While the runtime drains nobody rests: an end is final, and those that rest end.
 */
#include "rest.h"

#include "dead_letters.h"
#include "life.h"
#include "mailbox.h"
#include "stop.h"
#include "ward.h"

static void
take_out(struct tri_actors *home, struct tri_ward *ward)
{
    tri_table_remove(&home->wards, &ward->entry);
}

void
tri_rest_check(tr_actor *actor)
{
    struct tri_ward *ward = tri_ward_of(actor);
    if (ward == NULL || actor->strayed > 0 || (actor->flags & TRI_ACTOR_LINGERS) != 0)
        return;
    take_out(actor->home, ward);
    tri_ward_tell_end(actor->home->worker, ward);
}

bool
tri_rest_keeps_mailbox(const tr_actor *actor)
{
    const struct tri_ward *ward = tri_actor_rests(actor) ? tri_ward_of(actor) : NULL;
    return ward != NULL && ward->keeps_mailbox;
}

static void
bury_held(tr_actor *actor, uint32_t count)
{
    struct tri_actors *home = actor->home;
    for (; count > 0; count--)
        tri_dead_mail(home, actor->ref, tri_mailbox_shed_held(actor), TR_DEAD_STOPPED);
}

void
tri_rest_begin(tr_actor *actor, const struct tri_death *death)
{
    struct tri_ward *ward = tri_ward_of(actor);
    ward->status = death->status;
    ward->text = death->text;
    tri_text_hold(death->text);
    actor->flags &=
        TRI_ACTOR_WARD | TRI_ACTOR_LIMITED | TRI_ACTOR_SLOW | TRI_ACTOR_MUTED | TRI_ACTOR_LOOK | TRI_ACTOR_LINGERS;
    actor->flags |= TRI_ACTOR_RESTS;
    tri_mailbox_rest(actor->home, actor);
    uint32_t held = actor->waiting - actor->strayed; /* what comes from here on is for the next life */
    tri_actor_end_attachments(actor, death);
    if (!ward->keeps_mailbox)
        bury_held(actor, held);
}

void
tri_rest_mail(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    if (tri_ward_of(actor)->keeps_mailbox) {
        tri_mailbox_put_by(actor, mail);
    } else {
        tri_mailbox_shed(actor, mail);
        tri_dead_mail(home, actor->ref, mail, TR_DEAD_STOPPED);
    }
    tri_rest_check(actor);
}

void
tri_rest_stop(tr_actor *actor, enum tr_stop_mode how)
{
    if (actor->home->draining)
        actor->flags |= TRI_ACTOR_ENDING;
    else
        actor->flags |= how == TR_STOP_KILL ? TRI_ACTOR_KILLED : TRI_ACTOR_ASKED;
}

/* It has been asked to stop before it could begin: so this life is over already. */
static void
refuse_to_begin(tr_actor *actor, struct tri_ward *ward)
{
    ward->status = (actor->flags & TRI_ACTOR_KILLED) != 0 ? TR_EKILLED : TR_OK;
    tri_text_release(ward->text);
    ward->text = NULL;
    actor->flags &= (uint16_t) ~(TRI_ACTOR_KILLED | TRI_ACTOR_ASKED);
    tri_ward_tell_end(actor->home->worker, ward);
}

bool
tri_restart_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    struct tri_ward *ward = tr_message_take_pointer(message);
    tr_actor *actor = tri_slots_find(&home->slots, to);
    if (actor == NULL || home->draining)
        tri_ward_gone(home->worker, ward, home->draining ? TR_ESTOPPING : TR_EGONE);
    else if ((actor->flags & (TRI_ACTOR_KILLED | TRI_ACTOR_ASKED)) != 0)
        refuse_to_begin(actor, ward);
    else
        tri_actor_begin_again(actor, ward);
    return true;
}

/* What lives keeps the ward until its end: it has the argument, which an init that runs still uses. */
bool
tri_release_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    tr_actor *actor = tri_slots_find(&home->slots, to);
    if (actor == NULL)
        return true;
    struct tri_ward *ward = tri_ward_of(actor);
    if (ward != NULL)
        ward->released = true;
    if (!tri_actor_rests(actor))
        return tri_stop_arrived(home, to, message);
    actor->flags |= TRI_ACTOR_ENDING;
    tri_actor_settle(actor);
    return true;
}
