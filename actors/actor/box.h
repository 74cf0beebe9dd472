/*
 * What only a limited actor's mailbox knows, behind the state of the actor: how many messages with each limited tag
 * wait, and where the oldest is found that may be dropped. Thread: owner.
 */
#ifndef TROUPE_ACTORS_BOX_H
#define TROUPE_ACTORS_BOX_H

#include "actor_internal.h"

/* Of one row of the behavior's mailbox.tags. */
struct tri_tag_count {
    uint32_t waiting;
    struct tri_mail *last; /* the node of the newest of them; NULL: none waits */
};

struct tri_box {
    struct tri_mail *spared; /* in the overflow: it and all before it may not be dropped; NULL: that is not known */
    struct tri_tag_count tags[];
};

static inline bool
tri_behavior_is_limited(const struct tr_behavior *behavior)
{
    const struct tr_mailbox_limits *limits = &behavior->mailbox;
    return limits->messages != 0 || limits->bytes != 0 || limits->policy != TR_MAILBOX_REFUSE || limits->tag_count != 0;
}

/* Where it begins, from the beginning of the actor. */
static inline size_t
tri_box_offset(const struct tr_behavior *behavior)
{
    return (TRI_ACTOR_HEAD + behavior->state_size + TRI_ACTOR_ALIGN - 1) / TRI_ACTOR_ALIGN * TRI_ACTOR_ALIGN;
}

/* Of a limited actor. */
static inline size_t
tri_box_bytes(const struct tr_behavior *behavior)
{
    size_t bytes = sizeof(struct tri_box) + behavior->mailbox.tag_count * sizeof(struct tri_tag_count);
    return (bytes + TRI_ACTOR_ALIGN - 1) / TRI_ACTOR_ALIGN * TRI_ACTOR_ALIGN;
}

static inline struct tri_box *
tri_actor_box(tr_actor *actor)
{
    return (struct tri_box *)((char *)actor + tri_box_offset(actor->behavior));
}

#endif
