#include "interest.h"

#include "extra.h"

void
tri_interest_begin_as(tr_actor *actor, struct tri_interest *interest, uint64_t number)
{
    interest->home = actor->home;
    interest->actor = actor->ref;
    tri_table_add(&actor->home->interests, &interest->entry, number);
    tri_actor_attach(actor, &interest->attachment);
}

uint64_t
tri_interest_begin(tr_actor *actor, struct tri_interest *interest)
{
    tri_interest_begin_as(actor, interest, tri_actors_number(actor->home));
    return interest->entry.key;
}

void
tri_interest_end(struct tri_interest *interest)
{
    tri_detach(&interest->attachment);
    tri_table_remove(&interest->home->interests, &interest->entry);
}

struct tri_interest *
tri_interest_find(tr_actor *actor, uint64_t number,
                  void (*end)(struct tri_attachment *attachment, const struct tri_death *death))
{
    struct tri_interest *interest = (struct tri_interest *)tri_table_find(&actor->home->interests, number);
    return interest != NULL && interest->actor == actor->ref && interest->attachment.end == end ? interest : NULL;
}

bool
tri_notice_take(struct tri_actors *home, tr_message *message)
{
    struct tri_interest *interest = (struct tri_interest *)tri_table_find(&home->interests, message->payload.words[3]);
    if (interest == NULL)
        return false;
    message->kind &= TR_PAYLOAD_KINDS;
    if (interest->met != NULL)
        interest->met(interest);
    return true;
}
