/*
 * What waits to be written, and what the user has asked for: queue.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_QUEUE_H
#define TROUPE_NET_QUEUE_H

#include "socket_state.h"

#include <troupe/core/buffer_holds.h>

/* Keeps a slice that must wait: tri_slice_keep(), or a copy of memory that is only lent. */
typedef tr_status (*tri_keep_function)(tr_slice slice, tr_slice *out);

/* What the user has asked for. */
struct tri_order {
    tr_slice slice;
    tri_keep_function keep;
    tr_write_done done;
    void *argument;
    bool is_last;   /* comes with the end of our side */
    bool from_afar; /* another actor asked for it, and waits: done is called also when the socket is killed */
};

/* One write that waits, or whose callback waits. */
struct tri_write {
    struct tri_write *next;
    tr_slice slice; /* what is left of it */
    tr_write_done done;
    void *argument;
    uint64_t whole;          /* its bytes as they were written */
    uint64_t offset, length; /* FILE: what is left of it */
    tr_status status;
    int fd; /* FILE, DESCRIPTOR: ours */
    enum {
        TRI_WRITE_BYTES,
        TRI_WRITE_FILE,
        TRI_WRITE_DESCRIPTOR,
        TRI_WRITE_BARRIER, /* no write of the user's: from here on it is secure.c */
    } kind;
    bool from_afar; /* as in struct tri_order */
};

struct tri_writes {
    struct tri_write *first, *last;
};

/* Exists while something waits. */
struct tri_writer {
    struct tri_writes queue; /* not in the kernel yet */
    struct tri_writes told;  /* callbacks.c says what stands in these */
    struct tri_writes late;
    struct tri_writes ends;
    uint64_t buffered;   /* bytes of the queue, in memory */
    uint64_t of_files;   /* bytes of its files that have not been sent */
    uint64_t entries;    /* of the queue, without files and barriers */
    uint64_t unfinished; /* the same, but each write counts whole until all of it has gone */
    unsigned corked;
    bool waited; /* the first of the queue waited for the connection */
};

static inline bool
tri_writer_is_empty(const tr_socket *socket)
{
    return socket->writer == NULL || socket->writer->queue.first == NULL;
}

static inline bool
tri_writer_is_corked(const tr_socket *socket)
{
    return socket->writer != NULL && socket->writer->corked > 0;
}

void tri_queue_append(struct tri_writes *list, struct tri_write *write);
void tri_queue_prepend(struct tri_writes *list, struct tri_write *write);
struct tri_write *tri_queue_take_first(struct tri_writes *list);

/* The socket's writer, made if need be; NULL without memory. And its end, if nothing waits any more. */
struct tri_writer *tri_queue_writer(tr_socket *socket);
void tri_queue_give_back(tr_socket *socket);

/* An entry for one of the writer's lists, without bytes yet; NULL without memory. */
struct tri_write *tri_queue_entry(tr_socket *socket, const struct tri_order *order);
void tri_queue_entry_free(tr_socket *socket, struct tri_write *write);

/* Puts an entry into the queue. */
void tri_queue_put(tr_socket *socket, struct tri_write *write);

/* So many bytes of the front of the queue, of memory and of files, are in the kernel. */
void tri_queue_shorten(tr_socket *socket, size_t taken);

/* The first of the queue is over: it goes to that list, for its callback, or is freed. */
void tri_queue_finish_first(tr_socket *socket, tr_status status, struct tri_writes *list);

#endif
