/*
 * What a socket needs until it is connected: connect.c.
 *
 * Thread: the worker of the socket, unless another is said.
 */
#ifndef TROUPE_NET_CONNECT_H
#define TROUPE_NET_CONNECT_H

#include "address_internal.h"
#include "attempt.h"
#include "questions.h"
#include "socket_state.h"

struct tri_connect {
    struct tri_origin origin; /* first */
    tr_socket *socket;
    struct tri_timer limit;            /* started: connect_timeout_ms */
    uint64_t start;                    /* of an order from afar: the number of the word to start; 0: it needs none */
    struct tr_connect_options options; /* host points into this struct; path and local_address are NULL */

    /* The look-up. */
    tri_lookup *lookup;
    uint64_t token;        /* of the question that is open */
    bool asks;             /* an answer is awaited */
    struct tr_error error; /* its outcome, if there is no address; or that of the attempts */
    unsigned told;         /* addresses of which the lookup event was given */

    /* The attempts. */
    struct sockaddr_storage *peers;
    unsigned count;
    bool tries_all;                /* not the first of them alone */
    struct sockaddr_storage local; /* AF_UNSPEC: the system's choice */
    struct tri_attempts *attempts;
    int fd;                    /* connected; -1: none yet */
    int system;                /* what the attempts have failed with, of libuv's */
    enum tri_socket_call call; /* in which call */

    char host[TRI_HOST_LIMIT];
    struct sockaddr_storage path; /* AF_UNSPEC: TCP */
};

/* Of a socket that connects. NULL: that is over. */
static inline struct tri_connect *
tri_connect_of(const tr_socket *socket)
{
    return (struct tri_connect *)socket->origin;
}

/*
 * tr_socket_connect() by an order from afar: connecting begins with tri_connect_go() and the same number; to a path, as
 * in Node, at once, but what has become of it is told then. Returns as tr_socket_connect().
 * Owner: takes *layer, the layer of options.tls (upgrade.h), on success, and sets it to NULL.
 */
tr_status tri_connect_prepare(tr_socket *socket, const struct tr_connect_options *options,
                              struct tri_record_layer **layer, uint64_t start);
void tri_connect_go(tr_socket *socket, uint64_t start);

/* Are these options in order, of a socket of this type? Returns as tr_socket_connect(). Thread: any. */
tr_status tri_connect_check(const struct tr_connect_options *options, enum tr_socket_type type);

/* What a look-up is answered with: TR_OK, TR_EINVAL, TR_EBADADDRESS. Thread: any. */
tr_status tri_connect_check_answer(const struct tr_error *error, const struct tr_address *addresses, unsigned count);

/* The steps START, LOOKED_UP, TRY and ATTEMPTED. */
void tri_connect_start(tr_socket *socket);
void tri_connect_looked_up(tr_socket *socket);
void tri_connect_try(tr_socket *socket);
void tri_connect_attempted(tr_socket *socket);
void tri_connect_answer(tr_socket *socket, tr_message *message); /* the resolver's */

#endif
