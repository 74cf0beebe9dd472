/*
 * From the queue to the kernel.
 *
 * When the kernel has room everything that waits goes there, up to TRI_GATHER slices in one call. An entry may also be
 * a part of a file, or a descriptor that rides on the first of its bytes. After CALLS_PER_WAKE calls other sockets have
 * their turn; after RECORDS_PER_WAKE where one call sends one record, which is as much as is read in a turn.
 *
 * The bytes before a file and the first of the file are to leave in one packet, so the bytes are sent with MSG_MORE:
 * the kernel holds what does not fill a packet until more follows. In the queue one sees that a file follows. A program
 * that writes bytes and then a file, without a cork, is met by a guess: while files_foreseen is above 0 the bytes that
 * a socket writes in its own callback are held until that ends. A file renews the guess for TRI_FILES_FORESEEN such
 * callbacks; one in which no file followed has cost a system call and takes one off, so a program without files soon
 * pays nothing. Workers begin with the guess that files are written.
 *
 * Invariant: what the kernel holds is followed by more before the flush or the socket's callback ends, or is pushed
 * there (TRI_DUE_PUSH), whatever has become of the file.
 */
#include "transmit.h"

#include "callbacks.h"
#include "destroy.h"
#include "idle.h"
#include "pace.h"
#include "retry.h"
#include "secure.h"
#include "transport.h"
#include "turn.h"

#include <troupe/core/descriptors.h>

#define CALLS_PER_WAKE 16
#define RECORDS_PER_WAKE 64

/* Gathers the slices in front of the queue. Empty ones need no buffer. next: what follows them, or NULL. */
static int
gather(tr_socket *socket, struct iovec *parts, const struct tri_write **next)
{
    int count = 0;
    const struct tri_write *write = socket->writer->queue.first;
    for (; write != NULL && count < TRI_GATHER && write->kind == TRI_WRITE_BYTES; write = write->next)
        if (write->slice.size > 0)
            parts[count++] = (struct iovec){.iov_base = (void *)write->slice.data, .iov_len = write->slice.size};
    *next = write;
    return count;
}

bool
tri_transmit_foresees_file(tr_socket *socket)
{
    bool may_follow =
        tri_socket_has_any(socket, TRI_SOCKET_INSIDE) && !socket->obeys; /* nobody writes a file from afar */
    return may_follow && socket->home->files_foreseen > 0 && tri_transport_can_hold(socket);
}

/* After bytes comes this, or nothing that we know of. */
static bool
file_follows(tr_socket *socket, const struct tri_write *next)
{
    if (next == NULL)
        return tri_transmit_foresees_file(socket);
    return next->kind == TRI_WRITE_FILE && tri_transport_can_hold(socket);
}

/* As in Node a write of no bytes is one: it fails if the connection is broken. As a record it would be an end. */
static ssize_t
send_nothing(tr_socket *socket)
{
    return socket->records ? 0 : tri_transport_write(socket, tr_slice_constant("", 0));
}

static ssize_t
send_bytes(tr_socket *socket)
{
    struct iovec *parts = socket->home->gather;
    const struct tri_write *next;
    int count = gather(socket, parts, &next);
    if (count == 0)
        return send_nothing(socket);
    return file_follows(socket, next) ? tri_transport_hold(socket, parts, count)
                                      : tri_transport_gather(socket, parts, count);
}

/* The queue. */

/* Its descriptor is gone with the first byte; the rest are bytes like any. */
static void
sent_descriptor(struct tri_write *write)
{
    tri_close(write->fd);
    write->fd = -1;
    write->kind = TRI_WRITE_BYTES;
}

/* One system call. Gives what it took, or an error. */
static ssize_t
send_front(tr_socket *socket)
{
    struct tri_write *first = socket->writer->queue.first;
    ssize_t taken;
    switch (first->kind) {
    case TRI_WRITE_FILE: taken = tri_transport_send_file(socket, first->fd, first->offset, first->length); break;
    case TRI_WRITE_DESCRIPTOR:
        taken = tri_transport_pass(socket, first->slice, first->fd);
        if (taken > 0)
            sent_descriptor(first);
        break;
    default: taken = send_bytes(socket); break;
    }
    if (taken >= 0)
        tri_queue_shorten(socket, (size_t)taken);
    return taken;
}

/* One call of the system's, or of the layer's. */
static ssize_t
send_next(tr_socket *socket)
{
    bool is_plain = TRI_LIKELY(!tri_socket_is_secure(socket)) || tri_secure_sends_plain(socket);
    return is_plain ? send_front(socket) : tri_secure_send_front(socket);
}

static void
emptied(tr_socket *socket)
{
    tri_transmit_want_room(socket, false);
    tri_queue_give_back(socket);
    if (TRI_UNLIKELY(socket->extra != NULL) && socket->extra->sources != NULL)
        socket->home->course->emptied(socket);
    if (tri_socket_has_any(socket, TRI_SOCKET_OWES_DRAIN))
        socket->due |= TRI_STEP(DRAIN);
    tri_socket_clear(socket, TRI_SOCKET_OWES_DRAIN);
    if (tri_socket_has_any(socket, TRI_SOCKET_ENDING))
        socket->due |= TRI_STEP(FIN);
}

tr_status
tri_transmit_status(const tr_socket *socket, int error)
{
    return error == -TRI_LAYER_BROKEN ? tri_secure_failure(socket) : tri_status_from_errno(error);
}

/* As in Node, the writes are told before the error. */
void
tri_transmit_not_taken(tr_socket *socket, int error)
{
    if (tri_transmit_is_short(error) && tri_retry_start(socket))
        return;
    tr_status status = tri_transmit_status(socket, error);
    tri_callbacks_fail(socket, status, status);
    tri_socket_fail(socket, -error, TRI_CALL_WRITE);
}

/* Is there something for another call? Bytes after bytes would have gone with the first call if the kernel had room;
 * but a record has room for few. */
static bool
goes_on(const tr_socket *socket, bool sent_bytes)
{
    return !tri_writer_is_empty(socket) &&
           (!(sent_bytes && socket->writer->queue.first->kind == TRI_WRITE_BYTES) || tri_socket_is_secure(socket));
}

/* What waits for a handshake waits for no room. */
static void
wait_for_room(tr_socket *socket)
{
    if (tri_secure_is_shaking(socket) && !tri_secure_sends_plain(socket))
        return;
    tri_transmit_want_room(socket, true);
    tri_pace_wait_for_room(socket);
}

static void
flush_queue(tr_socket *socket)
{
    unsigned calls = 0, most = tri_socket_is_secure(socket) ? RECORDS_PER_WAKE : CALLS_PER_WAKE;
    bool sends_bytes;
    ssize_t taken;
    do {
        sends_bytes = socket->writer->queue.first->kind == TRI_WRITE_BYTES;
        taken = send_next(socket);
        if (taken < 0) {
            tri_transmit_not_taken(socket, (int)-taken);
            return;
        }
        if (taken > 0)
            tri_socket_idle_moved(socket);
        calls++;
    } while (taken > 0 && calls < most && goes_on(socket, sends_bytes));
    if (tri_writer_is_empty(socket))
        emptied(socket);
    else
        wait_for_room(socket);
}

/* What a layer sends of its own goes first. With nothing behind it our side may end. false: nothing else goes now. */
static bool
layer_goes_first(tr_socket *socket)
{
    if (!tri_secure_go_first(socket))
        return false;
    if (tri_writer_is_empty(socket) && tri_socket_has_any(socket, TRI_SOCKET_ENDING))
        tri_socket_due(socket, TRI_STEP(FIN));
    return true;
}

void
tri_writer_flush(tr_socket *socket)
{
    if (!tri_socket_is_open(socket) || tri_retry_is_due(socket) ||
        (TRI_UNLIKELY(tri_socket_is_secure(socket)) && !layer_goes_first(socket)) || tri_writer_is_empty(socket))
        return;
    if (tri_writer_is_corked(socket) && !tri_secure_is_ahead(socket)) {
        tri_transmit_want_room(socket, false); /* until it is uncorked */
        return;
    }
    flush_queue(socket);
    if (!tri_socket_has_any(socket, TRI_SOCKET_INSIDE))
        tri_writer_push(socket);
}

/* What was added to a list since `last` was its last (NULL: it was empty) leaves it. */
static struct tri_writes
split_after(struct tri_writes *list, struct tri_write *last)
{
    struct tri_writes since = {last != NULL ? last->next : list->first, list->last};
    if (last == NULL) {
        list->first = NULL;
        return since;
    }
    last->next = NULL;
    list->last = last;
    return since;
}

/* The first of what was flushed is told before `ready`, the others in the order of all that is told; if flushing has
 * failed, all of it before. Up to `last` stands what the connect event has refused. */
static void
tell_before_ready(tr_socket *socket, const struct tri_write *first, struct tri_write *last)
{
    struct tri_writes *told = &socket->writer->told;
    struct tri_writes since = split_after(told, last);
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED)) {
        tri_callbacks_call(socket, since);
        return;
    }
    bool tells = since.first == first;
    struct tri_write *before = tells ? tri_queue_take_first(&since) : NULL;
    while (since.first != NULL)
        tri_queue_append(told, tri_queue_take_first(&since));
    if (!tells)
        return;
    tri_queue_prepend(told, before);
    socket->due |= TRI_STEP(FLUSH_TELL);
}

static void
move_step(tr_socket *socket, uint32_t from, uint32_t to)
{
    if ((socket->due & from) != 0)
        socket->due = (socket->due & ~from) | to;
}

static void
flush_waited(tr_socket *socket)
{
    const struct tri_write *first = socket->writer->queue.first;
    struct tri_write *last = socket->writer->told.first != NULL ? socket->writer->told.last : NULL;
    tri_writer_flush(socket);
    move_step(socket, TRI_STEP(DRAIN), TRI_STEP(FLUSH_DRAIN));
    if (socket->writer != NULL)
        tell_before_ready(socket, first, last);
}

void
tri_writer_begin(tr_socket *socket)
{
    if (tri_writer_is_empty(socket) && !tri_socket_is_secure(socket))
        return;
    if (tri_writer_is_empty(socket) || !socket->writer->waited)
        tri_writer_flush(socket);
    else if (!tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        flush_waited(socket);
    else /* by the connect event */
        tri_callbacks_lose(socket, TR_ESOCKETCLOSED,
                           tri_socket_has_any(socket, TRI_SOCKET_FAILED) ? socket->error : TR_ESOCKETCLOSED);
}
