/*
 * Who is a member: on this worker, and on all of them.
 *
 * The list of all goes from worker to worker as one order, which grows on its way and comes back as the answer. So
 * nobody has to put parts together, and as it is one thing that moves, it is the memory of its own words.
 */
#include "group_internal.h"

#include "post.h"

#include <stdlib.h>
#include <string.h>

struct tri_gather {
    struct tr_group_members answer; /* first: it is the payload of the message that this becomes */
    struct tri_word word;
    tr_group *group; /* held */
    tr_ref asker;
    unsigned begun, next; /* workers: it began at that one; so many have been asked */
    tr_ref *members;
    size_t room;
};

static void
free_gather(void *address)
{
    struct tri_gather *gather = address;
    tr_group_release(gather->group);
    free(gather->members);
    free(gather);
}

struct list {
    tr_ref *members;
    size_t room, count;
};

static void
note(tr_actor *actor, void *argument)
{
    struct list *list = argument;
    if (list->count < list->room)
        list->members[list->count] = actor->ref;
    list->count++;
}

static void
note_all(const tr_group *group, struct tri_actors *home, struct list *list)
{
    const struct tri_group_part *part = tri_group_part_if_any(group, home);
    if (group->source != NULL)
        group->source->visit(home->worker, group->context, note, list);
    for (uint32_t i = 0; part != NULL && i < part->count; i++, list->count++)
        if (list->count < list->room)
            list->members[list->count] = part->seats[i].actor;
}

size_t
tr_group_local(tr_actor *self, tr_group *group, tr_ref *members, size_t room)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || group == NULL)
        return 0;
    struct list list = {.members = members, .room = members != NULL ? room : 0};
    note_all(group, self->home, &list);
    return list.count;
}

/* Adds the members of this worker. false: without memory, and it is as before. */
static bool
add_own(struct tri_gather *gather, struct tri_actors *home)
{
    struct list list = {0};
    note_all(gather->group, home, &list);
    size_t count = gather->answer.count + list.count;
    if (count > gather->room) {
        size_t room = count + count / 2;
        tr_ref *members = realloc(gather->members, room * sizeof(*members));
        if (members == NULL)
            return false;
        gather->members = members;
        gather->room = room;
    }
    if (list.count > 0) {
        list = (struct list){.members = gather->members + gather->answer.count, .room = list.count};
        note_all(gather->group, home, &list);
    }
    gather->answer.members = gather->members;
    gather->answer.count = count;
    gather->next++;
    return true;
}

static void
send_on(struct tri_gather *gather, struct tri_actors *home)
{
    unsigned workers = gather->group->workers;
    if (gather->next < workers)
        tri_word_send(home->worker, &gather->word, TR_NOBODY,
                      tri_group_ref_of_worker((gather->begun + gather->next) % workers),
                      tr_message_pointer(TRI_TAG_GROUP_GATHER, gather, sizeof(*gather), free_gather));
    else
        tri_word_send(home->worker, &gather->word, TR_NOBODY, gather->asker,
                      tr_message_pointer(TR_TAG_GROUP_MEMBERS, gather, sizeof(gather->answer), free_gather));
}

bool
tri_group_gather_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    struct tri_gather *gather = message->payload.pointer.address;
    (void)to;
    if (!add_own(gather, home))
        return false;
    tr_message_take_pointer(message);
    send_on(gather, home);
    return true;
}

tr_status
tr_group_list(tr_actor *self, tr_group *group, uint64_t token)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || group == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    struct tri_gather *gather = calloc(1, sizeof(*gather));
    if (gather == NULL)
        return TR_ENOMEM;
    tr_group_hold(group);
    gather->group = group;
    gather->asker = self->ref;
    gather->begun = self->home->worker->index;
    gather->answer.token = token;
    if (!add_own(gather, self->home)) {
        free_gather(gather);
        return TR_ENOMEM;
    }
    send_on(gather, self->home);
    return TR_OK;
}
