/*
 * Writing: writer.c; and its end: end.c.
 *
 * Thread: the worker of the socket.
 */
#ifndef TROUPE_NET_WRITER_H
#define TROUPE_NET_WRITER_H

#include "queue.h"

#define TRI_OF_FILE UINT64_MAX /* in place of a size: bytes of a file, which count nothing for write_limit */

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

/* Writes the order's slice, if it has an address, and ends our side; done is called when that has ended. The rest is
 * that of tr_socket_end_then(). */
tr_status tri_order_end(tr_socket *socket, const struct tri_order *order);

#endif
