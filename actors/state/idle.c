/*
 * Receive timeouts: a timeout of the worker's timers that each message of the actor touches, and a notice when it comes
 * up.
 *
 * The notice is an interest's (interest.h), so that none comes when the actor wants none any more. While one is on its
 * way the timeout rests; it starts again with the next message, which is the notice itself if nothing else comes.
 */
#include "idle.h"

#include "interest.h"
#include "post.h"

#include <assert.h>
#include <stdlib.h>
#include <troupe/actors/become.h>

struct tri_idle {
    struct tri_interest interest; /* first */
    struct tri_timeout timeout;
    struct tri_word word;
    bool word_is_out; /* its memory is in use */
    bool over;        /* then it is freed when the word is home */
    uint64_t timeout_ms;
};

static void
start(struct tri_idle *idle)
{
    tr_status status = tri_timeout_start(&idle->interest.home->worker->timers, &idle->timeout, idle->timeout_ms);
    assert(status == TR_OK); /* its place is kept */
    (void)status;
}

static void
on_word_home(struct tri_word *word)
{
    struct tri_idle *idle = TRI_CONTAINER_OF(word, struct tri_idle, word);
    idle->word_is_out = false;
    if (idle->over)
        free(idle);
}

static void
on_timeout(struct tri_timeout *timeout)
{
    struct tri_idle *idle = TRI_CONTAINER_OF(timeout, struct tri_idle, timeout);
    struct tri_actors *home = idle->interest.home;
    tr_message notice = tr_message_signal(TR_TAG_RECEIVE_TIMEOUT);
    if (tri_slots_find(&home->slots, idle->interest.actor)->waiting > 0 || idle->word_is_out) {
        start(idle); /* it has something to do, and only does not come to it */
        return;
    }
    tri_notice_mark(&notice, idle->interest.entry.key);
    idle->word_is_out = true;
    idle->word.done = on_word_home;
    tri_word_send(home->worker, &idle->word, TR_NOBODY, idle->interest.actor, notice);
}

/* No notice comes any more. */
static void
drop(struct tri_idle *idle)
{
    tri_timer_let_go(&idle->interest.home->worker->timers, &idle->timeout.timer);
    tri_interest_end(&idle->interest);
    idle->over = true;
    if (!idle->word_is_out)
        free(idle);
}

static void
on_end(struct tri_attachment *attachment, const struct tri_death *death)
{
    (void)death;
    drop((struct tri_idle *)TRI_CONTAINER_OF(attachment, struct tri_interest, attachment));
}

void
tri_idle_touch_now(struct tri_actors *home, tr_ref ref)
{
    const tr_actor *actor = tri_slots_find(&home->slots, ref);
    const struct tri_extra *extra = actor != NULL ? tri_extra_of(actor) : NULL;
    struct tri_idle *idle = extra != NULL ? extra->idle : NULL;
    if (idle == NULL)
        return;
    if (idle->timeout.timer.place != 0)
        tri_timeout_touch(&idle->timeout);
    else
        start(idle);
}

/* NULL: without memory. */
static struct tri_idle *
idle_new(tr_actor *actor, uint64_t timeout_ms)
{
    struct tri_idle *idle = calloc(1, sizeof(*idle));
    if (idle == NULL)
        return NULL;
    idle->timeout_ms = timeout_ms;
    idle->timeout.fire = on_timeout;
    idle->interest.attachment.end = on_end;
    if (tri_timer_keep(&actor->home->worker->timers, &idle->timeout.timer) != TR_OK) {
        free(idle);
        return NULL;
    }
    tri_interest_begin(actor, &idle->interest);
    start(idle);
    return idle;
}

tr_status
tr_receive_timeout(tr_actor *self, uint64_t timeout_ms)
{
    TRI_CHECK_SELF(self);
    if (self == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    struct tri_extra *extra = tri_extra_make(self);
    struct tri_idle *next = extra != NULL && timeout_ms != 0 ? idle_new(self, timeout_ms) : NULL;
    if (extra == NULL || (next == NULL && timeout_ms != 0))
        return TR_ENOMEM;
    if (extra->idle != NULL)
        drop(extra->idle);
    extra->idle = next;
    self->flags |= TRI_ACTOR_LOOK;
    return TR_OK;
}
