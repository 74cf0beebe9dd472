/*
 * The callbacks of writes and ends: in which order they are called, and with what.
 *
 * Node has one queue of what follows a handler, process.nextTick(). What a handler does puts callbacks there as it does
 * it, and destroying puts the error event there. So the order is that of what was done, and destroying divides it:
 *
 *   step    TELL     ENDS     ERROR      LATE     LOST      CLOSE      AFTER
 *           told     ends     `error`    late     queue     `close`    queue
 *
 *   told   written, or refused, before the socket was destroyed
 *   ends   waits for the end of our side, which does not come. If a write is on its way these are told after it
 *   late   refused since it was destroyed, be it in `error`. On a socket that nobody has connected `close` follows
 *          `error` at once: there these are told in AFTER
 *   queue  not written yet: told in LOST, when the descriptor is closed, if the socket was connected, else in AFTER
 *
 * A write that the system refuses destroys our socket within the call, Node's after the handler. What the handler does
 * in between is told as in Node: the row `failing`. Where a callback goes, and what it gets:
 *
 *   the socket       write(done)             end(bytes, done)      end(done)
 *   never connected  told  ESOCKETCLOSED *   ends                  ends
 *   connecting       queue                   queue, ends           ends
 *   open             told  OK, or queue      -, or queue, ends     ends
 *   the system       told  its error *       ends                  -
 *     refuses it
 *   failing          told  that error        ends                  ends
 *   ending           told  EWRITEAFTEREND *  late  EWRITEAFTEREND  ends
 *   ended            told  EWRITEAFTEREND *  late  EWRITEAFTEREND  told  EALREADYFINISHED
 *   destroyed        late  EDESTROYED        late  EDESTROYED      late  EDESTROYED **
 *     after ending   late  EWRITEAFTEREND    late  EWRITEAFTEREND  late  EDESTROYED
 *     after ended    late  EWRITEAFTEREND    late  EWRITEAFTEREND  late  EALREADYFINISHED
 *
 *   * and the socket is destroyed with this, after it was put in its place. EWRITEAFTEREND is EPIPE for write() if our
 *     side ended with the peer's, of which `end` was told.
 *  ** or ends, if it was destroyed without an error and something is to be told before `close`: Node tells it with the
 *     first write that has gone.
 *
 * What waits when the socket is destroyed gets:
 *
 *   waits                                    in                first             others, ends
 *   for the end of our side alone            ENDS              -                 the error, or EDESTROYED
 *   for room in the kernel                   LOST              the error, or EDESTROYED
 *   for the connection; destroyed in         before `ready`    ESOCKETCLOSED     the error, or ESOCKETCLOSED
 *     `connect`
 *   for the connection; destroyed before     AFTER             ECLOSED-          the error, or ECLOSED-
 *                                                              BEFORECONNECT     BEFORECONNECT
 *   and the kernel refuses it                told              its error
 */
#include "callbacks.h"

#include "turn.h"

/* Calling them. */

static void
call(tr_socket *socket, struct tri_write *write)
{
    bool is_silent = tri_socket_has_any(socket, TRI_SOCKET_SILENT);
    if (!is_silent)
        tri_trace_socket_written(socket, write->status);
    if (!is_silent || write->from_afar)
        write->done(socket, write->argument, write->status);
    tri_queue_entry_free(socket, write);
}

static struct tri_writes
take(struct tri_writes *list)
{
    struct tri_writes taken = *list;
    list->first = NULL;
    return taken;
}

void
tri_callbacks_call(tr_socket *socket, struct tri_writes list)
{
    if (socket->writer != NULL)
        tri_queue_give_back(socket);
    while (list.first != NULL)
        call(socket, tri_queue_take_first(&list));
}

/* What waits. */

static tr_status
reason(const tr_socket *socket, tr_status without_error)
{
    return socket->error != TR_OK ? socket->error : without_error;
}

static void
finish_ends(struct tri_writer *writer, tr_status status, struct tri_writes *list)
{
    while (writer->ends.first != NULL) {
        struct tri_write *end = tri_queue_take_first(&writer->ends);
        end->status = status;
        tri_queue_append(list, end);
    }
}

static void
finish_all(tr_socket *socket, tr_status first, tr_status others, struct tri_writes *list)
{
    socket->writer->corked = 0;
    while (!tri_writer_is_empty(socket) && socket->writer->queue.first->kind == TRI_WRITE_BARRIER)
        tri_queue_finish_first(socket, first, list); /* nobody's write */
    if (!tri_writer_is_empty(socket))
        tri_queue_finish_first(socket, first, list);
    while (!tri_writer_is_empty(socket))
        tri_queue_finish_first(socket, others, list);
    finish_ends(socket->writer, others, list);
}

void
tri_callbacks_ended(tr_socket *socket)
{
    if (socket->writer == NULL)
        return;
    finish_ends(socket->writer, TR_OK, &socket->writer->told);
    if (socket->writer->told.first != NULL)
        socket->due |= TRI_STEP(TELL);
}

void
tri_callbacks_fail(tr_socket *socket, tr_status first, tr_status others)
{
    if (socket->writer == NULL)
        return;
    finish_all(socket, first, others, &socket->writer->told);
    if (socket->writer->told.first != NULL)
        socket->due |= TRI_STEP(TELL);
}

void
tri_callbacks_lose(tr_socket *socket, tr_status first, tr_status others)
{
    struct tri_writes lost = {NULL, NULL};
    if (socket->writer == NULL)
        return;
    finish_all(socket, first, others, &lost);
    tri_callbacks_call(socket, lost);
}

void
tri_callbacks_fail_ends(tr_socket *socket)
{
    if (socket->writer != NULL)
        finish_ends(socket->writer, socket->error, &socket->writer->told);
}

/* Those who wait for the end alone. */
static void
lose_ends(tr_socket *socket)
{
    struct tri_writes lost = {NULL, NULL};
    if (socket->writer == NULL || !tri_writer_is_empty(socket))
        return;
    finish_ends(socket->writer, reason(socket, TR_EDESTROYED), &lost);
    tri_callbacks_call(socket, lost);
}

/* The steps. */

/* As in Node the ends of a socket that is destroyed are told with the first write that has gone, if there is one. */
static void
tell(tr_socket *socket, bool before_error)
{
    if (socket->writer == NULL)
        return;
    struct tri_writes told = take(&socket->writer->told);
    tri_queue_give_back(socket);
    while (told.first != NULL) {
        struct tri_write *write = tri_queue_take_first(&told);
        bool has_gone = write->status == TR_OK;
        call(socket, write);
        if (has_gone && before_error)
            lose_ends(socket);
    }
}

void
tri_callbacks_told(tr_socket *socket)
{
    tell(socket, tri_callbacks_before_error(socket));
}

void
tri_callbacks_first(tr_socket *socket)
{
    if (socket->writer == NULL || socket->writer->told.first == NULL)
        return;
    struct tri_write *write = tri_queue_take_first(&socket->writer->told);
    tri_queue_give_back(socket);
    call(socket, write);
}

void
tri_callbacks_ends(tr_socket *socket)
{
    socket->due &= ~TRI_STEP(TELL);
    tell(socket, true);
    lose_ends(socket);
}

void
tri_callbacks_late(tr_socket *socket)
{
    if (socket->writer != NULL)
        tri_callbacks_call(socket, take(&socket->writer->late));
}

void
tri_callbacks_lost(tr_socket *socket)
{
    socket->due &= ~(TRI_STEP(TELL) | TRI_STEP(LATE));
    tri_callbacks_told(socket);
    if (socket->begun)
        tri_callbacks_late(socket);
    tr_status status = reason(socket, TR_EDESTROYED);
    if (tri_socket_has_any(socket, TRI_SOCKET_CONNECTED))
        tri_callbacks_lose(socket, status, status);
}

void
tri_callbacks_after(tr_socket *socket)
{
    tri_callbacks_late(socket);
    tri_callbacks_told(socket);
}

void
tri_callbacks_drop(tr_socket *socket)
{
    socket->flags |= TRI_SOCKET_SILENT;
    tri_callbacks_after(socket);
    tri_callbacks_lose(socket, TR_EDESTROYED, TR_EDESTROYED);
}

/* Where one goes. */

bool
tri_callbacks_is_failing(const tr_socket *socket)
{
    return tri_callbacks_before_error(socket) && tri_socket_has_any(socket, TRI_SOCKET_FAILED) &&
           socket->error_call == TRI_CALL_WRITE && !tri_socket_has_any(socket, TRI_SOCKET_ENDING);
}

static bool
is_late(const tr_socket *socket)
{
    return tri_socket_has_any(socket, TRI_SOCKET_DESTROYED) && !tri_socket_has_any(socket, TRI_SOCKET_CLOSED) &&
           !tri_callbacks_is_failing(socket);
}

void
tri_callback_put(tr_socket *socket, struct tri_write *write, tr_status status)
{
    struct tri_writer *writer = tri_queue_writer(socket); /* there is one, or memory for it: the entry's was there */
    write->status = status;
    if (!is_late(socket)) {
        tri_queue_append(&writer->told, write);
        if ((socket->due & TRI_STEP(AFTER)) == 0) /* which tells it, after those that were refused before */
            tri_socket_due(socket, TRI_STEP(TELL));
        return;
    }
    tri_queue_append(&writer->late, write);
    if (socket->begun)
        tri_socket_due(socket, TRI_STEP(LATE));
}

void
tri_callback_wait_for_end(tr_socket *socket, struct tri_write *write)
{
    tri_queue_append(&tri_queue_writer(socket)->ends, write);
}
