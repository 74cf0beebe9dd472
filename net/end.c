/*
 * Holding writes back, and ending our side.
 *
 * Ending is noted, and done by the step FIN when the queue is empty. Who wants to be told of it waits in a list of its
 * own, since the end comes after all bytes, whoever wrote them.
 */
#include "writer.h"

void
tr_socket_cork(tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL || tri_socket_is(socket, TRI_SOCKET_DESTROYED | TRI_SOCKET_ENDING) ||
        tri_queue_writer(socket) == NULL)
        return;
    socket->writer->corked++;
}

static void
uncork_all(tr_socket *socket)
{
    socket->writer->corked = 0;
    if (tri_socket_is(socket, TRI_SOCKET_CONNECTING) || (socket->due & TRI_STEP(FLUSH)) != 0)
        return;
    tri_writer_flush(socket);
    tri_queue_give_back(socket);
    tri_socket_due(socket, 0);
}

tr_status
tr_socket_uncork(tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return TR_EINVAL;
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        return TR_EDESTROYED;
    if (!tri_writer_is_corked(socket))
        return TR_OK;
    if (socket->writer->corked > 1) {
        socket->writer->corked--;
        return TR_OK;
    }
    uncork_all(socket);
    return tri_writer_answer(socket);
}

/* Ending. */

tr_status
tr_socket_end(tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return TR_EINVAL;
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        return TR_EDESTROYED;
    if (!tri_socket_is(socket, TRI_SOCKET_ENDING)) {
        if (tri_writer_is_corked(socket))
            uncork_all(socket);
        socket->flags |= TRI_SOCKET_ENDING;
        tri_socket_due(socket, TRI_STEP(FIN));
    }
    return TR_OK;
}

tr_status
tr_socket_end_with(tr_socket *socket, tr_slice slice)
{
    TRI_CHECK_SOCKET(socket);
    tr_status status =
        tri_order_write(socket, &(struct tri_order){.slice = slice, .keep = tri_slice_keep, .is_last = true});
    if (status >= TR_OK)
        tr_socket_end(socket);
    return status;
}

/* Without a last write: who asks to be told of an end that is over, or never comes, is told so. */
static tr_status
refuse_end(tr_socket *socket, const struct tri_order *order)
{
    bool destroyed = tri_socket_is(socket, TRI_SOCKET_DESTROYED);
    tr_status reason = TR_EALREADYFINISHED;
    if (!tri_socket_is(socket, TRI_SOCKET_ENDED))
        reason = tri_socket_is(socket, TRI_SOCKET_FAILED) ? socket->error : TR_EDESTROYED;
    if (tri_socket_is(socket, TRI_SOCKET_GONE))
        return TR_EDESTROYED;
    tr_status outcome = tri_order_tell(socket, order, reason);
    return outcome == TR_OK && destroyed ? TR_EDESTROYED : outcome;
}

/* May our side be ended with this? TR_OK: it may, or is ending already. */
static tr_status
check_end(tr_socket *socket, const struct tri_order *order)
{
    if (order->slice.size > 0)
        return tri_order_check(socket, order, order->slice.size);
    return tri_socket_is(socket, TRI_SOCKET_DESTROYED) ? refuse_end(socket, order) : TR_OK;
}

/* The last write, then the end, of which `end` is to be told. */
static tr_status
write_last(tr_socket *socket, const struct tri_order *order, struct tri_write *end)
{
    tr_status status = order->slice.size > 0 ? tr_socket_write_slice(socket, order->slice) : TR_OK;
    if (status == TR_ENOMEM || (status < TR_OK && !tri_socket_is(socket, TRI_SOCKET_DESTROYED))) {
        tri_queue_entry_free(socket, end);
        tri_queue_give_back(socket);
        return status;
    }
    tri_queue_append(&tri_queue_writer(socket)->ends, end);
    if (status >= TR_OK)
        tr_socket_end(socket);
    return status;
}

tr_status
tr_socket_end_then(tr_socket *socket, tr_slice slice, tr_write_done done, void *argument)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL || (slice.data == NULL && slice.size > 0))
        return TR_EINVAL;
    if (done == NULL)
        return tr_socket_end_with(socket, slice);
    struct tri_order order = {slice, tri_slice_keep, done, argument, true};
    tr_status status = check_end(socket, &order);
    if (status != TR_OK)
        return status;
    if (tri_socket_is(socket, TRI_SOCKET_ENDED))
        return refuse_end(socket, &order);
    struct tri_write *end = tri_queue_entry(socket, done, argument);
    return end != NULL ? write_last(socket, &order, end) : TR_ENOMEM;
}
