/*
 * What is made of a row of a table of events (trace_events.h): its description, and the functions that record it.
 */
#ifndef TROUPE_CORE_TRACE_ROW_H
#define TROUPE_CORE_TRACE_ROW_H

#include <stddef.h>
#include <stdint.h>

/* Categories of events, as bits: enum tr_trace_category, and those that cannot be switched off. */
enum tri_trace_category {
    TRI_CATEGORY_MESSAGES = 1,
    TRI_CATEGORY_ACTORS = 2,
    TRI_CATEGORY_TIMERS = 4,
    TRI_CATEGORY_WORKERS = 8,
    TRI_CATEGORY_SERVERS = 16,
    TRI_CATEGORY_SOCKETS = 32,
    TRI_CATEGORY_MARKS = 64,
    TRI_CATEGORY_ALL = 127,
    TRI_CATEGORY_ALWAYS = 128,
};

/* What a field of an event is: the kinds of trace_events.h. */
enum tri_trace_kind {
    TRI_FIELD_NOTHING,
    TRI_FIELD_NUMBER,
    TRI_FIELD_STATUS,
    TRI_FIELD_NAME,
    TRI_FIELD_TAG,
    TRI_FIELD_WORD,
    TRI_FIELD_REF,
    TRI_FIELD_MESSAGE,
    TRI_FIELD_PARCEL,
};

/* What a value of a WORD stands for. */
struct tri_trace_word {
    uint32_t value;
    const char *word; /* lower case, digits and underscores; NULL ends a list */
};

struct tri_trace_field {
    enum tri_trace_kind kind;
    const char *label;                  /* lower case and underscores; "" for NOTHING */
    const struct tri_trace_word *words; /* of a WORD, and of a NUMBER's values that are none; else an empty list */
};

/* The initializers of a struct tri_trace_event and a struct tri_trace_field. */
#define TRI_TRACE_DESCRIPTION(id, name, actor, flags, arg, message, doc)                                               \
    {id, #name, doc, TRI_TRACE_FIELD(flags), TRI_TRACE_FIELD(arg), TRI_TRACE_FIELD(actor), TRI_TRACE_FIELD(message)},
#define TRI_TRACE_FIELD(field) TRI_TRACE_FIELD_OF(TRI_TRACE_OPEN field)
#define TRI_TRACE_FIELD_OF(...) TRI_TRACE_FIELD_OF_KIND(__VA_ARGS__)
#define TRI_TRACE_FIELD_OF_KIND(kind, ...)                                                                             \
    {                                                                                                                  \
        TRI_FIELD_##kind, TRI_TRACE_LABEL(__VA_ARGS__, ), TRI_TRACE_LIST(__VA_ARGS__, none, )                          \
    }
#define TRI_TRACE_LABEL(label, ...) #label

/* A list of words, as an array. */
#define TRI_TRACE_LIST(label, list, ...)                                                                               \
    (const struct tri_trace_word[])                                                                                    \
    {                                                                                                                  \
        TRI_TRACE_WORDS_##list(TRI_TRACE_WORD_ROW){0, NULL},                                                           \
    }
#define TRI_TRACE_WORDS_none(X)
#define TRI_TRACE_WORD_ROW(value, word) {value, #word},

/*
 * Of a field of a row: the parameter of the function that records the event, after a comma, and the value that is
 * recorded. A field of NOTHING is no parameter.
 */
#define TRI_TRACE_PARAMETER(type, field) TRI_TRACE_PARAMETER_OF(type, TRI_TRACE_OPEN field)
#define TRI_TRACE_VALUE(field) TRI_TRACE_VALUE_OF(TRI_TRACE_OPEN field)

#define TRI_TRACE_OPEN(kind, ...) kind, __VA_ARGS__
#define TRI_TRACE_PARAMETER_OF(...) TRI_TRACE_PARAMETER_OF_KIND(__VA_ARGS__)
#define TRI_TRACE_PARAMETER_OF_KIND(type, kind, ...) TRI_TRACE_PARAMETER_##kind(type, __VA_ARGS__)
#define TRI_TRACE_PARAMETER_NOTHING(type, label)
#define TRI_TRACE_PARAMETER_NUMBER(type, label, ...) , type label
#define TRI_TRACE_PARAMETER_STATUS(type, label) , tr_status label
#define TRI_TRACE_PARAMETER_NAME(type, label) , type label
#define TRI_TRACE_PARAMETER_TAG(type, label) , uint32_t label
#define TRI_TRACE_PARAMETER_REF(type, label) , type label
#define TRI_TRACE_PARAMETER_MESSAGE(type, label) , type label
#define TRI_TRACE_PARAMETER_PARCEL(type, label) , type label
#define TRI_TRACE_PARAMETER_WORD(type, label, list) , type label
#define TRI_TRACE_VALUE_OF(...) TRI_TRACE_VALUE_OF_KIND(__VA_ARGS__)
#define TRI_TRACE_VALUE_OF_KIND(kind, ...) TRI_TRACE_VALUE_##kind(__VA_ARGS__)
#define TRI_TRACE_VALUE_NOTHING(label) 0
#define TRI_TRACE_VALUE_NUMBER(label, ...) label
#define TRI_TRACE_VALUE_STATUS(label) (uint32_t) label
#define TRI_TRACE_VALUE_NAME(label) label
#define TRI_TRACE_VALUE_TAG(label) label
#define TRI_TRACE_VALUE_REF(label) label
#define TRI_TRACE_VALUE_MESSAGE(label) label
#define TRI_TRACE_VALUE_PARCEL(label) label
#define TRI_TRACE_VALUE_WORD(label, list) label

/*
 * Of a row and the category of its part of the table: tri_trace_<name>(stream, actor, flags, arg, message);
 * tri_trace_<name>_outside(trace, ...) for threads that are no workers, which write under a lock; both do nothing
 * without a recorder. And tri_trace_<name>_at(stream, now, ...) of an event whose time is known, since reading the
 * clock costs most of an event: the caller knows, too, that there is a recorder which wants it (tri_trace_wants()).
 */
#define TRI_TRACE_FUNCTIONS(category, id, name, actor_, flags_, arg_, message_)                                        \
    static inline void tri_trace_##name(struct tri_trace_stream *stream TRI_TRACE_PARAMETER(uint64_t, actor_)          \
                                            TRI_TRACE_PARAMETER(uint16_t, flags_) TRI_TRACE_PARAMETER(uint32_t, arg_)  \
                                                TRI_TRACE_PARAMETER(uint64_t, message_))                               \
    {                                                                                                                  \
        if (TRI_UNLIKELY(stream != NULL))                                                                              \
            tri_trace_put_wanted(stream, TRI_TRACE_WHAT(id, TRI_TRACE_VALUE(flags_), TRI_TRACE_VALUE(arg_)),           \
                                 TRI_TRACE_VALUE(actor_), TRI_TRACE_VALUE(message_), category);                        \
    }                                                                                                                  \
    static inline void tri_trace_##name##_at(                                                                          \
        struct tri_trace_stream *stream,                                                                               \
        uint64_t now TRI_TRACE_PARAMETER(uint64_t, actor_) TRI_TRACE_PARAMETER(uint16_t, flags_)                       \
            TRI_TRACE_PARAMETER(uint32_t, arg_) TRI_TRACE_PARAMETER(uint64_t, message_))                               \
    {                                                                                                                  \
        tri_trace_put_at(stream, now, TRI_TRACE_WHAT(id, TRI_TRACE_VALUE(flags_), TRI_TRACE_VALUE(arg_)),              \
                         TRI_TRACE_VALUE(actor_), TRI_TRACE_VALUE(message_));                                          \
    }                                                                                                                  \
    static inline void tri_trace_##name##_outside(                                                                     \
        struct tri_trace *trace TRI_TRACE_PARAMETER(uint64_t, actor_) TRI_TRACE_PARAMETER(uint16_t, flags_)            \
            TRI_TRACE_PARAMETER(uint32_t, arg_) TRI_TRACE_PARAMETER(uint64_t, message_))                               \
    {                                                                                                                  \
        if (TRI_UNLIKELY(trace != NULL) &&                                                                             \
            tri_trace_wants((const struct tri_trace_head *)trace, category, TRI_TRACE_VALUE(actor_)))                  \
            tri_trace_write_outside(trace, id, TRI_TRACE_VALUE(flags_), TRI_TRACE_VALUE(arg_),                         \
                                    TRI_TRACE_VALUE(actor_), TRI_TRACE_VALUE(message_));                               \
    }

/* Each category's functions of a part of a table. */
#define TRI_TRACE_FUNCTIONS_ALWAYS(id, name, actor, flags, arg, message, doc)                                          \
    TRI_TRACE_FUNCTIONS(TRI_CATEGORY_ALWAYS, id, name, actor, flags, arg, message)
#define TRI_TRACE_FUNCTIONS_MESSAGES(id, name, actor, flags, arg, message, doc)                                        \
    TRI_TRACE_FUNCTIONS(TRI_CATEGORY_MESSAGES, id, name, actor, flags, arg, message)
#define TRI_TRACE_FUNCTIONS_ACTORS(id, name, actor, flags, arg, message, doc)                                          \
    TRI_TRACE_FUNCTIONS(TRI_CATEGORY_ACTORS, id, name, actor, flags, arg, message)
#define TRI_TRACE_FUNCTIONS_TIMERS(id, name, actor, flags, arg, message, doc)                                          \
    TRI_TRACE_FUNCTIONS(TRI_CATEGORY_TIMERS, id, name, actor, flags, arg, message)
#define TRI_TRACE_FUNCTIONS_WORKERS(id, name, actor, flags, arg, message, doc)                                         \
    TRI_TRACE_FUNCTIONS(TRI_CATEGORY_WORKERS, id, name, actor, flags, arg, message)
#define TRI_TRACE_FUNCTIONS_MARKS(id, name, actor, flags, arg, message, doc)                                           \
    TRI_TRACE_FUNCTIONS(TRI_CATEGORY_MARKS, id, name, actor, flags, arg, message)

#endif
