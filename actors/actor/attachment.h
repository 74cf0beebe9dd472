/*
 * Attachments: what an actor has begun and its end must end, such as its timers. Each is a member of a larger struct,
 * and stands in the list of its actor (extra.h); so the end of an actor need not know what there is. Thread: owner.
 */
#ifndef TROUPE_ACTORS_ATTACHMENT_H
#define TROUPE_ACTORS_ATTACHMENT_H

#include <stddef.h>
#include <troupe/core/status.h>

/* Why an actor has ended. */
struct tri_death {
    tr_status status;      /* TR_OK: by its own will, or as it was asked to */
    struct tri_text *text; /* what tr_fail() said, NULL: nothing. Whoever keeps it holds it */
};

struct tri_attachment {
    struct tri_attachment *next, **link;                                           /* link: what points to it */
    void (*end)(struct tri_attachment *attachment, const struct tri_death *death); /* detaches it */
};

static inline void
tri_attach(struct tri_attachment **list, struct tri_attachment *attachment)
{
    attachment->next = *list;
    attachment->link = list;
    if (attachment->next != NULL)
        attachment->next->link = &attachment->next;
    *list = attachment;
}

static inline void
tri_detach(struct tri_attachment *attachment)
{
    *attachment->link = attachment->next;
    if (attachment->next != NULL)
        attachment->next->link = attachment->link;
}

/* The latest first. Whatever an end does, it attaches nothing. */
static inline void
tri_attachments_end(struct tri_attachment **list, const struct tri_death *death)
{
    while (*list != NULL)
        (*list)->end(*list, death);
}

#endif
