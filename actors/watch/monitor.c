/*
 * Monitors: to be told when an actor ends.
 *
 * A watch has two halves. The watcher's is an interest (interest.h), the other is attached to the actor that is watched
 * and is, from the beginning on, the memory of the notice: so the notice cannot be lost for lack of memory. It travels
 * there as an order, acts on arrival, and finds the actor, the holder of its mail while it is on its way, or nobody;
 * then the notice comes at once.
 *
 *   watcher's worker                    worker of the actor
 *   interest begins  ---- WATCH ---->   watcher is attached, or tells TR_EGONE
 *   interest ends    ---- UNWATCH -->   watcher is freed
 *   notice is looked at <--- DOWN ---   the actor ends: watcher tells
 *
 * Both may happen at once. An UNWATCH that comes too late finds no number; a DOWN that comes too late finds no
 * interest, and nobody gets it. The notice takes the way of what the actor sent, after all of it.
 *
 * A watcher that cannot send its UNWATCH for lack of memory leaves the other half behind until the actor ends.
 */
#include "monitor.h"

#include "body.h"
#include "post.h"

#include <stdlib.h>

struct watch {
    struct tri_interest interest; /* first */
    tr_ref actor;
};

static void
drop_watch(struct watch *watch)
{
    tri_interest_end(&watch->interest);
    free(watch);
}

static tr_status
send_unwatch(const struct watch *watch)
{
    tr_message message = tr_message_copy(TRI_TAG_UNWATCH, &watch->interest.entry.key, sizeof(uint64_t));
    return tri_send_system(watch->interest.home->worker, NULL, watch->actor, &message);
}

static void
on_watcher_end(struct tri_attachment *attachment, const struct tri_death *death)
{
    struct watch *watch = (struct watch *)TRI_CONTAINER_OF(attachment, struct tri_interest, attachment);
    (void)death;
    send_unwatch(watch);
    drop_watch(watch);
}

static void
on_notice(struct tri_interest *interest)
{
    struct watch *watch = (struct watch *)interest;
    tri_trace_down(interest->home->worker->trace, interest->actor, watch->actor);
    drop_watch(watch);
}

void
tri_watcher_free(void *address)
{
    struct tri_watcher *watcher = address;
    tri_text_release(watcher->text);
    free(watcher);
}

struct tri_watcher *
tri_watch_begin(tr_actor *self, tr_ref actor, enum tri_watch_kind kind)
{
    struct watch *watch = calloc(1, sizeof(*watch));
    struct tri_watcher *watcher = calloc(1, sizeof(*watcher));
    if (watch == NULL || watcher == NULL) {
        free(watch);
        free(watcher);
        return NULL;
    }
    watch->actor = actor;
    watch->interest.met = on_notice;
    watch->interest.attachment.end = on_watcher_end;
    watcher->down = (struct tr_down){.actor = actor, .text = ""};
    watcher->down.monitor = tri_interest_begin(self, &watch->interest);
    watcher->watcher = self->ref;
    watcher->kind = kind;
    if (kind == TRI_WATCH_TELL)
        tri_trace_monitor(self->home->worker->trace, self->ref, actor);
    return watcher;
}

static struct watch *
find_watch(tr_actor *self, tr_monitor number)
{
    return (struct watch *)tri_interest_find(self, number, on_watcher_end);
}

static void
forget(tr_actor *self, tr_monitor number)
{
    struct watch *watch = find_watch(self, number);
    tri_trace_unmonitor(self->home->worker->trace, self->ref, watch->actor);
    drop_watch(watch);
}

/* On its way: TR_OK; else nothing is left of it. */
static tr_status
send_watch(tr_actor *self, struct tri_watcher *watcher)
{
    tr_monitor number = watcher->down.monitor;
    tr_ref actor = watcher->down.actor;
    tr_message message = tr_message_pointer(TRI_TAG_WATCH, watcher, sizeof(*watcher), tri_watcher_free);
    tr_status status = tri_send_system(self->home->worker, self, actor, &message);
    if (status != TR_OK)
        forget(self, number);
    return status;
}

tr_status
tri_watch(tr_actor *self, tr_ref actor, enum tri_watch_kind kind, tr_monitor *out)
{
    struct tri_watcher *watcher = tri_watch_begin(self, actor, kind);
    if (watcher == NULL)
        return TR_ENOMEM;
    tr_monitor number = watcher->down.monitor;
    tr_status status = send_watch(self, watcher);
    if (status == TR_OK && out != NULL)
        *out = number;
    return status;
}

/* At the actor that is watched. */

static void
detach(struct tri_watcher *watcher)
{
    tri_detach(&watcher->attachment);
    tri_table_remove(&watcher->home->watchers, &watcher->entry);
}

static void
free_told(struct tri_word *word)
{
    tri_watcher_free(TRI_CONTAINER_OF(word, struct tri_watcher, word));
}

void
tri_watcher_tell(struct tri_worker *worker, struct tri_watcher *watcher, const struct tri_death *death)
{
    if (watcher->kind == TRI_WATCH_STOP) {
        watcher->word.done = free_told;
        tri_word_send(worker, &watcher->word, TR_NOBODY, watcher->watcher,
                      tr_message_copy(TRI_TAG_STOP, &(uint64_t){TR_STOP_NOW}, sizeof(uint64_t)));
        return;
    }
    tri_down_explain(&watcher->down, &watcher->text, death);
    tr_message notice = tr_message_pointer(TR_TAG_DOWN, watcher, sizeof(struct tr_down), tri_watcher_free);
    tri_notice_mark(&notice, watcher->down.monitor);
    tri_word_send(worker, &watcher->word, TR_NOBODY, watcher->watcher, notice);
}

static void
on_end(struct tri_attachment *attachment, const struct tri_death *death)
{
    struct tri_watcher *watcher = TRI_CONTAINER_OF(attachment, struct tri_watcher, attachment);
    struct tri_worker *worker = watcher->home->worker;
    detach(watcher);
    tri_watcher_tell(worker, watcher, death);
}

void
tri_watcher_attach(tr_actor *actor, struct tri_watcher *watcher)
{
    watcher->home = actor->home;
    watcher->attachment.end = on_end;
    tri_table_add(&actor->home->watchers, &watcher->entry, watcher->down.monitor);
    tri_actor_attach(actor, &watcher->attachment);
}

/* false: it is on its way, and there is no memory to note that somebody watches it. */
bool
tri_watch_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    static const struct tri_death gone = {.status = TR_EGONE};
    tr_actor *actor = tri_actor_at(home, to);
    if (actor == NULL && tri_actor_is_coming(home, to))
        return false;
    struct tri_watcher *watcher = tr_message_take_pointer(message);
    if (actor != NULL)
        tri_watcher_attach(actor, watcher);
    else
        tri_watcher_tell(home->worker, watcher, &gone);
    return true;
}

bool
tri_unwatch_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    struct tri_table_entry *entry = tri_table_find(&home->watchers, message->payload.words[0]);
    (void)to;
    if (entry == NULL)
        return true;
    struct tri_watcher *watcher = TRI_CONTAINER_OF(entry, struct tri_watcher, entry);
    detach(watcher);
    tri_watcher_free(watcher);
    return true;
}

/* The public ways. */

tr_status
tr_monitor_start(tr_actor *self, tr_ref actor, tr_monitor *out)
{
    TRI_CHECK_SELF(self);
    if (self == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    if (!tri_ref_is_of(self->home->worker->runtime, actor))
        return TR_EBADREF;
    return actor != self->ref ? tri_watch(self, actor, TRI_WATCH_TELL, out) : TR_ESELF;
}

tr_status
tr_monitor_stop(tr_actor *self, tr_monitor monitor)
{
    TRI_CHECK_SELF(self);
    if (self == NULL)
        return TR_EINVAL;
    struct watch *watch = find_watch(self, monitor);
    if (watch == NULL)
        return TR_EGONE;
    send_unwatch(watch);
    forget(self, monitor);
    return TR_OK;
}
