/*
 * Muting: an actor that has sent to a crowded mailbox whose behavior says TR_MAILBOX_MUTE is given no messages, from
 * the return of its handler on, until that mailbox is relieved (relief.c). It is muted by one actor at a time; when it
 * goes on and sends to another crowded one, that one mutes it. Who is waited for itself is not muted: relief.c says
 * why.
 *
 * What a muted actor holds
 *   Its mail that stands in the worker's queue when it is muted, up to 64, comes up in the next round and is put aside:
 *   into the overflow, in its order, before what is there already. What comes meanwhile goes to the overflow's end.
 *   Relieved, it takes its mail up again when the last that stood in the queue has come up (`queued`); so nothing
 *   overtakes anything, and nothing costs more than the 64.
 *
 * What does not wait
 *   Stops, and all that acts on arrival, are in no mailbox. Notices and answers wait for nobody's relief, since they
 *   are what the actor may be waiting for; and they are few, one for each monitor or question of its own. But they stay
 *   behind what the same sender has sent before: so one that comes is handled only if none of the mail that is held
 *   is its sender's. LOOKS of it are looked through; with more it waits with them. Events of sockets to their owner
 *   wait: they are data, and credit limits them.
 *
 * A socket or server is an actor to which others send nothing but orders, which must not wait. Such a hosted actor is
 * given all its mail; what it is to stop doing meanwhile, such as reading, the layer above knows (`pressed`).
 */
#include "mute.h"

#include "extra.h"
#include "interest.h"
#include "mailbox.h"
#include "relief.h"

#include <troupe/actors/host.h>
#include <troupe/actors/watch.h>

#define LOOKS 64u

/* Who is muted. */

bool
tri_mute_refuses(const struct tri_runtime *runtime, tr_ref to)
{
    if (!tri_mute_exists(runtime) || tri_ref_worker(to) >= runtime->count)
        return false;
    const struct tri_worker *worker = runtime->workers[tri_ref_worker(to)];
    return tri_slots_shown(&tri_actors_of(worker)->slots, to) == (TRI_SLOT_CROWDED | TRI_SLOT_MUTES);
}

/* How many of its messages stand in the worker's queue. */
static uint32_t
queued_of(const tr_actor *actor)
{
    uint32_t most = (actor->flags & (TRI_ACTOR_LIMITED | TRI_ACTOR_SLOW)) != 0 ? 1 : TRI_MAILBOX_SHARE;
    return actor->waiting < most ? actor->waiting : most;
}

/* A slow actor that has more in the queue puts that aside in a way of its own; it is muted by its next send. */
static bool
may_be_muted(const tr_actor *actor, const struct tri_extra *extra)
{
    bool strays = (actor->flags & (TRI_ACTOR_LIMITED | TRI_ACTOR_SLOW)) == TRI_ACTOR_SLOW && actor->strayed > 0;
    return (actor->flags & (TRI_ACTOR_MUTED | TRI_ACTOR_AWAITED | TRI_ACTOR_GONE)) == 0 && !strays &&
           (extra == NULL || extra->mute.number == 0);
}

tr_ref
tri_muted_by(const tr_actor *actor)
{
    const struct tri_extra *extra = tri_extra_of(actor);
    return extra != NULL && extra->mute.number != 0 ? extra->mute.to : TR_NOBODY;
}

static void go_on(tr_actor *actor, struct tri_extra *extra);

void
tri_actor_await_relief(tr_actor *self, tr_ref to)
{
    if (to == self->ref || !may_be_muted(self, tri_extra_of(self)))
        return;
    struct tri_extra *extra = tri_extra_make(self);
    if (extra == NULL)
        return;
    uint64_t number = tri_actors_number(self->home);
    extra->mute =
        (struct tri_mute){.number = number, .to = to, .queued = queued_of(self), .put_aside = &self->overflow.first};
    if ((self->flags & TRI_ACTOR_HOSTED) == 0)
        self->flags |= TRI_ACTOR_MUTED;
    else if (self->home->pressed != NULL)
        self->home->pressed(self, true);
    if (!tri_relief_ask(self->home->worker, self->ref, to, number) && extra->mute.number == number)
        go_on(self, extra);
}

void
tri_mute_look(tr_actor *self, tr_ref to)
{
    struct tri_worker *worker = self->home->worker;
    unsigned target = tri_ref_worker(to);
    uint8_t shown = tri_slots_shown(&tri_actors_of(worker->runtime->workers[target])->slots, to);
    if ((shown & TRI_SLOT_MUTES) == 0)
        return;
    if ((shown & TRI_SLOT_CROWDED) != 0 || (target != worker->index && tri_worker_backlog(worker, target) > 0))
        tri_actor_await_relief(self, to);
}

/* What it holds. */

/* Is any of the mail before `end` from that sender? true also if there is too much of it. */
static bool
is_from(const tr_actor *actor, struct tri_mail *const *end, tr_ref from)
{
    struct tri_mail *const *link = &actor->overflow.first;
    for (unsigned looks = 0; link != end; link = &(*link)->next)
        if ((*link)->message.from == from || ++looks > LOOKS)
            return true;
    return false;
}

static bool
must_not_wait(const tr_message *message)
{
    return (message->kind & ~TRI_MAIL_LIMITED_KINDS) != 0 ||
           (message->tag >= TR_TAG_RESERVED && message->tag < TRI_TAG_NET && message->tag != TR_TAG_DEAD_LETTER);
}

/* Whose messages it must not overtake: of the notice that an actor has ended that actor's, though nobody sends it. */
static tr_ref
origin_of(const tr_message *message)
{
    if (message->tag != TR_TAG_DOWN && message->tag != TR_TAG_LINK_DOWN)
        return message->from;
    return ((const struct tr_down *)tr_message_data(message))->actor;
}

void
tri_mute_put(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    struct tri_mute *mute = &tri_extra_of(actor)->mute;
    if (mute->number != 0 && must_not_wait(&mail->message) &&
        !is_from(actor, actor->overflow.last_next, origin_of(&mail->message))) {
        mute->queued++;
        tri_mailbox_queue(home, actor, mail);
    } else {
        tri_mailbox_hold(actor, actor->overflow.last_next, mail);
    }
}

bool
tri_mute_hold(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    struct tri_extra *extra = tri_extra_of(actor);
    struct tri_mute *mute = &extra->mute;
    (void)home;
    if (must_not_wait(&mail->message) && !is_from(actor, mute->put_aside, origin_of(&mail->message)))
        return false;
    mute->put_aside = tri_mailbox_hold(actor, mute->put_aside, mail);
    if (--mute->queued == 0 && mute->number == 0)
        go_on(actor, extra);
    return true;
}

void
tri_mute_leave(struct tri_actors *home, tr_actor *actor, const struct tri_mail *mail)
{
    struct tri_extra *extra = tri_extra_of(actor);
    tri_mailbox_leave_muted(home, actor, mail);
    if (--extra->mute.queued == 0 && extra->mute.number == 0)
        go_on(actor, extra);
}

/* Relieved. */

static void
go_on(tr_actor *actor, struct tri_extra *extra)
{
    extra->mute.number = 0;
    if (extra->unsure != NULL)
        tri_relief_confirm(actor->home, extra);
    if (actor->flags & TRI_ACTOR_MUTED) {
        if (extra->mute.queued > 0)
            return; /* when that has come up */
        actor->flags &= (uint16_t)~TRI_ACTOR_MUTED;
        tri_mailbox_take_up(actor->home, actor);
    } else if (actor->home->pressed != NULL) {
        actor->home->pressed(actor, false);
    }
}

/* Its own wait, not one that is over. NULL: none. */
static struct tri_extra *
waiting_as(tr_actor *actor, const tr_message *message)
{
    struct tri_extra *extra = actor != NULL ? tri_extra_of(actor) : NULL;
    return extra != NULL && extra->mute.number == message->payload.words[0] ? extra : NULL;
}

bool
tri_relief_held(struct tri_actors *home, tr_ref to, tr_message *message)
{
    struct tri_extra *extra = waiting_as(tri_slots_find(&home->slots, to), message);
    if (extra == NULL)
        return true;
    extra->mute.is_held = true;
    tri_relief_confirm(home, extra);
    return true;
}

bool
tri_relieved(struct tri_actors *home, tr_ref to, tr_message *message)
{
    tr_actor *actor = tri_slots_find(&home->slots, to);
    struct tri_extra *extra = waiting_as(actor, message);
    if (extra != NULL)
        go_on(actor, extra);
    return true;
}

void
tri_actors_on_pressure(struct tri_worker *worker, void (*pressed)(tr_actor *actor, bool is_pressed))
{
    tri_actors_of(worker)->pressed = pressed;
}
