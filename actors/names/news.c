/*
 * News: those that watch a name are told of each change, in the order of the changes.
 *
 * Changes of one name may be made by any worker, and lanes of two workers have no order between them. So the news are
 * not in the lanes: under the lock that orders the changes they go to the end of a line that each worker has (`news` of
 * struct tri_actors), and what goes through the lanes is a kick. Whichever kick arrives first, the worker takes the
 * whole line and puts it into the mailboxes. Each change kicks each worker once, even if another kick is under way: so
 * news of a change are in the mailbox before anything that its actor sends there later.
 *
 * Nothing is lost for lack of memory. A name that somebody has may go at any moment. So whoever registers a name has
 * the memory for its coming and its going, of each that watches it, and whoever begins to watch a name that an actor
 * has, too; without it they are refused. From then on what cannot be sent is owed (struct tri_word).
 *
 * A watch is an interest, and its news are notices: those of one that is over reach nobody, wherever they are by then.
 */
#include "news.h"

#include "post.h"

#include <stdlib.h>
#include <string.h>

struct tri_name_news {
    struct tr_name_change change; /* first: the payload, which the program may free */
    tr_ref watcher;
    uint64_t number;            /* of the watch */
    struct tri_name_news *next; /* in the line */
    struct tri_word *kick; /* for the watcher's worker, NULL if that makes the change. It has memory of its own, since
                                   an earlier kick may bring the news */
    struct tri_word word;  /* to the mailbox */
};

/* Memory. */

void
tri_name_news_free(struct tri_name_news *news)
{
    if (news == NULL)
        return;
    free(news->kick);
    free(news);
}

static bool
has_kick(struct tri_name_news *news, unsigned worker)
{
    if (tri_ref_worker(news->watcher) == worker)
        return true;
    news->kick = malloc(sizeof(*news->kick));
    return news->kick != NULL;
}

struct tri_name_news *
tri_name_news_new(tr_ref watcher, unsigned worker)
{
    struct tri_name_news *news = calloc(1, sizeof(*news));
    if (news == NULL)
        return NULL;
    news->watcher = watcher;
    if (has_kick(news, worker))
        return news;
    free(news);
    return NULL;
}

static void
drop_prepared(struct tri_name *name)
{
    for (struct tri_name_watch *watch = name->watches; watch != NULL; watch = watch->next) {
        tri_name_news_free(watch->comes);
        tri_name_news_free(watch->goes);
        watch->comes = watch->goes = NULL;
    }
}

bool
tri_name_news_prepare(struct tri_name *name, unsigned worker)
{
    for (struct tri_name_watch *watch = name->watches; watch != NULL; watch = watch->next) {
        watch->comes = tri_name_news_new(watch->interest.actor, worker);
        watch->goes = tri_name_news_new(watch->interest.actor, worker);
        if (watch->comes == NULL || watch->goes == NULL) {
            drop_prepared(name);
            return false;
        }
    }
    return true;
}

/* The line of a worker. */

static void
stand_in_line(struct tri_actors *home, struct tri_name_news *news)
{
    if (home->news.first == NULL)
        home->news.first = news;
    else
        home->news.last->next = news;
    home->news.last = news;
}

static struct tri_name_news *
take_line(struct tri_actors *home)
{
    uv_mutex_t *lock = &tri_runtime_of(home)->names->lock;
    uv_mutex_lock(lock);
    struct tri_name_news *first = home->news.first;
    home->news.first = NULL;
    uv_mutex_unlock(lock);
    return first;
}

/* From here on the news are one block, the payload. */
static void
say(struct tri_actors *home, struct tri_name_news *news)
{
    free(news->kick);
    if (tri_table_find(&home->interests, news->number) == NULL) {
        free(news);
        return;
    }
    tr_message notice = tr_message_pointer(TR_TAG_NAME, &news->change, sizeof(news->change), free);
    tri_notice_mark(&notice, news->number);
    tri_word_send(home->worker, &news->word, TR_NOBODY, news->watcher, notice);
}

static void
say_all(struct tri_actors *home)
{
    struct tri_name_news *news = take_line(home);
    while (news != NULL) {
        struct tri_name_news *next = news->next;
        say(home, news);
        news = next;
    }
}

bool
tri_name_news_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    (void)to;
    (void)message;
    say_all(home);
    return true;
}

void
tri_name_news_forget(struct tri_actors *home)
{
    for (struct tri_name_news *news; (news = home->news.first) != NULL;) {
        home->news.first = news->next;
        tri_name_news_free(news);
    }
}

/* Changes. */

static void
tell(struct tri_actors *home, const struct tri_name_watch *watch, struct tri_name_news *news, tr_ref ref)
{
    news->change.ref = ref;
    news->number = watch->interest.entry.key;
    strcpy(news->change.name, (const char *)watch->name->text);
    stand_in_line(home, news);
}

/* One kick for each worker and change: that of its first news. Those of the others are freed with them. */
static void
add_kick(struct tri_actors *home, uint64_t change, struct tri_name_news *news, struct tri_name_errands *errands)
{
    if (home->news.kicked == change)
        return;
    home->news.kicked = change;
    struct tri_word *kick = news->kick;
    news->kick = NULL;
    kick->owed.to = news->watcher;
    kick->owed.next = (struct tri_owed *)errands->kicks;
    errands->kicks = kick;
}

static struct tri_name_news *
take_prepared(struct tri_name_watch *watch, tr_ref ref)
{
    struct tri_name_news **prepared = ref != TR_NOBODY ? &watch->comes : &watch->goes, *news = *prepared;
    *prepared = NULL;
    return news;
}

void
tri_name_news_spread(struct tri_actors *home, struct tri_name *name, tr_ref ref, struct tri_name_errands *errands)
{
    uint64_t change = ++tri_runtime_of(home)->names->changes;
    for (struct tri_name_watch *watch = name->watches; watch != NULL; watch = watch->next) {
        unsigned worker = tri_ref_worker(watch->interest.actor);
        struct tri_actors *there = tri_actors_of(home->worker->runtime->workers[worker]);
        struct tri_name_news *news = take_prepared(watch, ref);
        tell(there, watch, news, ref);
        if (there == home)
            errands->here = true;
        else
            add_kick(there, change, news, errands);
    }
}

void
tri_name_news_begin(struct tri_actors *home, const struct tri_name_watch *watch, struct tri_name_news *news,
                    struct tri_name_errands *errands)
{
    tell(home, watch, news, watch->name->ref);
    errands->here = true;
}

void
tri_name_errands_run(struct tri_actors *home, struct tri_name_errands *errands)
{
    while (errands->kicks != NULL) {
        struct tri_word *kick = errands->kicks;
        errands->kicks = (struct tri_word *)kick->owed.next;
        kick->done = tri_word_free;
        tri_word_send(home->worker, kick, TR_NOBODY, kick->owed.to, tr_message_signal(TRI_TAG_NAME_NEWS));
    }
    if (errands->here)
        say_all(home);
}
