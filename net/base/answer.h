/*
 * What an actor wants to know of a socket or a server, and the answer: they are one piece of memory.
 *
 * Thread: the worker of the socket or the server; NULL for self: that is gone.
 */
#ifndef TROUPE_NET_ANSWER_H
#define TROUPE_NET_ANSWER_H

#include <troupe/actors/host.h>
#include <troupe/net/remote.h>

struct tri_info_ask {
    union { /* first: the answer carries the ask along */
        struct tr_socket_info socket;
        struct tr_server_info server;
        struct tr_remote_shown shown;
        struct tr_remote_written done;
    } info;
    tr_ref about, asker;
    uint64_t token;
    uint32_t reply_tag;
    bool both; /* of an update of keys: the peer's, too */
    struct tri_word word;
};

/* Takes the ask, whose info is set; size is that of the info. */
void tri_info_answer(struct tri_worker *worker, tr_actor *self, struct tri_info_ask *ask, size_t size);

/* The same of an info that owns something: `destroy` frees that and the ask. */
void tri_info_answer_with(struct tri_worker *worker, tr_actor *self, struct tri_info_ask *ask, size_t size,
                          void (*destroy)(void *));

/* The destructor of a question that found nobody: it is answered so if there still is somebody to answer. */
void tri_info_lose(struct tri_info_ask *ask, size_t size);

#endif
