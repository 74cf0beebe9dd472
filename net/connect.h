/*
 * What a socket needs until it is connected.
 */
#ifndef TROUPE_NET_CONNECT_H
#define TROUPE_NET_CONNECT_H

#include "socket_internal.h"

struct tri_connect {
    tr_socket *socket; /* NULL: it is gone, only the look-up still runs */
    uv_getaddrinfo_t lookup;
    uv_connect_t request;
    bool looking_up;
    bool is_literal; /* `peer` is known already */
    bool binds;      /* `local` is asked for */
    bool keep_alive; /* asked for before there was a descriptor */
    uint64_t keep_alive_delay_ms;
    enum tr_family family;
    uint16_t port;
    uint16_t local_port;
    struct sockaddr_storage peer;
    struct sockaddr_storage local;
    char host[TRI_HOST_LIMIT];
};

/* The init callback; argument is a struct tr_connect_options. */
tr_status tri_connect_init_socket(tr_actor *self, void *state, const void *argument);

#endif
