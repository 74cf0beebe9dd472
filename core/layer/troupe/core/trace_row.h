/*
 * What is made of a row of a table of events (trace_events.h): its description, and the functions that record it.
 */
#ifndef TROUPE_CORE_TRACE_ROW_H
#define TROUPE_CORE_TRACE_ROW_H

/* The initializer of a struct tri_trace_event. */
#define TRI_TRACE_DESCRIPTION(id, name, actor, flags, arg, message, doc) {id, #name, doc},

/*
 * Of a field of a row: the parameter of the function that records the event, after a comma, and the value that is
 * recorded. A field of NOTHING is no parameter.
 */
#define TRI_TRACE_PARAMETER(type, field) TRI_TRACE_PARAMETER_OF(type, TRI_TRACE_OPEN field)
#define TRI_TRACE_VALUE(field) TRI_TRACE_VALUE_OF(TRI_TRACE_OPEN field)

#define TRI_TRACE_OPEN(kind, label) kind, label
#define TRI_TRACE_PARAMETER_OF(...) TRI_TRACE_PARAMETER_OF_KIND(__VA_ARGS__)
#define TRI_TRACE_PARAMETER_OF_KIND(type, kind, label) TRI_TRACE_PARAMETER_##kind(type, label)
#define TRI_TRACE_PARAMETER_NOTHING(type, label)
#define TRI_TRACE_PARAMETER_NUMBER(type, label) , type label
#define TRI_TRACE_PARAMETER_STATUS(type, label) , tr_status label
#define TRI_TRACE_PARAMETER_NAME(type, label) , type label
#define TRI_TRACE_PARAMETER_TAG(type, label) , uint32_t label
#define TRI_TRACE_PARAMETER_REF(type, label) , type label
#define TRI_TRACE_PARAMETER_MESSAGE(type, label) , type label
#define TRI_TRACE_VALUE_OF(...) TRI_TRACE_VALUE_OF_KIND(__VA_ARGS__)
#define TRI_TRACE_VALUE_OF_KIND(kind, label) TRI_TRACE_VALUE_##kind(label)
#define TRI_TRACE_VALUE_NOTHING(label) 0
#define TRI_TRACE_VALUE_NUMBER(label) label
#define TRI_TRACE_VALUE_STATUS(label) (uint32_t) label
#define TRI_TRACE_VALUE_NAME(label) label
#define TRI_TRACE_VALUE_TAG(label) label
#define TRI_TRACE_VALUE_REF(label) label
#define TRI_TRACE_VALUE_MESSAGE(label) label

/*
 * Of a row: tri_trace_<name>(stream, actor, flags, arg, message), and tri_trace_<name>_outside(trace, ...) for threads
 * that are no workers, which write under a lock. Without a recorder they do nothing.
 */
#define TRI_TRACE_FUNCTIONS(id, name, actor_, flags_, arg_, message_, doc)                                             \
    static inline void tri_trace_##name(struct tri_trace_stream *stream TRI_TRACE_PARAMETER(uint64_t, actor_)          \
                                            TRI_TRACE_PARAMETER(uint16_t, flags_) TRI_TRACE_PARAMETER(uint32_t, arg_)  \
                                                TRI_TRACE_PARAMETER(uint64_t, message_))                               \
    {                                                                                                                  \
        tri_trace(stream, id, TRI_TRACE_VALUE(flags_), TRI_TRACE_VALUE(arg_), TRI_TRACE_VALUE(actor_),                 \
                  TRI_TRACE_VALUE(message_));                                                                          \
    }                                                                                                                  \
    static inline void tri_trace_##name##_outside(                                                                     \
        struct tri_trace *trace TRI_TRACE_PARAMETER(uint64_t, actor_) TRI_TRACE_PARAMETER(uint16_t, flags_)            \
            TRI_TRACE_PARAMETER(uint32_t, arg_) TRI_TRACE_PARAMETER(uint64_t, message_))                               \
    {                                                                                                                  \
        if (TRI_UNLIKELY(trace != NULL))                                                                               \
            tri_trace_write_outside(trace, id, TRI_TRACE_VALUE(flags_), TRI_TRACE_VALUE(arg_),                         \
                                    TRI_TRACE_VALUE(actor_), TRI_TRACE_VALUE(message_));                               \
    }

#endif
