/*
 * Links: two actors that fail together.
 *
 * Each of the two has a half, an interest (interest.h), and with it, from the beginning on, the memory of the word that
 * it sends to the other half when its actor ends. The two halves have one number, but for a bit that says who began: so
 * each finds the other. A half whose word has gone, or whose unlinking has, is no more; what comes for it then finds
 * nobody.
 *
 * The word acts on arrival: the other actor fails, or the word becomes a message for it. An actor that fails may be
 * linked with the next one of its worker, and so on: they end as stops do, nested no more than a few deep (stop.c).
 */
#include "link.h"

#include "body.h"
#include "extra.h"
#include "interest.h"
#include "monitor.h"
#include "post.h"
#include "stop.h"

#include <stdlib.h>
#include <troupe/actors/watch.h>

#define ACCEPTED (UINT64_C(1) << 63) /* in the number of the half that did not begin it */

/* What one half tells the other. Any thread may free it. */
struct word {
    struct tr_down down; /* first: it is the payload of the message that the word may become */
    struct tri_text *text;
    struct tri_word word;
    uint64_t number; /* of the half that is told */
};

struct link {
    struct tri_interest interest; /* first */
    tr_ref other;
    struct word *word; /* NULL: its own notice waits in the mailbox */
};

static void
free_word(void *address)
{
    struct word *word = address;
    if (word != NULL)
        tri_text_release(word->text);
    free(word);
}

static void
drop_link(struct link *link)
{
    tri_interest_end(&link->interest);
    free_word(link->word);
    free(link);
}

static void
send_word(struct tri_worker *worker, struct word *word, tr_ref to, const struct tri_death *death)
{
    tri_down_explain(&word->down, &word->text, death);
    tri_word_send(worker, &word->word, TR_NOBODY, to,
                  tr_message_pointer(TRI_TAG_LINK_DOWN, word, sizeof(*word), free_word));
}

/* The actor of this half has ended. */
static void
on_end(struct tri_attachment *attachment, const struct tri_death *death)
{
    struct link *link = (struct link *)TRI_CONTAINER_OF(attachment, struct tri_interest, attachment);
    struct tri_worker *worker = link->interest.home->worker;
    struct word *word = link->word;
    tr_ref other = link->other;
    link->word = NULL;
    drop_link(link);
    if (word != NULL)
        send_word(worker, word, other, death);
}

static void
on_notice(struct tri_interest *interest)
{
    drop_link((struct link *)interest);
}

/* NULL: without memory. */
static struct link *
link_new(tr_actor *actor, tr_ref other, uint64_t number)
{
    struct link *link = calloc(1, sizeof(*link));
    struct word *word = calloc(1, sizeof(*word));
    if (link == NULL || word == NULL) {
        free(link);
        free(word);
        return NULL;
    }
    link->other = other;
    link->word = word;
    link->interest.met = on_notice;
    link->interest.attachment.end = on_end;
    tri_interest_begin_as(actor, &link->interest, number);
    word->down = (struct tr_down){.actor = actor->ref, .text = ""};
    word->number = link->interest.entry.key ^ ACCEPTED;
    return link;
}

/* Nobody is there to be linked with. */
static bool
refuse(struct tri_actors *home, tr_ref to, tr_ref from, uint64_t number)
{
    static const struct tri_death gone = {.status = TR_EGONE};
    struct word *word = calloc(1, sizeof(*word));
    if (word == NULL)
        return false;
    word->down = (struct tr_down){.actor = to, .text = ""};
    word->number = number;
    send_word(home->worker, word, from, &gone);
    return true;
}

/* words: the number of the other half, and its actor. */
bool
tri_link_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    uint64_t number = message->payload.words[0];
    tr_ref from = message->payload.words[1];
    tr_actor *actor = tri_actor_at(home, to);
    if (actor != NULL)
        return link_new(actor, from, number ^ ACCEPTED) != NULL;
    return tri_actor_is_coming(home, to) ? false : refuse(home, to, from, number);
}

static struct link *
find(struct tri_actors *home, uint64_t number)
{
    return (struct link *)tri_table_find(&home->interests, number);
}

bool
tri_unlink_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    struct link *link = find(home, message->payload.words[0]);
    (void)to;
    if (link != NULL)
        drop_link(link);
    return true;
}

static bool
traps(const tr_actor *actor)
{
    const struct tri_extra *extra = tri_extra_of(actor);
    return extra != NULL && extra->traps_links;
}

/* The word becomes a message, which waits in the mailbox; the half stays until it is handled. */
static void
tell(struct tri_actors *home, struct link *link, struct word *word)
{
    tr_message notice = tr_message_pointer(TR_TAG_LINK_DOWN, word, sizeof(struct tr_down), free_word);
    tri_notice_mark(&notice, word->number);
    free_word(link->word);
    link->word = NULL;
    tri_word_send(home->worker, &word->word, TR_NOBODY, link->interest.actor, notice);
}

/* It fails with who was linked with it, unless it ends already. false: without memory, and nothing has happened. */
static bool
fail(struct tri_actors *home, tr_actor *actor, struct link *link, const struct word *word)
{
    tr_ref ref = actor->ref;
    if (tri_extra_make(actor) == NULL || !tri_stop_has_room(home))
        return false;
    if ((actor->flags & TRI_ACTOR_ENDING) == 0)
        tri_actor_set_failure(actor, word->down.status, word->text);
    drop_link(link);
    tri_stop_failed(home, ref);
    return true;
}

/* An actor whose own end is under way has its half still, and no name. The word goes with its message. */
bool
tri_link_down_arrived(struct tri_actors *home, tr_ref to, tr_message *message)
{
    const struct word *word = tr_message_data(message);
    struct link *link = find(home, word->number);
    tr_actor *actor = tri_slots_find(&home->slots, to);
    if (link == NULL || actor == NULL)
        return true;
    if (traps(actor)) {
        tell(home, link, tr_message_take_pointer(message));
        return true;
    }
    bool is_failure = word->down.status != TR_OK && word->down.status != TR_ESTOPPING;
    if (is_failure && !tri_actor_rests(actor)) /* what rests has nothing that could fail */
        return fail(home, actor, link, word);
    drop_link(link);
    return true;
}

/* The public ways. */

static tr_status
check(const tr_actor *self, tr_ref actor)
{
    if (self == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    if (!tri_ref_is_of(self->home->worker->runtime, actor))
        return TR_EBADREF;
    return actor != self->ref ? TR_OK : TR_ESELF;
}

tr_status
tr_link(tr_actor *self, tr_ref actor)
{
    TRI_CHECK_SELF(self);
    tr_status status = check(self, actor);
    if (status != TR_OK)
        return status;
    uint64_t number = tri_actors_number(self->home);
    struct link *link = link_new(self, actor, number);
    if (link == NULL)
        return TR_ENOMEM;
    tr_message order = tr_message_copy(TRI_TAG_LINK, (uint64_t[]){number, self->ref}, 2 * sizeof(uint64_t));
    status = tri_send_system(self->home->worker, self, actor, &order);
    if (status != TR_OK)
        drop_link(link);
    return status;
}

/* The first link with that actor from this attachment on; NULL: there is none. */
static struct link *
link_from(struct tri_attachment *attachment, tr_ref other)
{
    for (; attachment != NULL; attachment = attachment->next) {
        struct link *link = (struct link *)TRI_CONTAINER_OF(attachment, struct tri_interest, attachment);
        if (attachment->end == on_end && link->other == other)
            return link;
    }
    return NULL;
}

tr_status
tr_unlink(tr_actor *self, tr_ref actor)
{
    TRI_CHECK_SELF(self);
    if (self == NULL)
        return TR_EINVAL;
    for (struct link *link; (link = link_from(self->attachments, actor)) != NULL;) {
        uint64_t number = link->interest.entry.key ^ ACCEPTED;
        tr_message order = tr_message_copy(TRI_TAG_UNLINK, &number, sizeof(number));
        if (tri_send_system(self->home->worker, self, actor, &order) == TR_ENOMEM)
            return TR_ENOMEM;
        drop_link(link);
    }
    return TR_OK;
}

tr_status
tr_link_trap(tr_actor *self, bool on)
{
    TRI_CHECK_SELF(self);
    if (self == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    struct tri_extra *extra = tri_extra_make(self);
    if (extra == NULL)
        return TR_ENOMEM;
    extra->traps_links = on;
    return TR_OK;
}
