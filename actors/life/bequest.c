/*
 * Bequests: what one life of a supervised actor leaves to the next. It is attached to the actor, moves to its ward when
 * that ends, and stays there until somebody takes it, or the ward is freed. An actor without a ward has no heir.
 */
#include "extra.h"
#include "ward.h"

#include <stdlib.h>
#include <troupe/actors/supervisor.h>

struct bequest {
    struct tri_attachment attachment; /* first */
    tr_actor *owner;
    struct tri_bequest what;
};

static void
destroy(struct tri_bequest what)
{
    if (what.data != NULL && what.destroy != NULL)
        what.destroy(what.data);
}

static void
on_end(struct tri_attachment *attachment, const struct tri_death *death)
{
    struct bequest *bequest = (struct bequest *)attachment;
    struct tri_ward *ward = tri_ward_of(bequest->owner);
    struct tri_bequest ends = bequest->what;
    (void)death;
    tri_detach(attachment);
    if (ward != NULL && ends.data != NULL) {
        struct tri_bequest older = ward->bequest;
        ward->bequest = ends;
        ends = older;
    }
    free(bequest);
    destroy(ends);
}

/* NULL: there is none. */
static struct bequest *
find(const tr_actor *self)
{
    for (struct tri_attachment *at = self->attachments; at != NULL; at = at->next)
        if (at->end == on_end)
            return (struct bequest *)at;
    return NULL;
}

static struct bequest *
find_or_make(tr_actor *self)
{
    struct bequest *bequest = find(self);
    if (bequest != NULL)
        return bequest;
    bequest = calloc(1, sizeof(*bequest));
    if (bequest == NULL)
        return NULL;
    bequest->owner = self;
    bequest->attachment.end = on_end;
    tri_actor_attach(self, &bequest->attachment);
    return bequest;
}

tr_status
tr_bequeath(tr_actor *self, void *data, void (*destroy_data)(void *data))
{
    TRI_CHECK_SELF(self);
    if (self == NULL)
        return TR_EINVAL;
    if (self->flags & TRI_ACTOR_GONE)
        return TR_EGONE;
    struct bequest *bequest = find_or_make(self);
    if (bequest == NULL)
        return TR_ENOMEM;
    struct tri_bequest older = bequest->what;
    bequest->what = (struct tri_bequest){data, destroy_data};
    if (data != NULL && older.data != data)
        destroy(older);
    return TR_OK;
}

void *
tr_inheritance(tr_actor *self)
{
    TRI_CHECK_SELF(self);
    struct tri_ward *ward = self != NULL ? tri_ward_of(self) : NULL;
    if (ward == NULL)
        return NULL;
    void *data = ward->bequest.data;
    ward->bequest = (struct tri_bequest){0};
    return data;
}
