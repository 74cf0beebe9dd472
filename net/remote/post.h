/*
 * Sending orders.
 *
 * Thread: the worker of self, which may be NULL where TR_EINVAL is said. Returns: TR_OK; TR_EINVAL, self is NULL;
 * TR_ENOMEM; TR_EGONE, TR_EBADREF, as a send does.
 */
#ifndef TROUPE_NET_POST_H
#define TROUPE_NET_POST_H

#include "answer.h"

/* Sends a message, which is dropped if it is refused. TR_EINVAL, too. */
tr_status tri_remote_post(tr_actor *self, tr_ref to, tr_message *message);

/* The same with one or two words, none, or a slice, of which the message has a hold of its own. */
tr_status tri_remote_post_words(tr_actor *self, tr_ref to, uint32_t tag, uint64_t first, uint64_t second);
tr_status tri_remote_post_word(tr_actor *self, tr_ref to, uint32_t tag, uint64_t word);
tr_status tri_remote_post_signal(tr_actor *self, tr_ref to, uint32_t tag);
tr_status tri_remote_post_slice(tr_actor *self, tr_ref to, uint32_t tag, tr_slice slice);

/*
 * Sends an order that somebody waits for: lost() is called if it gets lost on its way, dropped() if it is not sent at
 * all, which the caller hears of.
 */
tr_status tri_remote_post_order(tr_actor *self, tr_ref to, uint32_t tag, void *order, size_t size, void (*lost)(void *),
                                void (*dropped)(void *));

/* Sends a copy of the question. lost: see tri_remote_post_order(). TR_EINVAL; TR_EBADTAG: a reserved reply tag. */
tr_status tri_remote_post_info_ask(tr_actor *self, uint32_t tag, const struct tri_info_ask *content,
                                   void (*lost)(void *));

/* The bytes of a text, 0 for NULL; and copies it to where the next one goes. NULL stays NULL. */
size_t tri_text_size(const char *text);
const char *tri_text_copy(char **next, const char *text);

#endif
