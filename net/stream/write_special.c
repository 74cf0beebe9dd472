/*
 * Writing many slices, files and descriptors: always by way of the queue.
 */
#include "writer.h"

#include "descriptor.h"
#include "destroy.h"
#include "transmit.h"
#include "transport.h"
#include "turn.h"

#include <troupe/core/descriptors.h>

/* Writing many, files and descriptors: always by way of the queue. */

static bool
total_of(const tr_slice *slices, unsigned count, uint64_t *total)
{
    *total = 0;
    for (unsigned i = 0; i < count; i++) {
        if (slices[i].data == NULL && slices[i].size > 0)
            return false;
        *total += slices[i].size;
    }
    return true;
}

/* What was just queued goes on, if nothing waits before it. */
static tr_status
send_queued(tr_socket *socket, bool at_once)
{
    if (at_once) {
        tri_writer_flush(socket);
        tri_socket_due(socket, 0);
    }
    return tri_writer_answer(socket);
}

tr_status
tr_socket_write_slices(tr_socket *socket, const tr_slice *slices, unsigned count)
{
    TRI_CHECK_SOCKET(socket);
    uint64_t total;
    if (socket == NULL || (slices == NULL && count > 0) || !total_of(slices, count, &total))
        return TR_EINVAL;
    tr_status status = tri_order_check(socket, &(struct tri_order){.done = NULL}, total);
    if (status != TR_OK)
        return status;
    bool at_once = tri_writer_goes_at_once(socket);
    for (unsigned i = 0; i < count && status == TR_OK; i++) {
        struct tri_order order = {.slice = slices[i], .keep = tri_slice_keep};
        status = tri_order_enqueue(socket, &order, 0);
        if (status != TR_OK && i > 0)
            tri_socket_fail(socket, UV_ENOMEM, TRI_CALL_WRITE);
    }
    return status == TR_OK && count > 0 ? send_queued(socket, at_once) : status;
}

static tr_status
write_entry(tr_socket *socket, struct tri_write *write)
{
    bool at_once = tri_writer_goes_at_once(socket);
    tri_queue_put(socket, write);
    tri_trace_socket_write(socket, 1, (uint32_t)(write->slice.size + write->length));
    return send_queued(socket, at_once);
}

/* Puts an order with a duplicate of the descriptor into the queue; what the write is beyond that, `kind` says. */
static tr_status
write_descriptor(tr_socket *socket, const struct tri_order *order, int fd, const struct tri_write *kind)
{
    int copy;
    tr_status status = tri_duplicate(fd, &copy);
    if (status != TR_OK)
        return tri_order_refuse(socket, order, status);
    struct tri_write *write = tri_queue_entry(socket, order);
    if (write == NULL) {
        tri_close(copy);
        return TR_ENOMEM;
    }
    write->fd = copy;
    write->kind = kind->kind;
    write->offset = kind->offset;
    write->length = kind->length;
    write->whole = kind->whole;
    status = tri_slice_keep(order->slice, &write->slice);
    if (status != TR_OK) {
        tri_queue_entry_free(socket, write);
        tri_queue_give_back(socket);
        return status;
    }
    return write_entry(socket, write);
}

/* The program writes files in callbacks of its sockets; before the next one there may be bytes. */
static void
foresee_more(tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_INSIDE) && tri_socket_is_open(socket) && tri_transport_can_hold(socket))
        socket->home->files_foreseen = TRI_FILES_FORESEEN;
}

tr_status
tr_socket_write_file(tr_socket *socket, int fd, uint64_t offset, uint64_t length, tr_write_done done, void *argument)
{
    TRI_CHECK_SOCKET(socket);
    uint64_t size = 0;
    if (socket == NULL || offset > INT64_MAX || length > INT64_MAX - offset)
        return TR_EINVAL;
    struct tri_order order = {.slice = tr_slice_constant("", 0), .done = done, .argument = argument};
    tr_status status = tri_order_check(socket, &order, TRI_OF_FILE);
    if (status != TR_OK)
        return status;
    status = tri_descriptor_file_size(fd, &size);
    if (status != TR_OK)
        return tri_order_refuse(socket, &order, status);
    if (length == 0)
        length = size > offset ? size - offset : 0;
    if (length == 0)
        return tr_socket_write_then(socket, order.slice, done, argument);
    foresee_more(socket);
    struct tri_write file = {.kind = TRI_WRITE_FILE, .offset = offset, .length = length, .whole = length};
    return write_descriptor(socket, &order, fd, &file);
}

static bool
takes_descriptors(const tr_socket *socket)
{
    if (tri_socket_is_secure(socket)) /* a record has no place for one */
        return false;
    return tri_socket_is_open(socket) ? tri_transport_passes(socket) : tri_socket_has_any(socket, TRI_SOCKET_TO_PATH);
}

tr_status
tr_socket_write_fd(tr_socket *socket, tr_slice slice, int fd, tr_write_done done, void *argument)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL || slice.data == NULL || slice.size == 0 || slice.size > PTRDIFF_MAX)
        return TR_EINVAL;
    struct tri_order order = {.slice = slice, .done = done, .argument = argument};
    tr_status status = tri_order_check(socket, &order, slice.size);
    if (status != TR_OK)
        return status;
    if (!takes_descriptors(socket))
        return tri_order_refuse(socket, &order, TR_EBADHANDLE);
    return write_descriptor(socket, &order, fd, &(struct tri_write){.kind = TRI_WRITE_DESCRIPTOR, .whole = slice.size});
}
