/*
 * A command in a batch is a struct head, and its arguments, each behind its size. So a batch of a thousand commands is
 * two blocks of memory, which the connection uses again for the next one.
 */
#include "kv_batch.h"

#include <stdlib.h>
#include <troupe/net/remote.h>

struct head {
    const struct kv_verb *verb;
    uint64_t hash;
    size_t count;
};

struct kv_batch *
kv_batch_new(unsigned place)
{
    struct kv_batch *batch = calloc(1, sizeof(*batch));
    if (batch != NULL)
        batch->place = place;
    return batch;
}

void
kv_batch_free(void *memory)
{
    struct kv_batch *batch = memory;
    if (batch == NULL)
        return;
    kv_bytes_free(&batch->calls);
    kv_bytes_free(&batch->replies);
    free(batch);
}

void
kv_batch_reset(struct kv_batch *batch)
{
    kv_bytes_reset(&batch->calls);
    kv_bytes_reset(&batch->replies);
    batch->count = 0;
    batch->taken = 0;
}

static char *
put(char *to, const void *data, size_t size)
{
    memcpy(to, data, size);
    return to + size;
}

void
kv_batch_add(struct kv_batch *batch, const struct kv_verb *verb, uint64_t hash, const struct kv_text *list,
             size_t count)
{
    struct head head = {verb, hash, count};
    size_t size = sizeof(head);
    for (size_t i = 0; i < count; i++)
        size += sizeof(list[i].size) + list[i].size;
    char *to = kv_bytes_reserve(&batch->calls, size);
    if (to == NULL)
        return;
    to = put(to, &head, sizeof(head));
    for (size_t i = 0; i < count; i++) {
        to = put(to, &list[i].size, sizeof(list[i].size));
        to = put(to, list[i].data, list[i].size);
    }
    batch->calls.size += size;
    batch->count++;
}

/* Reads a command; returns where the next one begins. `*complete` is false if there is no memory for its arguments. */
static const char *
read_call(const char *at, struct kv_call *call, bool *complete)
{
    struct head head;
    memcpy(&head, at, sizeof(head));
    at += sizeof(head);
    call->verb = head.verb;
    call->hash = head.hash;
    call->args.count = 0;
    *complete = true;
    for (size_t i = 0; i < head.count; i++) {
        struct kv_text text;
        memcpy(&text.size, at, sizeof(text.size));
        text.data = at + sizeof(text.size);
        at = text.data + text.size;
        *complete = *complete && kv_args_add(&call->args, text);
    }
    return at;
}

void
kv_batch_run(struct kv_batch *batch, struct kv_call *call)
{
    const char *at = batch->calls.data;
    call->reply = &batch->replies;
    for (; batch->count > 0; batch->count--) {
        bool complete;
        at = read_call(at, call, &complete);
        size_t opened = kv_batch_open(batch);
        if (complete)
            call->verb->run(call);
        else
            kv_reply_memory(call->reply);
        kv_batch_close(batch, opened);
    }
}

void
kv_batch_refuse(struct kv_batch *batch, const char *error)
{
    for (; batch->count > 0; batch->count--) {
        size_t opened = kv_batch_open(batch);
        kv_reply_error(&batch->replies, "%s", error);
        kv_batch_close(batch, opened);
    }
}

size_t
kv_batch_open(struct kv_batch *batch)
{
    size_t opened = batch->replies.size, size = 0;
    kv_bytes_append(&batch->replies, &size, sizeof(size));
    return opened;
}

void
kv_batch_close(struct kv_batch *batch, size_t opened)
{
    size_t size = batch->replies.size - opened - sizeof(size);
    if (!batch->replies.failed)
        memcpy(batch->replies.data + opened, &size, sizeof(size));
}

struct kv_text
kv_batch_take(struct kv_batch *batch)
{
    struct kv_text reply;
    memcpy(&reply.size, batch->replies.data + batch->taken, sizeof(reply.size));
    reply.data = batch->replies.data + batch->taken + sizeof(reply.size);
    batch->taken += sizeof(reply.size) + reply.size;
    return reply;
}

void
kv_batch_return(tr_actor *self, tr_message *message)
{
    tr_ref connection = message->from;
    tr_status status = tr_send(self, connection, message);
    if (status == TR_EFULL || status == TR_ENOMEM)
        tr_remote_destroy(self, connection, status); /* rather none than one that waits for ever */
}
