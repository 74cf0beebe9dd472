/*
 * Mail in a row: the queue of a worker, the overflow of an actor. Thread: owner. Memory: nodes of the worker's pool; a
 * list must not move, since an empty one points to itself.
 */
#ifndef TROUPE_ACTORS_MAIL_LIST_H
#define TROUPE_ACTORS_MAIL_LIST_H

#include <stdbool.h>
#include <troupe/actors/actor.h>
#include <troupe/core/message.h>

/* A message in a mailbox. It lies in a node of its worker's pool, and does not move until its handler has returned. */
struct tri_mail {
    struct tri_mail *next;
    union {
        tr_actor *actor;        /* in the worker's queue */
        struct tri_mail **link; /* in the overflow of a limited actor: what points to it */
    };
    tr_message message;
};

/* Mail in a row. The last one's `next` is not set; the list is empty when last_next points to `first`. */
struct tri_mail_list {
    struct tri_mail *first, **last_next;
};

static inline void
tri_mail_list_init(struct tri_mail_list *list)
{
    list->last_next = &list->first;
}

static inline bool
tri_mail_list_empty(const struct tri_mail_list *list)
{
    return list->last_next == &list->first;
}

static inline void
tri_mail_list_append(struct tri_mail_list *list, struct tri_mail *mail)
{
    *list->last_next = mail;
    list->last_next = &mail->next;
}

/* Takes the first; the list is not empty. */
static inline struct tri_mail *
tri_mail_list_take(struct tri_mail_list *list)
{
    struct tri_mail *mail = list->first;
    list->first = mail->next;
    if (list->last_next == &mail->next)
        list->last_next = &list->first;
    return mail;
}

#endif
