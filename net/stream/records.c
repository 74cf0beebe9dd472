/*
 * Bytes through a socket's layer: reads of whole records, and records of what waits to be written.
 *
 * One read fills the worker's slab with as many records as come, as long as there is room for a whole one, so that one
 * `data` brings up to TRI_READ_BYTES, or up to RECORDS_PER_READ records: a peer that sends them with a byte in each has
 * no more of the worker's time than others. One record carries up to TRI_RECORD_BYTES: of a slice that is long enough,
 * or alone, as it lies; else they are gathered in the worker's scratch, bytes of a file after those of memory. So a
 * bracket of cork and uncork is one record if it fits, and no byte is copied more than once.
 */
#include "destroy.h"
#include "idle.h"
#include "plain.h"
#include "queue.h"
#include "record_layer.h"
#include "secure.h"
#include "transmit.h"
#include "turn.h"

#include <errno.h>
#include <string.h>

#define RECORDS_PER_READ 256u

/* Reading. */

static ssize_t
read_records(struct tri_record_layer *layer, int fd, const uv_buf_t *buffer, size_t *got)
{
    unsigned records = 0;
    ssize_t size;
    do {
        size = layer->kind->read_plain(layer, fd, buffer->base + *got, buffer->len - *got);
        *got += size > 0 ? (size_t)size : 0;
    } while (size > 0 && ++records < RECORDS_PER_READ && buffer->len - *got >= TRI_RECORD_BYTES);
    return size;
}

/* Who waits for no time does not ask. */
static uint64_t
moved(const tr_socket *socket, const struct tri_record_layer *layer)
{
    return TRI_UNLIKELY(tri_socket_has_any(socket, TRI_SOCKET_TIMED)) ? layer->kind->moved(layer) : 0;
}

/* Bytes have come, or nothing but a part of a record. */
static void
note_movement(tr_socket *socket, const struct tri_record_layer *layer, uint64_t moved_before)
{
    if (moved(socket, layer) != moved_before)
        tri_socket_idle_moved(socket);
    if (layer->owes)
        tri_transmit_want_room(socket, true);
}

ssize_t
tri_secure_read(tr_socket *socket, uv_buf_t *buffer)
{
    struct tri_record_layer *layer = tri_socket_layer(socket);
    size_t got = 0;
    if (layer->state != TRI_LAYER_OPEN)
        return -EAGAIN;
    uint64_t moved_before = moved(socket, layer);
    ssize_t last = read_records(layer, socket->fd, buffer, &got);
    layer->inner = last != -EAGAIN;
    note_movement(socket, layer, moved_before);
    if (got == 0)
        return last;
    if (layer->inner)
        buffer->len = got; /* an end or an error comes again */
    return (ssize_t)got;
}

/* Writing. */

/* A write has read, and more may have come than it needed. */
static void
look_inside(tr_socket *socket, bool had_inner)
{
    if (tri_socket_layer(socket)->inner && !had_inner)
        tri_socket_poll(socket);
}

static ssize_t
write_record(tr_socket *socket, const void *data, size_t size)
{
    struct tri_record_layer *layer = tri_socket_layer(socket);
    bool had_inner = layer->inner;
    ssize_t taken = layer->kind->write_record(layer, socket->fd, data, size);
    if (!layer->amid)
        layer->committed = taken == (ssize_t)size ? 0 : (uint16_t)size;
    look_inside(socket, had_inner);
    return taken;
}

bool
tri_secure_takes(const tr_socket *socket)
{
    const struct tri_record_layer *layer = tri_socket_layer(socket);
    bool waits = (socket->due & (TRI_STEP(SECURE) | TRI_STEP(FLUSH))) != 0; /* that the peer can be looked at */
    return layer->state == TRI_LAYER_OPEN && !waits && !layer->owes;
}

static size_t
record_size(size_t left)
{
    return left < TRI_RECORD_BYTES ? left : TRI_RECORD_BYTES;
}

/* A write of no bytes makes no record, and finds a broken connection as that of a plain socket does. */
static ssize_t
write_nothing(const tr_socket *socket)
{
    return tri_plain_write(socket->fd, "", 0);
}

/* With an error after the first record the rest waits, and meets it again. */
ssize_t
tri_secure_write(tr_socket *socket, tr_slice slice)
{
    size_t sent = 0;
    if (slice.size == 0)
        return write_nothing(socket);
    if (tri_socket_layer(socket)->left)
        return -EPIPE;
    while (sent < slice.size) {
        ssize_t taken = write_record(socket, slice.data + sent, record_size(slice.size - sent));
        if (taken < 0 && sent == 0)
            return taken;
        if (taken <= 0)
            break;
        sent += (size_t)taken;
    }
    return (ssize_t)sent;
}

/* The queue. */

/* Bytes of a file behind those that are there; 0 if the system gives none. An error alone is one. */
static ssize_t
gather_file(const struct tri_write *file, char *to, size_t room, bool is_first)
{
    size_t most = file->length < room ? (size_t)file->length : room;
    ssize_t size = tri_plain_read_file(file->fd, to, most, file->offset);
    return size >= 0 || is_first ? size : 0;
}

/* Gives the size of the record; 0: empty slices alone; or an error. */
static ssize_t
gather(const struct tri_write *write, char *record)
{
    size_t size = 0;
    for (; write != NULL && write->kind == TRI_WRITE_BYTES && size < TRI_RECORD_BYTES; write = write->next) {
        size_t part = write->slice.size < TRI_RECORD_BYTES - size ? write->slice.size : TRI_RECORD_BYTES - size;
        if (part > 0)
            memcpy(record + size, write->slice.data, part);
        size += part;
    }
    if (write == NULL || write->kind != TRI_WRITE_FILE || size == TRI_RECORD_BYTES)
        return (ssize_t)size;
    ssize_t of_file = gather_file(write, record + size, TRI_RECORD_BYTES - size, size == 0);
    return of_file >= 0 ? (ssize_t)size + of_file : of_file;
}

/* Where the next record's bytes lie, and how many they are. Those of one that is on its way are the layer's already. */
static ssize_t
next_record(const tr_socket *socket, const char **data)
{
    const struct tri_record_layer *layer = tri_socket_layer(socket);
    const struct tri_write *first = socket->writer->queue.first;
    *data = socket->home->record;
    if (layer->committed > 0)
        return layer->committed;
    bool is_enough = first->slice.size >= TRI_RECORD_BYTES || first->next == NULL;
    if (first->kind != TRI_WRITE_BYTES || !is_enough)
        return gather(first, socket->home->record);
    *data = first->slice.data;
    return (ssize_t)record_size(first->slice.size);
}

static ssize_t
send_record(tr_socket *socket)
{
    const char *data;
    if (tri_socket_layer(socket)->left)
        return -EPIPE;
    ssize_t size = next_record(socket, &data);
    ssize_t taken = size > 0 ? write_record(socket, data, (size_t)size) : size;
    if (size == 0 && socket->writer->queue.first->kind == TRI_WRITE_BYTES)
        taken = write_nothing(socket);
    if (taken >= 0)
        tri_queue_shorten(socket, (size_t)taken);
    return taken;
}

ssize_t
tri_secure_send_front(tr_socket *socket)
{
    if (tri_socket_layer(socket)->state == TRI_LAYER_OPEN)
        return send_record(socket);
    tri_queue_finish_first(socket, TR_OK, &socket->writer->told); /* the barrier */
    tri_secure_shake(socket);
    return 0;
}

/* What is no part of the queue. */

/* 1: nothing is left to send; 0: there is no room; or an error. */
static ssize_t
send_own(tr_socket *socket, struct tri_record_layer *layer)
{
    ssize_t sent = layer->owes ? layer->kind->push(layer, socket->fd) : 1;
    if (sent <= 0 || !layer->leaves || layer->left || !tri_writer_is_empty(socket))
        return sent;
    bool had_inner = layer->inner;
    sent = layer->kind->goodbye(layer, socket->fd);
    look_inside(socket, had_inner);
    layer->left = sent != 0; /* as with the FIN itself: if it fails the connection is gone, which reading tells */
    return sent != 0;
}

bool
tri_secure_go_first(tr_socket *socket)
{
    struct tri_record_layer *layer = tri_socket_layer(socket);
    if (layer->state != TRI_LAYER_OPEN || (socket->due & (TRI_STEP(SECURE) | TRI_STEP(FLUSH))) != 0)
        return layer->state == TRI_LAYER_WAITS;
    ssize_t sent = send_own(socket, layer);
    if (sent < 0)
        tri_transmit_not_taken(socket, (int)-sent);
    else if (sent == 0 || tri_writer_is_empty(socket))
        tri_transmit_want_room(socket, sent == 0);
    return sent > 0;
}
