/*
 * The events that this program knows more of than the name, and what their fields are: the library's own tables.
 *
 * A trace describes its events itself, so a number is known by its name: an event of a newer or older library is one
 * without a role, or has one under another number.
 */
#ifndef TROUPE_TRACE_ROLES_H
#define TROUPE_TRACE_ROLES_H

#include <stdbool.h>
#include <troupe/actors/trace_events.h>
#include <troupe/core/trace_events.h>
#include <troupe/core/trace_row.h>
#include <troupe/net/trace_events.h>

/* What a field of an event is: see core's trace_events.h. */
enum meaning {
    UNKNOWN, /* of an event without a role: a number that is printed if it is not 0 */
    NOTHING,
    NUMBER,
    STATUS,
    NAME,
    TAG,
    WORD,
    REF,
    MESSAGE,
    PARCEL,
};

enum role {
    ROLE_none,
#define ROLE(id, name, ...) ROLE_##name,
    TRI_TRACE_CORE_EVENTS(ROLE) TRI_TRACE_ACTORS_EVENTS(ROLE) ROLE_before_servers,
    TRI_TRACE_SERVER_EVENTS(ROLE) TRI_TRACE_LISTENER_EVENTS(ROLE) ROLE_before_sockets,
    TRI_TRACE_SOCKET_EVENTS(ROLE) ROLE_before_entrances,
    TRI_TRACE_ENTRANCE_EVENTS(ROLE) TRI_TRACE_GREETING_EVENTS(ROLE) TRI_TRACE_CLUSTER_EVENTS(ROLE) ROLES,
#undef ROLE
};

static inline bool
role_is_of_server(enum role role)
{
    return role > ROLE_before_servers && role < ROLE_listener_open;
}

static inline bool
role_is_of_socket(enum role role)
{
    return role > ROLE_before_sockets && role < ROLE_before_entrances;
}

static inline bool
role_is_of_net(enum role role)
{
    return role > ROLE_before_servers && role < ROLES;
}

/* Does an event tell the class of its actor, in arg? */
static inline bool
role_tells_class(enum role role)
{
    return role == ROLE_spawn || role == ROLE_restart || role == ROLE_present || role == ROLE_become;
}

/* A connection that waits for its header, or shakes hands. */
static inline bool
role_is_of_entrance(enum role role)
{
    return role > ROLE_before_entrances && role <= ROLE_handshake_failed;
}

/* What goes from process to process is sent by these events and comes to its end in those. */
static inline bool
role_sends_parcel(enum role role)
{
    return role == ROLE_cluster_send || role == ROLE_cluster_deal;
}

static inline bool
role_ends_parcel(enum role role)
{
    return role == ROLE_cluster_receive || role == ROLE_cluster_lost || role == ROLE_cluster_take;
}

static inline bool
role_is_of_cluster(enum role role)
{
    return role > ROLE_handshake_failed && role < ROLES;
}

/* A field: what it is, and what it is called. */
struct field {
    enum meaning meaning;
    const char *label;                  /* "" for NOTHING */
    const struct tri_trace_word *words; /* of a WORD, and of a NUMBER: what values stand for */
};

/* The fields of an event. */
struct shape {
    const char *name; /* NULL: no event has that role */
    struct field flags, arg, message;
};

/* By role; that of ROLE_none has fields that are UNKNOWN. */
extern const struct shape role_shapes[ROLES];

/* The word that a value of a field stands for; NULL: it is not a WORD, or a newer library's. */
const char *word_of_value(const struct field *field, uint64_t value);

/* The role of the event of that name. */
enum role role_of_name(const char *name);

#endif
