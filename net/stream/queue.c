/*
 * The queue of a socket's writes.
 *
 * A socket has a struct tri_writer only while something waits. An entry stands in one list at a time: in the queue are
 * the bytes, files and descriptors that the kernel has not taken yet; the others are callbacks.c's.
 */
#include "queue.h"

#include "idle.h"

#include <string.h>
#include <troupe/core/descriptors.h>

/* Entries. */

void
tri_queue_append(struct tri_writes *list, struct tri_write *write)
{
    write->next = NULL;
    if (list->first == NULL)
        list->first = write;
    else
        list->last->next = write;
    list->last = write;
}

void
tri_queue_prepend(struct tri_writes *list, struct tri_write *write)
{
    write->next = list->first;
    if (list->first == NULL)
        list->last = write;
    list->first = write;
}

struct tri_write *
tri_queue_take_first(struct tri_writes *list)
{
    struct tri_write *write = list->first;
    list->first = write->next;
    return write;
}

struct tri_writer *
tri_queue_writer(tr_socket *socket)
{
    if (socket->writer == NULL) {
        socket->writer = tri_pool_take(&socket->home->writers);
        if (socket->writer != NULL)
            memset(socket->writer, 0, sizeof(*socket->writer));
    }
    return socket->writer;
}

void
tri_queue_give_back(tr_socket *socket)
{
    struct tri_writer *writer = socket->writer;
    if (writer == NULL || writer->queue.first != NULL || writer->told.first != NULL || writer->late.first != NULL ||
        writer->ends.first != NULL || writer->corked > 0)
        return;
    tri_pool_give(&socket->home->writers, writer);
    socket->writer = NULL;
}

/* For the memory limit. */
static inline void
count(const tr_socket *socket, int64_t bytes)
{
    struct tri_worker *worker = socket->home->worker;
    if (TRI_UNLIKELY(worker->limited))
        tri_level_add_own(&worker->level, bytes);
}

struct tri_write *
tri_queue_entry(tr_socket *socket, const struct tri_order *order)
{
    if (tri_queue_writer(socket) == NULL)
        return NULL;
    struct tri_write *write = tri_pool_take(&socket->home->writes);
    if (write == NULL) {
        tri_queue_give_back(socket);
        return NULL;
    }
    count(socket, sizeof(*write));
    *write =
        (struct tri_write){.done = order->done, .argument = order->argument, .fd = -1, .from_afar = order->from_afar};
    return write;
}

void
tri_queue_entry_free(tr_socket *socket, struct tri_write *write)
{
    if (write->fd >= 0)
        tri_close(write->fd);
    tri_pool_give(&socket->home->writes, write);
    count(socket, -(int64_t)sizeof(*write));
}

static bool
counts(const struct tri_write *write)
{
    return write->kind == TRI_WRITE_BYTES || write->kind == TRI_WRITE_DESCRIPTOR;
}

void
tri_queue_put(tr_socket *socket, struct tri_write *write)
{
    tri_queue_append(&socket->writer->queue, write);
    socket->writer->buffered += write->slice.size;
    socket->writer->of_files += write->length;
    socket->writer->entries += counts(write);
    socket->writer->unfinished += write->whole;
    socket->bytes_written += write->slice.size;
    tri_socket_idle_moved(socket);
}

/* The first of the queue is over: its callback is to be called from that list, or it goes. */
void
tri_queue_finish_first(tr_socket *socket, tr_status status, struct tri_writes *list)
{
    struct tri_writer *writer = socket->writer;
    struct tri_write *write = tri_queue_take_first(&writer->queue);
    writer->buffered -= write->slice.size;
    writer->of_files -= write->length;
    writer->entries -= counts(write);
    writer->unfinished -= write->whole;
    tr_slice_release(write->slice);
    write->status = status;
    if (write->done != NULL)
        tri_queue_append(list, write);
    else
        tri_queue_entry_free(socket, write);
}

/* The first of the queue is in the kernel. */
static void
has_gone(tr_socket *socket)
{
    struct tri_writer *writer = socket->writer;
    tri_queue_finish_first(socket, TR_OK, &writer->told);
    if (writer->told.first != NULL)
        socket->due |= TRI_STEP(TELL);
}

static size_t
least(uint64_t left, size_t taken)
{
    return left < taken ? (size_t)left : taken;
}

static void
shorten_file(tr_socket *socket, struct tri_write *file, size_t taken)
{
    file->offset += taken;
    file->length -= taken;
    socket->writer->of_files -= taken;
    socket->bytes_written += taken;
}

static void
shorten_bytes(tr_socket *socket, struct tri_write *write, size_t taken)
{
    write->slice.data += taken;
    write->slice.size -= taken;
    socket->writer->buffered -= taken;
}

/* What follows in the queue and has no bytes has gone, too. */
void
tri_queue_shorten(tr_socket *socket, size_t taken)
{
    struct tri_write *first;
    while ((first = socket->writer->queue.first) != NULL && first->kind <= TRI_WRITE_FILE) {
        size_t part = least(first->slice.size + first->length, taken);
        taken -= part;
        if (first->kind == TRI_WRITE_FILE)
            shorten_file(socket, first, part);
        else if (part > 0)
            shorten_bytes(socket, first, part);
        if (first->slice.size + first->length > 0)
            return;
        has_gone(socket);
    }
}
