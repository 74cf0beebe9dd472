/*
 * Typed messages: each message of a protocol is declared once, with its tag and its type. From that come a send that
 * takes this type and no other, a check of what is received, and an enum over which the compiler knows whether a switch
 * is complete.
 *
 *     #define SHOP(X)                                         \
 *         X(SHOP_ORDER, shop_order, VALUE(struct order))      \
 *         X(SHOP_PHOTO, shop_photo, SLICE)                    \
 *         X(SHOP_CART, shop_cart, MOVED(struct cart, free))   \
 *         X(SHOP_CLOSE, shop_close, SIGNAL)                   \
 *         X(SHOP_PRICE, shop_price, QUESTION(VALUE(struct order), VALUE(unsigned long)))
 *
 *     TR_PROTOCOL(shop, SHOP, 100);
 *
 * A row has the constant of the tag, the name of the message's functions, and what the message carries:
 *
 *     VALUE(type)           a copy of a struct or of any other type that may be copied as bytes, aligned to 8 at most
 *     SIGNAL                nothing
 *     SLICE                 a slice, held (buffer.h)
 *     MOVED(type, destroy)  a pointer that moves with the message; destroy(pointer) is called if nobody takes it
 *     QUESTION(carries, answer)  what a question carries, and what its answer: each is one of those above
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
 *     const char *shop_name_of_tag(uint32_t tag)
 *         The same of any tag, NULL if it is none of the protocol's: for tr_behavior.tag_name
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
 *         Memory: borrowed from the message. Without a payload of that row, or a message: NULL, or a slice of no bytes.
 *     shop_photo_take(tr_message *message), shop_cart_take(tr_message *message)
 *         Takes the slice or the pointer out of the message: it is the caller's then.
 *
 * A question, here shop_price, is asked instead of sent, and has no shop_price_send(). Its answer has the same tag:
 *
 *     tr_status shop_price_ask(tr_actor *self, tr_ref to, <payload>, const struct tr_ask_options *options)
 *         As tr_ask(), and as shop_order_send(). `done` gets TR_ANSWERED only with an answer that is as declared;
 *         another is a dead letter, and the outcome TR_DOWN with TR_EBADMESSAGE. options.fits is not looked at.
 *     tr_status shop_price_reply(tr_actor *self, <payload of the answer>)
 *         As tr_reply(). Memory, and TR_EINVAL, as shop_order_send().
 *     tr_status shop_price_reply_to(tr_actor *self, tr_question *question, <payload of the answer>)
 *         The same as tr_question_reply(): of a question that was kept.
 *     shop_price_answer(const tr_message *answer), shop_price_answer_take(tr_message *answer)
 *         As shop_order() and shop_photo_take(), of the answer: of what `done` gets, also if that is NULL; of a message
 *         that answers (tr_answers()); of what tr_runtime_ask() gives.
 *     tr_message shop_price_message(<payload>), shop_price_answer_message(<payload of the answer>)
 *         As shop_order_message(): for tr_runtime_ask(), tr_forward() and whatever else takes a message.
 *
 * Thread:  as the functions of send.h, ask.h and message.h that they call.
 */
#ifndef TROUPE_ACTORS_TYPED_H
#define TROUPE_ACTORS_TYPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/actors/ask.h>
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
    TR_TYPED_INLINE const char *protocol##_name_of_tag(uint32_t tag)                                                   \
    {                                                                                                                  \
        switch (tag) {                                                                                                 \
            PROTOCOL(TR_TYPED_NAME)                                                                                    \
        default: break;                                                                                                \
        }                                                                                                              \
        return NULL;                                                                                                   \
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
#define TR_TYPED_MAKER_QUESTION(carries, answer) TR_TYPED_MAKE_QUESTION
#define TR_TYPED_TYPE_VALUE(type) type
#define TR_TYPED_TYPE_SIGNAL
#define TR_TYPED_TYPE_SLICE
#define TR_TYPED_TYPE_MOVED(type, destroy) type, destroy
#define TR_TYPED_TYPE_QUESTION(carries, answer) carries, answer

/* Of the parts of a question: what makes their payloads' functions, without a send, and how those are passed on. */
#define TR_TYPED_MAKE_PART(maker, ...) maker(__VA_ARGS__)
#define TR_TYPED_PART_VALUE(type) TR_TYPED_PAYLOAD_VALUE
#define TR_TYPED_PART_SIGNAL TR_TYPED_PAYLOAD_SIGNAL
#define TR_TYPED_PART_SLICE TR_TYPED_PAYLOAD_SLICE
#define TR_TYPED_PART_MOVED(type, destroy) TR_TYPED_PAYLOAD_MOVED
#define TR_TYPED_PARAMETER_VALUE(type) , const type *value
#define TR_TYPED_PARAMETER_SIGNAL
#define TR_TYPED_PARAMETER_SLICE , tr_slice value
#define TR_TYPED_PARAMETER_MOVED(type, destroy) , type *value
#define TR_TYPED_ARGUMENT_VALUE(type) value
#define TR_TYPED_ARGUMENT_SIGNAL
#define TR_TYPED_ARGUMENT_SLICE value
#define TR_TYPED_ARGUMENT_MOVED(type, destroy) value
#define TR_TYPED_GIVEN_VALUE(type) (value != NULL)
#define TR_TYPED_GIVEN_SIGNAL true
#define TR_TYPED_GIVEN_SLICE true
#define TR_TYPED_GIVEN_MOVED(type, destroy) (value != NULL)
#define TR_TYPED_COPIED_VALUE(type) true
#define TR_TYPED_COPIED_SIGNAL true
#define TR_TYPED_COPIED_SLICE false
#define TR_TYPED_COPIED_MOVED(type, destroy) false

#define TR_TYPED_INLINE __attribute__((unused)) static inline
#ifdef __cplusplus
#define TR_TYPED_ASSERT static_assert
#define TR_TYPED_ALIGN_OF alignof
#else
#define TR_TYPED_ASSERT _Static_assert
#define TR_TYPED_ALIGN_OF _Alignof
#endif

#define TR_TYPED_PAYLOAD_VALUE(constant, name, type)                                                                   \
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
    }

#define TR_TYPED_MAKE_VALUE(constant, name, type)                                                                      \
    TR_TYPED_PAYLOAD_VALUE(constant, name, type)                                                                       \
    TR_TYPED_INLINE tr_status name##_send(tr_actor *self, tr_ref to, const type *value)                                \
    {                                                                                                                  \
        return value != NULL ? tr_tell(self, to, constant, value, sizeof(type)) : TR_EINVAL;                           \
    }

#define TR_TYPED_PAYLOAD_SIGNAL(constant, name, nothing)                                                               \
    TR_TYPED_INLINE bool name##_fits(const tr_message *message)                                                        \
    {                                                                                                                  \
        return message != NULL && message->tag == constant && message->kind == TR_PAYLOAD_BYTES && message->size == 0; \
    }                                                                                                                  \
    TR_TYPED_INLINE tr_message name##_message(void)                                                                    \
    {                                                                                                                  \
        return tr_message_signal(constant);                                                                            \
    }

#define TR_TYPED_MAKE_SIGNAL(constant, name, nothing)                                                                  \
    TR_TYPED_PAYLOAD_SIGNAL(constant, name, nothing)                                                                   \
    TR_TYPED_INLINE tr_status name##_send(tr_actor *self, tr_ref to)                                                   \
    {                                                                                                                  \
        return tr_tell(self, to, constant, NULL, 0);                                                                   \
    }

#define TR_TYPED_PAYLOAD_SLICE(constant, name, nothing)                                                                \
    TR_TYPED_INLINE bool name##_fits(const tr_message *message)                                                        \
    {                                                                                                                  \
        return message != NULL && message->tag == constant && message->kind == TR_PAYLOAD_SLICE;                       \
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
    }

#define TR_TYPED_MAKE_SLICE(constant, name, nothing)                                                                   \
    TR_TYPED_PAYLOAD_SLICE(constant, name, nothing)                                                                    \
    TR_TYPED_INLINE tr_status name##_send(tr_actor *self, tr_ref to, tr_slice slice)                                   \
    {                                                                                                                  \
        tr_message message = tr_message_slice(constant, slice);                                                        \
        return tr_send(self, to, &message);                                                                            \
    }

#define TR_TYPED_PAYLOAD_MOVED(constant, name, type, destructor)                                                       \
    TR_TYPED_INLINE void name##_destroy(void *address)                                                                 \
    {                                                                                                                  \
        destructor((type *)address);                                                                                   \
    }                                                                                                                  \
    TR_TYPED_INLINE bool name##_fits(const tr_message *message)                                                        \
    {                                                                                                                  \
        return message != NULL && message->tag == constant && message->kind == TR_PAYLOAD_POINTER &&                   \
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
    }

#define TR_TYPED_MAKE_MOVED(constant, name, type, destructor)                                                          \
    TR_TYPED_PAYLOAD_MOVED(constant, name, type, destructor)                                                           \
    TR_TYPED_INLINE tr_status name##_send(tr_actor *self, tr_ref to, type *value)                                      \
    {                                                                                                                  \
        tr_message message = name##_message(value);                                                                    \
        return value != NULL ? tr_send(self, to, &message) : TR_EINVAL;                                                \
    }

#define TR_TYPED_MAKE_QUESTION(constant, name, carries, answers)                                                       \
    TR_TYPED_MAKE_PART(TR_TYPED_PART_##carries, constant, name, TR_TYPED_TYPE_##carries)                               \
    TR_TYPED_MAKE_PART(TR_TYPED_PART_##answers, constant, name##_answer, TR_TYPED_TYPE_##answers)                      \
    TR_TYPED_INLINE tr_status name##_ask(tr_actor *self, tr_ref to TR_TYPED_PARAMETER_##carries,                       \
                                         const struct tr_ask_options *options)                                         \
    {                                                                                                                  \
        if (!TR_TYPED_GIVEN_##carries)                                                                                 \
            return TR_EINVAL;                                                                                          \
        tr_message message = name##_message(TR_TYPED_ARGUMENT_##carries);                                              \
        return tr_typed_ask(self, to, &message, options, name##_answer_fits, TR_TYPED_COPIED_##carries);               \
    }                                                                                                                  \
    TR_TYPED_INLINE tr_status name##_reply(tr_actor *self TR_TYPED_PARAMETER_##answers)                                \
    {                                                                                                                  \
        if (!TR_TYPED_GIVEN_##answers)                                                                                 \
            return TR_EINVAL;                                                                                          \
        tr_message message = name##_answer_message(TR_TYPED_ARGUMENT_##answers);                                       \
        return tr_typed_sent(tr_reply(self, &message), &message, TR_TYPED_COPIED_##answers);                           \
    }                                                                                                                  \
    TR_TYPED_INLINE tr_status name##_reply_to(tr_actor *self, tr_question *question TR_TYPED_PARAMETER_##answers)      \
    {                                                                                                                  \
        if (!TR_TYPED_GIVEN_##answers)                                                                                 \
            return TR_EINVAL;                                                                                          \
        tr_message message = name##_answer_message(TR_TYPED_ARGUMENT_##answers);                                       \
        return tr_typed_sent(tr_question_reply(self, question, &message), &message, TR_TYPED_COPIED_##answers);        \
    }

/* Is this a copy of size bytes, aligned as its type must be? */
static inline bool
tr_typed_is_value(const tr_message *message, uint32_t tag, size_t size, size_t align)
{
    return message != NULL && message->tag == tag && message->kind <= TR_PAYLOAD_SLICE &&
           tr_message_size(message) == size && (uintptr_t)tr_message_data(message) % align == 0;
}

/* What was copied for a send that has failed is freed; what moves is the caller's again. */
static inline tr_status
tr_typed_sent(tr_status status, tr_message *message, bool copied)
{
    if (status != TR_OK && copied)
        tr_message_drop(message);
    return status;
}

static inline tr_status
tr_typed_ask(tr_actor *self, tr_ref to, tr_message *question, const struct tr_ask_options *options,
             bool (*fits)(const tr_message *answer), bool copied)
{
    struct tr_ask_options checked;
    memset(&checked, 0, sizeof(checked));
    if (options != NULL)
        checked = *options;
    checked.fits = fits;
    return tr_typed_sent(tr_ask(self, to, question, &checked), question, copied);
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
