/*
 * Telling: an event calls the user's callback, or becomes a message to the socket's owner.
 *
 * A message takes one credit. Without any left the socket waits (turn.c) until the owner gives some back; so
 * the owner's mailbox holds at most so many events of one socket, and its operations, which come before the credit,
 * find the socket as they would have found it inside the callback. Only the descriptors that come with one message are
 * told together, credit or not: they exist already and have to go somewhere.
 *
 * With more than one credit the peer's end may come while the owner still answers what came before it. Our side does
 * not end with the peer's then until every event is answered (holds_end): the answers may be writes.
 *
 * An owner that is gone is noticed by the event that finds nobody: the send fails if it lived on this worker and
 * nothing of it waits here, else a notice of the actors' layer comes back. A socket that waits for answers sends no
 * events, so it would not notice an owner that died after it had taken the event and before it answered. Therefore a
 * socket that has waited for ASK_MS asks the actors' layer whether the owner is there, again and again; when it is
 * asked to stop, at once and more often. Its timer is started when it waits for the first time and afterwards only
 * touched, so that answering in time costs a store; its place among the worker's timers is kept from the beginning on,
 * since without it nobody would ask. When it has waited for the watchdog's time it is named on stderr:
 * an answer that the program forgot is otherwise seen nowhere.
 *
 * A socket whose owner is gone is destroyed and not kept; nobody hears what follows.
 *
 * An event that is lost for lack of memory destroys the socket with TR_ENOMEM. The close event is not lost: the memory
 * for that word is there as long as there is an owner. A connection that the owner cannot be told of is one that has
 * failed, as its server says.
 */
#include "events_internal.h"

#include "destroy.h"
#include "pace.h"
#include "turn.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/delay.h>
#include <troupe/core/descriptors.h>
#include <troupe/core/runtime.h>
#include <troupe/core/say.h>
#include <troupe/core/trace_format.h>
#include <troupe/net/tls.h>

#define ASK_MS 1000u
#define ASK_STOPPING_MS 50u
#define OWNER_IS_GONE INT64_MAX /* in place of a credit */

tr_status
tri_events_check_owner(const struct tr_runtime *runtime, const struct tr_owner *owner)
{
    bool is_one = owner->actor == TR_NOBODY || tr_ref_worker(owner->actor) < tr_runtime_workers(runtime);
    return is_one ? TR_OK : TR_EBADREF;
}

static struct tri_timers *
timers_of(const tr_socket *socket)
{
    return &socket->home->worker->timers;
}

static bool
has_owner(const tr_socket *socket)
{
    return TRI_UNLIKELY(tri_socket_has_any(socket, TRI_SOCKET_SPECIAL)) && socket->extra->owner != TR_NOBODY;
}

/* Takes what must not be missing later. */
static tr_status
prepare_for_owner(tr_socket *socket)
{
    struct tri_extra *extra = socket->extra;
    if (extra->last_word == NULL)
        extra->last_word = malloc(sizeof(*extra->last_word));
    return extra->last_word != NULL ? tri_timer_keep(timers_of(socket), &extra->owner_watch.timer) : TR_ENOMEM;
}

tr_status
tri_events_begin(tr_socket *socket)
{
    return has_owner(socket) ? prepare_for_owner(socket) : TR_OK;
}

tr_status
tri_events_set_owner(tr_socket *socket, const struct tr_owner *owner)
{
    struct tri_extra *extra = socket->extra;
    if (owner->actor != TR_NOBODY && prepare_for_owner(socket) != TR_OK)
        return TR_ENOMEM;
    extra->owner = owner->actor;
    extra->full_credit = owner->credit != 0 ? owner->credit : TR_OWNER_CREDIT;
    extra->credit = extra->full_credit;
    return TR_OK;
}

/* Looking after the owner. */

/* Does anything wait for an answer of the owner's? */
static bool
waits_for_owner(const tr_socket *socket)
{
    return tri_socket_lacks_credit(socket) || (socket->extra != NULL && socket->extra->holds_end);
}

static void on_watch(struct tri_timeout *watch);

/* The time after which a callback, and a wait for an owner, is reported; 0: never. */
static uint64_t
patience_ms(const tr_socket *socket)
{
    int watchdog_ms = socket->home->worker->runtime->options.watchdog_ms;
    return watchdog_ms > 0 ? (uint64_t)watchdog_ms : 0;
}

static uint64_t
ask_after_ms(const tr_socket *socket)
{
    uint64_t patience = patience_ms(socket);
    if (tri_socket_has_any(socket, TRI_SOCKET_STOPS))
        return ASK_STOPPING_MS;
    return patience > 0 && patience < ASK_MS ? patience : ASK_MS;
}

static void
watch_owner(tr_socket *socket)
{
    struct tri_timeout *watch = &socket->extra->owner_watch;
    watch->fire = on_watch;
    if (watch->timer.place > 0) {
        tri_timeout_touch(watch);
        return;
    }
    tr_status status = tri_timeout_start(timers_of(socket), watch, ask_after_ms(socket));
    assert(status == TR_OK); /* its place is kept */
    (void)status;            /* in a Release build nobody asks */
}

static void
begin_to_wait(tr_socket *socket)
{
    socket->extra->waits_ms = tri_clock_ms();
    watch_owner(socket);
}

/* A forgotten tr_remote_credit() looks like nothing at all. Each socket is named once, one for each worker and time. */
static void
name_if_too_long(tr_socket *socket)
{
    struct tri_extra *extra = socket->extra;
    uint64_t now_ms = tri_clock_ms(), patience = patience_ms(socket);
    bool too_long = patience > 0 && now_ms - extra->waits_ms >= patience;
    if (!too_long || extra->named || now_ms - socket->home->named_ms < patience)
        return;
    extra->named = true;
    socket->home->named_ms = now_ms;
    tr_ref self = tr_self(socket->actor), owner = extra->owner;
    tri_say("socket " TRI_TRACE_REF_FORMAT " has waited %" PRIu64 " ms for its owner " TRI_TRACE_REF_FORMAT
            " to answer an event with tr_remote_credit(), and is not read",
            TRI_TRACE_REF_WORDS(self), now_ms - extra->waits_ms, TRI_TRACE_REF_WORDS(owner));
}

static void
on_watch(struct tri_timeout *watch)
{
    struct tri_extra *extra = TRI_CONTAINER_OF(watch, struct tri_extra, owner_watch);
    if (!waits_for_owner(extra->socket))
        return; /* it begins anew when the credit is used up */
    name_if_too_long(extra->socket);
    /* If there is no memory to ask it is asked the next time. */
    (void)tri_actor_probe(extra->socket->home->worker, tr_self(extra->socket->actor), extra->owner);
    watch_owner(extra->socket);
}

void
tri_events_end(tr_socket *socket)
{
    tri_timer_let_go(timers_of(socket), &socket->extra->owner_watch.timer);
    free(socket->extra->last_word);
    socket->extra->last_word = NULL;
}

void
tri_events_ask_owner(tr_socket *socket)
{
    if (!waits_for_owner(socket))
        return;
    tri_timeout_stop(timers_of(socket), &socket->extra->owner_watch); /* from now on it is asked more often */
    on_watch(&socket->extra->owner_watch);
}

void
tri_events_owner_gone(tr_socket *socket, tr_ref owner)
{
    if (!has_owner(socket) || socket->extra->owner != owner)
        return;
    socket->extra->credit = OWNER_IS_GONE;
    tri_socket_set_wish(socket, TRI_WISH_KEEP, false);
    tri_socket_destroy(socket, TR_OK, 0, TRI_CALL_DESTROY);
    if (tri_socket_has_any(socket, TRI_SOCKET_CLOSED))
        tri_socket_due(socket, TRI_STEP(OVER));
}

/* There was no memory for an event. */
static void
lose_event(tr_socket *socket, enum tr_event event, tr_message message)
{
    struct tri_extra *extra = socket->extra;
    struct tri_worker *worker = socket->home->worker;
    if (event == TR_EVENT_CLOSE) {
        struct tri_word *word = extra->last_word;
        extra->last_word = NULL;
        word->done = tri_word_free;
        tri_word_send(worker, word, tr_self(socket->actor), extra->owner, message);
    } else {
        tri_socket_destroy(socket, TR_ENOMEM, 0, TRI_CALL_READ);
    }
}

/* TR_OK; TR_ENOMEM: the event is lost. */
static tr_status
send_to_owner(tr_socket *socket, tr_message message)
{
    struct tri_extra *extra = socket->extra;
    if (extra->credit == OWNER_IS_GONE) {
        tr_message_drop(&message);
        return TR_OK;
    }
    tr_status status = tri_send_system(socket->home->worker, socket->actor, extra->owner, &message);
    if (status == TR_ENOMEM)
        return status;
    if (status != TR_OK)
        tri_events_owner_gone(socket, extra->owner);
    else if (--extra->credit == 0) {
        begin_to_wait(socket);
        tri_pace_look(socket);
    }
    return TR_OK;
}

static void
tell_owner(tr_socket *socket, enum tr_event event, tr_message message)
{
    message.tag = TR_TAG_SOCKET_EVENT + event;
    if (send_to_owner(socket, message) != TR_OK)
        lose_event(socket, event, message); /* that of a close event lies in the message */
}

tr_status
tri_events_connection(tr_socket *socket, void (*connection)(tr_socket *socket))
{
    if (has_owner(socket)) {
        struct tr_connection event = {.server = socket->origin->server, .number = tri_socket_number(socket)};
        return send_to_owner(socket, tr_message_copy(TR_TAG_SOCKET_EVENT + TR_EVENT_CONNECTION, &event, sizeof(event)));
    }
    if (connection != NULL)
        connection(socket);
    return TR_OK;
}

/* One piece of memory for the event and the host's name. */
static tr_message
lookup_message(const struct tr_error *error, const struct tr_address *address, const char *host)
{
    size_t size = strlen(host) + 1;
    struct tr_lookup_event *event = calloc(1, sizeof(*event) + size);
    if (event == NULL)
        return (tr_message){.kind = TR_PAYLOAD_INVALID};
    if (error != NULL)
        event->error = *error;
    if (address != NULL)
        event->address = *address;
    event->host = memcpy(event + 1, host, size);
    return tr_message_pointer(0, event, sizeof(*event) + size, free);
}

void
tri_events_lookup(tr_socket *socket, const struct tr_error *error, const struct tr_address *address, const char *host)
{
    if (error != NULL)
        tri_events_trace_code(socket, error);
    tri_trace_socket_lookup(socket, error != NULL ? error->status : TR_OK);
    if (has_owner(socket))
        tell_owner(socket, TR_EVENT_LOOKUP, lookup_message(error, address, host));
    else if (socket->events->lookup != NULL)
        socket->events->lookup(socket, error, address, host);
}

typedef void (*plain_callback)(tr_socket *socket);

static plain_callback
callback_of(const struct tr_socket_events *events, enum tr_event event)
{
    switch (event) {
    case TR_EVENT_CONNECT: return events->connect;
    case TR_EVENT_READY: return events->ready;
    case TR_EVENT_END: return events->end;
    case TR_EVENT_DRAIN: return events->drain;
    case TR_EVENT_TIMEOUT: return events->timeout;
    case TR_EVENT_GOAWAY: return events->goaway;
    default: return NULL;
    }
}

void
tri_events_plain(tr_socket *socket, enum tr_event event)
{
    plain_callback callback;
    if (has_owner(socket))
        tell_owner(socket, event, tr_message_signal(0));
    else if ((callback = callback_of(socket->events, event)) != NULL)
        callback(socket);
}

void
tri_events_secure(tr_socket *socket, const struct tr_secured *secured)
{
    if (has_owner(socket))
        tell_owner(socket, TR_EVENT_SECURE, tr_message_copy(0, secured, sizeof(*secured)));
    else if (socket->events->secure != NULL)
        socket->events->secure(socket);
}

void
tri_events_data(tr_socket *socket, tr_slice data)
{
    if (has_owner(socket)) {
        tr_slice_hold(data);
        tell_owner(socket, TR_EVENT_DATA, tr_message_slice(0, data));
    } else if (socket->events->data != NULL) {
        socket->events->data(socket, data);
    }
}

/* Descriptors in messages: one is added, because 0 is a descriptor and NULL would be no payload. */

static void
close_descriptor(void *address)
{
    tri_close((int)(intptr_t)address - 1);
}

int
tr_event_take_fd(tr_message *message)
{
    if (message == NULL || message->kind != TR_PAYLOAD_POINTER || message->payload.pointer.destroy != close_descriptor)
        return -1;
    return (int)(intptr_t)tr_message_take_pointer(message) - 1;
}

void
tri_events_fd(tr_socket *socket, int fd)
{
    tri_trace_socket_fd(socket);
    if (has_owner(socket))
        tell_owner(socket, TR_EVENT_FD, tr_message_pointer(0, (void *)(intptr_t)(fd + 1), 0, close_descriptor));
    else if (socket->events->fd != NULL)
        socket->events->fd(socket, fd);
    else
        tri_close(fd);
}

void
tri_events_trace_code(const tr_socket *socket, const struct tr_error *error)
{
    const struct tri_worker *worker = socket->home->worker;
    if (TRI_LIKELY(worker->trace == NULL) || strcmp(error->code, tr_status_code(error->status)) == 0)
        return;
    struct tri_trace *trace = tri_runtime_trace(worker->runtime);
    tri_trace_socket_code(socket, tri_trace_name_again(trace, worker->trace, error->code));
}

void
tri_events_error(tr_socket *socket, const struct tr_error *error)
{
    if (has_owner(socket))
        tell_owner(socket, TR_EVENT_ERROR, tr_message_copy(0, error, sizeof(*error)));
    else if (socket->events->error != NULL)
        socket->events->error(socket, error);
}

void
tri_events_close(tr_socket *socket, bool had_error)
{
    if (has_owner(socket))
        tell_owner(socket, TR_EVENT_CLOSE, tr_message_copy(0, &had_error, sizeof(had_error)));
    else if (socket->events->close != NULL)
        socket->events->close(socket, had_error);
}

bool
tri_events_hold_end(tr_socket *socket)
{
    if (!has_owner(socket) || tri_socket_has_any(socket, TRI_SOCKET_ENDING | TRI_SOCKET_DESTROYED) ||
        tri_socket_wishes(socket, TRI_WISH_HALF_OPEN) || socket->extra->credit >= socket->extra->full_credit)
        return false;
    socket->extra->holds_end = true;
    begin_to_wait(socket);
    return true;
}

void
tri_events_release_end(tr_socket *socket)
{
    if (!socket->extra->holds_end)
        return;
    socket->extra->holds_end = false;
    if (!tri_socket_has_any(socket, TRI_SOCKET_DESTROYED))
        tri_socket_due(socket, TRI_STEP(AFTER_END));
}

void
tri_events_credit(tr_socket *socket, tr_ref from, uint32_t events)
{
    if (!has_owner(socket) || socket->extra->owner != from || socket->extra->credit == OWNER_IS_GONE)
        return;
    int64_t *credit = &socket->extra->credit;
    *credit = *credit > UINT32_MAX ? *credit : *credit + events;
    tri_pace_look(socket);
    if (TRI_UNLIKELY(socket->extra->holds_end) && *credit >= socket->extra->full_credit)
        tri_events_release_end(socket);
}
