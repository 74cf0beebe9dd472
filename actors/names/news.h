/*
 * News: what those that watch a name are told (news.c).
 */
#ifndef TROUPE_ACTORS_NAMES_NEWS_H
#define TROUPE_ACTORS_NAMES_NEWS_H

#include "interest.h"
#include "registry.h"

struct tri_name_news;

/* One actor watches one name. */
struct tri_name_watch {
    struct tri_interest interest; /* first. Owner */
    struct tri_name *name;        /* constant, as interest.actor and the number */

    /* Under the lock. */
    struct tri_name_watch *next, **link; /* of those that watch the name */
    struct tri_name_news *comes, *goes;  /* their memory: of the next time that the name comes, and that it goes */
};

/* Has the memory to tell `watcher` of a change that `worker` makes. NULL: there is none. */
struct tri_name_news *tri_name_news_new(tr_ref watcher, unsigned worker);
void tri_name_news_free(struct tri_name_news *news); /* NULL does nothing */

/*
 * Has the memory to tell all who watch that an actor of that worker gets the name, and that it goes away from it.
 * false: there is none, and nothing has happened. Under the lock.
 */
bool tri_name_news_prepare(struct tri_name *name, unsigned worker);

/* What is to be done when the lock has been given back. */
struct tri_name_errands {
    struct tri_word *kicks; /* by owed.next: to the other workers where news wait */
    bool here;              /* news wait on this one */
};

/* The name has come to ref, or has gone: TR_NOBODY. Under the lock; of this worker, which then has errands. */
void tri_name_news_spread(struct tri_actors *home, struct tri_name *name, tr_ref ref, struct tri_name_errands *errands);

/* Who has just begun to watch is told who has the name. Under the lock; of this worker, which then has errands. */
void tri_name_news_begin(struct tri_actors *home, const struct tri_name_watch *watch, struct tri_name_news *news,
                         struct tri_name_errands *errands);

/* Not under the lock. */
void tri_name_errands_run(struct tri_actors *home, struct tri_name_errands *errands);

/* News wait on this worker. Always true. */
bool tri_name_news_arrived(struct tri_actors *home, tr_ref to, tr_message *message);

/* The worker's end: nobody can be told any more. Thread: setup. */
void tri_name_news_forget(struct tri_actors *home);

#endif
