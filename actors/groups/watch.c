/*
 * Watching a group: an interest (interest.h) that stands in the list of its worker's part. The news of a joining or a
 * leaving comes to a worker as one order, on which it tells all that watch there: all of them, or none yet.
 *
 * News may be on its way when a watch begins. What happened after it, and before the watch, nobody was told of if
 * nobody watched at that time: so the old news would be wrong, such as that somebody has left who is a member again.
 * News has numbers, and a watch hears of those alone that are younger than itself.
 */
#include "group_internal.h"

#include "deliver.h"
#include "extra.h"

#include <assert.h>
#include <stdlib.h>

struct tri_group_watcher {
    struct tri_interest interest; /* first */
    struct tri_group_part *part;
    struct tri_group_watcher *next, **link;
    uint32_t begun; /* the number of the latest news before it */
};

/* The word that the part shows follows the first watch and the last. */
static void
show(struct tri_group_part *part)
{
    tr_group *group = part->group;
    bool watched = part->watch_count > 0;
    uint64_t *word = tri_group_watched_word(group, part->home->worker->index);
    if (*word == watched)
        return;
    ck_pr_store_64(word, watched);
    if (watched)
        ck_pr_inc_32(&group->watched_parts);
    else
        ck_pr_dec_32(&group->watched_parts);
}

static void
put_into_list(struct tri_group_part *part, struct tri_group_watcher *watcher)
{
    watcher->part = part;
    watcher->next = part->watches;
    watcher->link = &part->watches;
    if (watcher->next != NULL)
        watcher->next->link = &watcher->next;
    part->watches = watcher;
    part->watch_count++;
    show(part);
}

static void
end_watch(struct tri_group_watcher *watcher)
{
    struct tri_group_part *part = watcher->part;
    *watcher->link = watcher->next;
    if (watcher->next != NULL)
        watcher->next->link = watcher->link;
    part->watch_count--;
    show(part);
    tri_interest_end(&watcher->interest);
    free(watcher);
    tr_group_release(part->group);
}

static void
on_end(struct tri_attachment *attachment, const struct tri_death *death)
{
    (void)death;
    end_watch((struct tri_group_watcher *)TRI_CONTAINER_OF(attachment, struct tri_interest, attachment));
}

tr_status
tr_group_watch_start(tr_actor *self, tr_group *group, tr_group_watch *out)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || group == NULL || out == NULL)
        return TR_EINVAL;
    if (group->source != NULL)
        return TR_ENOTSUPPORTED;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    struct tri_group_part *part = tri_group_part(group, self->home);
    struct tri_group_watcher *watcher = part != NULL ? calloc(1, sizeof(*watcher)) : NULL;
    if (watcher == NULL)
        return TR_ENOMEM;
    watcher->interest.attachment.end = on_end;
    tr_group_hold(group);
    *out = tri_interest_begin(self, &watcher->interest);
    put_into_list(part, watcher);
    ck_pr_fence_memory(); /* G2: news that does not see the watch has a number that is seen here; pairs with G1 */
    watcher->begun = ck_pr_load_32(&group->news);
    return TR_OK;
}

tr_status
tr_group_watch_stop(tr_actor *self, tr_group_watch watch)
{
    TRI_CHECK_SELF(self);
    if (self == NULL)
        return TR_EINVAL;
    struct tri_interest *interest = tri_interest_find(self, watch, on_end);
    if (interest == NULL)
        return TR_EGONE;
    end_watch((struct tri_group_watcher *)interest);
    return TR_OK;
}

static void
tell(struct tri_actors *home, const struct tri_group_watcher *watcher, struct tr_group_event event)
{
    event.watch = watcher->interest.entry.key;
    tr_message notice = tr_message_copy(TR_TAG_GROUP, &event, sizeof(event));
    tri_notice_mark(&notice, event.watch);
    if (TRI_UNLIKELY(home->worker->trace != NULL)) {
        notice.id = tri_trace_message_id(home->worker->trace);
        tri_trace_send(home->worker->trace, TR_NOBODY, false, TR_TAG_GROUP, notice.id);
    }
    bool delivered = tri_actors_deliver(home->worker, watcher->interest.actor, &notice);
    assert(delivered); /* its node is in reserve */
    (void)delivered;
    home->worker->counters.sent++;
}

static bool
is_younger(uint32_t number, const struct tri_group_watcher *watcher)
{
    return (int32_t)(number - watcher->begun) > 0;
}

bool
tri_group_news_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    const uint64_t *words = message->payload.words;
    tr_group *group = (tr_group *)(uintptr_t)words[0];
    const struct tri_group_part *part = tri_group_part_if_any(group, home);
    (void)to;
    uint32_t count = part != NULL ? part->watch_count : 0;
    if (count > 0 && !tri_pool_reserve(&home->mail, count))
        return false;
    uint32_t change = (uint32_t)words[2] & 1, number = (uint32_t)words[2] - change;
    struct tr_group_event event = {
        .member = words[1], .group = group, .change = change, .count = (uint32_t)(words[2] >> 32)};
    for (const struct tri_group_watcher *watcher = count > 0 ? part->watches : NULL; watcher != NULL;
         watcher = watcher->next)
        if (is_younger(number, watcher))
            tell(home, watcher, event);
    tr_group_release(group);
    return true;
}
