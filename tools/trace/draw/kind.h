/*
 * What sort of event a drawing shows: a few words for many events, so that each sort can look like one thing.
 */
#ifndef TROUPE_TRACE_KIND_H
#define TROUPE_TRACE_KIND_H

#include "roles.h"

/* send, receive, dead, stash, birth, end, fault, sleep, wake, net or other. */
const char *kind_of(enum role role);

#endif
