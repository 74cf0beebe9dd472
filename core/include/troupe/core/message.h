/*
 * Messages, the only thing that two actors share.
 *
 * A message has a tag, which says what it means, and a payload, which is one of three things:
 *
 *   bytes     up to 32, inside the message itself
 *   a slice   of a counted buffer, which many may hold
 *   a pointer that moves with the message, and the function that destroys what it points to
 *
 * Memory:  a message is in one place at any time. A send that succeeds moves it into the runtime and leaves the
 *          caller's empty. A receiver has the message that it is given until it returns. Do not copy the struct: two
 *          messages would release one payload.
 * Thread:  any, for the functions that make a message. The others are for the thread that has the message.
 */
#ifndef TROUPE_CORE_MESSAGE_H
#define TROUPE_CORE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <troupe/core/buffer.h>
#include <troupe/core/declare.h>

TR_DECLARATIONS_BEGIN

/*
 * The name of an actor: worker, slot and generation in 64 bits. Never a pointer. No two actors of one runtime ever
 * have the same name, so it is harmless to keep a name after its actor has ended.
 */
typedef uint64_t tr_ref;

#define TR_NOBODY ((tr_ref)0)

/* Tags from here on are the library's own: sending one is refused with TR_EBADTAG. */
#define TR_TAG_RESERVED 0xffff0000u

#define TR_MESSAGE_INLINE 32u /* bytes of payload that fit into the message itself */

enum tr_payload_kind {
    TR_PAYLOAD_BYTES,   /* inside the message */
    TR_PAYLOAD_SLICE,   /* a held slice */
    TR_PAYLOAD_POINTER, /* a pointer that moves */
    TR_PAYLOAD_INVALID, /* the payload could not be made: sending it is refused with TR_ENOMEM */
};

/* For the library only: the bits of `kind` that are an enum tr_payload_kind. While a message waits, the library keeps
 * what it needs to know in the others; a handler never sees them. */
#define TR_PAYLOAD_KINDS 0x07u

/*
 * The fields are visible so that a message costs no allocation. Do not set them: the functions below set tag, kind,
 * size and payload, and sending sets from, id and lap. Read from and tag directly, and the payload with the functions
 * below.
 */
typedef struct tr_message {
    tr_ref from;  /* the sender; TR_NOBODY if a thread outside the runtime sent it */
    uint64_t id;  /* names this message in a trace */
    uint32_t tag; /* what it means: the receiver's own numbering */
    uint8_t kind; /* enum tr_payload_kind */
    uint8_t size; /* bytes of a payload inside the message */
    uint16_t lap; /* a lane's stamp */
    union {
        unsigned char bytes[TR_MESSAGE_INLINE];
        uint64_t words[TR_MESSAGE_INLINE / 8];
        tr_slice slice;
        struct {
            void *address;
            size_t size;
            void (*destroy)(void *address);
        } pointer;
    } payload;
} tr_message;

/*
 * For the library only: sets tag, kind, size and lap as the one word that they are in memory. A send loads them as one
 * word, and a load that spans several recent stores has to wait for them.
 */
static inline void
tr_message_set_head(tr_message *message, uint32_t tag, uint8_t kind, uint8_t size)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    uint64_t head = (uint64_t)tag << 32 | (uint64_t)kind << 24 | (uint64_t)size << 16;
#else
    uint64_t head = tag | (uint64_t)kind << 32 | (uint64_t)size << 40;
#endif
    memcpy((unsigned char *)message + offsetof(tr_message, tag), &head, sizeof(head));
}

/* A message with a tag and no payload. Thread: any. */
static inline tr_message
tr_message_signal(uint32_t tag)
{
    tr_message message;
    message.from = TR_NOBODY;
    message.id = 0;
    tr_message_set_head(&message, tag, TR_PAYLOAD_BYTES, 0);
    return message;
}

/* For the library only: tr_message_copy() of a payload that does not fit into the message. */
tr_message tr_message_copy_large(uint32_t tag, const void *data, size_t size);

/*
 * A message with a copy of size bytes: inside the message up to TR_MESSAGE_INLINE, beyond that in memory of its own.
 * Memory:  the message is the caller's until it is sent or dropped.
 * Thread:  any.
 * Returns: the message. Without memory, or if data is NULL with a size: one that tr_send() refuses with TR_ENOMEM.
 */
static inline tr_message
tr_message_copy(uint32_t tag, const void *data, size_t size)
{
    if (size > TR_MESSAGE_INLINE || (data == NULL && size > 0))
        return tr_message_copy_large(tag, data, size);
    tr_message message;
    message.from = TR_NOBODY;
    message.id = 0;
    tr_message_set_head(&message, tag, TR_PAYLOAD_BYTES, (uint8_t)size);
    if (size > 0)
        memcpy(message.payload.bytes, data, size);
    return message;
}

/* A message with a slice. Memory: takes one hold of the caller's. Thread: any. */
static inline tr_message
tr_message_slice(uint32_t tag, tr_slice slice)
{
    tr_message message = tr_message_signal(tag);
    tr_message_set_head(&message, tag, TR_PAYLOAD_SLICE, 0);
    message.payload.slice = slice;
    return message;
}

/*
 * A message with a pointer.
 * Memory:  takes what address points to. If nobody takes the pointer out of the message, destroy(address) is called, on
 *          any thread. destroy may be NULL. It may drop other messages: see tr_slice_adopt().
 * Units:   size is in bytes. It is for the receiver and for limits in bytes.
 * Thread:  any.
 */
static inline tr_message
tr_message_pointer(uint32_t tag, void *address, size_t size, void (*destroy)(void *address))
{
    tr_message message = tr_message_signal(tag);
    tr_message_set_head(&message, tag, TR_PAYLOAD_POINTER, 0);
    message.payload.pointer.address = address;
    message.payload.pointer.size = size;
    message.payload.pointer.destroy = destroy;
    return message;
}

/*
 * The payload's first byte, wherever it is; NULL if there is none. Memory: borrowed from the message.
 * Thread: the one that has the message.
 */
static inline const void *
tr_message_data(const tr_message *message)
{
    switch (message->kind & TR_PAYLOAD_KINDS) {
    case TR_PAYLOAD_BYTES: return message->size > 0 ? message->payload.bytes : NULL;
    case TR_PAYLOAD_SLICE: return message->payload.slice.data;
    case TR_PAYLOAD_POINTER: return message->payload.pointer.address;
    default: return NULL;
    }
}

/* The payload's size in bytes. Thread: the one that has the message. */
static inline size_t
tr_message_size(const tr_message *message)
{
    switch (message->kind & TR_PAYLOAD_KINDS) {
    case TR_PAYLOAD_BYTES: return message->size;
    case TR_PAYLOAD_SLICE: return message->payload.slice.size;
    case TR_PAYLOAD_POINTER: return message->payload.pointer.size;
    default: return 0;
    }
}

/*
 * Takes the slice out of a message, which is empty then. Without a slice: one of no buffer and no bytes.
 * Memory: the slice's hold is the caller's. Thread: the one that has the message.
 */
tr_slice tr_message_take_slice(tr_message *message);

/*
 * Takes the pointer out of a message, which is empty then. Without a pointer: NULL.
 * Memory: what it points to is the caller's. Thread: the one that has the message.
 */
void *tr_message_take_pointer(tr_message *message);

/*
 * Releases what the payload holds, and empties the message. With an empty message it does nothing.
 * Thread: the one that has the message.
 */
void tr_message_drop(tr_message *message);

TR_DECLARATIONS_END
#endif
