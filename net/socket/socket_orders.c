/*
 * A socket obeys: it carries out what other actors ask of it (remote.h), by the functions that they would call on its
 * worker.
 *
 * Nobody looks at what these functions return here. So a table says for each operation what its refusal leads to.
 */
#include "socket_orders.h"

#include "answer.h"
#include "close.h"
#include "connect.h"
#include "destroy.h"
#include "events_internal.h"
#include "pipe_internal.h"
#include "secure_orders.h"
#include "steps.h"
#include "writer.h"

#include <assert.h>
#include <stdlib.h>
#include <troupe/core/descriptors.h>

/* Writes that are answered. */

static void
release_ask(struct tri_write_ask *ask)
{
    tr_slice_release(ask->slice);
    if (ask->fd >= 0)
        tri_close(ask->fd);
}

void
tri_write_ask_free(void *address)
{
    release_ask(address);
    free(address);
}

/*
 * By the library's own way: the asker's mailbox limit shall not lose an answer, and a killed socket still gives one.
 * self: the socket's actor; NULL: it is gone, or is killed. Takes the ask, which becomes the answer.
 */
static void
answer(struct tri_worker *worker, tr_actor *self, struct tri_write_ask *ask, const void *data, size_t size)
{
    assert(size <= TR_MESSAGE_INLINE);
    release_ask(ask);
    ask->word.done = tri_word_free;
    tri_word_send(worker, &ask->word, tr_self(self), ask->asker, tr_message_copy(ask->reply_tag, data, size));
}

void
tri_write_ask_answer(struct tri_worker *worker, tr_actor *self, struct tri_write_ask *ask, tr_status status)
{
    struct tr_remote_written outcome = {.token = ask->token, .status = status};
    answer(worker, self, ask, &outcome, sizeof(outcome));
}

/* The callback of a write that another actor asked for. */
static void
written(tr_socket *socket, void *argument, tr_status status)
{
    tr_actor *self = tri_socket_has_any(socket, TRI_SOCKET_SILENT) ? NULL : socket->actor;
    tri_write_ask_answer(socket->home->worker, self, argument, status);
}

/* No callback is called of a write that was not even tried; the actor is told all the same. */
static void
answer_untold(tr_socket *socket, struct tri_write_ask *ask, tr_status status)
{
    tri_trace_socket_written(socket, status);
    written(socket, ask, status);
}

static tr_status
write_answered(tr_socket *socket, struct tri_write_ask *ask)
{
    struct tri_order order = {ask->slice, tri_slice_keep, written, ask, .from_afar = true};
    tr_status status = tri_order_write(socket, &order);
    if (tri_write_is_untold(status))
        answer_untold(socket, ask, status);
    return status;
}

static tr_status
end_answered(tr_socket *socket, struct tri_write_ask *ask)
{
    struct tri_order order = {.slice = ask->slice, .done = written, .argument = ask, .from_afar = true};
    tr_status status = tri_order_end(socket, &order);
    if (tri_write_is_untold(status))
        answer_untold(socket, ask, status);
    return status;
}

static tr_status
write_checked(tr_socket *socket, struct tri_write_ask *ask)
{
    struct tr_remote_accepted accepted = {.token = ask->token, .status = tr_socket_write_slice(socket, ask->slice)};
    answer(socket->home->worker, socket->actor, ask, &accepted, sizeof(accepted));
    return accepted.status;
}

static tr_status
write_descriptor(tr_socket *socket, struct tri_write_ask *ask)
{
    tr_status status = tr_socket_write_fd(socket, ask->slice, ask->fd, NULL, NULL);
    tri_write_ask_free(ask);
    return status;
}

/*
 * Whoever asked waits for connect or error. A socket that connects or is connected has given one of them, or will: it
 * goes on. One that was closed fails again, in a new life.
 */
static tr_status
connect_by_order(tr_socket *socket, struct tri_connect_order *order)
{
    tr_status status = tri_connect_prepare(socket, &order->options, &order->layer, order->start);
    if (status == TR_OK || tri_socket_has_any(socket, TRI_SOCKET_CONNECTING | TRI_SOCKET_STOPS) ||
        tri_socket_is_open(socket))
        return TR_OK;
    if (tri_socket_has_any(socket, TRI_SOCKET_CLOSED))
        tri_socket_reopen(socket);
    return status;
}

static tr_status
looked_up(tr_socket *socket, const struct tri_looked_up_order *order)
{
    return tr_socket_looked_up(socket, order->error.status != TR_OK ? &order->error : NULL, order->addresses,
                               order->count);
}

static tr_status
set_owner(tr_socket *socket, tr_ref actor, uint64_t credit)
{
    struct tr_owner owner = {.actor = actor, .credit = (uint32_t)credit};
    return tr_socket_set_owner(socket, actor != TR_NOBODY ? &owner : NULL);
}

/* The second is told in any case: it waits for the pipe, and nobody else knows that there will be none. */
static tr_status
begin_pipe(tr_socket *socket, struct tri_pipe_order *order)
{
    bool over = tri_socket_is_read_out(socket);
    tr_status status = tr_socket_pipe(socket, order->to, &order->options);
    if (status != TR_OK && !order->options.keep_open)
        tri_pipe_never(&order->word, order->to, status == TR_EDESTROYED && over ? TRI_PIPE_OVER : TRI_PIPE_FAILED);
    else
        free(order);
    return status;
}

static void
answer_socket_info(tr_socket *socket, struct tri_info_ask *ask)
{
    struct tr_socket_info *info = &ask->info.socket;
    *info = (struct tr_socket_info){
        .socket = tr_socket_ref(socket),
        .token = ask->token,
        .bytes_read = tr_socket_bytes_read(socket),
        .bytes_written = tr_socket_bytes_written(socket),
        .buffered = tr_socket_buffered(socket),
        .number = tr_socket_number(socket),
        .ready_state = tr_socket_ready_state(socket),
        .connecting = tr_socket_connecting(socket),
        .pending = tr_socket_pending(socket),
        .destroyed = tr_socket_destroyed(socket),
    };
    tr_socket_local_address(socket, &info->local);
    tr_socket_remote_address(socket, &info->remote);
    tri_obey_secure_info(socket, info);
    const struct tr_proxy *proxy = tr_socket_proxy(socket);
    if (proxy != NULL) {
        info->proxy_version = proxy->version;
        info->proxy_source = proxy->source;
        info->proxy_destination = proxy->destination;
    }
    tri_info_answer(socket->home->worker, socket->actor, ask, sizeof(*info));
}

/* The operations that return something. */
static tr_status
ask_socket(tr_socket *socket, tr_message *message)
{
    const uint64_t *words = message->payload.words;
    const void *data = tr_message_data(message);
    switch (message->tag) {
    case TRI_TAG_SOCKET_CONNECT: return connect_by_order(socket, message->payload.pointer.address);
    case TRI_TAG_SOCKET_LOOKED_UP: return looked_up(socket, data);
    case TRI_TAG_SOCKET_WRITE: return tr_socket_write_slice(socket, message->payload.slice);
    case TRI_TAG_SOCKET_WRITE_ASK: return write_answered(socket, tr_message_take_pointer(message));
    case TRI_TAG_SOCKET_WRITE_CHECK: return write_checked(socket, tr_message_take_pointer(message));
    case TRI_TAG_SOCKET_WRITE_FD: return write_descriptor(socket, tr_message_take_pointer(message));
    case TRI_TAG_SOCKET_END_ASK: return end_answered(socket, tr_message_take_pointer(message));
    case TRI_TAG_SOCKET_END_WITH: return tr_socket_end_with(socket, message->payload.slice);
    case TRI_TAG_SOCKET_END: return tr_socket_end(socket);
    case TRI_TAG_SOCKET_RESET: return tr_socket_reset(socket);
    case TRI_TAG_SOCKET_ENCODING: return tr_socket_set_encoding(socket, (enum tr_encoding)words[0]);
    case TRI_TAG_SOCKET_TIMEOUT: return tr_socket_set_timeout(socket, words[0]);
    case TRI_TAG_SOCKET_NO_DELAY: return tr_socket_set_no_delay(socket, words[0] != 0);
    case TRI_TAG_SOCKET_KEEP_ALIVE: return tr_socket_set_keep_alive(socket, words[0] != 0, words[1]);
    case TRI_TAG_SOCKET_OWNER: return set_owner(socket, words[0], words[1]);
    case TRI_TAG_SOCKET_CONSUMER: return tr_socket_set_consumer(socket, words[0]);
    case TRI_TAG_SOCKET_SECURE: return tri_obey_secure(socket, message->payload.pointer.address);
    case TRI_TAG_SOCKET_PIPE: return begin_pipe(socket, tr_message_take_pointer(message));
    default: assert(!"a tag of socket_refusals without an operation"); return TR_EINVAL;
    }
}

enum refusal {
    CANNOT,  /* it returns nothing that could be a refusal */
    TELLS,   /* an answer or an event tells of it already, and nothing is left open or missing */
    FAILS,   /* the socket is destroyed with that status: what was asked for would be missing in what follows */
    CHANGES, /* the socket is destroyed if nothing has changed; otherwise the refusal itself has seen to it */
};

struct refusal_of {
    enum refusal refusal;
    enum tri_socket_call call; /* of the error event */
};

#define OF(tag) [TRI_TAG_SOCKET_##tag - TRI_TAG_SOCKET_CREDIT]

/*
 * What a refusal of each operation leads to. That the socket is destroyed already is told by its close event in every
 * case: destroying it again does nothing.
 */
static const struct refusal_of socket_refusals[TRI_TAG_SOCKET_INFO - TRI_TAG_SOCKET_CREDIT + 1] = {
    OF(CONNECT) = {FAILS, TRI_CALL_CONNECT},
    OF(LOOKED_UP) = {TELLS, 0}, /* too late: connect, error or close has come */
    OF(WRITE) = {CHANGES, TRI_CALL_WRITE},
    OF(WRITE_ASK) = {TELLS, 0},
    OF(WRITE_CHECK) = {TELLS, 0},
    OF(WRITE_FD) = {FAILS, TRI_CALL_WRITE},
    OF(END_ASK) = {TELLS, 0},
    OF(END_WITH) = {CHANGES, TRI_CALL_WRITE},
    OF(END) = {TELLS, 0}, /* close */
    OF(RESET) = {FAILS, TRI_CALL_DESTROY},
    OF(ENCODING) = {FAILS, TRI_CALL_READ},
    OF(TIMEOUT) = {FAILS, TRI_CALL_READ},
    OF(NO_DELAY) = {TELLS, 0}, /* the connection is gone, which reading tells */
    OF(KEEP_ALIVE) = {FAILS, TRI_CALL_READ},
    OF(OWNER) = {FAILS, TRI_CALL_READ},
    OF(CONSUMER) = {FAILS, TRI_CALL_READ},
    OF(SECURE) = {FAILS, TRI_CALL_READ},
    OF(PIPE) = {FAILS, TRI_CALL_READ},
};

static void
settle_refusal(tr_socket *socket, const struct refusal_of *of, tr_status status)
{
    if (of->refusal == FAILS || (of->refusal == CHANGES && tri_write_is_untold(status)))
        tri_socket_destroy(socket, status, 0, of->call);
}

/* What was published to a group of which it is a member (troupe/actors/group.h). Who publishes cannot know that its
 * side ends just now: that is no failed write, but a message that finds nobody. */
static void
write_published(tr_socket *socket, tr_message *message)
{
    static const struct refusal_of refusal = {CHANGES, TRI_CALL_WRITE};
    if (tri_socket_has_any(socket, TRI_SOCKET_ENDING | TRI_SOCKET_DESTROYED)) {
        tri_actor_bounce(socket->actor, message);
        return;
    }
    tr_status status = message->kind == TR_PAYLOAD_SLICE
                           ? tr_socket_write_slice(socket, message->payload.slice)
                           : tr_socket_write(socket, tr_message_data(message), tr_message_size(message));
    if (TRI_UNLIKELY(status < TR_OK))
        settle_refusal(socket, &refusal, status);
}

/* The operations that return nothing, and what is no operation of remote.h. */
static void
tell_socket(tr_socket *socket, tr_message *message)
{
    const uint64_t *words = message->payload.words;
    switch (message->tag) {
    case TRI_TAG_SOCKET_CREDIT: tri_events_credit(socket, message->from, (uint32_t)words[0]); break;
    case TRI_TAG_SOCKET_START: tri_connect_go(socket, words[0]); break;
    case TRI_TAG_SOCKET_CORK: tr_socket_cork(socket); break;
    case TRI_TAG_SOCKET_UNCORK: tr_socket_uncork(socket); break;
    case TRI_TAG_SOCKET_DESTROY: tr_socket_destroy(socket, (tr_status)(int64_t)words[0]); break;
    case TRI_TAG_SOCKET_DESTROY_WITH: tr_socket_destroy_with(socket, (const char *)(uintptr_t)words[0]); break;
    case TRI_TAG_SOCKET_PAUSE: tr_socket_pause(socket); break;
    case TRI_TAG_SOCKET_RESUME: tr_socket_resume(socket); break;
    case TRI_TAG_SOCKET_BACKGROUND: tr_socket_set_background(socket, words[0] != 0); break;
    case TRI_TAG_SOCKET_AWAITS: tr_socket_set_awaits(socket, words[0] != 0); break;
    case TRI_TAG_SOCKET_UNPIPE: tr_socket_unpipe(socket); break;
    case TRI_TAG_SOCKET_UPDATE_KEYS: tri_obey_update_keys(socket, tr_message_take_pointer(message)); break;
    case TRI_TAG_SOCKET_PEER: tri_obey_peer(socket, tr_message_take_pointer(message)); break;
    case TRI_TAG_SOCKET_INFO: answer_socket_info(socket, tr_message_take_pointer(message)); break;
    case TRI_TAG_SOCKET_ANSWER: tri_connect_answer(socket, message); break;
    case TRI_TAG_SOCKET_DRAIN: tri_socket_drain(socket); break;
    case TRI_TAG_SOCKET_PEER_ENDED: tri_socket_end_with_peer(socket); break;
    case TRI_TAG_PUBLISHED: write_published(socket, message); break;
    case TRI_TAG_UNDELIVERED:
        tri_events_owner_gone(socket, words[0]);
        tri_pipe_undelivered(socket, words[0]);
        break;
    default: tri_pipe_receive(socket, message); break;
    }
}

void
tri_socket_obey(tr_socket *socket, tr_message *message)
{
    uint32_t place = message->tag - TRI_TAG_SOCKET_CREDIT;
    const struct refusal_of *of = place <= TRI_TAG_SOCKET_INFO - TRI_TAG_SOCKET_CREDIT ? &socket_refusals[place] : NULL;
    if (of == NULL || of->refusal == CANNOT) {
        tell_socket(socket, message);
        return;
    }
    tr_status status = ask_socket(socket, message);
    if (TRI_UNLIKELY(status < TR_OK))
        settle_refusal(socket, of, status);
}
