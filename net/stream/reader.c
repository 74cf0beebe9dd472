/*
 * Reading: from the kernel to `data` and `end`.
 *
 * Bytes land in the worker's slab (slab.h) and are lent to `data` for the call. A read that does not fill what was
 * offered has emptied the kernel's buffer; one that does is followed by another, up to READS_PER_WAKE.
 *
 * What came and cannot be given waits in a queue (base/held.h), and reading goes on until that is full. So a pause that
 * is over before anything came costs nothing, and a paused socket notices what happens to its connection: the end of
 * the stream is an event at once if nothing waits before it, an error always. With the queue full nothing is read;
 * libuv reports only that the peer has gone, which is an error if it was a reset.
 *
 * A socket that was born paused (pause_on_connect) does not read before it is resumed, so that it can be handed on
 * unread. One that was made from afar and that nobody listens to is paused until somebody does: an owner, a pipe, a
 * data callback, or the user who resumes it.
 *
 * Descriptors come with the first byte of a read; they are given before it.
 *
 * A secure socket is read through its layer (secure.c). What that has inside, and reading has left there, is read in a
 * step of its own, since polling does not see it.
 *
 * Invariant: an open socket that has begun to read is READING unless the stream has ended, its queue is full, or its
 * pipe is. It is read unless it is PRESSED (consumer.c) or HALTED (halt.c) as well.
 */
#include "reader.h"

#include "consumer.h"
#include "destroy.h"
#include "encoding_internal.h"
#include "events_internal.h"
#include "halt.h"
#include "idle.h"
#include "secure.h"
#include "transport.h"
#include "turn.h"

#include <stdlib.h>
#include <troupe/core/descriptors.h>

#define READS_PER_WAKE 16

/* From bytes to the event. */

/* The text is one piece of memory that goes when nobody holds it. */
static tr_status
decode(struct tri_extra *extra, tr_slice bytes, bool at_end, tr_slice *text)
{
    char *memory = malloc(tr_decoder_limit(&extra->decoder, bytes.size) + 1);
    if (memory == NULL)
        return TR_ENOMEM;
    size_t size = tr_decoder_push(&extra->decoder, bytes.data, bytes.size, memory);
    if (at_end)
        size += tr_decoder_finish(&extra->decoder, memory + size);
    char *fitting =
        realloc(memory, size + 1); /* the limit is the worst case, and somebody may hold the text for long */
    tr_status status = tr_slice_adopt(fitting != NULL ? fitting : memory, size, free, text);
    if (status != TR_OK)
        free(fitting != NULL ? fitting : memory);
    return status;
}

static void
give_text(tr_socket *socket, tr_slice bytes, bool at_end)
{
    tr_slice text;
    if (decode(socket->extra, bytes, at_end, &text) != TR_OK) {
        tri_socket_fail(socket, UV_ENOMEM, TRI_CALL_READ);
        return;
    }
    if (text.size > 0 && tri_events_has_listener(socket)) {
        tri_trace_socket_text(socket, (uint32_t)text.size);
        tri_events_data(socket, text);
    }
    tr_slice_release(text);
}

/* As the event socket_data has it: where data goes instead of to whoever listens. */
enum { TO_LISTENER, TO_NOBODY, TO_PIPE, TO_DECODER };

static uint16_t
elsewhere(const tr_socket *socket)
{
    const struct tri_extra *extra = socket->extra;
    if (extra != NULL && extra->pipe != NULL)
        return TO_PIPE;
    if ((extra != NULL && extra->drops) || !tri_events_has_listener(socket))
        return TO_NOBODY;
    return extra != NULL && extra->encoding != TR_ENCODING_NONE ? TO_DECODER : TO_LISTENER;
}

/* What it says is worked out for a recorder only. */
static inline void
record_data(const tr_socket *socket, tr_slice slice)
{
    if (TRI_UNLIKELY(socket->home->worker->trace != NULL))
        tri_trace_socket_data(socket, elsewhere(socket), (uint32_t)slice.size);
}

static void
give(tr_socket *socket, tr_slice slice)
{
    record_data(socket, slice);
    if (TRI_LIKELY(!tri_socket_has_any(socket, TRI_SOCKET_SPECIAL)))
        tri_events_data(socket, slice);
    else if (socket->extra->pipe != NULL)
        socket->home->course->pipe(socket, slice);
    else if (socket->extra->drops)
        return;
    else if (socket->extra->encoding != TR_ENCODING_NONE)
        give_text(socket, slice, false);
    else
        tri_events_data(socket, slice);
    tri_consumer_heed(socket);
}

/* Of what waits, the first can be given now. */
static bool
can_give_held(const tr_socket *socket)
{
    const struct tri_pipe *pipe = socket->extra->pipe;
    return !tri_socket_has_any(socket, TRI_SOCKET_PAUSED | TRI_SOCKET_PRESSED) && !tri_socket_lacks_credit(socket) &&
           (pipe == NULL || !tri_pipe_is_full(pipe));
}

static bool
can_give(const tr_socket *socket)
{
    return TRI_LIKELY(!tri_socket_has_any(socket, TRI_SOCKET_PAUSED | TRI_SOCKET_DESTROYED)) &&
           !tri_socket_lacks_credit(socket) && !tri_socket_holds(socket);
}

static void
stop_reading(tr_socket *socket)
{
    tri_socket_clear(socket, TRI_SOCKET_READING);
    tri_socket_poll(socket);
}

/* Bytes, or a descriptor (else -1), wait until they can be given. */
static void
hold_back(tr_socket *socket, tr_slice slice, int fd)
{
    struct tri_extra *extra = tri_socket_extra(socket);
    bool is_kept =
        extra != NULL && (fd >= 0 ? tri_held_descriptor(&extra->held, fd) : tri_held_bytes(&extra->held, slice));
    if (!is_kept) {
        if (fd >= 0)
            tri_close(fd);
        tri_socket_fail(socket, UV_ENOMEM, TRI_CALL_READ);
        return;
    }
    socket->home->held += slice.size;
    tri_socket_update_special(socket);
    if (tri_held_is_full(&extra->held))
        stop_reading(socket);
    if (!tri_socket_has_any(socket, TRI_SOCKET_PAUSED))
        socket->due |= TRI_STEP(HELD);
}

/* A descriptor that came with these bytes was given before them: the socket may be destroyed by now, or lack credit. */
static void
on_bytes(tr_socket *socket, size_t size)
{
    tr_slice slice;
    if (tri_slabs_lend(&socket->home->slabs, size, &slice) != TR_OK) {
        tri_socket_fail(socket, UV_ENOMEM, TRI_CALL_READ);
        return;
    }
    socket->bytes_read += size;
    tri_socket_idle_moved(socket);
    if (TRI_LIKELY(can_give(socket)))
        give(socket, slice);
    else if (!tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        hold_back(socket, slice, -1);
    tri_slabs_take_back(&socket->home->slabs, slice);
}

/* A character that is not complete yet never will be. */
void
tri_reader_last(tr_socket *socket)
{
    const struct tri_extra *extra = socket->extra;
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED) || extra == NULL || extra->encoding == TR_ENCODING_NONE ||
        extra->pipe != NULL || extra->drops)
        return;
    give_text(socket, tr_slice_constant("", 0), true);
}

/* What waits is data before the end, and so is what an incomplete character gives at the end, if anything: a paused
 * socket keeps it. */
static bool
end_must_wait(const tr_socket *socket)
{
    const struct tri_extra *extra = socket->extra;
    bool is_paused = tri_socket_has_any(socket, TRI_SOCKET_PAUSED);
    return extra != NULL && (extra->held.first != NULL || (is_paused && tr_decoder_limit(&extra->decoder, 0) > 0));
}

/* libuv stops polling at the end of the bracket: most sockets are closed by then, which stops it as well. */
static void
give_end(tr_socket *socket)
{
    tri_socket_clear(socket, TRI_SOCKET_READING);
    socket->flags |= TRI_SOCKET_PEER_ENDED;
    socket->due |= TRI_STEP(LAST) | TRI_STEP(END) | TRI_STEP(AFTER_END);
}

/* A pipe hands the end on, so it must know whether the stream is whole. */
static bool
wants_resets(const tr_socket *socket)
{
    return TRI_UNLIKELY(socket->extra != NULL) && (socket->extra->reports_resets || socket->extra->pipe != NULL);
}

/* Does an error wait in the descriptor that is to be told, whatever else was read? Then that is the end. */
static bool
was_reset(tr_socket *socket)
{
    if (!wants_resets(socket))
        return false;
    int error = tri_transport_error(socket);
    if (error == 0)
        return false;
    tri_socket_fail(socket, error == EPIPE ? UV_ECONNRESET : -error, TRI_CALL_READ);
    return true;
}

static void
on_end(tr_socket *socket)
{
    if (was_reset(socket))
        return;
    if (TRI_UNLIKELY(tri_socket_is_secure(socket)) && tri_secure_fails_cut(socket))
        return;
    tri_socket_idle_moved(socket);
    if (end_must_wait(socket)) {
        socket->extra->held.ends = true;
        stop_reading(socket);
    } else {
        give_end(socket);
    }
}

/* From the kernel. */

static void
give_descriptors(tr_socket *socket, const struct tri_passed *passed)
{
    for (unsigned i = 0; i < passed->count; i++) {
        int fd = passed->fds[i];
        if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
            tri_close(fd); /* by the callback of the one before */
        else if (tri_socket_has_any(socket, TRI_SOCKET_PAUSED) || tri_socket_holds(socket))
            hold_back(socket, tr_slice_constant("", 0), fd);
        else
            tri_events_fd(socket, fd);
    }
}

TRI_NOINLINE static ssize_t
read_with_descriptors(tr_socket *socket, uv_buf_t buffer)
{
    struct tri_passed passed;
    ssize_t size = tri_transport_receive(socket, buffer, &passed);
    give_descriptors(socket, &passed);
    return size;
}

/* Of a socket that takes descriptors, or is secure: then the buffer ends with what came if there is more. */
TRI_NOINLINE static ssize_t
read_special(tr_socket *socket, uv_buf_t *buffer)
{
    return tri_socket_is_secure(socket) ? tri_secure_read(socket, buffer) : read_with_descriptors(socket, *buffer);
}

enum outcome {
    EMPTIED, /* that was all that had come */
    MORE,    /* there may be more */
    OVER,    /* nothing came, or the end, or an error */
};

/* A paused socket that reads on takes no more than it may hold, when all of the worker hold much; but no part of a
 * record, whose rest would be lost. */
static void
limit_paused(const tr_socket *socket, uv_buf_t *buffer)
{
    size_t held = socket->extra != NULL ? socket->extra->held.bytes : 0;
    if (!socket->records && socket->home->held >= TRI_HELD_FREELY && buffer->len > TRI_HELD_BYTES - held)
        buffer->len = TRI_HELD_BYTES - held;
}

static enum outcome
read_some(tr_socket *socket)
{
    uv_buf_t buffer;
    tri_slabs_offer(&socket->home->slabs, &buffer);
    if (TRI_UNLIKELY(tri_socket_has_any(socket, TRI_SOCKET_PAUSED)))
        limit_paused(socket, &buffer);
    if (buffer.len == 0) {
        tri_socket_fail(socket, UV_ENOMEM, TRI_CALL_READ);
        return OVER;
    }
    ssize_t size = TRI_UNLIKELY(tri_socket_has_any(socket, TRI_SOCKET_RECEIVES | TRI_SOCKET_SECURE))
                       ? read_special(socket, &buffer)
                       : tri_transport_read(socket, buffer);
    if (TRI_LIKELY(size > 0))
        on_bytes(socket, (size_t)size);
    else if (size == 0)
        on_end(socket);
    else if (tri_verdict(TRI_ON_READ, (int)-size) != TRI_WAIT)
        tri_socket_fail(socket, (int)size, TRI_CALL_READ);
    if (size <= 0)
        return OVER;
    return tri_transport_has_more(socket, (size_t)size, buffer.len) ? MORE : EMPTIED;
}

/* All bytes before an error were read. As in Node, a reset that comes together with the last bytes is an end, unless
 * the user wants to be told, and the next write meets it. Without an error of the connection's it goes on: something
 * lies in the error queue. */
static void
meet_error(tr_socket *socket)
{
    if (!was_reset(socket) && tri_transport_has_hung_up(socket))
        on_end(socket);
}

/* Who consumes what it reads has enough, or the runtime. */
static bool
is_to_stand(tr_socket *socket)
{
    return TRI_UNLIKELY(tri_socket_has_any(socket, TRI_SOCKET_PRESSED)) || tri_halt_if_at_limit(socket);
}

/* As in Node what a read has made due comes before the next read. It may have crowded the consumer. */
static bool
goes_on(tr_socket *socket)
{
    tri_socket_do_steps(socket);
    return tri_reader_is_to_read(socket);
}

void
tri_reader_readable(tr_socket *socket, bool failing)
{
    enum outcome outcome = MORE;
    if (!failing && tri_halt_if_at_limit(socket))
        return;
    for (int i = 0; i < READS_PER_WAKE && outcome == MORE; i++) {
        outcome = read_some(socket);
        if (!tri_socket_has_any(socket, TRI_SOCKET_READING) || (outcome == MORE && is_to_stand(socket)))
            return;
        if (outcome == EMPTIED && failing)
            meet_error(socket);
        else if (outcome == MORE && tri_socket_has_steps(socket) && !goes_on(socket))
            return;
        else if (tri_socket_lacks_credit(socket))
            return;
    }
}

void
tri_reader_inner(tr_socket *socket)
{
    uint32_t reads =
        socket->flags & (TRI_SOCKET_READING | TRI_SOCKET_PRESSED | TRI_SOCKET_HALTED | TRI_SOCKET_DESTROYED);
    if (reads == TRI_SOCKET_READING && tri_socket_is_secure(socket))
        tri_reader_readable(socket, false);
}

void
tri_reader_discard(tr_socket *socket)
{
    uv_buf_t buffer;
    tri_slabs_offer(&socket->home->slabs, &buffer);
    if (buffer.len == 0 || tri_socket_has_any(socket, TRI_SOCKET_RECEIVES))
        return;
    for (int i = 0; i < READS_PER_WAKE; i++) {
        ssize_t size = tri_transport_read(socket, buffer);
        if (size <= 0 || !tri_transport_has_more(socket, (size_t)size, buffer.len))
            return;
    }
}

/* It is not to be read: what waits goes first, or nothing more comes. */
static bool
waits(const struct tri_extra *extra)
{
    return extra->held.ends || tri_held_is_full(&extra->held) || (extra->pipe != NULL && tri_pipe_is_full(extra->pipe));
}

void
tri_reader_begin(tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_READING) || tri_socket_is_read_out(socket) || !tri_socket_is_open(socket))
        return;
    if (TRI_UNLIKELY(socket->extra != NULL) && waits(socket->extra))
        return;
    socket->flags |= TRI_SOCKET_READING;
    tri_socket_poll(socket);
}

/* As in Node what a resumed socket holds has its place among the callbacks that the handler makes due. */
static bool
is_to_tell(const tr_socket *socket)
{
    return (socket->due & (TRI_STEP(DRAIN) | TRI_STEP(TELL))) != 0;
}

void
tri_reader_start(tr_socket *socket)
{
    if (tri_socket_has_any(socket, TRI_SOCKET_PAUSED | TRI_SOCKET_DESTROYED))
        return;
    tri_pace_look(socket);
    if (socket->extra != NULL && (socket->extra->held.first != NULL || socket->extra->held.ends))
        tri_socket_due(socket, is_to_tell(socket) ? TRI_STEP(HELD) : TRI_STEP(RESUMED));
    else
        tri_reader_begin(socket);
}

static void
give_first_held(tr_socket *socket)
{
    tr_slice slice;
    int fd = tri_held_take(&socket->extra->held, &slice);
    socket->home->held -= slice.size;
    if (fd >= 0)
        tri_events_fd(socket, fd);
    else
        give(socket, slice);
    tr_slice_release(slice);
}

/* All of it is given: the end, if it came, is next, but as in Node after the callbacks of what was written by then. */
static void
on_held_given(tr_socket *socket)
{
    tri_socket_update_special(socket);
    if (!socket->extra->held.ends)
        return;
    if ((socket->due & (TRI_STEP(HELD) - 1)) != 0) {
        socket->due |= TRI_STEP(HELD);
        return;
    }
    socket->extra->held.ends = false;
    give_end(socket);
}

void
tri_reader_held(tr_socket *socket)
{
    if (socket->extra == NULL)
        return;
    struct tri_held *held = &socket->extra->held;
    while (held->first != NULL && can_give_held(socket))
        give_first_held(socket);
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED) && !tri_socket_lacks_credit(socket))
        tri_socket_drop_held(socket);
    else if (held->first == NULL && can_give_held(socket))
        on_held_given(socket);
    else if (tri_socket_lacks_credit(socket))
        socket->due |= TRI_STEP(HELD);
    tri_reader_begin(socket);
}

/* A plain end is read in its turn, and nothing more is looked for. What came before a reset is lost, as in Node. */
void
tri_reader_peer_gone(tr_socket *socket)
{
    int error = tri_transport_error(socket);
    if (error != 0)
        tri_socket_fail(socket, -error, TRI_CALL_READ);
    else if (socket->extra != NULL)
        socket->extra->held.gone = true;
}

void
tr_socket_pause(tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return;
    tri_reader_pause(socket);
    if (socket->extra != NULL)
        socket->extra->unheard = false; /* now it is the user who wants it so */
}

void
tri_socket_heard(tr_socket *socket)
{
    if (socket->extra != NULL && socket->extra->unheard)
        tr_socket_resume(socket);
}

void
tr_socket_resume(tr_socket *socket)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL || !tri_socket_has_any(socket, TRI_SOCKET_PAUSED))
        return;
    if (socket->extra != NULL)
        socket->extra->unheard = false;
    tri_socket_clear(socket, TRI_SOCKET_PAUSED);
    tri_reader_start(socket);
}

tr_status
tr_socket_set_encoding(tr_socket *socket, enum tr_encoding encoding)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL)
        return TR_EINVAL;
    if (!tri_encoding_exists(encoding))
        return TR_EBADENCODING;
    struct tri_extra *extra = encoding == TR_ENCODING_NONE ? socket->extra : tri_socket_extra(socket);
    if (extra == NULL)
        return encoding == TR_ENCODING_NONE ? TR_OK : TR_ENOMEM;
    extra->encoding = encoding;
    tr_decoder_init(&extra->decoder, encoding);
    tri_socket_update_special(socket);
    return TR_OK;
}
