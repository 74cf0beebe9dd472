/*
 * Sockets as actors: socket.c.
 */
#ifndef TROUPE_NET_SOCKET_ACTOR_H
#define TROUPE_NET_SOCKET_ACTOR_H

#include "socket_state.h"

extern const struct tr_behavior tri_socket_behavior; /* its argument is a struct tri_socket_order */

/* How a socket's actor begins. */
struct tri_socket_order {
    const struct tr_socket_options *options;
    const struct tr_connect_options *connect; /* NULL: not yet */
    struct tri_origin *origin;                /* of an accepted one; NULL: it is spawned */
    uint64_t number;                          /* of an accepted one: tr_socket_number() */
    struct tr_proxy *proxy;         /* its PROXY header, malloc()'s: taken if the spawn succeeds; NULL: none */
    struct tri_record_layer *layer; /* before its descriptor, with its handshake over: taken likewise; NULL: none */
    int fd;                         /* of an accepted one: taken if the spawn succeeds */
    bool from_afar;                 /* it is the beginning of a struct tri_remote_socket_order */
};

/* The order of tr_remote_socket(), which is copied with its options. Whoever wants the data may say so later. */
struct tri_remote_socket_order {
    struct tri_socket_order order; /* first; without options */
    struct tr_socket_options options;
};

#endif
