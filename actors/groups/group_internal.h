/*
 * A group as its own room sees it, and what comes for groups by message. Thread: owner of the worker, unless a comment
 * says more.
 *
 * Each worker has a part in the group, with the members that live there; it alone touches it. For the others there are
 * two words of each worker: how many are members there, and whether somebody watches.
 */
#ifndef TROUPE_ACTORS_GROUP_INTERNAL_H
#define TROUPE_ACTORS_GROUP_INTERNAL_H

#include "actor_internal.h"
#include "interest.h"
#include "named.h"

#include <ck_pr.h>
#include <troupe/actors/group.h>

/* That somebody has joined or left, on its way to all workers on which somebody watches. */
struct tri_group_news {
    struct tri_group_news *next;
    tr_ref member;
    uint32_t change, count;
    uint32_t number; /* of the group's news: even, so that the change stands beside it in a word */
    unsigned worker; /* the next that is to be told */
};

/* A member, or somebody who is about to be one. Any thread may free it before it sits. */
struct tri_member {
    struct tri_table_entry entry; /* first; among the members of its worker, by ref */
    struct tri_attachment attachment;
    tr_group *group;             /* held */
    struct tri_group_part *part; /* NULL: it has no seat yet */
    struct tri_group_news news;  /* that it has left */
    uint32_t seat;
    uint32_t place; /* on the routes, if there are any */
    unsigned worker;
};

/* Members stand in an array, so that a message is given to them without a list that jumps through memory. By name, not
 * by address: an actor that is on its way is another one when it is born. */
struct tri_seat {
    tr_ref actor;
    struct tri_member *member;
};

/* A worker's part. */
struct tri_group_part {
    struct tri_owed owed; /* first; that there is news, which could not be sent yet */
    tr_group *group;
    struct tri_actors *home;
    struct tri_seat *seats;
    uint32_t count, room;
    struct tri_table members; /* by ref */
    struct tri_group_watcher *watches;
    uint32_t watch_count;
    struct tri_group_news *news, **last_news; /* oldest first */
};

struct tr_group {
    struct tri_named named; /* first */

    /* Constant. */
    const struct tri_group_source *source; /* NULL: members join */
    uint64_t context;                      /* the source's */
    struct tri_routes *routes;             /* NULL: nothing is routed to it */
    uint32_t limit;
    unsigned workers;

    /* Any thread. */
    uint32_t count;         /* of members and of those who have a place */
    uint32_t watched_parts; /* parts with a watch: 0, and nobody need look further */
    uint32_t news;          /* the latest one's number */

    /* The worker's own. */
    struct tri_group_part **parts; /* NULL: nobody has come there yet */

    /* Any thread: of each worker how many places are taken there, and in the upper half the epoch of these; then of
     * each, whether somebody watches. */
    uint64_t words[];
};

static inline uint64_t *
tri_group_places(tr_group *group, unsigned worker)
{
    return &group->words[worker];
}

static inline uint64_t *
tri_group_watched_word(tr_group *group, unsigned worker)
{
    return &group->words[group->workers + worker];
}

/* An order to a worker has no actor that it is for: slot 0 is nobody's. */
static inline tr_ref
tri_group_ref_of_worker(unsigned worker)
{
    return tri_ref_of(worker, 0, 1);
}

/* The part of this worker; made if need be. NULL without memory. */
struct tri_group_part *tri_group_part(tr_group *group, struct tri_actors *home);

/* The same; NULL: there is none. */
static inline struct tri_group_part *
tri_group_part_if_any(const tr_group *group, const struct tri_actors *home)
{
    return group->parts[home->worker->index];
}

/* Frees a part. Thread: setup, or that of the last hold. */
void tri_group_part_free(struct tri_group_part *part);

/* Frees a member that has neither seat nor place any more, and its hold of the group. Thread: any. */
void tri_member_free(struct tri_member *member);

/* watch.c: is anybody to be told? */
static inline bool
tri_group_is_watched(const tr_group *group)
{
    return TRI_UNLIKELY(ck_pr_load_32(&group->watched_parts) != 0);
}

/* Tells those who watch, as soon as there is memory. Takes the news, of a leaving with the member. */
void tri_group_tell(struct tri_group_part *part, struct tri_group_news *news);

/* group.c: of groups that are opened. */
extern const struct tri_named_kind tri_group_kind;

bool tri_group_join_arrived(struct tri_actors *home, tr_ref to, tr_message *message);
bool tri_group_leave_arrived(struct tri_actors *home, tr_ref to, tr_message *message);
bool tri_group_publish_arrived(struct tri_actors *home, tr_ref to, tr_message *message);
bool tri_group_news_arrived(struct tri_actors *home, tr_ref to, tr_message *message);
bool tri_group_gather_arrived(struct tri_actors *home, tr_ref to, tr_message *message);

#endif
