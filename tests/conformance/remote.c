/*
 * Sockets that an actor drives from a distance: it is their owner, with a credit of one event, and lives on the first
 * worker with the servers. It answers each event when the rules have been followed.
 *
 * What a call would have returned at once comes as a message here, in its place among the events.
 *
 * A descriptor is wrapped where the socket lives, and paused until the owner has heard of it and followed the rules.
 * The end of the other side is told even so; such an event may overtake the word that the socket is there and is kept
 * until then.
 */
#include <troupe/net/remote.h>

#include "stage.h"

#include <stdlib.h>
#include <string.h>

struct stash {
    enum tr_event event;
    tr_message message;
    struct stash *next;
};

static tr_actor *
owner(const struct endpoint *endpoint)
{
    return endpoint->play->selves[0];
}

/* Not at home, if there is another place. */
unsigned
remote_balance(const struct tr_balance_view *view)
{
    if (view->workers == 1)
        return view->home;
    return (view->home + 1 + (unsigned)(view->sequence % (view->workers - 1))) % view->workers;
}

tr_status
remote_make(struct endpoint *endpoint)
{
    struct tr_socket_options options = socket_options(endpoint);
    struct tr_spawn_options placement = {.placement = TR_PLACE_WORKER, .worker = endpoint->home};
    tr_status status = tr_remote_socket(owner(endpoint), &options, &placement, &endpoint->ref);
    if (status == TR_OK)
        name_in_trace(owner(endpoint), endpoint, endpoint->ref);
    return status;
}

/* Writing. */

static uint64_t
token(const struct ask *ask)
{
    return (uintptr_t)ask;
}

/*
 * Either what a write returned or what became of it can be asked for. Where both are wanted an empty write that
 * follows tells whether so much waits that the writer should stop.
 */
static tr_status
write_once(struct endpoint *endpoint, const struct action *action, tr_slice slice)
{
    tr_actor *self = owner(endpoint);
    tr_status status = TR_OK;
    if (!action->ret && action->cb == NULL)
        return tr_remote_write(self, endpoint->ref, slice);
    if (action->cb != NULL) {
        struct ask *ask = ask_new(endpoint, action);
        status = tr_remote_write_ask(self, endpoint->ref, slice, TAG_WRITTEN, token(ask));
        slice = tr_slice_constant("", 0);
    }
    if (action->ret && status == TR_OK) {
        struct ask *ask = ask_new(endpoint, action);
        status = tr_remote_write_check(self, endpoint->ref, slice, TAG_CHECKED, token(ask));
    }
    return status;
}

static tr_status
write_all(struct endpoint *endpoint, const struct action *action)
{
    tr_slice slice;
    tr_status status = payload_slice(action, &slice);
    if (status != TR_OK)
        return status;
    for (unsigned i = 0; i < action->times && status == TR_OK; i++)
        status = write_once(endpoint, action, slice);
    tr_slice_release(slice);
    return status;
}

static tr_status
end(struct endpoint *endpoint, const struct action *action)
{
    tr_actor *self = owner(endpoint);
    tr_slice slice = tr_slice_constant(NULL, 0);
    tr_status status = TR_OK;
    if (action->payload.given)
        status = payload_slice(action, &slice);
    if (status != TR_OK)
        return status;
    if (action->cb != NULL)
        status = tr_remote_end_ask(self, endpoint->ref, slice, TAG_WRITTEN, token(ask_new(endpoint, action)));
    else if (action->payload.given)
        status = tr_remote_end_with(self, endpoint->ref, slice);
    else
        status = tr_remote_end(self, endpoint->ref);
    tr_slice_release(slice);
    return status;
}

/* The other actions. */

static tr_status
connect_it(struct endpoint *endpoint, const struct action *action)
{
    struct tr_connect_options options = connect_options(endpoint, action);
    uint64_t timeout_ms = options.timeout_ms;
    if (endpoint->state != STATE_OPEN)
        endpoint->state = STATE_OPENING;
    endpoint->user_code = NULL;
    endpoint->lookup_code = action->lookup_error;
    listen_once(endpoint, EVENT_CONNECT, action->cb, NULL);
    tr_status status = tr_remote_connect(owner(endpoint), endpoint->ref, &options);
    if (status != TR_OK && timeout_ms > 0)
        tr_remote_set_timeout(owner(endpoint), endpoint->ref, timeout_ms);
    if (status != TR_OK)
        return status;
    endpoint->state = STATE_OPEN;
    endpoint->begun = true;
    if (endpoint->no_data)
        socket_resume(endpoint);
    return TR_OK;
}

static tr_status
wrap(struct endpoint *endpoint, const struct action *action)
{
    struct play *play = endpoint->play;
    struct wrapping *wrapping = wrapping_new(endpoint, action);
    tr_message message = tr_message_pointer(TAG_WRAP, wrapping, sizeof(*wrapping), wrapping_free);
    endpoint->wrapping = true;
    tr_status status = tr_send(play->selves[0], play->hands[endpoint->home], &message);
    if (status != TR_OK)
        tr_message_drop(&message);
    return status;
}

static tr_status
destroy(struct endpoint *endpoint, const struct action *action)
{
    if (action->error == NULL)
        return tr_remote_destroy(owner(endpoint), endpoint->ref, TR_OK);
    if (endpoint->user_code == NULL)
        endpoint->user_code = action->error;
    return tr_remote_destroy_with(owner(endpoint), endpoint->ref, action->error);
}

static tr_status
set_timeout(struct endpoint *endpoint, const struct action *action)
{
    tr_status status = tr_remote_set_timeout(owner(endpoint), endpoint->ref, endpoint->play->scale * action->ms);
    if (status == TR_OK && action->ms > 0 && endpoint->state != STATE_CLOSED)
        listen_once(endpoint, EVENT_TIMEOUT, action->cb, NULL);
    return status;
}

static tr_status
set_encoding(struct endpoint *endpoint, const struct action *action)
{
    tr_status status = tr_remote_set_encoding(owner(endpoint), endpoint->ref, action->encoding);
    if (status == TR_OK)
        endpoint->reads_text = true;
    return status;
}

tr_status
remote_act(struct endpoint *endpoint, const struct action *action, const tr_slice *chunk)
{
    tr_actor *self = owner(endpoint);
    tr_ref ref = endpoint->ref;
    switch (action->act) {
    case ACT_CONNECT: return connect_it(endpoint, action);
    case ACT_WRAP: return wrap(endpoint, action);
    case ACT_WRITE: return write_all(endpoint, action);
    case ACT_ECHO: return tr_remote_write(self, ref, *chunk);
    case ACT_END: return end(endpoint, action);
    case ACT_DESTROY: return destroy(endpoint, action);
    case ACT_RESET: return tr_remote_reset(self, ref);
    case ACT_PAUSE: endpoint->was_paused = true; return tr_remote_pause(self, ref);
    case ACT_RESUME: endpoint->was_paused = false; return tr_remote_resume(self, ref);
    case ACT_SET_TIMEOUT: return set_timeout(endpoint, action);
    case ACT_SET_NO_DELAY: return tr_remote_set_no_delay(self, ref, action->on || !action->has_on);
    case ACT_SET_KEEP_ALIVE: return tr_remote_set_keep_alive(self, ref, action->on, action->ms);
    case ACT_SET_ENCODING: return set_encoding(endpoint, action);
    case ACT_REF: return tr_remote_set_background(self, ref, false);
    case ACT_UNREF: return tr_remote_set_background(self, ref, true);
    case ACT_GET: return tr_remote_socket_info(self, ref, TAG_INFO, token(ask_new(endpoint, action)));
    default: return TR_ENOTSUPPORTED; /* the scenario was checked */
    }
}

/* Answers. */

static struct ask *
ask_of(uint64_t number)
{
    return (struct ask *)(uintptr_t)number;
}

static void
on_checked(const struct tr_remote_accepted *accepted)
{
    const struct ask *ask = ask_of(accepted->token);
    record(ask->endpoint, json_pack("[s,s,b]", "ret", "write", accepted->status == TR_OK));
}

static void
on_written(const struct tr_remote_written *written)
{
    socket_tell_written(ask_of(written->token), written->status);
}

static void
on_info(const struct tr_socket_info *info)
{
    const struct ask *ask = ask_of(info->token);
    record(ask->endpoint, socket_properties(ask->endpoint, ask->action, info));
}

void
remote_answer(struct play *play, const tr_message *message)
{
    if (!baton_take(play, 0))
        return;
    switch (message->tag) {
    case TAG_CHECKED: on_checked(tr_message_data(message)); break;
    case TAG_WRITTEN: on_written(tr_message_data(message)); break;
    default: on_info(tr_message_data(message));
    }
    baton_give(play);
}

/* Events. */

static struct endpoint *
find_socket(struct play *play, tr_ref ref)
{
    struct endpoint *endpoint = play->endpoints;
    while (endpoint != NULL && (endpoint->is_server || endpoint->ref != ref))
        endpoint = endpoint->next;
    return endpoint;
}

static struct endpoint *
find_server(struct play *play, tr_ref ref)
{
    struct endpoint *endpoint = play->endpoints;
    while (endpoint != NULL && (!endpoint->is_server || tr_server_ref(endpoint->server) != ref))
        endpoint = endpoint->next;
    return endpoint;
}

static void
on_connection(struct play *play, const tr_message *message)
{
    const struct tr_connection *connection = tr_message_data(message);
    struct endpoint *server = find_server(play, connection->server);
    struct endpoint *endpoint = server_accepted(server, connection->number, 0);
    endpoint->ref = message->from;
    name_in_trace(play->selves[0], endpoint, endpoint->ref);
    server_tell_accepted(server, endpoint);
}

static void
on_lookup(struct endpoint *endpoint, const tr_message *message)
{
    const struct tr_lookup_event *lookup = tr_message_data(message);
    bool failed = lookup->error.status != TR_OK;
    socket_tell_lookup(endpoint, failed ? &lookup->error : NULL, &lookup->address, lookup->host);
}

static void
on_data(struct endpoint *endpoint, const tr_message *message)
{
    if (!endpoint->no_data)
        happen_data(endpoint, message->payload.slice);
    else
        told(endpoint, json_pack("[s,I]", "data", (json_int_t)message->payload.slice.size));
}

static void
tell(struct endpoint *endpoint, enum tr_event event, const tr_message *message)
{
    switch (event) {
    case TR_EVENT_LOOKUP: on_lookup(endpoint, message); break;
    case TR_EVENT_CONNECT: happen(endpoint, EVENT_CONNECT, NULL); break;
    case TR_EVENT_READY: happen(endpoint, EVENT_READY, NULL); break;
    case TR_EVENT_SECURE: break; /* what is played knows of none */
    case TR_EVENT_DATA: on_data(endpoint, message); break;
    case TR_EVENT_END: happen(endpoint, EVENT_END, NULL); break;
    case TR_EVENT_DRAIN: happen(endpoint, EVENT_DRAIN, NULL); break;
    case TR_EVENT_TIMEOUT: happen(endpoint, EVENT_TIMEOUT, NULL); break;
    case TR_EVENT_ERROR: socket_tell_error(endpoint, tr_message_data(message)); break;
    case TR_EVENT_CLOSE: socket_tell_close(endpoint, *(const bool *)tr_message_data(message)); break;
    default: trouble(endpoint->play, "%s got an event of an unknown kind", endpoint->name);
    }
}

static void
stash_away(struct play *play, enum tr_event event, tr_message *message)
{
    struct stash *stash = calloc(1, sizeof(*stash));
    if (stash == NULL)
        abort();
    stash->event = event;
    stash->message = *message;
    *message = tr_message_signal(0);
    stash->next = play->stashes;
    play->stashes = stash;
}

void
stashes_free(struct play *play)
{
    while (play->stashes != NULL) {
        struct stash *stash = play->stashes;
        play->stashes = stash->next;
        tr_message_drop(&stash->message);
        free(stash);
    }
}

static void
answer(struct play *play, tr_ref socket)
{
    tr_remote_credit(play->selves[0], socket, 1);
}

/* Events, then the answer to each. */
static void
handle(struct play *play, enum tr_event event, tr_message *message)
{
    tr_ref socket = message->from;
    struct endpoint *endpoint = find_socket(play, socket);
    if (event == TR_EVENT_CONNECTION) {
        on_connection(play, message);
    } else if (endpoint == NULL) {
        stash_away(play, event, message);
        return;
    } else {
        tell(endpoint, event, message);
    }
    answer(play, socket);
}

/* When the play is over the sockets must still get their answers to come to an end. */
void
remote_event(struct play *play, enum tr_event event, tr_message *message)
{
    if (!baton_take(play, 0)) {
        answer(play, message->from);
        return;
    }
    handle(play, event, message);
    baton_give(play);
}

/* Wrapping. */

/* On the socket's worker, which has no say but this. */
void
remote_wrapped(struct wrapping *wrapping)
{
    struct endpoint *endpoint = wrapping->endpoint;
    struct play *play = endpoint->play;
    tr_actor *self = play->selves[endpoint->home];
    struct tr_socket_options options = socket_options(endpoint);
    tr_socket *socket;
    if (wrapping->fd >= 0 &&
        tr_socket_adopt(self, wrapping->fd, wrapping_sides(wrapping), &options, &socket) == TR_OK) {
        tr_socket_pause(socket);
        (void)secure_wrapped(play, socket); /* what is refused is a difference */
        wrapping->ref = tr_socket_ref(socket);
        wrapping->fd = -1;
    }
    tr_message message = tr_message_pointer(TAG_ADOPTED, wrapping, sizeof(*wrapping), wrapping_free);
    if (tr_send(self, play->hands[0], &message) != TR_OK)
        tr_message_drop(&message);
}

static void
handle_stash(struct play *play, tr_ref from)
{
    struct stash **link = &play->stashes;
    while (*link != NULL && (*link)->message.from != from)
        link = &(*link)->next;
    struct stash *stash = *link;
    if (stash == NULL)
        return;
    *link = stash->next;
    handle(play, stash->event, &stash->message);
    tr_message_drop(&stash->message);
    free(stash);
}

void
remote_adopted(struct wrapping *wrapping)
{
    struct endpoint *endpoint = wrapping->endpoint;
    struct play *play = endpoint->play;
    if (!baton_take(play, 0)) {
        answer(play, wrapping->ref); /* to an event that may have come before */
        return;
    }
    play->sleeping--;
    if (wrapping->ref != TR_NOBODY) {
        endpoint->ref = wrapping->ref;
        name_in_trace(play->selves[0], endpoint, endpoint->ref);
        endpoint->begun = true;
        endpoint->was_paused = endpoint->no_data;
        happen(endpoint, EVENT_WRAPPED, NULL);
        if (!endpoint->was_paused)
            tr_remote_resume(play->selves[0], endpoint->ref);
        handle_stash(play, endpoint->ref);
    } else {
        trouble(play, "%s could not be wrapped", endpoint->name);
    }
    tr_runtime_release(play->runtime);
    baton_give(play);
}
