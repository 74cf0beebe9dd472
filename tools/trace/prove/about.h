/*
 * Which events are about the same thing: for the rules, which look at these alone, and for what contradicts one of
 * them.
 */
#ifndef TROUPE_TRACE_ABOUT_H
#define TROUPE_TRACE_ABOUT_H

#include <stdbool.h>

#include "roles.h"

static inline bool
is_of_handler(enum role role)
{
    return role == ROLE_receive || role == ROLE_handled || role == ROLE_stash;
}

static inline bool
is_of_timer(enum role role)
{
    return role == ROLE_timer || role == ROLE_timer_fired || role == ROLE_timer_over;
}

static inline bool
is_of_monitor(enum role role)
{
    return role == ROLE_monitor || role == ROLE_unmonitor || role == ROLE_down;
}

/* And what a listener does in a cluster. */
static inline bool
is_of_server(enum role role)
{
    return (role > ROLE_before_servers && role < ROLE_before_sockets) || role == ROLE_cluster_take;
}

static inline bool
is_of_dealing(enum role role)
{
    return role == ROLE_listener_accept || role == ROLE_socket_accepted || role_is_of_entrance(role);
}

static inline bool
is_of_child(enum role role)
{
    return role == ROLE_child_began || role == ROLE_child_ended;
}

static inline bool
is_of_parcel(enum role role)
{
    return role_is_of_cluster(role) && !is_of_child(role);
}

#endif
