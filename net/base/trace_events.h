/*
 * The events that the network layer records, and what their fields mean.
 */
#ifndef TROUPE_NET_TRACE_EVENTS_H
#define TROUPE_NET_TRACE_EVENTS_H

#include <troupe/core/trace.h>

/* X(id, name, doc). A socket's events are in the stream of its worker. */
#define TRI_TRACE_NET_EVENTS(X)                                                                                        \
    X(TRI_TRACE_NET + 0, server_listening, "server actor listens; arg is the port")                                    \
    X(TRI_TRACE_NET + 1, server_accept,                                                                                \
      "server actor accepted; arg is the worker that gets it, message the worker's load")                              \
    X(TRI_TRACE_NET + 2, server_reject,                                                                                \
      "server actor accepted and closed; flags: 1 message connections are the limit, 2 the address is blocked, "       \
      "3 message connections are the limit of an address, 4 no memory")                                                \
    X(TRI_TRACE_NET + 3, server_paused, "server actor stops accepting; arg is the status, 0 if it was asked to")       \
    X(TRI_TRACE_NET + 4, server_resumed, "server actor accepts again")                                                 \
    X(TRI_TRACE_NET + 5, server_error, "server actor reports an error; arg is the status")                             \
    X(TRI_TRACE_NET + 6, server_close, "server actor is closed")                                                       \
    X(TRI_TRACE_NET + 16, socket_accepted,                                                                             \
      "socket actor begins with a connection of the server whose ref is message; "                                     \
      "flags: 1 it will record connect as well")                                                                       \
    X(TRI_TRACE_NET + 17, socket_connecting, "socket actor begins to connect; arg is the port")                        \
    X(TRI_TRACE_NET + 18, socket_lookup, "socket actor knows the address; arg is the status")                          \
    X(TRI_TRACE_NET + 19, socket_connect, "socket actor is connected")                                                 \
    X(TRI_TRACE_NET + 20, socket_data, "socket actor received arg bytes")                                              \
    X(TRI_TRACE_NET + 21, socket_write, "socket actor writes arg bytes; flags is 1 if part of them is queued")         \
    X(TRI_TRACE_NET + 22, socket_drain, "socket actor's queue is empty")                                               \
    X(TRI_TRACE_NET + 23, socket_end, "socket actor's peer has ended")                                                 \
    X(TRI_TRACE_NET + 24, socket_shutdown, "socket actor ends its side")                                               \
    X(TRI_TRACE_NET + 25, socket_timeout, "socket actor was idle for arg ms")                                          \
    X(TRI_TRACE_NET + 26, socket_error, "socket actor failed; arg is the status")                                      \
    X(TRI_TRACE_NET + 27, socket_close,                                                                                \
      "socket actor is closed: its last socket event until it begins again; arg is 1 if an error came before")         \
    X(TRI_TRACE_NET + 28, socket_spawned, "socket actor begins without a connection")                                  \
    X(TRI_TRACE_NET + 29, socket_adopted, "socket actor got a descriptor that is connected")                           \
    X(TRI_TRACE_NET + 30, socket_again, "socket actor, which is closed, begins again without a connection")

/* The flags of server_reject. */
enum tri_reject {
    TRI_REJECT_LIMIT = 1,
    TRI_REJECT_BLOCKED = 2,
    TRI_REJECT_ADDRESS = 3,
    TRI_REJECT_MEMORY = 4,
};

enum {
#define TRI_TRACE_ID(id, name, doc) TRI_TRACE_NET_##name = id,
    TRI_TRACE_NET_EVENTS(TRI_TRACE_ID)
#undef TRI_TRACE_ID
};

#endif
