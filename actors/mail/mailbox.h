/*
 * Mailboxes: what waits for the actors of one worker, touched by that worker alone.
 *
 * All mail of a worker stands in one queue in the order of its arrival, up to SHARE messages of each actor; what an
 * actor gets beyond that waits in its own overflow, and for each message that it is given one moves up to the end of
 * the queue. So an actor with a full mailbox takes SHARE of a round at the most, its neighbours wait no longer than
 * that, and the plain case, few messages each, is a list append and a list take without a branch that the
 * processor would have to guess (a queue of ready actors with a mailbox each costs twice as much where actors
 * have one or two messages: measured, 120 actors that ping each other at random).
 *
 *   actor     in the queue                in its overflow   put                   when one leaves the queue
 *   plain     the oldest, SHARE at most   the rest          tri_mailbox_put_plain tri_mailbox_leave: one moves up if
 *                                                                                 any is in the overflow
 *   limited   the oldest (`head`)         the rest          put_limited           tri_mailbox_move_up_limited: the next
 *                                                                                 moves up
 *   slow      the oldest                  the rest          tri_mailbox_put       tri_mailbox_leave_slow: the same
 *   unborn    none                        all               tri_mailbox_put       at birth all are put into the mailbox
 *                                                                                 of the actor
 *   muted     what must not wait          the rest          tri_mute_put          tri_mailbox_leave_muted: none
 *   at rest   none, once those have       all               tri_mailbox_put       tri_mailbox_put_by: it goes to the
 *             come up that it left there                                          front of the overflow
 *
 * Limited is an actor whose behavior sets limits, or drops messages: the oldest must be found, to be dropped, and the
 * size of all is counted. It stays so when it is slow (dispatch.c). A plain actor that becomes slow has up to SHARE in
 * the queue still, which are put aside as they come up (`strayed`). So are those of an actor that rests (life/rest.c):
 * it lives again only when all have come up, so what was older stays older.
 *
 * Invariant: the `waiting` messages of an actor are those in the queue and those in the overflow, each in the order of
 * their arrival; those in the queue are older.
 *
 * Limits are those of the behavior; what the library itself sends is never refused nor dropped, but for notices of dead
 * letters (tri_mail_is_limited()). So the oldest message that may be dropped need not be the oldest. It is found in
 * constant time on average: the box (box.h) knows up to where the overflow was looked through, and mail there knows
 * what points to it, so that it can be taken out of the middle. With a tag that has a limit the box knows the newest
 * message.
 *
 * An actor is crowded, which its senders on all workers can see (slots.h, tr_backlog()), while CROWD messages wait for
 * it, or half of what its limits allow if that is less; with CROWD it stays so until RELIEF are left. It is relieved,
 * which those hear who wait for it (relief.h), when RELIEF messages wait for it, or a quarter of what its limits allow;
 * until then one that mutes its senders stays crowded. It is the actor
 * and not its worker that counts: two actors that hold back as long as anything waits on the other's worker would wait
 * for each other without end.
 */
#ifndef TROUPE_ACTORS_MAILBOX_H
#define TROUPE_ACTORS_MAILBOX_H

#include "actor_internal.h"

#define TRI_MAILBOX_SHARE 64u
#define TRI_MAILBOX_CROWD 4096u
#define TRI_MAILBOX_RELIEF 2048u /* at least SHARE: it shows where messages move up */

/* Has it room for one more? The behavior's limits, or the default. Thread: owner, as all here. */
bool tri_mailbox_has_room(tr_actor *actor, const tr_message *message);

/* One that has no room: is it for its sender to hear of that? */
bool tri_mailbox_refuses(tr_actor *actor, const tr_message *message);

/* What became of mail that came to a full mailbox. */
enum tri_overflow {
    TRI_OVERFLOW_ROOM,    /* nothing yet: there is room for it now */
    TRI_OVERFLOW_STORED,  /* it has taken the place of the only message */
    TRI_OVERFLOW_DROPPED, /* it was dropped itself */
};

/* What a full mailbox has dropped: the mail that came, or older messages. */
struct tri_dropped {
    struct tri_mail_list mail;
    enum tr_dead_reason reason;
    struct tri_mail *replaced; /* the message whose place another of its tag has taken; NULL: none */
};

static inline void
tri_dropped_init(struct tri_dropped *dropped)
{
    tri_mail_list_init(&dropped->mail);
    dropped->replaced = NULL;
}

/* What a full mailbox does with mail, by its policy. What it drops it hands to the caller, who buries it. */
enum tri_overflow tri_mailbox_overflow(tr_actor *actor, struct tri_mail *mail, struct tri_dropped *dropped);

/* Dispatch looks at messages before it handles them only where one may need it: so the plain ones cost no look. */
static inline void
tri_mailbox_note(tr_actor *actor, const tr_message *message)
{
    if (TRI_UNLIKELY(!tri_mail_is_plain(message)))
        actor->flags |= TRI_ACTOR_LOOK;
}

/* The name of a limited actor is in use from now on. */
void tri_mailbox_open(struct tri_actors *home, tr_actor *actor);

/* Files mail whose message is set, for any actor. */
void tri_mailbox_put(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail);

/* To the end of the worker's queue. */
static inline void
tri_mailbox_queue(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    mail->actor = actor;
    tri_mail_list_append(&home->queue, mail);
}

/* One that goes into the overflow of an actor that is not limited. */
static inline void
tri_mailbox_put_over(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    tri_mail_list_append(&actor->overflow, mail);
    if (TRI_UNLIKELY(actor->waiting == TRI_MAILBOX_CROWD))
        tri_slots_crowd(&home->slots, actor->ref, true);
}

/* The same for an actor that is neither limited nor unborn nor slow. */
static inline void
tri_mailbox_put_plain(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail)
{
    if (TRI_LIKELY(actor->waiting++ < TRI_MAILBOX_SHARE))
        tri_mailbox_queue(home, actor, mail);
    else
        tri_mailbox_put_over(home, actor, mail);
}

/* RELIEF messages wait for an actor that is not limited. */
void tri_mailbox_show_relief(struct tri_actors *home, tr_actor *actor);

/* Mail of a plain actor, or of a limited one, has left the queue to be handled: the next moves up. */
static inline void
tri_mailbox_move_up(struct tri_actors *home, tr_actor *actor)
{
    tri_mailbox_queue(home, actor, tri_mail_list_take(&actor->overflow));
    if (TRI_UNLIKELY(actor->waiting == TRI_MAILBOX_RELIEF))
        tri_mailbox_show_relief(home, actor);
}

void tri_mailbox_move_up_limited(struct tri_actors *home, tr_actor *actor, const struct tri_mail *mail);

static inline void
tri_mailbox_leave(struct tri_actors *home, tr_actor *actor)
{
    if (TRI_UNLIKELY(--actor->waiting >= TRI_MAILBOX_SHARE))
        tri_mailbox_move_up(home, actor);
}

/* The same for a slow actor, of which one stands in the queue. */
static inline void
tri_mailbox_leave_slow(struct tri_actors *home, tr_actor *actor)
{
    if (--actor->waiting > 0)
        tri_mailbox_move_up(home, actor);
}

/*
 * An actor that was quick is slow from now on, or the other way round. Either costs no more than SHARE messages,
 * whatever else waits: an actor that becomes slow leaves what it has in the queue where it stands, and
 * tri_mailbox_put_aside() takes it out when it comes up.
 */
void tri_mailbox_slow_down(tr_actor *actor);
void tri_mailbox_speed_up(struct tri_actors *home, tr_actor *actor);

/*
 * Of a muted actor (mute.c): hold puts mail into the overflow where `link` is, and gives where the next after it would
 * go. leave: mail of it has left the queue to be handled. take_up: it is muted no more, and none of its mail stands in
 * the queue.
 */
struct tri_mail **tri_mailbox_hold(tr_actor *actor, struct tri_mail **link, struct tri_mail *mail);
void tri_mailbox_leave_muted(struct tri_actors *home, tr_actor *actor, const struct tri_mail *mail);
void tri_mailbox_take_up(struct tri_actors *home, tr_actor *actor);

/* The actor rests from now on. Mail that it still has in the queue is counted in `strayed`. */
void tri_mailbox_rest(struct tri_actors *home, tr_actor *actor);

/* Mail of an actor that rests has come up: it is kept, in its place, or it is not the actor's any more. Of one that is
 * limited, or was muted, nothing is in the queue. */
void tri_mailbox_put_by(tr_actor *actor, struct tri_mail *mail);
void tri_mailbox_shed(tr_actor *actor, const struct tri_mail *mail);

/* An actor that rests is to have this mail before all other, and none of it in the queue any more. Takes the list. */
void tri_mailbox_put_before(struct tri_actors *home, tr_actor *actor, struct tri_mail_list *list);

/* The oldest that is held is not the actor's any more. There is one. */
struct tri_mail *tri_mailbox_shed_held(tr_actor *actor);

/* It lives again; all that it had in the queue has come up. */
void tri_mailbox_wake(struct tri_actors *home, tr_actor *actor);

/* Mail of a slow actor has come up. true: it is put aside, or stands at the end now; false: it is to be handled. */
bool tri_mailbox_put_aside(struct tri_actors *home, tr_actor *actor, struct tri_mail *mail);

#endif
