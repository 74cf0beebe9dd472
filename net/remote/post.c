#include "post.h"

#include <stdlib.h>
#include <string.h>

tr_status
tri_remote_post(tr_actor *self, tr_ref to, tr_message *message)
{
    tr_status status = TR_EINVAL;
    if (self != NULL)
        status = message->kind == TR_PAYLOAD_INVALID ? TR_ENOMEM
                                                     : tri_send_system(tri_actor_worker(self), self, to, message);
    if (status != TR_OK)
        tr_message_drop(message);
    return status;
}

tr_status
tri_remote_post_order(tr_actor *self, tr_ref to, uint32_t tag, void *order, size_t size, void (*lost)(void *),
                      void (*dropped)(void *))
{
    tr_message message = tr_message_pointer(tag, order, size, lost);
    tr_status status = tri_send_system_or_keep(tri_actor_worker(self), self, to, &message);
    if (status != TR_OK)
        dropped(tr_message_take_pointer(&message));
    return status;
}

tr_status
tri_remote_post_words(tr_actor *self, tr_ref to, uint32_t tag, uint64_t first, uint64_t second)
{
    uint64_t words[2] = {first, second};
    tr_message message = tr_message_copy(tag, words, sizeof(words));
    return tri_remote_post(self, to, &message);
}

tr_status
tri_remote_post_word(tr_actor *self, tr_ref to, uint32_t tag, uint64_t word)
{
    return tri_remote_post_words(self, to, tag, word, 0);
}

tr_status
tri_remote_post_signal(tr_actor *self, tr_ref to, uint32_t tag)
{
    return tri_remote_post_words(self, to, tag, 0, 0);
}

tr_status
tri_remote_post_slice(tr_actor *self, tr_ref to, uint32_t tag, tr_slice slice)
{
    if (self == NULL || (slice.data == NULL && slice.size > 0))
        return TR_EINVAL;
    tr_slice_hold(slice);
    tr_message message = tr_message_slice(tag, slice);
    return tri_remote_post(self, to, &message);
}

size_t
tri_text_size(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

const char *
tri_text_copy(char **next, const char *text)
{
    if (text == NULL)
        return NULL;
    size_t size = tri_text_size(text);
    char *copy = memcpy(*next, text, size);
    *next += size;
    return copy;
}

tr_status
tri_remote_post_info_ask(tr_actor *self, uint32_t tag, const struct tri_info_ask *content, void (*lost)(void *))
{
    if (self == NULL)
        return TR_EINVAL;
    if (content->reply_tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    struct tri_info_ask *ask = malloc(sizeof(*ask));
    if (ask == NULL)
        return TR_ENOMEM;
    *ask = *content;
    ask->asker = tr_self(self);
    return tri_remote_post_order(self, ask->about, tag, ask, sizeof(*ask), lost, free);
}
