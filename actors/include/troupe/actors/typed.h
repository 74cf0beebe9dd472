/*
 * Typed messages: each message of a protocol is declared once, with its tag and its type. From that come a send that
 * takes this type and no other, a check of what is received, and an enum over which the compiler knows whether a switch
 * is complete.
 *
 *     #define SHOP(X)                                         \
 *         X(SHOP_ORDER, shop_order, VALUE(struct order))      \
 *         X(SHOP_PHOTO, shop_photo, SLICE)                    \
 *         X(SHOP_CART, shop_cart, MOVED(struct cart, free))   \
 *         X(SHOP_CLOSE, shop_close, SIGNAL)
 *
 *     TR_PROTOCOL(shop, SHOP, 100);
 *
 * A row has the constant of the tag, the name of the message's functions, and what the message carries:
 *
 *     VALUE(type)           a copy of a struct or of any other type that may be copied as bytes, aligned to 8 at most
 *     SIGNAL                nothing
 *     SLICE                 a slice, held (buffer.h)
 *     MOVED(type, destroy)  a pointer that moves with the message; destroy(pointer) is called if nobody takes it
 *
 * Tags are numbered from the first on (0 and up), in the order of the rows. What TR_PROTOCOL(shop, SHOP, 100) declares:
 *
 *     enum shop_tag         SHOP_NONE, and the constants of the rows
 *     shop_number_end       the number after the last tag: where the next protocol of the same actor may begin
 *
 *     enum shop_tag shop_tag_of(tr_actor *self, tr_message *message)
 *         What self has received. The tag, the kind of payload and its size are as declared; a message of which that is
 *         not so is made a dead letter by tr_reject(), and gives SHOP_NONE. So does a message whose tag is the
 *         library's own (from TR_TAG_RESERVED on), but that stays as it is, for the actor to look at.
 *     enum shop_tag shop_peek(const tr_message *message)
 *         The same, without making a dead letter: for an actor that speaks two protocols.
 *     const char *shop_tag_name(enum shop_tag tag)
 *         "SHOP_ORDER"
 *
 * and for each row, here shop_order:
 *
 *     tr_status shop_order_send(tr_actor *self, tr_ref to, <payload>)
 *         As tr_send(). VALUE: const type *; SIGNAL: nothing; SLICE: tr_slice; MOVED: type *. TR_EINVAL if a pointer is
 *         NULL. Memory: a value is copied, so when it fails there is nothing to clean up; a slice's hold and what is
 *         moved are taken on success, and still the caller's on failure.
 *     tr_message shop_order_message(<payload>)
 *         The message alone: for tr_send_after(), tr_runtime_send() and whatever else takes a message. It has the
 *         slice's hold or what is moved; with NULL for a pointer it is one that tr_send() refuses with TR_ENOMEM.
 *     shop_order(const tr_message *message)
 *         The payload. VALUE: const type *; SLICE: tr_slice; MOVED: type *; for SIGNAL there is no such function.
 *         Memory: borrowed from the message. Without a payload of that row: NULL, or a slice of no bytes.
 *     shop_photo_take(tr_message *message), shop_cart_take(tr_message *message)
 *         Takes the slice or the pointer out of the message: it is the caller's then.
 *
 * Thread:  as the functions of send.h and message.h that they call.
 */
#ifndef TROUPE_ACTORS_TYPED_H
#define TROUPE_ACTORS_TYPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/actors/send.h>
#include <troupe/core/declare.h>
#include <troupe/core/message.h>

TR_DECLARATIONS_BEGIN

/* Declares a protocol, see above. `first` is the number of its first tag. */
#define TR_PROTOCOL(protocol, PROTOCOL, first)                                                                         \
    enum { protocol##_number_before = (first)-1, PROTOCOL(TR_TYPED_NUMBER) protocol##_number_end };                    \
    enum protocol##_tag{PROTOCOL##_NONE = -1, PROTOCOL(TR_TYPED_CONSTANT)};                                            \
    PROTOCOL(TR_TYPED_FUNCTIONS)                                                                                       \
    TR_TYPED_INLINE enum protocol##_tag protocol##_peek(const tr_message *message)                                     \
    {                                                                                                                  \
        switch (message->tag) {                                                                                        \
            PROTOCOL(TR_TYPED_CASE)                                                                                    \
        default: break;                                                                                                \
        }                                                                                                              \
        return PROTOCOL##_NONE;                                                                                        \
    }                                                                                                                  \
    TR_TYPED_INLINE enum protocol##_tag protocol##_tag_of(tr_actor *self, tr_message *message)                         \
    {                                                                                                                  \
        enum protocol##_tag tag = protocol##_peek(message);                                                            \
        if (tag == PROTOCOL##_NONE)                                                                                    \
            (void)tr_reject(self, message);                                                                            \
        return tag;                                                                                                    \
    }                                                                                                                  \
    TR_TYPED_INLINE const char *protocol##_tag_name(enum protocol##_tag tag)                                           \
    {                                                                                                                  \
        switch (tag) {                                                                                                 \
            PROTOCOL(TR_TYPED_NAME)                                                                                    \
        case PROTOCOL##_NONE: break;                                                                                   \
        }                                                                                                              \
        return #PROTOCOL "_NONE";                                                                                      \
    }                                                                                                                  \
    TR_TYPED_ASSERT((first) >= 0, "the tags of a protocol are numbered from 0 and up")

/*
 * The rest is for TR_PROTOCOL alone.
 *
 * A row is given to one of these macros, which paste its kind to the name of a macro: VALUE(struct order) becomes
 * TR_TYPED_MAKER_VALUE(struct order), which names what makes the functions, and TR_TYPED_TYPE_VALUE(struct order),
 * which leaves the type.
 */
#define TR_TYPED_NUMBER(constant, name, kind) name##_number,
#define TR_TYPED_CONSTANT(constant, name, kind) constant = name##_number,
#define TR_TYPED_CASE(constant, name, kind)                                                                            \
    case constant:                                                                                                     \
        if (name##_fits(message))                                                                                      \
            return constant;                                                                                           \
        break;
#define TR_TYPED_NAME(constant, name, kind)                                                                            \
    case constant:                                                                                                     \
        return #constant;
#define TR_TYPED_FUNCTIONS(constant, name, kind)                                                                       \
    TR_TYPED_MAKE(TR_TYPED_MAKER_##kind, constant, name, TR_TYPED_TYPE_##kind)
#define TR_TYPED_MAKE(maker, ...) maker(__VA_ARGS__)

#define TR_TYPED_MAKER_VALUE(type) TR_TYPED_MAKE_VALUE
#define TR_TYPED_MAKER_SIGNAL TR_TYPED_MAKE_SIGNAL
#define TR_TYPED_MAKER_SLICE TR_TYPED_MAKE_SLICE
#define TR_TYPED_MAKER_MOVED(type, destroy) TR_TYPED_MAKE_MOVED
#define TR_TYPED_TYPE_VALUE(type) type
#define TR_TYPED_TYPE_SIGNAL
#define TR_TYPED_TYPE_SLICE
#define TR_TYPED_TYPE_MOVED(type, destroy) type, destroy

#define TR_TYPED_INLINE __attribute__((unused)) static inline
#ifdef __cplusplus
#define TR_TYPED_ASSERT static_assert
#define TR_TYPED_ALIGN_OF alignof
#else
#define TR_TYPED_ASSERT _Static_assert
#define TR_TYPED_ALIGN_OF _Alignof
#endif

#define TR_TYPED_MAKE_VALUE(constant, name, type)                                                                      \
    TR_TYPED_ASSERT(TR_TYPED_ALIGN_OF(type) <= sizeof(uint64_t), "a payload is aligned to 8 bytes");                   \
    TR_TYPED_INLINE bool name##_fits(const tr_message *message)                                                        \
    {                                                                                                                  \
        return tr_typed_is_value(message, constant, sizeof(type), TR_TYPED_ALIGN_OF(type));                            \
    }                                                                                                                  \
    TR_TYPED_INLINE const type *name(const tr_message *message)                                                        \
    {                                                                                                                  \
        return name##_fits(message) ? (const type *)tr_message_data(message) : NULL;                                   \
    }                                                                                                                  \
    TR_TYPED_INLINE tr_message name##_message(const type *value)                                                       \
    {                                                                                                                  \
        return tr_message_copy(constant, value, sizeof(type));                                                         \
    }                                                                                                                  \
    TR_TYPED_INLINE tr_status name##_send(tr_actor *self, tr_ref to, const type *value)                                \
    {                                                                                                                  \
        return value != NULL ? tr_tell(self, to, constant, value, sizeof(type)) : TR_EINVAL;                           \
    }

#define TR_TYPED_MAKE_SIGNAL(constant, name, nothing)                                                                  \
    TR_TYPED_INLINE bool name##_fits(const tr_message *message)                                                        \
    {                                                                                                                  \
        return message->tag == constant && message->kind == TR_PAYLOAD_BYTES && message->size == 0;                    \
    }                                                                                                                  \
    TR_TYPED_INLINE tr_message name##_message(void)                                                                    \
    {                                                                                                                  \
        return tr_message_signal(constant);                                                                            \
    }                                                                                                                  \
    TR_TYPED_INLINE tr_status name##_send(tr_actor *self, tr_ref to)                                                   \
    {                                                                                                                  \
        return tr_tell(self, to, constant, NULL, 0);                                                                   \
    }

#define TR_TYPED_MAKE_SLICE(constant, name, nothing)                                                                   \
    TR_TYPED_INLINE bool name##_fits(const tr_message *message)                                                        \
    {                                                                                                                  \
        return message->tag == constant && message->kind == TR_PAYLOAD_SLICE;                                          \
    }                                                                                                                  \
    TR_TYPED_INLINE tr_slice name(const tr_message *message)                                                           \
    {                                                                                                                  \
        return name##_fits(message) ? message->payload.slice : tr_typed_no_slice();                                    \
    }                                                                                                                  \
    TR_TYPED_INLINE tr_slice name##_take(tr_message *message)                                                          \
    {                                                                                                                  \
        return name##_fits(message) ? tr_message_take_slice(message) : tr_typed_no_slice();                            \
    }                                                                                                                  \
    TR_TYPED_INLINE tr_message name##_message(tr_slice slice)                                                          \
    {                                                                                                                  \
        return tr_message_slice(constant, slice);                                                                      \
    }                                                                                                                  \
    TR_TYPED_INLINE tr_status name##_send(tr_actor *self, tr_ref to, tr_slice slice)                                   \
    {                                                                                                                  \
        tr_message message = tr_message_slice(constant, slice);                                                        \
        return tr_send(self, to, &message);                                                                            \
    }

#define TR_TYPED_MAKE_MOVED(constant, name, type, destructor)                                                          \
    TR_TYPED_INLINE void name##_destroy(void *address)                                                                 \
    {                                                                                                                  \
        destructor((type *)address);                                                                                   \
    }                                                                                                                  \
    TR_TYPED_INLINE bool name##_fits(const tr_message *message)                                                        \
    {                                                                                                                  \
        return message->tag == constant && message->kind == TR_PAYLOAD_POINTER &&                                      \
               message->payload.pointer.address != NULL && message->payload.pointer.size == sizeof(type);              \
    }                                                                                                                  \
    TR_TYPED_INLINE type *name(const tr_message *message)                                                              \
    {                                                                                                                  \
        return name##_fits(message) ? (type *)message->payload.pointer.address : NULL;                                 \
    }                                                                                                                  \
    TR_TYPED_INLINE type *name##_take(tr_message *message)                                                             \
    {                                                                                                                  \
        return name##_fits(message) ? (type *)tr_message_take_pointer(message) : NULL;                                 \
    }                                                                                                                  \
    TR_TYPED_INLINE tr_message name##_message(type *value)                                                             \
    {                                                                                                                  \
        return value != NULL ? tr_message_pointer(constant, value, sizeof(type), name##_destroy)                       \
                             : tr_message_copy(constant, NULL, sizeof(type));                                          \
    }                                                                                                                  \
    TR_TYPED_INLINE tr_status name##_send(tr_actor *self, tr_ref to, type *value)                                      \
    {                                                                                                                  \
        tr_message message = name##_message(value);                                                                    \
        return value != NULL ? tr_send(self, to, &message) : TR_EINVAL;                                                \
    }

/* Is this a copy of size bytes, aligned as its type must be? */
static inline bool
tr_typed_is_value(const tr_message *message, uint32_t tag, size_t size, size_t align)
{
    return message->tag == tag && message->kind <= TR_PAYLOAD_SLICE && tr_message_size(message) == size &&
           (uintptr_t)tr_message_data(message) % align == 0;
}

static inline tr_slice
tr_typed_no_slice(void)
{
    tr_slice none;
    memset(&none, 0, sizeof(none));
    return none;
}

TR_DECLARATIONS_END
#endif
