/*
 * From the queue to the kernel.
 *
 * When the kernel has room everything that waits goes there, up to TRI_GATHER slices in one system call. An entry may
 * also be a part of a file, which sendfile takes to the kernel, or a descriptor that rides on the first of its bytes.
 * After CALLS_PER_WAKE calls other sockets have their turn.
 */
#include "writer.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/sendfile.h>
#endif

#define FILE_BYTES_PER_CALL (1u << 20)
#define COPY_BYTES 16384u /* on the stack */
#define CALLS_PER_WAKE 16

/* To the kernel. All give the number of bytes that it took, or an error of the system's, negative. */

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
    return count > 0 ? tri_transmit_result(TRI_ON_WRITE, writev(socket->fd, socket->net->gather, count)) : 0;
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
    return tri_transmit_result(TRI_ON_PASS, sendmsg(socket->fd, &header, 0));
}

/* For systems without sendfile, and for what sendfile does not take: through memory. */
static ssize_t
copy_file(tr_socket *socket, const struct tri_write *file, size_t most)
{
    char bytes[COPY_BYTES]; /* the worker's slab may be lent to the data callback that writes */
    ssize_t size = pread(file->fd, bytes, most < sizeof(bytes) ? most : sizeof(bytes), (off_t)file->offset);
    if (size <= 0)
        return size < 0 ? tri_transmit_result(TRI_ON_FILE, size) : -EIO;
    return tri_transmit_result(TRI_ON_WRITE, write(socket->fd, bytes, (size_t)size));
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
    if (tri_verdict(TRI_ON_FILE, errno) != TRI_REFUSED)
        return tri_transmit_result(TRI_ON_FILE, size);
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
        tri_queue_finish_first(socket, TR_OK);
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
        tri_queue_finish_first(socket, TR_OK);
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
void
tri_transmit_want_room(tr_socket *socket, bool wanted)
{
    if (tri_socket_is(socket, TRI_SOCKET_WRITING) == wanted)
        return;
    socket->flags ^= TRI_SOCKET_WRITING;
    tri_socket_poll(socket);
}

static void
emptied(tr_socket *socket)
{
    tri_transmit_want_room(socket, false);
    tri_queue_give_back(socket);
    if (TRI_UNLIKELY(socket->extra != NULL) && socket->extra->sources != NULL)
        tri_pipe_drained(socket);
    if (tri_socket_is(socket, TRI_SOCKET_OWES_DRAIN))
        socket->due |= TRI_STEP(DRAIN);
    socket->flags &= ~(uint32_t)TRI_SOCKET_OWES_DRAIN;
    if (tri_socket_is(socket, TRI_SOCKET_ENDING))
        socket->due |= TRI_STEP(FIN);
}

/* The kernel has taken nothing of the first write, and says why. As in Node, the writes are told before the error. */
static void
not_taken(tr_socket *socket, int error)
{
    if (tri_transmit_is_short(error) && tri_retry_start(socket))
        return;
    tr_status status = tri_status_from_errno(error);
    tri_writer_fail(socket, status, status);
    tri_socket_fail(socket, -error, TRI_CALL_WRITE);
}

/* One call to the kernel, and more when bytes are not followed by bytes: those would have gone with the first. */
void
tri_writer_flush(tr_socket *socket)
{
    if (!tri_socket_is_open(socket) || tri_writer_is_empty(socket) || tri_retry_is_due(socket))
        return;
    if (tri_writer_is_corked(socket)) {
        tri_transmit_want_room(socket, false); /* until it is uncorked */
        return;
    }
    unsigned calls = 0;
    bool bytes_only;
    do {
        bytes_only = socket->writer->queue.first->kind == TRI_WRITE_BYTES;
        ssize_t taken = send_front(socket);
        if (taken < 0) {
            not_taken(socket, (int)-taken);
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
        tri_transmit_want_room(socket, true);
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
