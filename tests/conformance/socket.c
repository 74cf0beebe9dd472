/*
 * Sockets: what is the same whether they are driven directly or from a distance.
 */
#include "stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/net/remote.h>
#include <unistd.h>

#define LOOK_UP_MS 1u /* "not at once" */

struct tr_socket_options
socket_options(struct endpoint *endpoint)
{
    struct play *play = endpoint->play;
    struct tr_socket_options options = {
        .events = endpoint->no_data ? &local_events_without_data : &local_events,
        .allow_half_open = endpoint->allow_half_open,
        .keep = true,
        .high_water = STREAM_HIGH_WATER,
    };
    if (!endpoint->is_server)
        options.data = endpoint;
    if (play->options->remote)
        options.owner = (struct tr_owner){.actor = play->hands[0], .credit = 1};
    return options;
}

/* Looking up. */

static void
on_question(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data)
{
    (void)host;
    (void)family;
    struct endpoint *endpoint = tr_socket_data(socket);
    struct play *play = endpoint->play;
    struct looked_up question = {.socket = socket, .ref = tr_socket_ref(socket), .action = lookup_data};
    tr_message message = tr_message_copy(TAG_LOOKED_UP, &question, sizeof(question));
    tr_actor *self = tr_socket_actor(socket);
    if (tr_send_after(self, play->hands[endpoint->worker], LOOK_UP_MS, &message, NULL) != TR_OK)
        tr_message_drop(&message);
}

/* A code that is the library's stands for its status, any other for itself. */
static struct tr_error
error_of(const char *code)
{
    static const tr_status known[] = {
#define STATUS(constant, value, text, sentence) constant,
        TR_STATUS_MAP(STATUS)
#undef STATUS
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i] < 0 && strcmp(tr_status_code(known[i]), code) == 0)
            return (struct tr_error){.status = known[i], .call = "lookup", .code = tr_status_code(known[i])};
    return (struct tr_error){.status = TR_EUSER, .call = "lookup", .code = code};
}

static tr_status
look_up_with(struct play *play, tr_actor *self, const struct looked_up *question, const struct tr_error *error,
             const struct tr_address *address)
{
    unsigned count = address != NULL ? 1 : 0;
    return play->options->remote ? tr_remote_looked_up(self, question->ref, error, address, count)
                                 : tr_socket_looked_up(question->socket, error, address, count);
}

/* An answer that the library refuses, since it is no address, is an error. */
void
look_up_answer(struct play *play, tr_actor *self, const struct looked_up *question)
{
    const struct action *action = question->action;
    struct tr_error error;
    struct tr_address address = {.family = (enum tr_family)action->lookup_family};
    bool failed = action->lookup_error != NULL;
    if (failed)
        error = error_of(action->lookup_error);
    else
        snprintf(address.text, sizeof(address.text), "%s", action->lookup_address);
    tr_status status = look_up_with(play, self, question, failed ? &error : NULL, failed ? NULL : &address);
    if (status != TR_OK && status != TR_EGONE) {
        error = error_of(tr_status_code(status));
        look_up_with(play, self, question, &error, NULL);
    }
}

/* The reference runner sets it before it connects; Node does not heed that on a socket which is closed. */
uint64_t
connect_timeout(const struct endpoint *endpoint, const struct action *action)
{
    bool is_set = action->has_timeout && endpoint->state != STATE_CLOSED;
    return is_set ? endpoint->play->scale * action->ms : 0;
}

struct tr_connect_options
connect_options(struct endpoint *endpoint, const struct action *action)
{
    struct play *play = endpoint->play;
    const struct address *address = address_find(play, action->to);
    struct tr_connect_options options = {.timeout_ms = connect_timeout(endpoint, action), .truncate_path = true};
    if (play->serving != NULL)
        options.tls = &play->calling;
    if (action->nothing)
        return options;
    if (play->transport == UNIX) {
        options.path = address->path;
        return options;
    }
    options.port = (uint16_t)address->port;
    if (action->host_is == HOST_LOOPBACK)
        options.host = loopback(play);
    else if (action->host_is == HOST_GIVEN)
        options.host = action->host;
    options.family = (enum tr_family)action->family;
    options.local_address = action->local_address;
    if (action->local_port != NULL)
        options.local_port = (uint16_t)address_find(play, action->local_port)->port;
    if (action->has_lookup) {
        options.lookup = on_question;
        options.lookup_data = (void *)(uintptr_t)action;
    }
    return options;
}

/* Events. */

void
socket_tell_error(struct endpoint *endpoint, const struct tr_error *error)
{
    happen(endpoint, EVENT_ERROR, json_pack("[s,s]", "error", error->code));
}

/* Of a socket that nobody had connected Node's close event has no argument. */
void
socket_tell_close(struct endpoint *endpoint, bool had_error)
{
    bool was_begun = endpoint->begun;
    endpoint->begun = false;
    endpoint->state = STATE_CLOSED;
    told(endpoint, json_pack("[s,b]", "close", had_error));
    happen(endpoint, EVENT_CLOSE, json_pack("[s,o]", "close", was_begun ? json_boolean(had_error) : json_null()));
}

void
socket_tell_lookup(struct endpoint *endpoint, const struct tr_error *error, const struct tr_address *address,
                   const char *host)
{
    if (error != NULL && endpoint->user_code == NULL)
        endpoint->user_code = endpoint->lookup_code;
    json_t *entry = error != NULL ? json_pack("[s,s,n,n,s]", "lookup", error->code, host)
                                  : json_pack("[s,n,s,i,s]", "lookup", address->text, (int)address->family, host);
    happen(endpoint, EVENT_LOOKUP, entry);
}

/* Properties. */

static json_t *
text_of(const struct tr_address *address)
{
    bool is_internet = address->family == TR_FAMILY_IPV4 || address->family == TR_FAMILY_IPV6;
    return is_internet ? json_string(address->text) : json_null();
}

static json_t *
family_of(const struct tr_address *address)
{
    switch (address->family) {
    case TR_FAMILY_IPV4: return json_string("IPv4");
    case TR_FAMILY_IPV6: return json_string("IPv6");
    default: return json_null();
    }
}

static json_t *
port_of(const struct play *play, const struct tr_address *address)
{
    bool is_internet = address->family == TR_FAMILY_IPV4 || address->family == TR_FAMILY_IPV6;
    return is_internet ? port_name(play, address->port) : json_null();
}

/* Node's bufferSize is undefined before connect() and when the socket is destroyed. */
static json_t *
buffer_size(const struct tr_socket_info *info)
{
    bool is_there = !info->destroyed && (info->connecting || !info->pending);
    return is_there ? json_integer((json_int_t)info->buffered) : json_null();
}

static bool
is_buffering(const struct tr_socket_info *info)
{
    return !info->destroyed && info->buffered > 0;
}

static json_t *
property(const struct endpoint *endpoint, enum property property, const struct tr_socket_info *info)
{
    const struct play *play = endpoint->play;
    switch (property) {
    case PROP_CONNECTING: return json_boolean(info->connecting);
    case PROP_PENDING: return json_boolean(info->pending);
    case PROP_DESTROYED: return json_boolean(info->destroyed);
    case PROP_READY_STATE: return json_string(tr_ready_state_name(info->ready_state));
    case PROP_BYTES_READ: return json_integer((json_int_t)info->bytes_read);
    case PROP_BYTES_WRITTEN: return json_integer((json_int_t)info->bytes_written);
    case PROP_BUFFER_SIZE: return buffer_size(info);
    case PROP_BUFFERING: return json_boolean(is_buffering(info));
    case PROP_REMOTE_ADDRESS: return text_of(&info->remote);
    case PROP_REMOTE_FAMILY: return family_of(&info->remote);
    case PROP_REMOTE_PORT: return port_of(play, &info->remote);
    case PROP_LOCAL_ADDRESS: return text_of(&info->local);
    case PROP_LOCAL_PORT: return port_of(play, &info->local);
    case PROP_ADDRESS: return info->local.family != TR_FAMILY_UNIX ? address_value(play, &info->local) : json_null();
    default: return json_null(); /* sockets have none of the others */
    }
}

json_t *
socket_properties(struct endpoint *endpoint, const struct action *action, const struct tr_socket_info *info)
{
    json_t *values = json_object();
    for (size_t i = 0; i < action->property_count; i++)
        json_object_set_new(values, property_names[action->properties[i]],
                            property(endpoint, action->properties[i], info));
    return json_pack("[s,o]", "get", values);
}

/* Writing. */

tr_status
payload_slice(const struct action *action, tr_slice *out)
{
    const struct payload *payload = &action->payload;
    enum tr_encoding encoding = action->encoding;
    *out = tr_slice_constant(payload->content.data, payload->content.size);
    if (!payload->is_text || encoding == TR_ENCODING_NONE || encoding == TR_ENCODING_UTF8)
        return TR_OK;
    return tr_encode(encoding, payload->content.data, payload->content.size, out);
}

/* As the library told it. */
void
socket_tell_written(struct ask *ask, tr_status status)
{
    told(ask->endpoint, json_pack("[s,s?]", "written", status < 0 ? tr_status_code(status) : NULL));
    record(ask->endpoint, cb_entry(ask->action->cb, code_of(ask->endpoint, status)));
}

struct ask *
ask_new(struct endpoint *endpoint, const struct action *action)
{
    struct ask *ask = calloc(1, sizeof(*ask));
    if (ask == NULL)
        abort();
    *ask = (struct ask){.endpoint = endpoint, .action = action, .next = endpoint->play->asks};
    endpoint->play->asks = ask;
    return ask;
}

const char *
code_of(const struct endpoint *endpoint, tr_status status)
{
    if (status >= 0)
        return NULL;
    return status == TR_EUSER && endpoint->user_code != NULL ? endpoint->user_code : tr_status_code(status);
}

/* Wrapping. */

struct wrapping *
wrapping_new(struct endpoint *endpoint, const struct action *action)
{
    struct wrapping *wrapping = calloc(1, sizeof(*wrapping));
    if (wrapping == NULL)
        abort();
    wrapping->endpoint = endpoint;
    wrapping->action = action;
    wrapping->fd = -1;
    wrapping->peer_size = address_fill(endpoint->play, address_find(endpoint->play, action->to), &wrapping->peer);
    endpoint->state = STATE_OPEN;
    endpoint->play->sleeping++;
    tr_runtime_hold(endpoint->play->runtime);
    return wrapping;
}

void
wrapping_free(void *argument)
{
    struct wrapping *wrapping = argument;
    if (wrapping->fd >= 0)
        close(wrapping->fd);
    free(wrapping);
}

/* On a thread of the pool, where connecting may take its time. */
static void *
connect_descriptor(void *argument)
{
    struct wrapping *wrapping = argument;
    int fd = socket(wrapping->peer.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed;
    do
        failed = connect(fd, (const struct sockaddr *)&wrapping->peer, wrapping->peer_size);
    while (failed != 0 && errno == EINTR);
    if (fd >= 0 && failed != 0)
        close(fd);
    else
        wrapping->fd = fd;
    return wrapping;
}

void
wrapping_begin(struct play *play, unsigned worker, struct wrapping *wrapping)
{
    struct tr_job job = {.work = connect_descriptor,
                         .argument = wrapping,
                         .tag = TAG_CONNECTED,
                         .destroy = wrapping_free,
                         .cancel = wrapping_free}; /* the play is over, and no thread of the pool was free */
    if (tr_offload_job(play->selves[worker], &job) != TR_OK)
        abort();
}

unsigned
wrapping_sides(const struct wrapping *wrapping)
{
    return (wrapping->action->not_readable ? 0u : (unsigned)TR_READABLE) |
           (wrapping->action->not_writable ? 0u : (unsigned)TR_WRITABLE);
}

/* By mode. */

tr_status
socket_make(struct endpoint *endpoint)
{
    return endpoint->play->options->remote ? remote_make(endpoint) : local_make(endpoint);
}

tr_status
socket_act(struct endpoint *endpoint, const struct action *action, const tr_slice *chunk)
{
    if (endpoint->play->options->remote)
        return remote_act(endpoint, action, chunk);
    return local_act(endpoint, action, chunk);
}

void
socket_resume(struct endpoint *endpoint)
{
    static const struct action resume = {.act = ACT_RESUME};
    socket_act(endpoint, &resume, NULL);
}
