/*
 * A socket with a layer before its descriptor, such as TLS: how it becomes one, when the layer is asked, and the end.
 *
 *   plain --tri_secure_begin()--> WAITS --all before it has gone--> SHAKES --handshake--> OPEN --goodbye--> our FIN
 *
 * A plain socket pays nothing for this. One that is not says so by the flag SECURE, which is tested together with flags
 * that are tested anyway, and its layer lies where a plain one has its number (poll.data).
 *
 * Becoming one. What was written before stands in the queue or is in the kernel; behind it a barrier is put into the
 * queue, if there is any, and writes come after that. When the barrier is reached the handshake begins. While it is
 * under way the poll has a callback of its own, as that of linger.c, so READING, PAUSED and WRITING mean what they did:
 * a pause does not hold a handshake up, an owner without credit does. It ends with the step SECURE, which gives the
 * event; what waited to be written is sent in the step after that (FLUSH), so that the owner, or the callback, can look
 * at the peer before a byte of it leaves. What follows is due only when that step is done: a handshake can be over
 * within the flush that begins it, if the peer is quick, and there FLUSH and READY would come first. A connection that
 * begins with it has its barrier before it connects; a cork does not hold that back, since nobody would take it off:
 * `ready` and the reading wait for the handshake.
 *
 * Reading. Bytes that the layer has inside are invisible to polling. `inner` is set whenever reading stops for another
 * reason than that all is empty: a pause, a queue that is full, a pipe, credit, pressure, so many reads. Whatever lets
 * reading go on comes to tri_socket_poll(), and through it to tri_secure_wants(): if the socket is to be read and
 * something may be inside, the step INNER is due in the next turn. Within a bracket its end asks (turn.h), so the step
 * is never due while a read is under way, and reads do not nest.
 *
 * Writing. A record that the kernel has taken in part is the layer's, and its bytes stay in our queue until all of it
 * has gone (`committed`): a callback says that the bytes have left for the kernel. So only a whole record is ever taken
 * off, and with such a record on its way no write can be refused any more. A layer that cannot write in the middle of
 * what its peer says (`amid`) has the socket polled for bytes in place of room, also one that is paused. What the layer
 * owes of its own goes before everything else, also with an empty queue, where WRITING stands for it alone.
 *
 * The end of our side. When the queue is empty the step FIN asks for the layer's goodbye first, which needs no memory:
 * a bit says that it is to be said, and a flush of the empty queue says it. Then comes the FIN. A socket that is
 * destroyed says nothing, so that the peer sees that bytes were lost. What comes to a socket that lingers or drops is
 * dropped as it lies on the wire.
 *
 * Times. Bytes of the wire are movement for the timeout of the user's; pace counts plain bytes, and its clock stands
 * during the handshake. The handshake's own time begins with it, and gets a last look, since timers come before the
 * loop's poll; while an owner without credit keeps us from going on it begins anew.
 */
#include "secure.h"

#include "descriptor.h"
#include "destroy.h"
#include "encoding_internal.h"
#include "idle.h"
#include "pace.h"
#include "reader.h"
#include "record_layer.h"
#include "retry.h"
#include "transmit.h"
#include "tune.h"
#include "turn.h"
#include "writer.h"

#include <stdlib.h>

struct tri_shake {
    tr_socket *socket;
    struct tri_timer timer;
    uint32_t limit_ms; /* 0: any time */
};

static struct tri_timers *
timers_of(const tr_socket *socket)
{
    return &socket->home->worker->timers;
}

/* Another callback is to be called from now on: polling begins anew. */
static void
stop_polling(tr_socket *socket)
{
    if (socket->polled != 0)
        uv_poll_stop(&socket->poll);
    socket->polled = 0;
}

/* The handshake. */

/* With that outcome, if it has begun. */
static void
end_shake(tr_socket *socket, struct tri_record_layer *layer, tr_status outcome)
{
    if (layer->shake == NULL)
        return;
    if (layer->state == TRI_LAYER_SHAKES)
        tri_trace_socket_secure(socket, outcome);
    tri_timer_let_go(timers_of(socket), &layer->shake->timer);
    free(layer->shake);
    layer->shake = NULL;
}

static void
become_secure(tr_socket *socket, struct tri_record_layer *layer)
{
    end_shake(socket, layer, TR_OK);
    layer->state = TRI_LAYER_OPEN;
    layer->inner = 1; /* the last bytes of the handshake may have brought the first of the stream */
    if (socket->writer != NULL && !layer->begins)
        socket->writer->waited = false; /* it waited for this, not for the connection */
    stop_polling(socket);
    tri_pace_look(socket);
    tri_socket_due(socket, TRI_STEP(SECURE));
}

void
tri_secure_follow(tr_socket *socket)
{
    const struct tri_record_layer *layer = tri_socket_layer(socket);
    uint32_t first = layer != NULL && layer->begins ? TRI_STEP(READY) | TRI_STEP(READ) : 0;
    tri_socket_due(socket, TRI_STEP(FLUSH) | TRI_STEP(FIN) | first);
}

/* The system has run out of something: the same again, a moment later. */
static bool
waits_for_system(tr_socket *socket, int outcome)
{
    return outcome < 0 && outcome != TRI_LAYER_BROKEN && tri_transmit_is_short(-outcome) && tri_retry_start(socket);
}

static void
go_on(tr_socket *socket)
{
    struct tri_record_layer *layer = tri_socket_layer(socket);
    uint64_t moved = layer->kind->moved(layer);
    int outcome = layer->kind->advance(layer, socket->fd);
    if (layer->gone)
        return; /* the program, asked for a name, has destroyed it */
    if (layer->kind->moved(layer) != moved)
        tri_socket_idle_moved(socket);
    layer->wants_room = outcome == TRI_LAYER_WANTS_ROOM || waits_for_system(socket, outcome);
    if (outcome == TRI_LAYER_DONE)
        become_secure(socket, layer);
    else if (outcome < 0 && !layer->wants_room)
        tri_socket_fail(socket, outcome, TRI_CALL_READ);
    else
        tri_socket_poll(socket);
}

static bool
can_go_on(const tr_socket *socket)
{
    return tri_socket_is_open(socket) && tri_secure_is_shaking(socket) && !tri_socket_lacks_credit(socket);
}

/* As tri_socket_ready() does: what messages have made due waits for the last of them, and what was due comes first. */
static void
on_ready(uv_poll_t *poll, int status, int events)
{
    tr_socket *socket = TRI_CONTAINER_OF(poll, tr_socket, poll);
    (void)events;
    if (status < 0)
        socket->polled = 0; /* libuv has stopped */
    if (tri_socket_has_steps(socket) && tri_socket_waits_for_mail(socket)) {
        tri_socket_poll(socket);
        return;
    }
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_READ);
    tri_socket_do_steps(socket);
    if (can_go_on(socket))
        go_on(socket);
    if (status < 0 && tri_socket_is_open(socket))
        (void)tri_descriptor_empty_error_queue(socket->fd);
    tri_socket_leave(socket, frame);
}

static void
start_timer(struct tri_shake *shake)
{
    if (shake->limit_ms == 0)
        return;
    tr_status status = tri_timer_start(timers_of(shake->socket), &shake->timer, shake->limit_ms);
    assert(status == TR_OK); /* its place is kept */
    (void)status;            /* in a Release build nobody asks */
}

static void
on_late(struct tri_timer *timer)
{
    struct tri_shake *shake = TRI_CONTAINER_OF(timer, struct tri_shake, timer);
    tr_socket *socket = shake->socket;
    if (tri_socket_lacks_credit(socket)) {
        start_timer(shake);
        return;
    }
    struct tri_actor_frame frame = tri_socket_enter(socket, TRI_TAG_ON_TIMEOUT);
    go_on(socket);
    if (can_go_on(socket))
        tri_socket_destroy(socket, tri_socket_layer(socket)->kind->late, 0, TRI_CALL_READ);
    tri_socket_leave(socket, frame);
}

void
tri_secure_shake(tr_socket *socket)
{
    struct tri_record_layer *layer = tri_socket_layer(socket);
    layer->state = TRI_LAYER_SHAKES;
    tri_trace_socket_handshake(socket);
    tri_transmit_want_room(socket, false);
    stop_polling(socket);
    start_timer(layer->shake);
    go_on(socket);
}

/* Becoming secure. */

tr_status
tri_secure_check(const tr_socket *socket)
{
    const struct tri_extra *extra = socket->extra;
    if (tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        return TR_EDESTROYED;
    if (!tri_socket_is_open(socket) && !tri_socket_has_any(socket, TRI_SOCKET_CONNECTING))
        return TR_ENOTCONN;
    if (tri_socket_is_secure(socket))
        return TR_EALREADY;
    if (socket->records || socket->unreadable || tri_socket_has_any(socket, TRI_SOCKET_RECEIVES))
        return TR_EBADHANDLE;
    bool ends = tri_socket_has_any(socket, TRI_SOCKET_ENDING | TRI_SOCKET_PEER_ENDED);
    return ends || socket->ends_first || (extra != NULL && extra->held.ends) ? TR_EWRITEAFTEREND : TR_OK;
}

static tr_status
take(struct tri_record_layer *layer, tr_slice bytes)
{
    return bytes.size > 0 ? layer->kind->take_early(layer, bytes) : TR_OK;
}

/* Bytes of a character that is not complete, and what waits because of a pause: they are no data any more. */
static tr_status
take_held(const tr_socket *socket, struct tri_record_layer *layer)
{
    const struct tri_extra *extra = socket->extra;
    tr_slice begun;
    tr_status status = tr_slice_copy(extra->decoder.bytes, extra->decoder.held, &begun);
    if (status != TR_OK)
        return status;
    status = take(layer, begun);
    tr_slice_release(begun);
    for (const struct tri_held_read *read = extra->held.first; read != NULL && status == TR_OK; read = read->next)
        status = take(layer, read->slice);
    return status;
}

static tr_status
take_early(const tr_socket *socket, struct tri_record_layer *layer, tr_slice received)
{
    tr_status status = take(layer, received);
    return status == TR_OK && socket->extra != NULL ? take_held(socket, layer) : status;
}

static struct tri_shake *
new_shake(tr_socket *socket, uint32_t limit_ms)
{
    struct tri_shake *shake = calloc(1, sizeof(*shake));
    if (shake == NULL)
        return NULL;
    shake->socket = socket;
    shake->limit_ms = limit_ms;
    shake->timer.fire = on_late;
    if (limit_ms == 0 || tri_timer_keep(timers_of(socket), &shake->timer) == TR_OK)
        return shake;
    free(shake);
    return NULL;
}

/* A small record must not wait until those before it are acknowledged, of which the user knows nothing: tickets. */
static void
send_without_delay(tr_socket *socket)
{
    tri_socket_set_wish(socket, TRI_WISH_NO_DELAY, true);
    if (tri_socket_is_open(socket) && tri_descriptor_is_tcp(socket->fd))
        tri_tune_no_delay(socket->fd, true);
}

/* The layer takes the place of the number. What the kernel holds for more plain bytes must not wait for records. */
static void
attach(tr_socket *socket, struct tri_record_layer *layer, enum tri_layer_state state)
{
    layer->number = tri_socket_number(socket);
    layer->state = state & 0x3; /* as wide as the field */
    socket->poll.data = layer;
    socket->flags |= TRI_SOCKET_SECURE;
    tri_writer_push(socket);
    socket->holding = TRI_HOLDS_NOT;
    send_without_delay(socket);
}

/* What was held is the layer's now, so reading goes on if it had stopped for that. */
static void
forget_held(tr_socket *socket)
{
    struct tri_extra *extra = socket->extra;
    if (extra == NULL)
        return;
    bool was_full = tri_held_is_full(&extra->held);
    tri_socket_drop_held(socket);
    tr_decoder_init(&extra->decoder, extra->encoding);
    if (was_full)
        tri_reader_begin(socket);
}

/* What comes after the barrier waits for the handshake. */
static void
put_barrier(tr_socket *socket, struct tri_write *barrier)
{
    barrier->kind = TRI_WRITE_BARRIER;
    tri_queue_put(socket, barrier);
}

static void
begin(tr_socket *socket, struct tri_record_layer *layer, struct tri_write *barrier)
{
    attach(socket, layer, TRI_LAYER_WAITS);
    forget_held(socket);
    tri_pace_look(socket);
    if (barrier == NULL) {
        tri_secure_shake(socket);
        return;
    }
    put_barrier(socket, barrier);
    tri_socket_poll(socket);
}

void
tri_secure_await(tr_socket *socket, struct tri_record_layer *layer, struct tri_write *barrier)
{
    attach(socket, layer, TRI_LAYER_WAITS);
    layer->begins = 1;
    put_barrier(socket, barrier);
}

void
tri_secure_continue(tr_socket *socket, struct tri_record_layer *layer)
{
    attach(socket, layer, TRI_LAYER_OPEN);
    layer->inner = 1; /* the last bytes of the handshake may have brought the first of the stream */
}

void
tri_secure_give_up(tr_socket *socket, struct tri_record_layer *layer, struct tri_write *barrier)
{
    end_shake(socket, layer, TR_ECANCELED);
    if (barrier == NULL)
        return;
    tri_queue_entry_free(socket, barrier);
    tri_queue_give_back(socket);
}

tr_status
tri_secure_prepare(tr_socket *socket, struct tri_record_layer *layer, const struct tri_secure_options *options,
                   struct tri_write **barrier)
{
    static const struct tri_order nothing;
    struct tri_write *entry = barrier != NULL ? tri_queue_entry(socket, &nothing) : NULL;
    bool has_entry = barrier == NULL || entry != NULL;
    layer->cut_fails = options->cut_fails;
    layer->shake = has_entry ? new_shake(socket, options->handshake_ms) : NULL;
    if (layer->shake == NULL || take_early(socket, layer, options->received) != TR_OK) {
        tri_secure_give_up(socket, layer, entry);
        return TR_ENOMEM;
    }
    if (barrier != NULL)
        *barrier = entry;
    return TR_OK;
}

/* Before it nothing was written that has not gone. A cork alone holds nothing back. */
static bool
shakes_at_once(const tr_socket *socket)
{
    return tri_writer_is_empty(socket) && !tri_socket_has_any(socket, TRI_SOCKET_CONNECTING);
}

tr_status
tri_secure_begin(tr_socket *socket, struct tri_record_layer *layer, const struct tri_secure_options *options)
{
    tr_status status = tri_secure_check(socket);
    struct tri_write *barrier = NULL;
    if (status == TR_OK)
        status = tri_secure_prepare(socket, layer, options, shakes_at_once(socket) ? NULL : &barrier);
    if (status != TR_OK)
        return status;
    if (tri_socket_has_any(socket, TRI_SOCKET_CONNECTING))
        tri_secure_await(socket, layer, barrier);
    else
        begin(socket, layer, barrier);
    return TR_OK;
}

/* Polling. */

/* Bytes inside are read in the next turn, as if the kernel had them. */
static void
look_inside(tr_socket *socket, const struct tri_record_layer *layer, unsigned wanted)
{
    if (layer->inner && (wanted & UV_READABLE) != 0 && !tri_socket_has_any(socket, TRI_SOCKET_INSIDE))
        tri_socket_due(socket, TRI_STEP(INNER));
}

/* A write that waits for bytes goes on when they have come, whether the socket itself reads or not. */
static void
on_open(uv_poll_t *poll, int status, int events)
{
    tr_socket *socket = TRI_CONTAINER_OF(poll, tr_socket, poll);
    bool goes_on = tri_socket_layer(socket)->amid && (events & UV_READABLE) != 0;
    socket->home->course->ready(poll, status, goes_on ? events | UV_WRITABLE : events);
}

unsigned
tri_secure_wants(tr_socket *socket, unsigned wanted, uv_poll_cb *ready)
{
    const struct tri_record_layer *layer = tri_socket_layer(socket);
    if (layer->state == TRI_LAYER_WAITS)
        return wanted & UV_WRITABLE;
    if (layer->state == TRI_LAYER_OPEN) {
        *ready = on_open;
        look_inside(socket, layer, wanted);
        return layer->amid && (wanted & UV_WRITABLE) != 0 ? (wanted & ~(unsigned)UV_WRITABLE) | UV_READABLE : wanted;
    }
    *ready = on_ready;
    if (tri_retry_is_due(socket))
        return 0;
    return layer->wants_room ? UV_WRITABLE : UV_READABLE;
}

/* Ends. */

bool
tri_secure_has_left(tr_socket *socket)
{
    struct tri_record_layer *layer = tri_socket_layer(socket);
    if (layer->state != TRI_LAYER_OPEN)
        return false; /* the step is due again when it is */
    layer->leaves = 1;
    return tri_secure_go_first(socket) && layer->left;
}

bool
tri_secure_leave(tr_socket *socket)
{
    struct tri_record_layer *layer = tri_socket_layer(socket);
    bool is_free = !layer->owes || layer->kind->push(layer, socket->fd) == 1;
    layer->leaves = 1;
    layer->left = is_free && layer->kind->goodbye(layer, socket->fd) != 0;
    return layer->left;
}

tr_status
tri_secure_failure(const tr_socket *socket)
{
    const struct tri_record_layer *layer = tri_socket_layer(socket);
    const char *code;
    return layer->kind->failure(layer, &code);
}

const char *
tri_secure_code(const tr_socket *socket)
{
    const struct tri_record_layer *layer = tri_socket_layer(socket);
    const char *code = NULL;
    if (layer == NULL || socket->error_call == TRI_CALL_DESTROY)
        return NULL;
    return layer->kind->failure(layer, &code) == socket->error ? code : NULL;
}

bool
tri_secure_is_cut(const tr_socket *socket)
{
    const struct tri_record_layer *layer = tri_socket_layer(socket);
    return layer != NULL && tri_socket_has_any(socket, TRI_SOCKET_PEER_ENDED) && !layer->whole;
}

bool
tri_secure_fails_cut(tr_socket *socket)
{
    const struct tri_record_layer *layer = tri_socket_layer(socket);
    if (!layer->cut_fails || layer->whole)
        return false;
    tri_socket_destroy(socket, layer->kind->cut, 0, TRI_CALL_READ);
    return true;
}

static tr_status
why_it_ends(const tr_socket *socket)
{
    return tri_socket_has_any(socket, TRI_SOCKET_FAILED) ? socket->error : TR_ECANCELED;
}

void
tri_secure_stop(tr_socket *socket)
{
    struct tri_record_layer *layer = tri_socket_layer(socket);
    if (layer == NULL)
        return;
    layer->gone = 1;
    end_shake(socket, layer, why_it_ends(socket));
}

void
tri_secure_free(tr_socket *socket)
{
    struct tri_record_layer *layer = tri_socket_layer(socket);
    if (layer == NULL)
        return;
    tri_socket_clear(socket, TRI_SOCKET_SECURE);
    tri_socket_set_number(socket, layer->number);
    end_shake(socket, layer, why_it_ends(socket));
    layer->kind->free(layer);
}
