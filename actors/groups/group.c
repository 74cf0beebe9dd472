/*
 * Groups: who is a member.
 *
 * A place is taken before anything else, by an atomic count that the limit bounds; so a group is never larger than it
 * may be, whoever joins at the same time on whatever worker. Then the member is seated on the worker of its actor, and
 * the membership is an attachment of that: it ends with it.
 *
 *   join, or add --place--> [on its way] --> seated --leave, remove, the actor's end--> the watchers are told
 *
 * For each worker one word says how many places are taken there, so that nobody publishes to a worker without members.
 * It is raised with the place, by who adds; so what that one publishes next does not miss the new member. Beside the
 * number stands its epoch, which begins when the first place is taken: who publishes sends along the epoch that it has
 * seen, and a message of an epoch that is over finds nobody. Otherwise a new member could get an old message that is
 * late, and not the next one, whose publisher had seen that nobody was there.
 */
#include "group_internal.h"

#include "body.h"
#include "extra.h"
#include "owed.h"
#include "post.h"
#include "routes.h"

#include <stdlib.h>

/* Groups. */

static tr_group *
group_new(const struct tr_runtime *runtime)
{
    unsigned workers = runtime->core->count;
    tr_group *group = calloc(1, sizeof(*group) + 2 * workers * sizeof(group->words[0]));
    if (group == NULL)
        return NULL;
    group->workers = workers;
    group->parts = calloc(workers, sizeof(*group->parts));
    if (group->parts != NULL)
        return group;
    free(group);
    return NULL;
}

static void
free_group(struct tri_named *named)
{
    tr_group *group = (tr_group *)named;
    tri_routes_free(group->routes);
    for (unsigned i = 0; i < group->workers; i++)
        tri_group_part_free(group->parts[i]);
    free(group->parts);
    free(group);
}

static struct tri_named *
make_group(struct tr_runtime *runtime, const void *argument)
{
    const struct tr_group_options *options = argument;
    tr_group *group = group_new(runtime);
    if (group == NULL)
        return NULL;
    group->limit = options->members;
    if (options->policy == TR_GROUP_NO_ROUTES ||
        (group->routes = tri_routes_new(group->workers, options->policy)) != NULL)
        return &group->named;
    free_group(&group->named);
    return NULL;
}

const struct tri_named_kind tri_group_kind = {.make = make_group, .free = free_group};

tr_status
tr_group_open(struct tr_runtime *runtime, const char *name, const struct tr_group_options *options, tr_group **out)
{
    static const struct tr_group_options no_options;
    options = options != NULL ? options : &no_options;
    if (runtime == NULL || out == NULL || (unsigned)options->policy > TR_GROUP_SMALLEST)
        return TR_EINVAL;
    struct tri_named *named;
    tr_status status = tri_named_open(runtime, name, &tri_group_kind, options, &named);
    if (status == TR_OK)
        *out = (tr_group *)named;
    return status;
}

struct tri_runtime *
tri_runtime_core(const tr_runtime *runtime)
{
    return runtime->core;
}

tr_group *
tri_group_of_source(tr_runtime *runtime, const struct tri_group_source *source, uint64_t context)
{
    static const struct tr_group_options no_options;
    struct tri_named *named;
    if (tri_named_open(runtime, NULL, &tri_group_kind, &no_options, &named) != TR_OK)
        return NULL;
    tr_group *group = (tr_group *)named;
    group->source = source;
    group->context = context;
    return group;
}

void
tr_group_hold(tr_group *group)
{
    if (group != NULL)
        tri_named_hold(&group->named);
}

void
tr_group_release(tr_group *group)
{
    if (group != NULL)
        tri_named_release(&group->named);
}

size_t
tr_group_count(const tr_group *group)
{
    if (group == NULL)
        return 0;
    if (group->source != NULL)
        return group->source->count(group->named.runtime, group->context);
    return ck_pr_load_32(&group->count);
}

/* A worker's part. */

static void tell_no_more(struct tri_owed *owed);

struct tri_group_part *
tri_group_part(tr_group *group, struct tri_actors *home)
{
    struct tri_group_part **part = &group->parts[home->worker->index];
    if (*part != NULL || (*part = calloc(1, sizeof(**part))) == NULL)
        return *part;
    (*part)->group = group;
    (*part)->home = home;
    (*part)->last_news = &(*part)->news;
    (*part)->owed.forget = tell_no_more;
    return *part;
}

void
tri_group_part_free(struct tri_group_part *part)
{
    if (part == NULL)
        return;
    tri_table_fini(&part->members);
    free(part->seats);
    free(part);
}

static void
free_news(struct tri_group_news *news)
{
    if (news->change == TR_GROUP_JOINED)
        free(news);
    else
        tri_member_free(TRI_CONTAINER_OF(news, struct tri_member, news));
}

/* Takes the oldest. The group, and the part with it, may be gone afterwards. */
static void
drop_first_news(struct tri_group_part *part)
{
    struct tri_group_news *news = part->news;
    part->news = news->next;
    if (part->news == NULL)
        part->last_news = &part->news;
    free_news(news);
}

static void
tell_no_more(struct tri_owed *owed)
{
    struct tri_group_part *part = (struct tri_group_part *)owed;
    tr_group *group = part->group;
    tr_group_hold(group);
    while (part->news != NULL)
        drop_first_news(part);
    tr_group_release(group);
}

/* false: without memory; the worker that was not told is in the news. */
static bool
tell_workers(struct tri_group_part *part, struct tri_group_news *news)
{
    struct tri_worker *worker = part->home->worker;
    for (; news->worker < part->group->workers; news->worker++) {
        tr_ref to = tri_group_ref_of_worker(news->worker);
        if (ck_pr_load_64(tri_group_watched_word(part->group, news->worker)) == 0)
            continue;
        uint64_t words[] = {(uintptr_t)part->group, news->member,
                            (uint64_t)news->count << 32 | news->number | news->change};
        tr_message message = tr_message_copy(TRI_TAG_GROUP_NEWS, words, sizeof(words));
        tr_group_hold(part->group); /* the order's; one that is never carried out leaves it to the runtime's end */
        if (!tri_owed_blocks(part->home, to) && tri_send_word(worker, TR_NOBODY, to, &message))
            continue;
        tr_group_release(part->group);
        return false;
    }
    return true;
}

/* All news goes through here, so that none overtakes another. */
static bool
tell_news(struct tri_worker *worker, struct tri_owed *owed)
{
    struct tri_group_part *part = (struct tri_group_part *)owed;
    tr_group *group = part->group;
    bool told = true;
    (void)worker;
    tr_group_hold(group);
    while (told && part->news != NULL) {
        told = tell_workers(part, part->news);
        if (told)
            drop_first_news(part);
        else
            owed->to = tri_group_ref_of_worker(part->news->worker);
    }
    tr_group_release(group);
    return told;
}

void
tri_group_tell(struct tri_group_part *part, struct tri_group_news *news)
{
    bool waits = part->news != NULL;
    struct tri_worker *worker = part->home->worker;
    news->next = NULL;
    news->worker = 0;
    news->count = ck_pr_load_32(&part->group->count);
    news->number = ck_pr_faa_32(&part->group->news, 2) + 2;
    ck_pr_fence_memory(); /* G1: a watch that did not see this number is seen from here on; pairs with G2, watch.c */
    *part->last_news = news;
    part->last_news = &news->next;
    part->owed.send = tell_news;
    if (!waits && !tell_news(worker, &part->owed))
        tri_owe(worker, &part->owed);
}

/* Members. */

/* The word needs no order: who learns of a member by a message sees its place. */
static void
take_place_on(tr_group *group, unsigned worker)
{
    uint64_t *word = tri_group_places(group, worker), places = ck_pr_load_64(word), next;
    do
        next = (uint32_t)places == 0 ? ((places >> 32) + 1) << 32 | 1 : places + 1;
    while (!ck_pr_cas_64_value(word, places, next, &places));
}

static void
give_place(tr_group *group, unsigned worker)
{
    ck_pr_dec_64(tri_group_places(group, worker));
    ck_pr_dec_32(&group->count);
}

/* false: the group is full. */
static bool
take_place(tr_group *group, unsigned worker)
{
    uint32_t count = ck_pr_load_32(&group->count);
    do {
        if (count == UINT32_MAX || (group->limit != 0 && count >= group->limit))
            return false;
    } while (!ck_pr_cas_32_value(&group->count, count, count + 1, &count));
    take_place_on(group, worker);
    return true;
}

void
tri_member_free(struct tri_member *member)
{
    tr_group_release(member->group);
    free(member);
}

/* Of an order that is not carried out. */
static void
cancel(void *address)
{
    struct tri_member *member = address;
    give_place(member->group, member->worker);
    tri_member_free(member);
}

/* With a place. TR_OK, TR_EFULL, TR_ENOMEM. */
static tr_status
member_new(tr_group *group, unsigned worker, struct tri_member **out)
{
    struct tri_member *member = calloc(1, sizeof(*member));
    if (member == NULL)
        return TR_ENOMEM;
    if (!take_place(group, worker)) {
        free(member);
        return TR_EFULL;
    }
    tr_group_hold(group);
    member->group = group;
    member->worker = worker;
    *out = member;
    return TR_OK;
}

static struct tri_member *
find_member(const tr_group *group, struct tri_actors *home, tr_ref actor)
{
    struct tri_group_part *part = tri_group_part_if_any(group, home);
    return part != NULL ? (struct tri_member *)tri_table_find(&part->members, actor) : NULL;
}

/* false: without memory. */
static bool
make_room(struct tri_group_part *part)
{
    if (part->count < part->room)
        return true;
    uint32_t room = part->room == 0 ? 4 : part->room <= UINT32_MAX / 2 ? 2 * part->room : UINT32_MAX;
    struct tri_seat *seats = realloc(part->seats, (size_t)room * sizeof(*seats));
    if (seats == NULL)
        return false;
    part->seats = seats;
    part->room = room;
    return true;
}

/* Takes the member out of its seat; the last one sits there then. */
static void
unseat(struct tri_group_part *part, struct tri_member *member)
{
    struct tri_seat *last = &part->seats[--part->count];
    last->member->seat = member->seat;
    part->seats[member->seat] = *last;
    tri_table_remove(&part->members, &member->entry);
}

static void
leave(struct tri_member *member)
{
    struct tri_group_part *part = member->part;
    unseat(part, member);
    if (member->group->routes != NULL)
        tri_routes_remove(member->group->routes, member->place);
    tri_detach(&member->attachment);
    give_place(member->group, member->worker);
    member->news.member = member->entry.key;
    member->news.change = TR_GROUP_LEFT;
    if (part->news != NULL || (tri_group_is_watched(part->group) && !part->home->killing))
        tri_group_tell(part, &member->news);
    else
        tri_member_free(member);
}

static void
on_end(struct tri_attachment *attachment, const struct tri_death *death)
{
    (void)death;
    leave(TRI_CONTAINER_OF(attachment, struct tri_member, attachment));
}

static void
seat(struct tri_group_part *part, tr_actor *actor, struct tri_member *member)
{
    member->part = part;
    member->seat = part->count;
    member->attachment.end = on_end;
    part->seats[part->count++] = (struct tri_seat){.actor = actor->ref, .member = member};
    tri_table_add(&part->members, &member->entry, actor->ref);
    tri_actor_attach(actor, &member->attachment);
}

/* false: without memory. */
static bool
put_on_route(const tr_actor *actor, struct tri_member *member)
{
    struct tri_routes *routes = member->group->routes;
    return routes == NULL || tri_routes_add(routes, actor->ref, &member->place);
}

/* Takes the member; TR_ENOMEM: not, and nothing has happened. */
static tr_status
seat_and_tell(tr_actor *actor, struct tri_member *member)
{
    struct tri_group_part *part = tri_group_part(member->group, actor->home);
    bool tells = tri_group_is_watched(member->group) || (part != NULL && part->news != NULL);
    struct tri_group_news *news = tells ? malloc(sizeof(*news)) : NULL;
    if (part == NULL || (tells && news == NULL) || !make_room(part) || !put_on_route(actor, member)) {
        free(news);
        return TR_ENOMEM;
    }
    seat(part, actor, member);
    if (!tells)
        return TR_OK;
    news->member = actor->ref;
    news->change = TR_GROUP_JOINED;
    tri_group_tell(part, news);
    return TR_OK;
}

static tr_status
check(const tr_actor *self, const tr_group *group)
{
    if (self == NULL || group == NULL)
        return TR_EINVAL;
    if (group->source != NULL)
        return TR_ENOTSUPPORTED;
    return (self->flags & TRI_ACTOR_GONE) == 0 ? TR_OK : TR_EGONE;
}

tr_status
tr_group_join(tr_actor *self, tr_group *group)
{
    TRI_CHECK_SELF(self);
    tr_status status = check(self, group);
    if (status != TR_OK || find_member(group, self->home, self->ref) != NULL)
        return status;
    struct tri_member *member;
    status = member_new(group, self->home->worker->index, &member);
    if (status != TR_OK)
        return status;
    status = seat_and_tell(self, member);
    if (status != TR_OK)
        cancel(member);
    return status;
}

tr_status
tr_group_leave(tr_actor *self, tr_group *group)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || group == NULL)
        return TR_EINVAL;
    struct tri_member *member = find_member(group, self->home, self->ref);
    if (member == NULL)
        return TR_EGONE;
    leave(member);
    return TR_OK;
}

/* For others. */

bool
tri_group_join_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    struct tri_member *member = message->payload.pointer.address;
    tr_actor *actor = home->killing ? NULL : tri_actor_at(home, to);
    if (actor == NULL)
        return !tri_actor_is_coming(home, to);
    if (find_member(member->group, home, to) != NULL)
        return true;
    if (seat_and_tell(actor, member) != TR_OK)
        return false;
    tr_message_take_pointer(message);
    return true;
}

bool
tri_group_leave_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    struct tri_member *member = find_member(message->payload.pointer.address, home, to);
    if (member != NULL)
        leave(member);
    return true;
}

static tr_status
check_other(const tr_actor *self, tr_ref actor, const tr_group *group)
{
    tr_status status = check(self, group);
    if (status != TR_OK)
        return status;
    return actor != TR_NOBODY && tri_ref_worker(actor) < group->workers ? TR_OK : TR_EBADREF;
}

tr_status
tr_group_add(tr_actor *self, tr_ref actor, tr_group *group)
{
    TRI_CHECK_SELF(self);
    struct tri_member *member;
    tr_status status = check_other(self, actor, group);
    if (status == TR_OK)
        status = member_new(group, tri_ref_worker(actor), &member);
    if (status != TR_OK)
        return status;
    tr_message message = tr_message_pointer(TRI_TAG_GROUP_JOIN, member, sizeof(*member), cancel);
    return tri_send_system(self->home->worker, self, actor, &message);
}

static void
release(void *group)
{
    tr_group_release(group);
}

tr_status
tr_group_remove(tr_actor *self, tr_ref actor, tr_group *group)
{
    TRI_CHECK_SELF(self);
    tr_status status = check_other(self, actor, group);
    if (status != TR_OK)
        return status;
    tr_group_hold(group);
    tr_message message = tr_message_pointer(TRI_TAG_GROUP_LEAVE, group, sizeof(group), release);
    return tri_send_system(self->home->worker, self, actor, &message);
}
