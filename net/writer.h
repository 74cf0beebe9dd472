/*
 * What the files of the writing side share: entries of the queue, and orders to write.
 */
#ifndef TROUPE_NET_WRITER_H
#define TROUPE_NET_WRITER_H

#include "socket_internal.h"
#include "verdict.h"

#include <errno.h>
#include <sys/types.h>
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
    enum { TRI_WRITE_BYTES, TRI_WRITE_FILE, TRI_WRITE_DESCRIPTOR } kind;
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
    uint64_t entries;    /* of the queue */
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

/* queue.c */

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

/* The first of the queue is over: it goes to that list, for its callback, or is freed. */
void tri_queue_finish_first(tr_socket *socket, tr_status status, struct tri_writes *list);

/* callbacks.c */

/* Calls those of entries that stand in no list of the writer. */
void tri_callbacks_call(tr_socket *socket, struct tri_writes list);

/* The callback of an entry that stands in no list is to be called with this: its place is that of the moment. */
void tri_callback_put(tr_socket *socket, struct tri_write *write, tr_status status);

/* The entry waits for the end of our side. */
void tri_callback_wait_for_end(tr_socket *socket, struct tri_write *write);

/*
 * A write has failed and destroyed the socket, and that has not been told. For Node it is destroyed when it is: what is
 * written until then waits, and fails with the same error before it is told, and our side cannot be ended.
 */
bool tri_callbacks_is_failing(const tr_socket *socket);

/* Those who wait for the end get the socket's error, whatever it is destroyed with after that. */
void tri_callbacks_fail_ends(tr_socket *socket);

/* transmit.c */

/* What a call that writes has returned: how much the kernel took, 0 if it had no room, or an error, negative. */
static inline ssize_t
tri_transmit_result(enum tri_operation operation, ssize_t size)
{
    if (TRI_LIKELY(size >= 0))
        return size;
    enum tri_verdict verdict = tri_verdict(operation, errno);
    return verdict == TRI_AGAIN || verdict == TRI_WAIT ? 0 : -errno;
}

/* Did it take nothing because the system has run out of something? The answer is the same for all that is sent. */
static inline bool
tri_transmit_is_short(int error)
{
    return tri_verdict(TRI_ON_PASS, error) == TRI_SHORT;
}

/* Can the kernel hold this socket's bytes back? Is a file expected to follow what is written in this callback? */
bool tri_transmit_can_hold(tr_socket *socket);
bool tri_transmit_foresees_file(tr_socket *socket);

/*
 * Sends bytes that the kernel may hold until more follows: only on a socket that can hold. They are pushed if nothing
 * does. Gives what the system call does.
 */
ssize_t tri_transmit_held(tr_socket *socket, struct iovec *parts, int count);

/* Waits for room, or not any more. */
void tri_transmit_want_room(tr_socket *socket, bool wanted);

/* writer.c */

/* What every write of size bytes looks at first. TR_OK: go on; else everything is done and this is the answer. */
tr_status tri_order_check(tr_socket *socket, const struct tri_order *order, uint64_t size);

/*
 * The refusals of which a write's callback is not called, since the caller may try the same once more: nothing has
 * happened. The list of socket.h.
 */
static inline bool
tri_write_is_untold(tr_status status)
{
    return status == TR_EINVAL || status == TR_EQUEUELIMIT || status == TR_ENOMEM;
}

/* The order is refused for its own sake; the socket stays as it is. Gives what the call returns. */
tr_status tri_order_refuse(tr_socket *socket, const struct tri_order *order, tr_status status);

/* Writes its slice, at once or later. */
tr_status tri_order_write(tr_socket *socket, const struct tri_order *order);

/* Puts into the queue what is left of its slice after the first `taken` bytes. TR_OK, TR_ENOMEM. */
tr_status tri_order_enqueue(tr_socket *socket, const struct tri_order *order, size_t taken);

/* Its callback is called with this after the call has returned (callbacks.c). TR_OK; TR_ENOMEM: it cannot be. */
tr_status tri_order_tell(tr_socket *socket, const struct tri_order *order, tr_status status);

/* Nothing waits, and the kernel can be asked. */
bool tri_writer_goes_at_once(const tr_socket *socket);

/* What a write answers of which something waits. */
tr_status tri_writer_answer_waiting(tr_socket *socket);

/* What a call answers that has just sent what was queued: that, or the error which has destroyed the socket. */
tr_status tri_writer_answer(tr_socket *socket);

/* end.c */

/* Writes the order's slice, if it has an address, and ends our side; done is called when that has ended. The rest is
 * that of tr_socket_end_then(). */
tr_status tri_order_end(tr_socket *socket, const struct tri_order *order);

#endif
