/*
 * Orders and questions of other actors to a socket, as remote.h's functions send them.
 *
 * Memory: an order is the receiver's. The sender gives it a destructor for the case that nobody receives it.
 */
#ifndef TROUPE_NET_SOCKET_ORDERS_H
#define TROUPE_NET_SOCKET_ORDERS_H

#include "socket_state.h"

#include <troupe/net/pipe.h>
#include <troupe/net/tls.h>

/* A write that is answered, or carries a descriptor. */
struct tri_write_ask {
    struct tri_word word; /* first; the answer */
    tr_slice slice;
    tr_ref asker;
    uint64_t token;
    uint32_t reply_tag;
    int fd; /* -1: none */
};

/* Options with the texts that they point to, in one piece of memory. */
struct tri_connect_order {
    tr_runtime *runtime; /* which it keeps alive on its way */
    uint64_t start;      /* the number of the word to start that follows */
    struct tr_connect_options options;
    struct tr_tls_options tls;      /* of which the layer was made */
    struct tri_record_layer *layer; /* NULL: plain */
    char texts[];
};

/* The texts stand behind the array. */
struct tri_secure_order {
    struct tr_tls_options options; /* with a hold of the context and of what was received */
    const char *alpn[];
};

struct tri_looked_up_order {
    struct tr_error error; /* status TR_OK: none */
    unsigned count;
    struct tr_address addresses[];
};

struct tri_pipe_order {
    struct tri_word word; /* first; to the second: there will be no pipe */
    tr_ref to;
    struct tr_pipe_options options;
};

/* Frees it with its slice and its descriptor; a destructor of messages. Thread: any. */
void tri_write_ask_free(void *ask);

/* Takes the ask, which becomes the answer. self: the socket's actor; NULL: it is gone, or is killed. Thread: owner of
 * worker. */
void tri_write_ask_answer(struct tri_worker *worker, tr_actor *self, struct tri_write_ask *ask, tr_status status);

/* Carries out a message with one of the library's own tags. Thread: the socket's worker. */
void tri_socket_obey(tr_socket *socket, tr_message *message);

#endif
