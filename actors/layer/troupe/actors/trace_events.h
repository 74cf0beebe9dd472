/*
 * The events that the actors' layer records, and what their fields mean.
 */
#ifndef TROUPE_ACTORS_TRACE_EVENTS_H
#define TROUPE_ACTORS_TRACE_EVENTS_H

#include <troupe/core/trace.h>

/* X(id, name, doc). An actor's begin, end and messages are in the stream of its worker. Elsewhere stand what threads
 * outside send, and dead letters: in the stream of the thread that buries them. */
#define TRI_TRACE_ACTORS_EVENTS(X)                                                                                     \
    X(TRI_TRACE_ACTORS + 0, spawn, "actor begins; arg is the name of its behavior, message its parent's ref")          \
    X(TRI_TRACE_ACTORS + 1, init_failed, "actor was not born; arg is the status")                                      \
    X(TRI_TRACE_ACTORS + 2, send, "actor (0: a thread outside) sends message with tag arg")                            \
    X(TRI_TRACE_ACTORS + 3, receive, "actor is given message with tag arg")                                            \
    X(TRI_TRACE_ACTORS + 4, dead_letter, "message to actor finds nobody; arg is the reason")                           \
    X(TRI_TRACE_ACTORS + 5, stop, "actor is asked to stop; arg is 0 drain, 1 now, 2 kill")                             \
    X(TRI_TRACE_ACTORS + 6, stopped, "actor ends: its last event")

enum {
#define TRI_TRACE_ID(id, name, doc) TRI_TRACE_ACTORS_##name = id,
    TRI_TRACE_ACTORS_EVENTS(TRI_TRACE_ID)
#undef TRI_TRACE_ID
};

#endif
