/*
 * Holding writes back, and ending our side.
 *
 * Ending is noted, and done by the step FIN when the queue is empty. Who wants to be told of it waits in a list of its
 * own, since the end comes after all bytes, whoever wrote them (callbacks.c).
 */
#include "writer.h"

#include "callbacks.h"
#include "transmit.h"
#include "turn.h"

void
tr_socket_cork(tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL || tri_socket_has_any(socket, TRI_SOCKET_DESTROYED | TRI_SOCKET_ENDING) ||
        tri_queue_writer(socket) == NULL)
        return;
    socket->writer->corked++;
}

static void
uncork_all(tr_socket *socket)
{
    socket->writer->corked = 0;
    if (tri_socket_has_any(socket, TRI_SOCKET_CONNECTING) || (socket->due & TRI_STEP(FLUSH)) != 0)
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
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
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

/* As in Node a socket that was destroyed, and of which no write has failed, takes our end: what is written now is
 * written after it. */
static bool
takes_end(const tr_socket *socket)
{
    return socket->error == TR_OK && !tri_socket_has_any(socket, TRI_SOCKET_ENDING);
}

static tr_status
end_destroyed(tr_socket *socket)
{
    if (takes_end(socket))
        socket->flags |= TRI_SOCKET_ENDING;
    return TR_EDESTROYED;
}

tr_status
tr_socket_end(tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return TR_EINVAL;
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        return end_destroyed(socket);
    if (!tri_socket_has_any(socket, TRI_SOCKET_ENDING)) {
        if (tri_writer_is_corked(socket))
            uncork_all(socket);
        socket->flags |= TRI_SOCKET_ENDING;
        tri_socket_due(socket, TRI_STEP(FIN));
    }
    return TR_OK;
}

/* A slice without an address is none: only the end is asked for. One of no bytes is a write of nothing. */
static tr_status
write_last(tr_socket *socket, tr_slice slice)
{
    if (slice.data == NULL && slice.size == 0)
        return TR_OK;
    return tri_order_write(socket, &(struct tri_order){.slice = slice, .keep = tri_slice_keep, .is_last = true});
}

tr_status
tr_socket_end_with(tr_socket *socket, tr_slice slice)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return TR_EINVAL;
    tr_status status = write_last(socket, slice);
    if (status < TR_OK)
        return status;
    tr_status outcome = tr_socket_end(socket);
    return outcome == TR_OK ? status : outcome;
}

/* The last write was refused because our side had ended, or the socket was destroyed: so is the end. */
static tr_status
refuse_end(tr_socket *socket, struct tri_write *end, bool was_ending, tr_status status)
{
    tri_callback_put(socket, end, was_ending ? TR_EWRITEAFTEREND : TR_EDESTROYED);
    return status;
}

/* There is no last write, or it was taken. */
static tr_status
end_then(tr_socket *socket, struct tri_write *end, tr_status status)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_ENDED)) {
        tri_callback_put(socket, end, TR_EALREADYFINISHED);
        return tri_socket_has_any(socket, TRI_SOCKET_DESTROYED) ? TR_EDESTROYED : TR_OK;
    }
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED)) {
        if (takes_end(socket) && tri_callbacks_before_error(socket))
            tri_callback_wait_for_end(socket, end);
        else
            tri_callback_put(socket, end, TR_EDESTROYED);
        return end_destroyed(socket);
    }
    tri_callback_wait_for_end(socket, end);
    tr_socket_end(socket);
    return status;
}

/* Where the callback of an end goes: the table in callbacks.c. */
static tr_status
settle_end(tr_socket *socket, struct tri_write *end, bool was_ending, tr_status status)
{
    if (tri_callbacks_is_failing(socket)) {
        tri_callback_wait_for_end(socket, end);
        return status < TR_OK ? status : TR_EDESTROYED;
    }
    return status < TR_OK ? refuse_end(socket, end, was_ending, status) : end_then(socket, end, status);
}

tr_status
tri_order_end(tr_socket *socket, const struct tri_order *order)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_GONE))
        return TR_EDESTROYED;
    bool was_ending = tri_socket_has_any(socket, TRI_SOCKET_ENDING);
    struct tri_write *end = tri_queue_entry(socket, order);
    if (end == NULL)
        return TR_ENOMEM;
    tr_status status = write_last(socket, order->slice);
    if (tri_write_is_untold(status) || (status < TR_OK && !tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))) {
        tri_queue_entry_free(socket, end);
        tri_queue_give_back(socket);
        return status;
    }
    return settle_end(socket, end, was_ending, status);
}

tr_status
tr_socket_end_then(tr_socket *socket, tr_slice slice, tr_write_done done, void *argument)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL || (slice.data == NULL && slice.size > 0))
        return TR_EINVAL;
    if (done == NULL)
        return tr_socket_end_with(socket, slice);
    return tri_order_end(socket, &(struct tri_order){.slice = slice, .done = done, .argument = argument});
}
