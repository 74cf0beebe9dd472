/*
 * Writing: from `write` to the kernel, and the word when it is done.
 *
 *   write -> kernel takes all of it -> done
 *         -> kernel takes a part, or something waits already -> queue -> one uv_write of all that waits -> done
 *
 * While nothing waits a write goes to the kernel at once and a socket has no struct tri_writer. What is left becomes an
 * entry of the queue, with a hold of its slice. One uv_write is on its way at most and it takes everything that waits,
 * up to TRI_GATHER slices: libuv 1.44 completes one request in a turn of the loop, however many are ready.
 *
 * A write says TR_QUEUED when part of what was written waits in this process. Before the connection exists everything
 * waits; there the limit is Node's, TRI_HIGH_WATER. The drain event follows when the queue has become empty, before the
 * callback of the write that emptied it, unless our side was ended or destroyed meanwhile.
 *
 * A callback is due when its bytes have gone, or never will. It is not called from within the write but from
 * tri_writer_tell(), in the order of the writes.
 */
#include "socket_internal.h"

#include <string.h>

/* Entries. */

static void
append(struct tri_writes *list, struct tri_write *write)
{
    write->next = NULL;
    if (list->first == NULL)
        list->first = write;
    else
        list->last->next = write;
    list->last = write;
}

static struct tri_write *
take_first(struct tri_writes *list)
{
    struct tri_write *write = list->first;
    list->first = write->next;
    return write;
}

static struct tri_writer *
writer_of(tr_socket *socket)
{
    if (socket->writer == NULL) {
        socket->writer = tri_pool_take(&socket->net->writers);
        if (socket->writer != NULL)
            memset(socket->writer, 0, sizeof(*socket->writer));
    }
    return socket->writer;
}

static void
give_back_writer(tr_socket *socket)
{
    struct tri_writer *writer = socket->writer;
    if (writer == NULL || writer->queue.first != NULL || writer->told.first != NULL)
        return;
    tri_pool_give(&socket->net->writers, writer);
    socket->writer = NULL;
}

/* An entry in one of the writer's lists; NULL without memory. */
static struct tri_write *
entry_new(tr_socket *socket, void (*done)(tr_socket *, void *, tr_status), void *argument)
{
    if (writer_of(socket) == NULL)
        return NULL;
    struct tri_write *write = tri_pool_take(&socket->net->writes);
    if (write == NULL) {
        give_back_writer(socket);
        return NULL;
    }
    *write = (struct tri_write){.done = done, .argument = argument};
    return write;
}

/* The first of the queue is over: its callback is due, or it goes. */
static void
finish_first(tr_socket *socket, tr_status status)
{
    struct tri_writer *writer = socket->writer;
    struct tri_write *write = take_first(&writer->queue);
    writer->buffered -= write->slice.size;
    tr_slice_release(write->slice);
    write->status = status;
    if (write->done != NULL)
        append(&writer->told, write);
    else
        tri_pool_give(&socket->net->writes, write);
}

void
tri_writer_tell(tr_socket *socket)
{
    if (socket->writer == NULL)
        return;
    struct tri_writes told = socket->writer->told;
    socket->writer->told.first = NULL;
    give_back_writer(socket);
    while (told.first != NULL) {
        struct tri_write *write = take_first(&told);
        if (!tri_socket_is(socket, TRI_SOCKET_SILENT) || write->done == tri_remote_written)
            write->done(socket, write->argument, write->status);
        tri_pool_give(&socket->net->writes, write);
    }
}

void
tri_writer_fail(tr_socket *socket, tr_status status)
{
    while (!tri_writer_is_empty(socket))
        finish_first(socket, status);
    tri_writer_tell(socket);
}

void
tri_writer_drop(tr_socket *socket)
{
    socket->flags |= TRI_SOCKET_SILENT;
    tri_writer_fail(socket, TR_EDESTROYED);
}

/* To the kernel. */

static uv_buf_t
buffer_of(tr_slice slice)
{
    return (uv_buf_t){.base = (char *)slice.data, .len = slice.size};
}

/* Gathers what waits into net->gather; *entries gets how many entries that covers. Empty ones need no buffer. */
static unsigned
gather(tr_socket *socket, size_t *entries)
{
    unsigned count = 0;
    *entries = 0;
    for (struct tri_write *write = socket->writer->queue.first; write != NULL; write = write->next, ++*entries) {
        if (write->slice.size == 0)
            continue;
        if (count == TRI_GATHER)
            break;
        socket->net->gather[count++] = buffer_of(write->slice);
    }
    return count;
}

static void on_written(uv_write_t *request, int status);

/* Hands all that waits to libuv, which sends it when the kernel has room. */
static void
send_queue(tr_socket *socket)
{
    struct tri_writer *writer = socket->writer;
    size_t entries;
    assert(writer->in_flight == 0);
    unsigned count = gather(socket, &entries);
    int error = uv_write(&writer->request, &socket->stream, socket->net->gather, count, on_written);
    if (error == 0)
        writer->in_flight = entries;
    else
        tri_socket_fail(socket, error, TRI_CALL_WRITE);
}

/* The queue is empty again, or else it goes on. */
static void
go_on(tr_socket *socket)
{
    while (!tri_writer_is_empty(socket) && socket->writer->queue.first->slice.size == 0)
        finish_first(socket, TR_OK); /* writes of nothing keep their place in the order, no more */
    if (!tri_writer_is_empty(socket)) {
        send_queue(socket);
        return;
    }
    bool owes = tri_socket_is(socket, TRI_SOCKET_OWES_DRAIN) && !tri_socket_is(socket, TRI_SOCKET_ENDING);
    socket->flags &= ~(uint32_t)TRI_SOCKET_OWES_DRAIN;
    if (!owes)
        return;
    tri_socket_trace(socket, TRI_TRACE_NET_socket_drain, 0, 0);
    if (socket->events->drain != NULL)
        socket->events->drain(socket);
}

static void
on_written(uv_write_t *request, int status)
{
    tr_socket *socket = (tr_socket *)((char *)request->handle - offsetof(tr_socket, stream));
    size_t entries = socket->writer->in_flight;
    socket->writer->in_flight = 0;
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        return; /* on_closed() tells everybody */
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_WRITTEN);
    if (status == 0) {
        tri_idle_moved(socket);
        for (; entries > 0; entries--)
            finish_first(socket, TR_OK);
        go_on(socket);
    } else {
        tri_socket_fail(socket, status, TRI_CALL_WRITE);
    }
    tri_socket_due(socket);
    tri_socket_leave(socket, frame);
}

/* Takes what the kernel has taken off the queue. */
static void
shorten_queue(tr_socket *socket, size_t taken)
{
    struct tri_writer *writer = socket->writer;
    while (writer->queue.first != NULL && writer->queue.first->slice.size <= taken) {
        taken -= writer->queue.first->slice.size;
        finish_first(socket, TR_OK);
    }
    if (taken == 0)
        return;
    struct tri_write *first = writer->queue.first;
    first->slice.data += taken;
    first->slice.size -= taken;
    writer->buffered -= taken;
}

void
tri_writer_connected(tr_socket *socket)
{
    if (tri_writer_is_empty(socket) || socket->writer->in_flight > 0)
        return; /* nothing waited, or the connect callback itself wrote, which libuv has by now */
    size_t entries;
    unsigned count = gather(socket, &entries);
    int taken = count > 0 ? uv_try_write(&socket->stream, socket->net->gather, count) : 0;
    if (taken < 0 && taken != UV_EAGAIN) {
        tri_socket_fail(socket, taken, TRI_CALL_WRITE);
        return;
    }
    shorten_queue(socket, taken > 0 ? (size_t)taken : 0);
    go_on(socket);
    tri_writer_tell(socket);
}

/* The public functions. */

/* How a slice that is to wait comes to be: by a hold, or as a copy of memory that is only lent. */
typedef tr_status (*keep_function)(tr_slice slice, tr_slice *out);

static tr_status
keep_by_hold(tr_slice slice, tr_slice *out)
{
    tr_slice_hold(slice);
    *out = slice;
    return TR_OK;
}

static tr_status
keep_by_copy(tr_slice slice, tr_slice *out)
{
    return tr_slice_copy(slice.data, slice.size, out);
}

struct order {
    tr_slice slice;
    keep_function keep;
    void (*done)(tr_socket *socket, void *argument, tr_status status);
    void *argument;
};

/* The call failed and the socket with it: the callback gets the reason too, as in Node. */
static tr_status
refuse(tr_socket *socket, const struct order *order, tr_status status, int system)
{
    tri_socket_close(socket, status, system, TRI_CALL_WRITE);
    if (order->done == NULL)
        return status;
    struct tri_write *write = entry_new(socket, order->done, order->argument);
    if (write == NULL)
        return TR_ENOMEM;
    write->status = status;
    append(&socket->writer->told, write);
    tri_socket_due(socket);
    return status;
}

/* After the end: Node tells whether it was the user's or came of the peer's. */
static tr_status
refuse_ended(tr_socket *socket, const struct order *order)
{
    bool by_peer = tri_socket_is(socket, TRI_SOCKET_PEER_ENDED) && !tri_socket_is(socket, TRI_SOCKET_HALF_OPEN);
    return refuse(socket, order, by_peer ? TR_EPIPE : TR_EWRITEAFTEREND, 0);
}

/* All of it is in the kernel. */
static tr_status
taken_at_once(tr_socket *socket, const struct order *order)
{
    tri_socket_trace(socket, TRI_TRACE_NET_socket_write, 0, (uint32_t)order->slice.size);
    tri_idle_moved(socket);
    socket->bytes_written += order->slice.size;
    if (TRI_LIKELY(order->done == NULL))
        return TR_OK;
    struct tri_write *write = entry_new(socket, order->done, order->argument);
    if (write == NULL) {
        tri_socket_fail(socket, UV_ENOMEM, TRI_CALL_WRITE);
        return TR_ENOMEM;
    }
    append(&socket->writer->told, write);
    tri_socket_due(socket);
    return TR_OK;
}

/* Nothing of the queue was ever offered to the kernel: it is not connected, or just tells the user that it is. */
static bool
waits_for_connection(const tr_socket *socket, const struct tri_write *write)
{
    const struct tri_writer *writer = socket->writer;
    return tri_socket_is(socket, TRI_SOCKET_CONNECTING) || (writer->in_flight == 0 && writer->queue.first != write);
}

/* Part of it waits: what is left after the first `taken` bytes. */
static tr_status
enqueue(tr_socket *socket, const struct order *order, size_t taken)
{
    size_t size = order->slice.size;
    tr_slice kept;
    struct tri_write *write = entry_new(socket, order->done, order->argument);
    tr_status status = write != NULL ? order->keep(tr_slice_part(order->slice, taken, size - taken), &kept) : TR_ENOMEM;
    if (status != TR_OK) {
        if (write != NULL)
            tri_pool_give(&socket->net->writes, write);
        give_back_writer(socket);
        if (taken > 0)
            tri_socket_fail(socket, UV_ENOMEM, TRI_CALL_WRITE); /* half a message is worse than none */
        return TR_ENOMEM;
    }
    write->slice = kept;
    append(&socket->writer->queue, write);
    socket->writer->buffered += kept.size;
    socket->bytes_written += size;
    tri_idle_moved(socket);
    tri_socket_trace(socket, TRI_TRACE_NET_socket_write, 1, (uint32_t)size);
    if (waits_for_connection(socket, write) && socket->writer->buffered < TRI_HIGH_WATER)
        return TR_OK;
    socket->flags |= TRI_SOCKET_OWES_DRAIN;
    return TR_QUEUED;
}

static tr_status
write_now(tr_socket *socket, const struct order *order)
{
    uv_buf_t buffer = buffer_of(order->slice);
    int taken = order->slice.size > 0 ? uv_try_write(&socket->stream, &buffer, 1) : 0;
    if (TRI_LIKELY(taken >= 0 && (size_t)taken == order->slice.size))
        return taken_at_once(socket, order);
    if (taken == UV_ENOMEM)
        return TR_ENOMEM;
    if (taken < 0 && taken != UV_EAGAIN)
        return refuse(socket, order, tri_status_from_uv(taken), -taken);
    tr_status status = enqueue(socket, order, taken > 0 ? (size_t)taken : 0);
    if (status == TR_QUEUED)
        send_queue(socket);
    return status;
}

static tr_status
write_order(tr_socket *socket, const struct order *order)
{
    if (socket == NULL || (order->slice.data == NULL && order->slice.size > 0) || order->slice.size > PTRDIFF_MAX)
        return TR_EINVAL;
    tri_socket_check(socket);
    if (TRI_UNLIKELY(tri_socket_is(socket, TRI_SOCKET_DESTROYED)))
        return TR_EDESTROYED;
    if (TRI_UNLIKELY(tri_socket_is(socket, TRI_SOCKET_ENDING)))
        return refuse_ended(socket, order);
    if (TRI_LIKELY(tri_writer_is_empty(socket) && !tri_socket_is(socket, TRI_SOCKET_CONNECTING)))
        return write_now(socket, order);
    return enqueue(socket, order, 0);
}

tr_status
tr_socket_write(tr_socket *socket, const void *data, size_t size)
{
    return write_order(socket, &(struct order){.slice = tr_slice_constant(data, size), .keep = keep_by_copy});
}

tr_status
tr_socket_write_slice(tr_socket *socket, tr_slice slice)
{
    return write_order(socket, &(struct order){.slice = slice, .keep = keep_by_hold});
}

tr_status
tr_socket_write_then(tr_socket *socket, tr_slice slice,
                     void (*done)(tr_socket *socket, void *argument, tr_status status), void *argument)
{
    return write_order(socket, &(struct order){slice, keep_by_hold, done, argument});
}

tr_status
tr_socket_end(tr_socket *socket)
{
    if (socket == NULL)
        return TR_EINVAL;
    tri_socket_check(socket);
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        return TR_EDESTROYED;
    if (!tri_socket_is(socket, TRI_SOCKET_ENDING)) {
        socket->flags |= TRI_SOCKET_ENDING;
        tri_socket_due(socket);
    }
    return TR_OK;
}

tr_status
tr_socket_end_with(tr_socket *socket, tr_slice slice)
{
    tr_status status = tr_socket_write_slice(socket, slice);
    if (status >= TR_OK)
        tr_socket_end(socket);
    return status;
}

uint64_t
tr_socket_buffered(const tr_socket *socket)
{
    return socket != NULL && socket->writer != NULL ? socket->writer->buffered : 0;
}
