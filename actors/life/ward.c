#include "ward.h"

#include "post.h"

#include <stdlib.h>
#include <string.h>

struct tri_ward *
tri_ward_new(tr_ref supervisor, const void *argument, size_t size)
{
    struct tri_ward *ward = calloc(1, sizeof(*ward) + size);
    if (ward == NULL)
        return NULL;
    ward->supervisor = supervisor;
    ward->argument = size > 0 ? memcpy(ward->copy, argument, size) : argument;
    return ward;
}

static void
destroy(struct tri_bequest bequest)
{
    if (bequest.destroy != NULL && bequest.data != NULL)
        bequest.destroy(bequest.data);
}

void
tri_ward_free(void *address)
{
    struct tri_ward *ward = address;
    if (ward == NULL)
        return;
    if (ward->announces) {
        ward->doomed = true;
        return;
    }
    destroy(ward->bequest);
    if (ward->release != NULL)
        ward->release((void *)(uintptr_t)ward->argument);
    tri_text_release(ward->text);
    free(ward->name);
    free(ward);
}

void
tri_ward_adopt(tr_actor *actor, struct tri_ward *ward)
{
    ward->actor = actor->ref;
    ward->behavior = actor->behavior;
    ward->init_status = TR_OK;
    ward->gone = ward->begins_later = false;
    tri_text_release(ward->text);
    ward->text = NULL;
    actor->flags |= TRI_ACTOR_WARD;
    tri_table_add(&actor->home->wards, &ward->entry, actor->ref);
}

struct tri_ward *
tri_ward_find(const tr_actor *actor)
{
    struct tri_table_entry *entry = tri_table_find(&actor->home->wards, actor->ref);
    return entry != NULL ? TRI_CONTAINER_OF(entry, struct tri_ward, entry) : NULL;
}

static void
announced(struct tri_word *word)
{
    struct tri_ward *ward = TRI_CONTAINER_OF(word, struct tri_ward, lives);
    ward->announces = false;
    if (ward->doomed)
        tri_ward_free(ward);
}

void
tri_ward_begun(tr_actor *actor)
{
    struct tri_ward *ward = tri_ward_of(actor);
    if (ward == NULL || ward->announces)
        return;
    ward->announces = true;
    ward->lives.done = announced;
    tri_word_send(actor->home->worker, &ward->lives, actor->ref, ward->supervisor,
                  tr_message_copy(TRI_TAG_WARD_LIVES, &actor->ref, sizeof(actor->ref)));
}

/* Not in the actor's name: its last event is its end. */
void
tri_ward_tell_end(struct tri_worker *worker, struct tri_ward *ward)
{
    tri_word_send(worker, &ward->ended, TR_NOBODY, ward->supervisor,
                  tr_message_pointer(TRI_TAG_WARD_ENDED, ward, sizeof(*ward), tri_ward_free));
}

void
tri_ward_gone(struct tri_worker *worker, struct tri_ward *ward, tr_status status)
{
    ward->status = status;
    ward->gone = true;
    tri_ward_tell_end(worker, ward);
}

void
tri_ward_never_begun(struct tri_worker *worker, struct tri_ward *ward, tr_ref actor, tr_status status)
{
    ward->actor = actor;
    tri_ward_gone(worker, ward, status);
}

/* The order to an actor here acts at once; the word then is free when the call returns. */
void
tri_ward_restart(struct tri_worker *worker, struct tri_ward *ward)
{
    tri_word_send(worker, &ward->ended, ward->supervisor, ward->actor,
                  tr_message_pointer(TRI_TAG_RESTART, ward, sizeof(*ward), tri_ward_free));
}

void
tri_ward_release(struct tri_worker *worker, tr_ref actor, enum tr_stop_mode how, struct tri_word *word)
{
    word->done = tri_word_free;
    tri_word_send(worker, word, TR_NOBODY, actor, tr_message_copy(TRI_TAG_RELEASE, &(uint64_t){how}, sizeof(uint64_t)));
}
