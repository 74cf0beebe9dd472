/*
 * Writing: from `write` to the kernel, and the word when it is done.
 *
 *   write -> kernel takes all of it -> done
 *         -> kernel takes a part, or something waits already -> queue -> libuv says that there is room -> ... -> done
 *
 * While nothing waits a write goes to the kernel at once and a socket has no struct tri_writer. What is left becomes an
 * entry of the queue, with a hold of its slice. When the kernel has room everything that waits goes there, up to
 * TRI_GATHER slices in one system call. An entry may also be a part of a file, which sendfile takes to the kernel, or a
 * descriptor that rides on the first of its bytes.
 *
 * A write says TR_QUEUED when part of what was written waits in this process. Before the connection exists, and while the
 * socket is corked, everything waits; there the limit is Node's, TRI_HIGH_WATER. The drain event follows when the
 * queue has become empty, before the callback of the write that emptied it, unless our side was ended or destroyed
 * meanwhile. options.high_water changes the rule to that of Node's streams.
 *
 * A callback is due when its bytes have gone, or never will. It is not called from within the write but from
 * tri_writer_tell(), in the order of the writes.
 */
#include "connect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/sendfile.h>
#endif

#define FILE_BYTES_PER_CALL (1u << 20)
#define COPY_BYTES 16384u /* on the stack */
#define CALLS_PER_WAKE 16 /* to the kernel: then other sockets have their turn */

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
    if (writer == NULL || writer->queue.first != NULL || writer->told.first != NULL || writer->late.first != NULL ||
        writer->ends.first != NULL || writer->corked > 0)
        return;
    tri_pool_give(&socket->net->writers, writer);
    socket->writer = NULL;
}

/* An entry in one of the writer's lists; NULL without memory. */
static struct tri_write *
entry_new(tr_socket *socket, tr_write_done done, void *argument)
{
    if (writer_of(socket) == NULL)
        return NULL;
    struct tri_write *write = tri_pool_take(&socket->net->writes);
    if (write == NULL) {
        give_back_writer(socket);
        return NULL;
    }
    *write = (struct tri_write){.done = done, .argument = argument, .fd = -1};
    return write;
}

static void
entry_free(tr_socket *socket, struct tri_write *write)
{
    if (write->fd >= 0)
        close(write->fd);
    tri_pool_give(&socket->net->writes, write);
}

static void
enqueue_entry(tr_socket *socket, struct tri_write *write)
{
    append(&socket->writer->queue, write);
    socket->writer->buffered += write->slice.size;
    socket->writer->unfinished += write->whole;
    socket->bytes_written += write->slice.size;
    tri_idle_moved(socket);
}

/* The first of the queue is over: its callback is due, or it goes. */
static void
finish_first(tr_socket *socket, tr_status status)
{
    struct tri_writer *writer = socket->writer;
    struct tri_write *write = take_first(&writer->queue);
    writer->buffered -= write->slice.size;
    writer->unfinished -= write->whole;
    tr_slice_release(write->slice);
    write->status = status;
    if (write->done == NULL) {
        entry_free(socket, write);
        return;
    }
    append(&writer->told, write);
    socket->due |= TRI_STEP(TELL);
}

static void
tell(tr_socket *socket, struct tri_write *write)
{
    if (!tri_socket_is(socket, TRI_SOCKET_SILENT) || write->done == tri_remote_written)
        write->done(socket, write->argument, write->status);
    entry_free(socket, write);
}

void
tri_writer_tell(tr_socket *socket)
{
    if (socket->writer == NULL)
        return;
    struct tri_writes told = socket->writer->told;
    socket->writer->told.first = NULL;
    give_back_writer(socket);
    while (told.first != NULL)
        tell(socket, take_first(&told));
}

void
tri_writer_tell_first(tr_socket *socket)
{
    if (socket->writer == NULL || socket->writer->told.first == NULL)
        return;
    struct tri_write *write = take_first(&socket->writer->told);
    give_back_writer(socket);
    tell(socket, write);
}

static void
finish_ends(tr_socket *socket, tr_status status)
{
    struct tri_writer *writer = socket->writer;
    while (writer->ends.first != NULL) {
        struct tri_write *end = take_first(&writer->ends);
        end->status = status;
        append(&writer->told, end);
        socket->due |= TRI_STEP(TELL);
    }
}

void
tri_writer_ended(tr_socket *socket)
{
    if (socket->writer != NULL)
        finish_ends(socket, TR_OK);
}

void
tri_writer_after_error(tr_socket *socket)
{
    struct tri_writer *writer = socket->writer;
    while (writer != NULL && writer->late.first != NULL)
        append(&writer->told, take_first(&writer->late));
}

void
tri_writer_fail(tr_socket *socket, tr_status first, tr_status others)
{
    if (socket->writer == NULL)
        return;
    socket->writer->corked = 0;
    if (!tri_writer_is_empty(socket))
        finish_first(socket, first);
    while (!tri_writer_is_empty(socket))
        finish_first(socket, others);
    finish_ends(socket, others);
}

void
tri_writer_fail_ends(tr_socket *socket, tr_status status)
{
    if (socket->writer != NULL && tri_writer_is_empty(socket))
        finish_ends(socket, status);
}

void
tri_writer_drop(tr_socket *socket)
{
    socket->flags |= TRI_SOCKET_SILENT;
    tri_writer_after_error(socket);
    tri_writer_fail(socket, TR_EDESTROYED, TR_EDESTROYED);
    tri_writer_tell(socket);
}

/* To the kernel. All give the number of bytes that it took, or an error of the system's, negative. */

static ssize_t
result_of(ssize_t size)
{
    return size >= 0 ? size : errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* Gathers the slices in front of the queue. Empty ones need no buffer. */
static int
gather(tr_socket *socket, struct iovec *parts)
{
    int count = 0;
    for (struct tri_write *write = socket->writer->queue.first; write != NULL; write = write->next) {
        if (count == TRI_GATHER || write->kind != TRI_WRITE_BYTES)
            break;
        if (write->slice.size > 0)
            parts[count++] = (struct iovec){.iov_base = (void *)write->slice.data, .iov_len = write->slice.size};
    }
    return count;
}

static ssize_t
send_bytes(tr_socket *socket)
{
    int count = gather(socket, socket->net->gather);
    return count > 0 ? result_of(writev(socket->fd, socket->net->gather, count)) : 0;
}

static ssize_t
send_descriptor(tr_socket *socket, const struct tri_write *write)
{
    alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {.iov_base = (void *)write->slice.data, .iov_len = write->slice.size};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &write->fd, sizeof(write->fd));
    return result_of(sendmsg(socket->fd, &header, 0));
}

/* For systems without sendfile, and for what sendfile does not take: through memory. */
static ssize_t
copy_file(tr_socket *socket, const struct tri_write *file, size_t most)
{
    char bytes[COPY_BYTES]; /* the worker's slab may be lent to the data callback that writes */
    ssize_t size = pread(file->fd, bytes, most < sizeof(bytes) ? most : sizeof(bytes), (off_t)file->offset);
    if (size <= 0)
        return size < 0 ? result_of(size) : -EIO;
    return result_of(write(socket->fd, bytes, (size_t)size));
}

static ssize_t
send_file(tr_socket *socket, const struct tri_write *write)
{
    size_t most = write->length < FILE_BYTES_PER_CALL ? (size_t)write->length : FILE_BYTES_PER_CALL;
#if defined(__linux__)
    off_t offset = (off_t)write->offset;
    ssize_t size = sendfile(socket->fd, write->fd, &offset, most);
    if (size > 0)
        return size;
    if (size == 0)
        return -EIO; /* the file has become shorter */
    if (errno != EINVAL && errno != ENOSYS)
        return result_of(size);
#endif
    return copy_file(socket, write, most);
}

/* The queue. */

/* Takes what the kernel has taken off the queue. */
static void
shorten_queue(tr_socket *socket, size_t taken)
{
    struct tri_writer *writer = socket->writer;
    while (writer->queue.first != NULL && writer->queue.first->kind == TRI_WRITE_BYTES &&
           writer->queue.first->slice.size <= taken) {
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

static void
shorten_file(tr_socket *socket, size_t taken)
{
    struct tri_write *write = socket->writer->queue.first;
    write->offset += taken;
    write->length -= taken;
    socket->bytes_written += taken;
    if (write->length == 0)
        finish_first(socket, TR_OK);
}

/* Its descriptor is gone with the first byte; the rest are bytes like any. */
static void
sent_descriptor(struct tri_write *write)
{
    close(write->fd);
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
    case TRI_WRITE_FILE:
        taken = send_file(socket, first);
        if (taken > 0)
            shorten_file(socket, (size_t)taken);
        return taken;
    case TRI_WRITE_DESCRIPTOR:
        taken = send_descriptor(socket, first);
        if (taken > 0)
            sent_descriptor(first);
        break;
    default: taken = send_bytes(socket); break;
    }
    if (taken >= 0)
        shorten_queue(socket, (size_t)taken);
    return taken;
}

/* Waits for room, or not any more. */
static void
want_room(tr_socket *socket, bool wanted)
{
    if (tri_socket_is(socket, TRI_SOCKET_WRITING) == wanted)
        return;
    socket->flags ^= TRI_SOCKET_WRITING;
    tri_socket_poll(socket);
}

static void
emptied(tr_socket *socket)
{
    want_room(socket, false);
    give_back_writer(socket);
    if (TRI_UNLIKELY(socket->extra != NULL) && socket->extra->sources != NULL)
        tri_pipe_drained(socket);
    if (tri_socket_is(socket, TRI_SOCKET_OWES_DRAIN))
        socket->due |= TRI_STEP(DRAIN);
    socket->flags &= ~(uint32_t)TRI_SOCKET_OWES_DRAIN;
    if (tri_socket_is(socket, TRI_SOCKET_ENDING))
        socket->due |= TRI_STEP(FIN);
}

static bool
is_corked(const tr_socket *socket)
{
    return socket->writer != NULL && socket->writer->corked > 0;
}

/* One call to the kernel, and more when bytes are not followed by bytes: those would have gone with the first. */
void
tri_writer_flush(tr_socket *socket)
{
    if (!tri_socket_is_open(socket) || tri_writer_is_empty(socket))
        return;
    if (is_corked(socket)) {
        want_room(socket, false); /* until it is uncorked */
        return;
    }
    unsigned calls = 0;
    bool bytes_only;
    do {
        bytes_only = socket->writer->queue.first->kind == TRI_WRITE_BYTES;
        ssize_t taken = send_front(socket);
        if (taken < 0) { /* as in Node, the writes are told before the error */
            tr_status status = tri_status_from_uv((int)taken);
            tri_writer_fail(socket, status, status);
            tri_socket_fail(socket, (int)taken, TRI_CALL_WRITE);
            return;
        }
        if (taken > 0)
            tri_idle_moved(socket);
        else if (!tri_writer_is_empty(socket))
            break;
    } while (!tri_writer_is_empty(socket) && ++calls < CALLS_PER_WAKE &&
             (!bytes_only || socket->writer->queue.first->kind != TRI_WRITE_BYTES));
    if (tri_writer_is_empty(socket))
        emptied(socket);
    else
        want_room(socket, true);
}

void
tri_writer_begin(tr_socket *socket)
{
    const struct tri_write *first = tri_writer_is_empty(socket) ? NULL : socket->writer->queue.first;
    if (first == NULL)
        return;
    bool tells = socket->writer->waited && first->done != NULL, waited = socket->writer->waited;
    if (waited && tri_socket_is(socket, TRI_SOCKET_DESTROYED)) { /* by the connect event */
        tr_status reason = tri_socket_is(socket, TRI_SOCKET_FAILED) ? socket->error : TR_EDESTROYED;
        tri_writer_fail(socket, TR_ESOCKETCLOSED, reason);
        tri_writer_tell(socket);
        return;
    }
    tri_writer_flush(socket);
    if (waited && (socket->due & TRI_STEP(DRAIN)) != 0)
        socket->due ^= TRI_STEP(DRAIN) | TRI_STEP(FLUSH_DRAIN);
    if (tells && (socket->due & TRI_STEP(TELL)) != 0)
        socket->due |= TRI_STEP(FLUSH_TELL);
}

/* Writing one slice. */

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
    tr_write_done done;
    void *argument;
    bool is_last; /* comes with the end of our side */
};

/* The callback is called with this as soon as the call has returned. TR_OK; TR_ENOMEM: it cannot be. */
static tr_status
tell_later(tr_socket *socket, const struct order *order, tr_status status)
{
    struct tri_write *write = entry_new(socket, order->done, order->argument);
    if (write == NULL)
        return TR_ENOMEM;
    write->status = status;
    append(&socket->writer->told, write);
    tri_socket_due(socket, TRI_STEP(TELL));
    return TR_OK;
}

/* The same, after the error event that is due. */
static tr_status
tell_after_error(tr_socket *socket, const struct order *order, tr_status status)
{
    struct tri_write *write = entry_new(socket, order->done, order->argument);
    if (write == NULL)
        return TR_ENOMEM;
    write->status = status;
    append(&socket->writer->late, write);
    return TR_OK;
}

/* The call failed and the socket with it: the callback gets the reason too, as in Node before the error, at the end after. */
static tr_status
refuse(tr_socket *socket, const struct order *order, tr_status status, int system)
{
    tr_status outcome = TR_OK;
    if (order->done != NULL && !order->is_last)
        outcome = tell_later(socket, order, status);
    tri_socket_close(socket, status, system, TRI_CALL_WRITE);
    if (order->done != NULL && order->is_last)
        outcome = tell_after_error(socket, order, status);
    return outcome == TR_OK ? status : outcome;
}

/* After the end: Node tells who writes, but not who ends, whether it was the user's or came of the peer's. */
static tr_status
reason_ended(const tr_socket *socket, const struct order *order)
{
    bool by_peer = tri_socket_is(socket, TRI_SOCKET_PEER_ENDED) && !tri_socket_is(socket, TRI_SOCKET_HALF_OPEN);
    return by_peer && !order->is_last ? TR_EPIPE : TR_EWRITEAFTEREND;
}

/* The socket is destroyed by an error, which is told when libuv has let go of the handle. */
static bool
error_is_due(const tr_socket *socket)
{
    return tri_socket_is(socket, TRI_SOCKET_FAILED) &&
           (tri_socket_is(socket, TRI_SOCKET_HANDLE) || (socket->due & TRI_STEP(ERROR)) != 0);
}

/* Nothing changes any more; the callback gets the reason that Node gives. */
static tr_status
refuse_destroyed(tr_socket *socket, const struct order *order)
{
    if (order->done == NULL || tri_socket_is(socket, TRI_SOCKET_GONE))
        return TR_EDESTROYED;
    tr_status reason = tri_socket_is(socket, TRI_SOCKET_ENDING) ? reason_ended(socket, order) : TR_EDESTROYED;
    tr_status outcome =
        error_is_due(socket) ? tell_after_error(socket, order, reason) : tell_later(socket, order, reason);
    return outcome == TR_OK ? TR_EDESTROYED : TR_ENOMEM;
}

/* All of it is in the kernel. */
static tr_status
taken_at_once(tr_socket *socket, const struct order *order)
{
    tri_socket_trace(socket, TRI_TRACE_NET_socket_write, 0, (uint32_t)order->slice.size);
    tri_idle_moved(socket);
    socket->bytes_written += order->slice.size;
    if (TRI_UNLIKELY(order->done != NULL) && tell_later(socket, order, TR_OK) != TR_OK) {
        tri_socket_fail(socket, UV_ENOMEM, TRI_CALL_WRITE);
        return TR_ENOMEM;
    }
    return TR_OK;
}

/* Nothing of the queue was offered to the kernel yet: it waits for the connection, or for uncork. */
static bool
waits_to_begin(const tr_socket *socket)
{
    return tri_socket_is(socket, TRI_SOCKET_CONNECTING) || (socket->due & TRI_STEP(FLUSH)) != 0 || is_corked(socket);
}

/* An entry has come to wait. */
static tr_status
answer_waiting(tr_socket *socket)
{
    uint32_t mark = socket->extra != NULL ? socket->extra->high_water : 0;
    if (mark == 0 && waits_to_begin(socket))
        mark = TRI_HIGH_WATER;
    if (socket->writer->unfinished < mark)
        return TR_OK;
    socket->flags |= TRI_SOCKET_OWES_DRAIN;
    return TR_QUEUED;
}

/* Part of it waits: what is left after the first `taken` bytes. TR_OK, TR_ENOMEM. */
static tr_status
enqueue(tr_socket *socket, const struct order *order, size_t taken)
{
    size_t size = order->slice.size;
    tr_slice kept;
    struct tri_write *write = entry_new(socket, order->done, order->argument);
    tr_status status = write != NULL ? order->keep(tr_slice_part(order->slice, taken, size - taken), &kept) : TR_ENOMEM;
    if (status != TR_OK) {
        if (write != NULL)
            entry_free(socket, write);
        give_back_writer(socket);
        if (taken > 0)
            tri_socket_fail(socket, UV_ENOMEM, TRI_CALL_WRITE); /* half a message is worse than none */
        return TR_ENOMEM;
    }
    write->slice = kept;
    write->whole = size;
    enqueue_entry(socket, write);
    socket->bytes_written += taken;
    tri_socket_trace(socket, TRI_TRACE_NET_socket_write, 1, (uint32_t)size);
    return TR_OK;
}

static tr_status
write_now(tr_socket *socket, const struct order *order)
{
    ssize_t taken = 0;
    if (TRI_LIKELY(order->slice.size > 0))
        taken = write(socket->fd, order->slice.data, order->slice.size);
    if (TRI_LIKELY((size_t)taken == order->slice.size))
        return taken_at_once(socket, order);
    taken = result_of(taken);
    if (taken == -ENOMEM || taken == -EINVAL) /* statuses that say: nothing has changed */
        return tri_status_from_errno((int)-taken);
    if (taken < 0)
        return refuse(socket, order, tri_status_from_errno((int)-taken), (int)-taken);
    tr_status status = enqueue(socket, order, (size_t)taken);
    if (status != TR_OK)
        return status;
    want_room(socket, true);
    return answer_waiting(socket);
}

static tr_status
write_later(tr_socket *socket, const struct order *order)
{
    tr_status status = enqueue(socket, order, 0);
    return status == TR_OK ? answer_waiting(socket) : status;
}

/* May size more bytes wait? TR_OK, TR_EQUEUELIMIT. */
static tr_status
may_write(tr_socket *socket, uint64_t size)
{
    if (TRI_LIKELY(!tri_socket_is(socket, TRI_SOCKET_SPECIAL)))
        return TR_OK;
    const struct tri_extra *extra = socket->extra;
    uint64_t buffered = socket->writer != NULL ? socket->writer->buffered : 0;
    if (extra->write_limit > 0 && size > 0 && buffered > 0 && buffered + size > extra->write_limit)
        return TR_EQUEUELIMIT;
    return TR_OK;
}

/* What every write looks at first. TR_OK: go on. */
static tr_status
check_write(tr_socket *socket, const struct order *order, uint64_t size)
{
    tri_socket_check(socket);
    if (TRI_UNLIKELY(tri_socket_is(socket, TRI_SOCKET_DESTROYED)))
        return refuse_destroyed(socket, order);
    if (TRI_UNLIKELY(tri_socket_is(socket, TRI_SOCKET_ENDING)))
        return refuse(socket, order, reason_ended(socket, order), 0);
    if (TRI_UNLIKELY(!tri_socket_is(socket, TRI_SOCKET_CONNECTED | TRI_SOCKET_CONNECTING)))
        return refuse(socket, order, TR_ESOCKETCLOSED, 0);
    return may_write(socket, size);
}

static bool
goes_at_once(const tr_socket *socket)
{
    return tri_writer_is_empty(socket) && !tri_socket_is(socket, TRI_SOCKET_CONNECTING) && !is_corked(socket);
}

static tr_status
write_order(tr_socket *socket, const struct order *order)
{
    if (socket == NULL || (order->slice.data == NULL && order->slice.size > 0) || order->slice.size > PTRDIFF_MAX)
        return TR_EINVAL;
    tr_status status = check_write(socket, order, order->slice.size);
    if (TRI_UNLIKELY(status != TR_OK))
        return status;
    return TRI_LIKELY(goes_at_once(socket)) ? write_now(socket, order) : write_later(socket, order);
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
tr_socket_write_then(tr_socket *socket, tr_slice slice, tr_write_done done, void *argument)
{
    return write_order(socket, &(struct order){slice, keep_by_hold, done, argument, false});
}

tr_status
tr_socket_write_text(tr_socket *socket, const char *text, enum tr_encoding encoding)
{
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
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        return socket->error;
    return tri_writer_is_empty(socket) ? TR_OK : answer_waiting(socket);
}

tr_status
tr_socket_write_slices(tr_socket *socket, const tr_slice *slices, unsigned count)
{
    uint64_t total;
    if (socket == NULL || (slices == NULL && count > 0) || !total_of(slices, count, &total))
        return TR_EINVAL;
    tr_status status = check_write(socket, &(struct order){.done = NULL}, total);
    if (status != TR_OK)
        return status;
    bool at_once = goes_at_once(socket);
    for (unsigned i = 0; i < count && status == TR_OK; i++) {
        struct order order = {.slice = slices[i], .keep = keep_by_hold};
        status = enqueue(socket, &order, 0);
        if (status != TR_OK && i > 0)
            tri_socket_fail(socket, UV_ENOMEM, TRI_CALL_WRITE);
    }
    return status == TR_OK && count > 0 ? send_queued(socket, at_once) : status;
}

static tr_status
write_entry(tr_socket *socket, struct tri_write *write)
{
    bool at_once = goes_at_once(socket);
    enqueue_entry(socket, write);
    tri_socket_trace(socket, TRI_TRACE_NET_socket_write, 1, (uint32_t)(write->slice.size + write->length));
    return send_queued(socket, at_once);
}

/* A duplicate of the user's descriptor. TR_OK, TR_EBADF, TR_EMFILE... */
static tr_status
duplicate(int fd, int *out)
{
    *out = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return *out >= 0 ? TR_OK : tri_status_from_errno(errno);
}

/* An entry with a duplicate. */
static tr_status
entry_with_descriptor(tr_socket *socket, int fd, tr_write_done done, void *argument, struct tri_write **out)
{
    int copy;
    tr_status status = duplicate(fd, &copy);
    if (status != TR_OK)
        return status;
    struct tri_write *write = entry_new(socket, done, argument);
    if (write == NULL) {
        close(copy);
        return TR_ENOMEM;
    }
    write->fd = copy;
    *out = write;
    return TR_OK;
}

tr_status
tr_socket_write_file(tr_socket *socket, int fd, uint64_t offset, uint64_t length, tr_write_done done, void *argument)
{
    struct stat stat;
    if (socket == NULL || offset > INT64_MAX || length > INT64_MAX - offset)
        return TR_EINVAL;
    if (fstat(fd, &stat) != 0)
        return tri_status_from_errno(errno);
    if (!S_ISREG(stat.st_mode))
        return TR_EBADFD;
    if (length == 0 && (uint64_t)stat.st_size > offset)
        length = (uint64_t)stat.st_size - offset;
    if (length == 0)
        return tr_socket_write_then(socket, tr_slice_constant("", 0), done, argument);

    struct tri_write *write;
    tr_status status = check_write(socket, &(struct order){.done = done, .argument = argument}, 0);
    if (status == TR_OK)
        status = entry_with_descriptor(socket, fd, done, argument, &write);
    if (status != TR_OK)
        return status;
    write->kind = TRI_WRITE_FILE;
    write->offset = offset;
    write->length = write->whole = length;
    return write_entry(socket, write);
}

static bool
takes_descriptors(const tr_socket *socket)
{
    return tri_socket_is_open(socket) ? tri_socket_is_unix(socket) : tri_connect_is_unix(socket);
}

tr_status
tr_socket_write_fd(tr_socket *socket, tr_slice slice, int fd, tr_write_done done, void *argument)
{
    if (socket == NULL || slice.data == NULL || slice.size == 0 || slice.size > PTRDIFF_MAX)
        return TR_EINVAL;
    struct tri_write *write;
    tr_status status = check_write(socket, &(struct order){.done = done, .argument = argument}, slice.size);
    if (status == TR_OK && !takes_descriptors(socket))
        status = TR_EBADHANDLE;
    if (status == TR_OK)
        status = entry_with_descriptor(socket, fd, done, argument, &write);
    if (status != TR_OK)
        return status;
    write->kind = TRI_WRITE_DESCRIPTOR;
    tr_slice_hold(slice);
    write->slice = slice;
    write->whole = slice.size;
    return write_entry(socket, write);
}

void
tr_socket_cork(tr_socket *socket)
{
    if (socket == NULL || tri_socket_is(socket, TRI_SOCKET_DESTROYED | TRI_SOCKET_ENDING) || writer_of(socket) == NULL)
        return;
    tri_socket_check(socket);
    socket->writer->corked++;
}

static void
uncork_all(tr_socket *socket)
{
    socket->writer->corked = 0;
    if (tri_socket_is(socket, TRI_SOCKET_CONNECTING) || (socket->due & TRI_STEP(FLUSH)) != 0)
        return;
    tri_writer_flush(socket);
    give_back_writer(socket);
    tri_socket_due(socket, 0);
}

void
tr_socket_uncork(tr_socket *socket)
{
    if (socket == NULL || !is_corked(socket))
        return;
    tri_socket_check(socket);
    if (socket->writer->corked > 1)
        socket->writer->corked--;
    else
        uncork_all(socket);
}

/* Ending. */

tr_status
tr_socket_end(tr_socket *socket)
{
    if (socket == NULL)
        return TR_EINVAL;
    tri_socket_check(socket);
    if (tri_socket_is(socket, TRI_SOCKET_DESTROYED))
        return TR_EDESTROYED;
    if (!tri_socket_is(socket, TRI_SOCKET_ENDING)) {
        if (is_corked(socket))
            uncork_all(socket);
        socket->flags |= TRI_SOCKET_ENDING;
        tri_socket_due(socket, TRI_STEP(FIN));
    }
    return TR_OK;
}

tr_status
tr_socket_end_with(tr_socket *socket, tr_slice slice)
{
    tr_status status = write_order(socket, &(struct order){.slice = slice, .keep = keep_by_hold, .is_last = true});
    if (status >= TR_OK)
        tr_socket_end(socket);
    return status;
}

/* Without a last write: who asks to be told of an end that is over, or never comes, is told so. */
static tr_status
refuse_end(tr_socket *socket, const struct order *order)
{
    bool destroyed = tri_socket_is(socket, TRI_SOCKET_DESTROYED);
    tr_status reason = TR_EALREADYFINISHED;
    if (!tri_socket_is(socket, TRI_SOCKET_ENDED))
        reason = tri_socket_is(socket, TRI_SOCKET_FAILED) ? socket->error : TR_EDESTROYED;
    if (tri_socket_is(socket, TRI_SOCKET_GONE))
        return TR_EDESTROYED;
    tr_status outcome =
        error_is_due(socket) ? tell_after_error(socket, order, reason) : tell_later(socket, order, reason);
    return outcome == TR_OK && destroyed ? TR_EDESTROYED : outcome;
}

/* May our side be ended with this? TR_OK: it may, or is ending already. */
static tr_status
check_end(tr_socket *socket, const struct order *order)
{
    if (order->slice.size > 0)
        return check_write(socket, order, order->slice.size);
    tri_socket_check(socket);
    return tri_socket_is(socket, TRI_SOCKET_DESTROYED) ? refuse_end(socket, order) : TR_OK;
}

/* The last write, then the end, of which `end` is to be told. */
static tr_status
write_last(tr_socket *socket, const struct order *order, struct tri_write *end)
{
    tr_status status = order->slice.size > 0 ? tr_socket_write_slice(socket, order->slice) : TR_OK;
    if (status == TR_ENOMEM || (status < TR_OK && !tri_socket_is(socket, TRI_SOCKET_DESTROYED))) {
        entry_free(socket, end);
        give_back_writer(socket);
        return status;
    }
    append(&writer_of(socket)->ends, end);
    if (status >= TR_OK)
        tr_socket_end(socket);
    return status;
}

tr_status
tr_socket_end_then(tr_socket *socket, tr_slice slice, tr_write_done done, void *argument)
{
    if (socket == NULL || (slice.data == NULL && slice.size > 0))
        return TR_EINVAL;
    if (done == NULL)
        return tr_socket_end_with(socket, slice);
    struct order order = {slice, keep_by_hold, done, argument, true};
    tr_status status = check_end(socket, &order);
    if (status != TR_OK)
        return status;
    if (tri_socket_is(socket, TRI_SOCKET_ENDED))
        return refuse_end(socket, &order);
    struct tri_write *end = entry_new(socket, done, argument);
    return end != NULL ? write_last(socket, &order, end) : TR_ENOMEM;
}

uint64_t
tr_socket_buffered(const tr_socket *socket)
{
    return socket != NULL && socket->writer != NULL ? socket->writer->buffered : 0;
}
