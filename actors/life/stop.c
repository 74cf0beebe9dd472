/*
 * Asking an actor to stop: by a message of the layer's own, which acts when it arrives.
 *
 * A callback that stops another actor of its worker runs that one's callbacks inside the call, and those may stop a
 * third. Stops nest STOPS_NESTED deep; what is asked for below waits until the innermost callback has returned.
 */
#include "stop.h"

#include "body.h"
#include "life.h"
#include "post.h"

#include <assert.h>

#define STOPS_NESTED 16u
#define FAILED ((enum tr_stop_mode)(TR_STOP_KILL + 1)) /* it ends without being asked: it has failed */

/* false: it is on its way, and there is no memory to note that it is to stop. */
static bool
stop_whom(struct tri_actors *home, tr_ref to, enum tr_stop_mode how)
{
    tr_actor *actor = tri_actor_at(home, to);
    if (actor == NULL)
        return !tri_actor_is_coming(home, to);
    if (TRI_UNLIKELY(tri_actor_rests(actor))) {
        if (how != FAILED)
            tri_actor_stop(actor, how);
        return true;
    }
    if (actor->flags & TRI_ACTOR_UNBORN) /* it will be asked as soon as it is there */
        actor->flags |= TRI_ACTOR_CLOSED | (how == TR_STOP_KILL  ? TRI_ACTOR_KILLED
                                            : how >= TR_STOP_NOW ? TRI_ACTOR_ENDING
                                                                 : 0);
    else if (how == FAILED)
        tri_actor_end_failed(actor);
    else
        tri_actor_stop(actor, how);
    return true;
}

/* false: no memory for it. */
static bool
put_stop_off(struct tri_actors *home, tr_ref to, enum tr_stop_mode how)
{
    if (tri_actor_at(home, to) == NULL)
        return !tri_actor_is_coming(home, to);
    struct tri_mail *mail = tri_pool_take(&home->mail);
    if (mail == NULL)
        return false;
    mail->message = tr_message_copy(TRI_TAG_STOP, &(uint64_t){how}, sizeof(uint64_t));
    mail->message.from = to;
    tri_mail_list_append(&home->late_stops, mail);
    return true;
}

static void
do_late_stops(struct tri_actors *home)
{
    while (!tri_mail_list_empty(&home->late_stops)) {
        struct tri_mail *mail = tri_mail_list_take(&home->late_stops);
        tr_ref to = mail->message.from;
        enum tr_stop_mode how = (enum tr_stop_mode)mail->message.payload.words[0];
        tri_pool_give(&home->mail, mail);
        bool done = stop_whom(home, to, how);
        assert(done); /* somebody was there when it was put off */
        (void)done;   /* in a Release build nobody asks */
    }
}

static bool
stop_nested(struct tri_actors *home, tr_ref to, enum tr_stop_mode how)
{
    if (TRI_UNLIKELY(home->stops >= STOPS_NESTED))
        return put_stop_off(home, to, how);
    home->stops++;
    bool done = stop_whom(home, to, how);
    if (TRI_UNLIKELY(home->stops == STOPS_NESTED))
        do_late_stops(home);
    home->stops--;
    return done;
}

bool
tri_stop_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    return stop_nested(home, to, (enum tr_stop_mode)message->payload.words[0]);
}

bool
tri_stop_has_room(struct tri_actors *home)
{
    if (TRI_LIKELY(home->stops < STOPS_NESTED))
        return true;
    struct tri_mail *mail = tri_pool_take(&home->mail);
    if (mail == NULL)
        return false;
    tri_pool_give(&home->mail, mail);
    return true;
}

void
tri_stop_failed(struct tri_actors *home, tr_ref actor)
{
    bool done = stop_nested(home, actor, FAILED);
    assert(done); /* there is room for it */
    (void)done;   /* in a Release build nobody asks */
}

tr_status
tr_stop(tr_actor *self, tr_ref actor, enum tr_stop_mode how)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || how > TR_STOP_KILL)
        return TR_EINVAL;
    tr_message message = tr_message_copy(TRI_TAG_STOP, &(uint64_t){how}, sizeof(uint64_t));
    return tri_send_system(self->home->worker, self, actor, &message);
}

tr_status
tr_runtime_stop_actor(tr_runtime *runtime, tr_ref actor, enum tr_stop_mode how)
{
    if (runtime == NULL || how > TR_STOP_KILL)
        return TR_EINVAL;
    tr_message message = tr_message_copy(TRI_TAG_STOP, &(uint64_t){how}, sizeof(uint64_t));
    return tri_runtime_send_system(runtime, actor, &message);
}
