/*
 * What the actors' layer records: the numbers of its events (trace_events.h) and the functions that record them.
 */
#ifndef TROUPE_ACTORS_TRACE_H
#define TROUPE_ACTORS_TRACE_H

#include <troupe/actors/trace_events.h>
#include <troupe/core/trace.h>

#define TRI_TRACE_ACTORS_NUMBER(id, name, ...) TRI_TRACE_ACTORS_##name = id,

enum { TRI_TRACE_ACTORS_EVENTS(TRI_TRACE_ACTORS_NUMBER) };

TRI_TRACE_MESSAGE_EVENTS(TRI_TRACE_FUNCTIONS_MESSAGES)
TRI_TRACE_LIFE_EVENTS(TRI_TRACE_FUNCTIONS_ACTORS)
TRI_TRACE_TIMER_EVENTS(TRI_TRACE_FUNCTIONS_TIMERS)

#endif
