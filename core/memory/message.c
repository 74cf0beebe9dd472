/*
 * Messages: what does not fit inside, and what is let go.
 */
#include "destroy.h"

#include <troupe/core/message.h>

/* The copy is a slice, so that a message which is sent again and again can share it. */
tr_message
tr_message_copy_large(uint32_t tag, const void *data, size_t size)
{
    tr_slice slice;
    if (tr_slice_copy(data, size, &slice) == TR_OK)
        return tr_message_slice(tag, slice);
    tr_message message = tr_message_signal(tag);
    message.kind = TR_PAYLOAD_INVALID;
    return message;
}

static void
make_empty(tr_message *message)
{
    message->kind = TR_PAYLOAD_BYTES;
    message->size = 0;
}

tr_slice
tr_message_take_slice(tr_message *message)
{
    if ((message->kind & TR_PAYLOAD_KINDS) != TR_PAYLOAD_SLICE)
        return (tr_slice){0};
    tr_slice slice = message->payload.slice;
    make_empty(message);
    return slice;
}

void *
tr_message_take_pointer(tr_message *message)
{
    if ((message->kind & TR_PAYLOAD_KINDS) != TR_PAYLOAD_POINTER)
        return NULL;
    void *address = message->payload.pointer.address;
    make_empty(message);
    return address;
}

static void
destroy_pointer(const tr_message *message)
{
    if (message->payload.pointer.address != NULL && message->payload.pointer.destroy != NULL)
        tri_destroy(message->payload.pointer.destroy, message->payload.pointer.address);
}

void
tr_message_drop(tr_message *message)
{
    switch (message->kind & TR_PAYLOAD_KINDS) {
    case TR_PAYLOAD_SLICE: tr_slice_release(message->payload.slice); break;
    case TR_PAYLOAD_POINTER: destroy_pointer(message); break;
    default: break;
    }
    make_empty(message);
}
