/*
 * Writing bytes: what a write answers, and when its callback is called.
 *
 *   write -> kernel takes all of it -> done
 *         -> kernel takes a part, or something waits already -> queue -> libuv says that there is room -> ... -> done
 *
 * While nothing waits a write goes to the kernel at once. What is left becomes an entry of the queue, which keeps its
 * slice (tri_slice_keep). The limit is one of bytes and of entries, since an entry takes
 * memory of its own.
 *
 * A write says TR_QUEUED when part of what was written waits in this process. Before the connection exists, and while
 * the socket is corked, everything waits; there the limit is Node's, TRI_HIGH_WATER. The drain event follows when the
 * queue has become empty, before the callback of the write that emptied it, unless our side was ended or destroyed
 * meanwhile. options.high_water changes the rule to that of Node's streams.
 *
 * A callback is due when its bytes have gone, or never will. It is not called from within the write but later:
 * callbacks.c.
 */
#include "writer.h"

#include "callbacks.h"
#include "destroy.h"
#include "idle.h"
#include "pace.h"
#include "retry.h"
#include "secure.h"
#include "transmit.h"
#include "transport.h"
#include "turn.h"

#include <string.h>

static tr_status
keep_by_copy(tr_slice slice, tr_slice *out)
{
    return tr_slice_copy(slice.data, slice.size, out);
}

tr_status
tri_order_tell(tr_socket *socket, const struct tri_order *order, tr_status status)
{
    struct tri_write *write = tri_queue_entry(socket, order);
    if (write == NULL)
        return TR_ENOMEM;
    tri_callback_put(socket, write, status);
    return TR_OK;
}

tr_status
tri_order_refuse(tr_socket *socket, const struct tri_order *order, tr_status status)
{
    if (order->done == NULL || tri_write_is_untold(status) || tri_socket_has_any(socket, TRI_SOCKET_GONE))
        return status;
    return tri_order_tell(socket, order, status) == TR_OK ? status : TR_ENOMEM;
}

/* The call failed and the socket with it: the callback gets the reason too. */
TRI_NOINLINE static tr_status
refuse(tr_socket *socket, const struct tri_order *order, tr_status status, int system)
{
    tr_status outcome = order->done != NULL ? tri_order_tell(socket, order, status) : TR_OK;
    tri_socket_destroy(socket, status, system, TRI_CALL_WRITE);
    return outcome == TR_OK ? status : outcome;
}

/* After the end: Node tells who writes, but not who ends, whether it was the user's or came of the peer's. */
static tr_status
reason_ended(const tr_socket *socket, const struct tri_order *order)
{
    bool by_peer = socket->end_told && !tri_socket_wishes(socket, TRI_WISH_HALF_OPEN);
    return by_peer && !order->is_last ? TR_EPIPE : TR_EWRITEAFTEREND;
}

/* Nothing changes any more; the callback gets the reason that Node gives. */
TRI_NOINLINE static tr_status
refuse_destroyed(tr_socket *socket, const struct tri_order *order)
{
    if (order->done == NULL || tri_socket_has_any(socket, TRI_SOCKET_GONE))
        return TR_EDESTROYED;
    tr_status reason = TR_EDESTROYED;
    if (tri_callbacks_is_failing(socket))
        reason = socket->error;
    else if (tri_socket_has_any(socket, TRI_SOCKET_ENDING))
        reason = reason_ended(socket, order);
    return tri_order_tell(socket, order, reason) == TR_OK ? TR_EDESTROYED : TR_ENOMEM;
}

/* Makes sure, before the kernel has any of it, that its callback can be called. */
static bool
can_tell(tr_socket *socket, const struct tri_order *order)
{
    struct tri_write *write = tri_queue_entry(socket, order);
    if (write == NULL)
        return false;
    tri_queue_entry_free(socket, write); /* the next one takes this memory */
    tri_queue_give_back(socket);
    return true;
}

/* All of it is in the kernel. */
static tr_status
taken_at_once(tr_socket *socket, const struct tri_order *order)
{
    tri_trace_socket_write(socket, 0, (uint32_t)order->slice.size);
    tri_socket_idle_moved(socket);
    socket->bytes_written += order->slice.size;
    return TRI_LIKELY(order->done == NULL) ? TR_OK : tri_order_tell(socket, order, TR_OK);
}

/* Nothing of the queue was offered to the kernel yet: it waits for the connection, a handshake, or uncork. */
static bool
waits_to_begin(const tr_socket *socket)
{
    return tri_socket_has_any(socket, TRI_SOCKET_CONNECTING) ||
           (socket->due & (TRI_STEP(SECURE) | TRI_STEP(FLUSH))) != 0 || tri_writer_is_corked(socket) ||
           tri_secure_is_shaking(socket);
}

/* An entry has come to wait. */
tr_status
tri_writer_answer_waiting(tr_socket *socket)
{
    uint32_t mark = socket->extra != NULL ? socket->extra->high_water : 0;
    if (mark == 0 && waits_to_begin(socket))
        mark = TRI_HIGH_WATER;
    if (socket->writer->unfinished < mark)
        return TR_OK;
    socket->flags |= TRI_SOCKET_OWES_DRAIN;
    return TR_QUEUED;
}

tr_status
tri_writer_answer(tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        return socket->error;
    return tri_writer_is_empty(socket) ? TR_OK : tri_writer_answer_waiting(socket);
}

/* Part of it waits: what is left after the first `taken` bytes. TR_OK, TR_ENOMEM. */
tr_status
tri_order_enqueue(tr_socket *socket, const struct tri_order *order, size_t taken)
{
    size_t size = order->slice.size;
    tr_slice kept;
    struct tri_write *write = tri_queue_entry(socket, order);
    tr_status status = write != NULL ? order->keep(tr_slice_part(order->slice, taken, size - taken), &kept) : TR_ENOMEM;
    if (status != TR_OK) {
        if (write != NULL)
            tri_queue_entry_free(socket, write);
        tri_queue_give_back(socket);
        if (taken > 0 || tri_secure_is_committed(socket))
            tri_socket_fail(socket, UV_ENOMEM, TRI_CALL_WRITE); /* half a message is worse than none */
        return TR_ENOMEM;
    }
    write->slice = kept;
    write->whole = size;
    tri_queue_put(socket, write);
    socket->bytes_written += taken;
    tri_trace_socket_write(socket, 1, (uint32_t)size);
    return TR_OK;
}

/* It waits until the system has what it lacks. */
static tr_status
write_after_pause(tr_socket *socket, const struct tri_order *order)
{
    tr_status status = tri_order_enqueue(socket, order, 0);
    if (status != TR_OK)
        return status;
    if (!tri_retry_start(socket))
        tri_transmit_want_room(socket, true); /* without memory for a pause, it is tried again and again */
    return tri_writer_answer_waiting(socket);
}

/* The kernel takes nothing of it, and says why. */
static tr_status
not_taken(tr_socket *socket, const struct tri_order *order, int error)
{
    if (tri_transmit_is_short(error))
        return write_after_pause(socket, order);
    tr_status status = tri_transmit_status(socket, error);
    if (tri_verdict(TRI_ON_WRITE, error) == TRI_REFUSED)
        return status;
    socket->bytes_written += order->slice.size; /* they were offered: Node counts so */
    return refuse(socket, order, status, error != -TRI_LAYER_BROKEN ? error : 0);
}

static ssize_t
send_now(tr_socket *socket, tr_slice slice)
{
    struct iovec part = {.iov_base = (void *)slice.data, .iov_len = slice.size};
    return TRI_UNLIKELY(socket->home->files_foreseen > 0 && tri_transmit_foresees_file(socket))
               ? tri_transport_hold(socket, &part, 1)
               : tri_transport_write(socket, slice);
}

/* So much of it was taken, or it failed. */
static tr_status
sent(tr_socket *socket, const struct tri_order *order, ssize_t taken)
{
    if (TRI_LIKELY((size_t)taken == order->slice.size))
        return taken_at_once(socket, order);
    if (TRI_UNLIKELY(taken < 0))
        return not_taken(socket, order, (int)-taken);
    tr_status status = tri_order_enqueue(socket, order, (size_t)taken);
    if (status != TR_OK)
        return status;
    tri_transmit_want_room(socket, true);
    tri_pace_wait_for_room(socket);
    return tri_writer_answer_waiting(socket);
}

static tr_status
write_now(tr_socket *socket, const struct tri_order *order)
{
    ssize_t taken = 0;
    if (TRI_UNLIKELY(order->done != NULL) && !can_tell(socket, order))
        return TR_ENOMEM;
    if (TRI_LIKELY(order->slice.size > 0) || !socket->records) /* of no bytes it finds a broken connection, too */
        taken = send_now(socket, order->slice);
    return sent(socket, order, taken);
}

static tr_status
write_records(tr_socket *socket, const struct tri_order *order)
{
    if (order->done != NULL && !can_tell(socket, order))
        return TR_ENOMEM;
    return sent(socket, order, tri_secure_write(socket, order->slice));
}

static tr_status
write_later(tr_socket *socket, const struct tri_order *order)
{
    tr_status status = tri_order_enqueue(socket, order, 0);
    return status == TR_OK ? tri_writer_answer_waiting(socket) : status;
}

/* May one more write wait, of size bytes? One of no bytes takes memory of its own, too. TR_OK, TR_EQUEUELIMIT. */
static tr_status
may_write(tr_socket *socket, uint64_t size)
{
    if (TRI_LIKELY(!tri_socket_has_any(socket, TRI_SOCKET_SPECIAL)))
        return TR_OK;
    const struct tri_extra *extra = socket->extra;
    const struct tri_writer *writer = socket->writer;
    if (extra->write_limit == 0 || size == TRI_OF_FILE || writer == NULL)
        return TR_OK;
    bool fits = size == 0 || writer->buffered == 0 || writer->buffered + size <= extra->write_limit;
    bool few = writer->entries < TR_WRITES_ABOVE_LIMIT + extra->write_limit / TR_WRITE_COST_BYTES;
    return fits && few ? TR_OK : TR_EQUEUELIMIT;
}

/* What every write looks at first. TR_OK: go on. */
tr_status
tri_order_check(tr_socket *socket, const struct tri_order *order, uint64_t size)
{
    uint32_t state = socket->flags & (TRI_SOCKET_CONNECTED | TRI_SOCKET_DESTROYED | TRI_SOCKET_ENDING);
    if (TRI_LIKELY(state == TRI_SOCKET_CONNECTED))
        return may_write(socket, size);
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        return refuse_destroyed(socket, order);
    if (tri_socket_has_any(socket, TRI_SOCKET_ENDING))
        return refuse(socket, order, reason_ended(socket, order), 0);
    if (!tri_socket_has_any(socket, TRI_SOCKET_CONNECTING))
        return refuse(socket, order, TR_ESOCKETCLOSED, 0);
    return may_write(socket, size);
}

bool
tri_writer_goes_at_once(const tr_socket *socket)
{
    return tri_writer_is_empty(socket) && !tri_socket_has_any(socket, TRI_SOCKET_CONNECTING) &&
           !tri_writer_is_corked(socket);
}

/* Most writes: the connection is there and plain, our side is open, and nothing waits, so that no limit is met. */
static bool
is_free(const tr_socket *socket)
{
    const uint32_t states =
        TRI_SOCKET_CONNECTED | TRI_SOCKET_DESTROYED | TRI_SOCKET_ENDING | TRI_SOCKET_CONNECTING | TRI_SOCKET_SECURE;
    return TRI_LIKELY((socket->flags & states) == TRI_SOCKET_CONNECTED) && TRI_LIKELY(socket->writer == NULL);
}

/* All others. */
TRI_NOINLINE static tr_status
write_with_care(tr_socket *socket, const struct tri_order *order)
{
    tr_status status = tri_order_check(socket, order, order->slice.size);
    if (status != TR_OK)
        return status;
    if (!tri_writer_goes_at_once(socket))
        return write_later(socket, order);
    if (!tri_socket_is_secure(socket))
        return write_now(socket, order);
    return tri_secure_takes(socket) ? write_records(socket, order) : write_later(socket, order);
}

tr_status
tri_order_write(tr_socket *socket, const struct tri_order *order)
{
    if (socket == NULL || (order->slice.data == NULL && order->slice.size > 0) || order->slice.size > PTRDIFF_MAX)
        return TR_EINVAL;
    return is_free(socket) ? write_now(socket, order) : write_with_care(socket, order);
}

tr_status
tr_socket_write(tr_socket *socket, const void *data, size_t size)
{
    TRI_CHECK_SOCKET(socket);
    return tri_order_write(socket, &(struct tri_order){.slice = tr_slice_constant(data, size), .keep = keep_by_copy});
}

tr_status
tr_socket_write_slice(tr_socket *socket, tr_slice slice)
{
    TRI_CHECK_SOCKET(socket);
    return tri_order_write(socket, &(struct tri_order){.slice = slice, .keep = tri_slice_keep});
}

tr_status
tr_socket_write_then(tr_socket *socket, tr_slice slice, tr_write_done done, void *argument)
{
    TRI_CHECK_SOCKET(socket);
    return tri_order_write(socket, &(struct tri_order){slice, tri_slice_keep, done, argument, false, false});
}

tr_status
tr_socket_write_text(tr_socket *socket, const char *text, enum tr_encoding encoding)
{
    TRI_CHECK_SOCKET(socket);
    tr_slice bytes;
    if (socket == NULL || text == NULL)
        return TR_EINVAL;
    tr_status status = tr_encode(encoding, text, strlen(text), &bytes);
    if (status != TR_OK)
        return status;
    status = tr_socket_write_slice(socket, bytes);
    tr_slice_release(bytes);
    return status;
}

uint64_t
tr_socket_buffered(const tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    const struct tri_writer *writer = socket != NULL ? socket->writer : NULL;
    return writer != NULL ? writer->buffered + writer->of_files : 0;
}
