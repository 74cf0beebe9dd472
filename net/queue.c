/*
 * The queue of a socket's writes, and the callbacks that are due.
 *
 * A socket has a struct tri_writer only while something waits. An entry stands in one list at a time:
 *
 *   queue  bytes, files and descriptors that the kernel has not taken yet
 *   ends   nothing but callbacks, which wait for the end of our side
 *   told   over, one way or the other: the callback is to be called in the step TELL, or where the end of the socket
 *          says
 *   late   likewise, after the error event
 */
#include "writer.h"

#include <string.h>
#include <unistd.h>

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
        socket->writer = tri_pool_take(&socket->net->writers);
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
    tri_pool_give(&socket->net->writers, writer);
    socket->writer = NULL;
}

/* An entry in one of the writer's lists; NULL without memory. */
struct tri_write *
tri_queue_entry(tr_socket *socket, tr_write_done done, void *argument)
{
    if (tri_queue_writer(socket) == NULL)
        return NULL;
    struct tri_write *write = tri_pool_take(&socket->net->writes);
    if (write == NULL) {
        tri_queue_give_back(socket);
        return NULL;
    }
    *write = (struct tri_write){.done = done, .argument = argument, .fd = -1};
    return write;
}

void
tri_queue_entry_free(tr_socket *socket, struct tri_write *write)
{
    if (write->fd >= 0)
        close(write->fd);
    tri_pool_give(&socket->net->writes, write);
}

void
tri_queue_put(tr_socket *socket, struct tri_write *write)
{
    tri_queue_append(&socket->writer->queue, write);
    socket->writer->buffered += write->slice.size;
    socket->writer->of_files += write->length;
    socket->writer->entries++;
    socket->writer->unfinished += write->whole;
    socket->bytes_written += write->slice.size;
    tri_idle_moved(socket);
}

/* The first of the queue is over: its callback is due, or it goes. */
void
tri_queue_finish_first(tr_socket *socket, tr_status status)
{
    struct tri_writer *writer = socket->writer;
    struct tri_write *write = tri_queue_take_first(&writer->queue);
    writer->buffered -= write->slice.size;
    writer->of_files -= write->length;
    writer->entries--;
    writer->unfinished -= write->whole;
    tr_slice_release(write->slice);
    write->status = status;
    if (write->done == NULL) {
        tri_queue_entry_free(socket, write);
        return;
    }
    tri_queue_append(&writer->told, write);
    socket->due |= TRI_STEP(TELL);
}

static void
tell(tr_socket *socket, struct tri_write *write)
{
    if (!tri_socket_is(socket, TRI_SOCKET_SILENT) || write->done == tri_remote_written)
        write->done(socket, write->argument, write->status);
    tri_queue_entry_free(socket, write);
}

void
tri_writer_tell(tr_socket *socket)
{
    if (socket->writer == NULL)
        return;
    struct tri_writes told = socket->writer->told;
    socket->writer->told.first = NULL;
    tri_queue_give_back(socket);
    while (told.first != NULL)
        tell(socket, tri_queue_take_first(&told));
}

void
tri_writer_tell_first(tr_socket *socket)
{
    if (socket->writer == NULL || socket->writer->told.first == NULL)
        return;
    struct tri_write *write = tri_queue_take_first(&socket->writer->told);
    tri_queue_give_back(socket);
    tell(socket, write);
}

static void
finish_ends(tr_socket *socket, tr_status status)
{
    struct tri_writer *writer = socket->writer;
    while (writer->ends.first != NULL) {
        struct tri_write *end = tri_queue_take_first(&writer->ends);
        end->status = status;
        tri_queue_append(&writer->told, end);
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
        tri_queue_append(&writer->told, tri_queue_take_first(&writer->late));
}

void
tri_writer_fail(tr_socket *socket, tr_status first, tr_status others)
{
    if (socket->writer == NULL)
        return;
    socket->writer->corked = 0;
    if (!tri_writer_is_empty(socket))
        tri_queue_finish_first(socket, first);
    while (!tri_writer_is_empty(socket))
        tri_queue_finish_first(socket, others);
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
