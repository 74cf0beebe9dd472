/*
 * What the network layer records: the numbers of its events (trace_events.h), and what makes the functions that record
 * them. These take the server or the socket: server_state.h and socket_state.h have them.
 */
#ifndef TROUPE_NET_TRACE_H
#define TROUPE_NET_TRACE_H

#include <troupe/core/trace.h>
#include <troupe/net/trace_events.h>

#define TRI_TRACE_NET_NUMBER(id, name, ...) TRI_TRACE_NET_##name = id,

enum { TRI_TRACE_NET_EVENTS(TRI_TRACE_NET_NUMBER) };

/* The reason of listener_reject. */
enum tri_reject {
    TRI_REJECT_LIMIT = 1,
    TRI_REJECT_BLOCKED = 2,
    TRI_REJECT_ADDRESS = 3,
    TRI_REJECT_MEMORY = 4,
};

/* Of a row: tri_trace_<name>(subject, flags, arg, message). A subject, of that type, has `actor`. */
#define TRI_TRACE_FUNCTION_OF(category, type, worker_of, id, name, flags_, arg_, message_)                             \
    static inline void tri_trace_##name(const type *subject TRI_TRACE_PARAMETER(uint16_t, flags_) TRI_TRACE_PARAMETER( \
        uint32_t, arg_) TRI_TRACE_PARAMETER(uint64_t, message_))                                                       \
    {                                                                                                                  \
        struct tri_trace_stream *stream = worker_of(subject)->trace;                                                   \
        if (TRI_UNLIKELY(stream != NULL))                                                                              \
            tri_trace_put_wanted(stream, TRI_TRACE_WHAT(id, TRI_TRACE_VALUE(flags_), TRI_TRACE_VALUE(arg_)),           \
                                 tr_self(subject->actor), TRI_TRACE_VALUE(message_), category);                        \
    }

/* What a cluster's processes record, in the stream of a worker or of the threads outside. */
#define TRI_TRACE_FUNCTIONS_SERVERS(id, name, actor, flags, arg, message, doc)                                         \
    TRI_TRACE_FUNCTIONS(TRI_CATEGORY_SERVERS, id, name, actor, flags, arg, message)
TRI_TRACE_CLUSTER_EVENTS(TRI_TRACE_FUNCTIONS_SERVERS)

#endif
