/*
 * Sockets and servers from a distance.
 *
 * An operation is a message with a tag of the library's own (tags.h); the actor carries it out when it comes to it, by
 * the same public functions. What does not fit into a message goes along as memory: texts with the options that point
 * to them, and questions, which stay until the callback of their write.
 */
#include "server_internal.h"
#include "socket_internal.h"
#include "writer.h"
#include "tune.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <troupe/net/remote.h>
#include <unistd.h>

/* Sending. */

static tr_status
send_off(tr_actor *self, tr_ref to, tr_message *message)
{
    tr_status status = TR_EINVAL;
    if (self != NULL)
        status = message->kind == TR_PAYLOAD_INVALID ? TR_ENOMEM
                                                     : tri_send_system(tri_actor_worker(self), self, to, message);
    if (status != TR_OK)
        tr_message_drop(message);
    return status;
}

static tr_status
send_words(tr_actor *self, tr_ref to, uint32_t tag, uint64_t first, uint64_t second, uint64_t third)
{
    uint64_t words[3] = {first, second, third};
    tr_message message = tr_message_copy(tag, words, sizeof(words));
    return send_off(self, to, &message);
}

static tr_status
send_word(tr_actor *self, tr_ref to, uint32_t tag, uint64_t word)
{
    return send_words(self, to, tag, word, 0, 0);
}

static tr_status
send_signal(tr_actor *self, tr_ref to, uint32_t tag)
{
    return send_words(self, to, tag, 0, 0, 0);
}

static tr_status
send_slice(tr_actor *self, tr_ref to, uint32_t tag, tr_slice slice)
{
    if (self == NULL || (slice.data == NULL && slice.size > 0))
        return TR_EINVAL;
    tr_slice_hold(slice);
    tr_message message = tr_message_slice(tag, slice);
    return send_off(self, to, &message);
}

/* Writes that are answered, and such as carry a descriptor. */

struct write_ask {
    tr_slice slice;
    tr_ref asker;
    uint64_t token;
    uint32_t reply_tag;
    int fd; /* -1: none */
};

static void
drop_ask(void *address)
{
    struct write_ask *ask = address;
    tr_slice_release(ask->slice);
    if (ask->fd >= 0)
        close(ask->fd);
    free(ask);
}

/* Takes the descriptor in any case. */
static tr_status
send_ask(tr_actor *self, tr_ref socket, uint32_t tag, const struct write_ask *content)
{
    struct write_ask *ask = malloc(sizeof(*ask));
    if (ask == NULL) {
        if (content->fd >= 0)
            close(content->fd);
        return TR_ENOMEM;
    }
    *ask = *content;
    ask->asker = tr_self(self);
    tr_slice_hold(ask->slice);
    tr_message message = tr_message_pointer(tag, ask, sizeof(*ask) + ask->slice.size, drop_ask);
    return send_off(self, socket, &message);
}

static tr_status
ask_about(tr_actor *self, tr_ref socket, uint32_t tag, tr_slice slice, uint32_t reply_tag, uint64_t token)
{
    if (self == NULL || (slice.data == NULL && slice.size > 0))
        return TR_EINVAL;
    if (reply_tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    return send_ask(self, socket, tag,
                    &(struct write_ask){.slice = slice, .token = token, .reply_tag = reply_tag, .fd = -1});
}

tr_status
tr_remote_write(tr_actor *self, tr_ref socket, tr_slice slice)
{
    return send_slice(self, socket, TRI_TAG_SOCKET_WRITE, slice);
}

tr_status
tr_remote_write_ask(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token)
{
    return ask_about(self, socket, TRI_TAG_SOCKET_WRITE_ASK, slice, reply_tag, token);
}

tr_status
tr_remote_write_check(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token)
{
    return ask_about(self, socket, TRI_TAG_SOCKET_WRITE_CHECK, slice, reply_tag, token);
}

tr_status
tr_remote_end_ask(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token)
{
    return ask_about(self, socket, TRI_TAG_SOCKET_END_ASK, slice, reply_tag, token);
}

tr_status
tr_remote_write_fd(tr_actor *self, tr_ref socket, tr_slice slice, int fd)
{
    if (self == NULL || slice.data == NULL || slice.size == 0)
        return TR_EINVAL;
    struct write_ask ask = {.slice = slice, .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)};
    if (ask.fd < 0)
        return tri_status_from_errno(errno);
    return send_ask(self, socket, TRI_TAG_SOCKET_WRITE_FD, &ask);
}

/* Options with the texts that they point to, in one piece of memory. */

struct connect_order {
    tr_runtime *runtime; /* which it keeps alive on its way */
    struct tr_connect_options options;
    char texts[];
};

static void
drop_connect_order(void *address)
{
    struct connect_order *order = address;
    tri_runtime_live(order->runtime, -1);
    free(order);
}

static size_t
size_of(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

/* Copies a text to where the next one goes; NULL stays NULL. */
static const char *
copy_text(char **next, const char *text)
{
    if (text == NULL)
        return NULL;
    size_t size = size_of(text);
    char *copy = memcpy(*next, text, size);
    *next += size;
    return copy;
}

tr_status
tr_remote_connect(tr_actor *self, tr_ref socket, const struct tr_connect_options *options)
{
    if (self == NULL || options == NULL)
        return TR_EINVAL;
    tr_status status = tri_connect_check(options, TR_SOCKET_ANY);
    if (status != TR_OK)
        return status;
    size_t size = sizeof(struct connect_order) + size_of(options->host) + size_of(options->local_address) +
                  size_of(options->path);
    struct connect_order *order = malloc(size);
    if (order == NULL)
        return TR_ENOMEM;
    char *next = order->texts;
    order->runtime = tr_actor_runtime(self);
    tri_runtime_live(order->runtime, 1);
    order->options = *options;
    order->options.host = copy_text(&next, options->host);
    order->options.local_address = copy_text(&next, options->local_address);
    order->options.path = copy_text(&next, options->path);
    tr_message message = tr_message_pointer(TRI_TAG_SOCKET_CONNECT, order, size, drop_connect_order);
    return send_off(self, socket, &message);
}

struct looked_up_order {
    struct tr_error error; /* status TR_OK: none */
    unsigned count;
    struct tr_address addresses[];
};

tr_status
tr_remote_looked_up(tr_actor *self, tr_ref socket, const struct tr_error *error, const struct tr_address *addresses,
                    unsigned count)
{
    tr_status status = self != NULL ? tri_connect_check_answer(error, addresses, count) : TR_EINVAL;
    if (status != TR_OK)
        return status;
    size_t size = sizeof(struct looked_up_order) + count * sizeof(*addresses);
    struct looked_up_order *order = calloc(1, size);
    if (order == NULL)
        return TR_ENOMEM;
    if (error != NULL)
        order->error = *error;
    order->count = count;
    for (unsigned i = 0; i < count; i++)
        order->addresses[i] = addresses[i];
    tr_message message = tr_message_pointer(TRI_TAG_SOCKET_LOOKED_UP, order, size, free);
    return send_off(self, socket, &message);
}

struct listen_order {
    tr_runtime *runtime; /* likewise */
    struct tr_listen_options options;
    char texts[];
};

/* Without its descriptor. */
static void
free_listen_order(struct listen_order *order)
{
    tri_runtime_live(order->runtime, -1);
    free(order);
}

static void
drop_listen_order(void *address)
{
    struct listen_order *order = address;
    if (order->options.from_fd)
        close(order->options.fd);
    free_listen_order(order);
}

tr_status
tr_remote_server_listen(tr_actor *self, tr_ref server, const struct tr_listen_options *options)
{
    if (self == NULL || options == NULL || options->server != NULL)
        return TR_EINVAL;
    tr_status status = tri_listen_check_options(options);
    if (status != TR_OK)
        return status;
    size_t size = sizeof(struct listen_order) + size_of(options->host) + size_of(options->path);
    struct listen_order *order = malloc(size);
    if (order == NULL)
        return TR_ENOMEM;
    char *next = order->texts;
    order->options = *options;
    /* A duplicate goes along: what cannot be sent is dropped with its descriptor, and the caller's stays the caller's. */
    if (options->from_fd && (order->options.fd = fcntl(options->fd, F_DUPFD_CLOEXEC, 0)) < 0) {
        free(order);
        return tri_status_from_errno(errno);
    }
    order->runtime = tr_actor_runtime(self);
    tri_runtime_live(order->runtime, 1);
    order->options.host = copy_text(&next, options->host);
    order->options.path = copy_text(&next, options->path);
    tr_message message = tr_message_pointer(TRI_TAG_SERVER_LISTEN, order, size, drop_listen_order);
    status = send_off(self, server, &message);
    if (status == TR_OK && options->from_fd)
        close(options->fd);
    return status;
}

/* Sockets. */

tr_status
tr_remote_socket(tr_actor *self, const struct tr_socket_options *options, const struct tr_spawn_options *placement,
                 tr_ref *out)
{
    if (self == NULL || out == NULL)
        return TR_EINVAL;
    tr_status status = tri_socket_check_options(tr_actor_runtime(self), options);
    if (status != TR_OK)
        return status;
    struct tri_socket_order order = {.connect = NULL};
    if (options != NULL)
        order.options = *options;
    struct tr_spawn_options spawn = placement != NULL ? *placement : (struct tr_spawn_options){0};
    spawn.argument = &order;
    spawn.argument_size = sizeof(order);
    return tr_spawn(self, &tri_socket_spawned, &spawn, out);
}

tr_status
tr_remote_credit(tr_actor *self, tr_ref socket, uint32_t events)
{
    return send_word(self, socket, TRI_TAG_SOCKET_CREDIT, events);
}

tr_status
tr_remote_cork(tr_actor *self, tr_ref socket)
{
    return send_signal(self, socket, TRI_TAG_SOCKET_CORK);
}

tr_status
tr_remote_uncork(tr_actor *self, tr_ref socket)
{
    return send_signal(self, socket, TRI_TAG_SOCKET_UNCORK);
}

tr_status
tr_remote_end(tr_actor *self, tr_ref socket)
{
    return send_signal(self, socket, TRI_TAG_SOCKET_END);
}

tr_status
tr_remote_end_with(tr_actor *self, tr_ref socket, tr_slice slice)
{
    return send_slice(self, socket, TRI_TAG_SOCKET_END_WITH, slice);
}

tr_status
tr_remote_destroy(tr_actor *self, tr_ref socket, tr_status error)
{
    return send_word(self, socket, TRI_TAG_SOCKET_DESTROY, (uint64_t)(int64_t)error);
}

tr_status
tr_remote_destroy_with(tr_actor *self, tr_ref socket, const char *code)
{
    return send_word(self, socket, TRI_TAG_SOCKET_DESTROY_WITH, (uint64_t)(uintptr_t)code);
}

tr_status
tr_remote_reset(tr_actor *self, tr_ref socket)
{
    return send_signal(self, socket, TRI_TAG_SOCKET_RESET);
}

tr_status
tr_remote_pause(tr_actor *self, tr_ref socket)
{
    return send_signal(self, socket, TRI_TAG_SOCKET_PAUSE);
}

tr_status
tr_remote_resume(tr_actor *self, tr_ref socket)
{
    return send_signal(self, socket, TRI_TAG_SOCKET_RESUME);
}

tr_status
tr_remote_set_encoding(tr_actor *self, tr_ref socket, enum tr_encoding encoding)
{
    if (encoding > TR_ENCODING_UTF16LE)
        return TR_EBADENCODING;
    return send_word(self, socket, TRI_TAG_SOCKET_ENCODING, encoding);
}

tr_status
tr_remote_set_timeout(tr_actor *self, tr_ref socket, uint64_t timeout_ms)
{
    if (timeout_ms > INT32_MAX)
        return TR_EBADLIMIT;
    return send_word(self, socket, TRI_TAG_SOCKET_TIMEOUT, timeout_ms);
}

tr_status
tr_remote_set_no_delay(tr_actor *self, tr_ref socket, bool no_delay)
{
    return send_word(self, socket, TRI_TAG_SOCKET_NO_DELAY, no_delay);
}

tr_status
tr_remote_set_keep_alive(tr_actor *self, tr_ref socket, bool enable, uint64_t initial_delay_ms)
{
    if (initial_delay_ms > TRI_KEEP_ALIVE_LIMIT_MS)
        return TR_EBADLIMIT;
    return send_words(self, socket, TRI_TAG_SOCKET_KEEP_ALIVE, enable, initial_delay_ms, 0);
}

tr_status
tr_remote_set_background(tr_actor *self, tr_ref socket, bool background)
{
    return send_word(self, socket, TRI_TAG_SOCKET_BACKGROUND, background);
}

tr_status
tr_remote_set_owner(tr_actor *self, tr_ref socket, const struct tr_owner *owner)
{
    tr_status status = self != NULL && owner != NULL ? tri_events_check_owner(tr_actor_runtime(self), owner) : TR_OK;
    if (status != TR_OK)
        return status;
    return send_words(self, socket, TRI_TAG_SOCKET_OWNER, owner != NULL ? owner->actor : TR_NOBODY,
                      owner != NULL ? owner->credit : 0, 0);
}

tr_status
tr_remote_pipe(tr_actor *self, tr_ref from, tr_ref to, const struct tr_pipe_options *options)
{
    static const struct tr_pipe_options defaults;
    if (options == NULL)
        options = &defaults;
    if (self != NULL && (to == TR_NOBODY || tr_ref_worker(to) >= tr_runtime_workers(tr_actor_runtime(self))))
        return TR_EBADREF;
    return send_words(self, from, TRI_TAG_SOCKET_PIPE, to, options->window_bytes, options->keep_open);
}

tr_status
tr_remote_unpipe(tr_actor *self, tr_ref from)
{
    return send_signal(self, from, TRI_TAG_SOCKET_UNPIPE);
}

tr_status
tr_remote_socket_info(tr_actor *self, tr_ref socket, uint32_t reply_tag, uint64_t token)
{
    if (reply_tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    return send_words(self, socket, TRI_TAG_SOCKET_INFO, reply_tag, token, 0);
}

/* Servers. */

tr_status
tr_remote_server_close(tr_actor *self, tr_ref server)
{
    return send_signal(self, server, TRI_TAG_SERVER_CLOSE);
}

tr_status
tr_remote_server_pause(tr_actor *self, tr_ref server, uint64_t pause_ms)
{
    if (pause_ms > INT32_MAX)
        return TR_EBADLIMIT;
    return send_word(self, server, TRI_TAG_SERVER_PAUSE, pause_ms);
}

tr_status
tr_remote_server_resume(tr_actor *self, tr_ref server)
{
    return send_signal(self, server, TRI_TAG_SERVER_RESUME);
}

tr_status
tr_remote_server_set_max_connections(tr_actor *self, tr_ref server, uint32_t max_connections)
{
    return send_word(self, server, TRI_TAG_SERVER_MAX_CONNECTIONS, max_connections);
}

tr_status
tr_remote_server_info(tr_actor *self, tr_ref server, uint32_t reply_tag)
{
    if (reply_tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    return send_word(self, server, TRI_TAG_SERVER_INFO, reply_tag);
}

/* Answering. */

/* By the library's own way: the asker's mailbox limit shall not lose an answer, and a killed socket still gives one. */
static void
answer(struct tri_worker *worker, tr_actor *self, tr_ref asker, uint32_t tag, const void *data, size_t size)
{
    tr_message message = tr_message_copy(tag, data, size);
    if (message.kind == TR_PAYLOAD_INVALID || tri_send_system(worker, self, asker, &message) != TR_OK)
        tr_message_drop(&message);
}

void
tri_remote_written(tr_socket *socket, void *argument, tr_status status)
{
    struct write_ask *ask = argument;
    struct tr_remote_written written = {.token = ask->token, .status = status};
    tr_actor *self = tri_socket_is(socket, TRI_SOCKET_SILENT) ? NULL : socket->actor;
    answer(socket->net->worker, self, ask->asker, ask->reply_tag, &written, sizeof(written));
    drop_ask(ask);
}

static void
answer_when_written(tr_socket *socket, struct write_ask *ask, bool ends)
{
    tr_status status = ends ? tr_socket_end_then(socket, ask->slice, tri_remote_written, ask)
                            : tr_socket_write_then(socket, ask->slice, tri_remote_written, ask);
    if (tri_write_is_untold(status))
        tri_remote_written(socket, ask, status);
}

static void
answer_at_once(tr_socket *socket, struct write_ask *ask)
{
    struct tr_remote_accepted accepted = {.token = ask->token, .status = tr_socket_write_slice(socket, ask->slice)};
    answer(socket->net->worker, socket->actor, ask->asker, ask->reply_tag, &accepted, sizeof(accepted));
    drop_ask(ask);
}

/* Nobody looks at what the write returned: bytes that are refused would be missing in the stream. */
static void
write_unasked(tr_socket *socket, tr_status status)
{
    if (tri_write_is_untold(status))
        tri_socket_close(socket, status, 0, TRI_CALL_WRITE);
}

static void
write_descriptor(tr_socket *socket, struct write_ask *ask)
{
    tr_status status = tr_socket_write_fd(socket, ask->slice, ask->fd, NULL, NULL);
    if (status < TR_OK)
        tri_socket_close(socket, status, 0, TRI_CALL_WRITE);
    drop_ask(ask);
}

static void
answer_socket_info(tr_socket *socket, tr_ref asker, uint32_t reply_tag, uint64_t token)
{
    struct tr_socket_info info = {
        .socket = tr_socket_ref(socket),
        .token = token,
        .bytes_read = tr_socket_bytes_read(socket),
        .bytes_written = tr_socket_bytes_written(socket),
        .buffered = tr_socket_buffered(socket),
        .ready_state = tr_socket_ready_state(socket),
        .connecting = tr_socket_connecting(socket),
        .pending = tr_socket_pending(socket),
        .destroyed = tr_socket_destroyed(socket),
    };
    tr_socket_local_address(socket, &info.local);
    tr_socket_remote_address(socket, &info.remote);
    answer(socket->net->worker, socket->actor, asker, reply_tag, &info, sizeof(info));
}

/* Receiving: a socket. */

/* Whoever asked for it waits for connect or error. The other refusals say that one of these is coming, or has come. */
static void
connect_by_order(tr_socket *socket, const struct connect_order *order)
{
    tr_status status = tr_socket_connect(socket, &order->options);
    if (status != TR_EBADADDRESS && status != TR_ENOMEM)
        return;
    if (tri_socket_is(socket, TRI_SOCKET_CLOSED))
        tri_socket_again(socket);
    if (!tri_socket_is(socket, TRI_SOCKET_CONNECTING) && !tri_socket_is_open(socket))
        tri_socket_close(socket, status, 0, TRI_CALL_CONNECT);
}

static void
looked_up(tr_socket *socket, const struct looked_up_order *order)
{
    tr_socket_looked_up(socket, order->error.status != TR_OK ? &order->error : NULL, order->addresses, order->count);
}

static void
set_owner(tr_socket *socket, tr_ref actor, uint64_t credit)
{
    struct tr_owner owner = {.actor = actor, .credit = (uint32_t)credit};
    tr_socket_set_owner(socket, actor != TR_NOBODY ? &owner : NULL);
}

static void
begin_pipe(tr_socket *socket, const uint64_t *words)
{
    struct tr_pipe_options options = {.window_bytes = (uint32_t)words[1], .keep_open = words[2] != 0};
    if (tr_socket_pipe(socket, words[0], &options) == TR_ENOMEM)
        tri_socket_close(socket, TR_ENOMEM, 0, TRI_CALL_READ); /* otherwise its data would go another way */
}

void
tri_remote_to_socket(tr_socket *socket, tr_message *message)
{
    const uint64_t *words = message->payload.words;
    const void *data = tr_message_data(message);
    switch (message->tag) {
    case TRI_TAG_SOCKET_CREDIT: tri_events_credit(socket, message->from, (uint32_t)words[0]); break;
    case TRI_TAG_SOCKET_CONNECT: connect_by_order(socket, data); break;
    case TRI_TAG_SOCKET_LOOKED_UP: looked_up(socket, data); break;
    case TRI_TAG_SOCKET_ANSWER: tri_connect_answer(socket, message); break;
    case TRI_TAG_SOCKET_WRITE: write_unasked(socket, tr_socket_write_slice(socket, message->payload.slice)); break;
    case TRI_TAG_SOCKET_WRITE_ASK: answer_when_written(socket, tr_message_take_pointer(message), false); break;
    case TRI_TAG_SOCKET_WRITE_CHECK: answer_at_once(socket, tr_message_take_pointer(message)); break;
    case TRI_TAG_SOCKET_WRITE_FD: write_descriptor(socket, tr_message_take_pointer(message)); break;
    case TRI_TAG_SOCKET_END_ASK: answer_when_written(socket, tr_message_take_pointer(message), true); break;
    case TRI_TAG_SOCKET_END_WITH: write_unasked(socket, tr_socket_end_with(socket, message->payload.slice)); break;
    case TRI_TAG_SOCKET_END: tr_socket_end(socket); break;
    case TRI_TAG_SOCKET_CORK: tr_socket_cork(socket); break;
    case TRI_TAG_SOCKET_UNCORK: tr_socket_uncork(socket); break;
    case TRI_TAG_SOCKET_DESTROY: tr_socket_destroy(socket, (tr_status)(int64_t)words[0]); break;
    case TRI_TAG_SOCKET_DESTROY_WITH: tr_socket_destroy_with(socket, (const char *)(uintptr_t)words[0]); break;
    case TRI_TAG_SOCKET_RESET: tr_socket_reset(socket); break;
    case TRI_TAG_SOCKET_PAUSE: tr_socket_pause(socket); break;
    case TRI_TAG_SOCKET_RESUME: tr_socket_resume(socket); break;
    case TRI_TAG_SOCKET_ENCODING: tr_socket_set_encoding(socket, (enum tr_encoding)words[0]); break;
    case TRI_TAG_SOCKET_TIMEOUT: tr_socket_set_timeout(socket, words[0]); break;
    case TRI_TAG_SOCKET_NO_DELAY: tr_socket_set_no_delay(socket, words[0] != 0); break;
    case TRI_TAG_SOCKET_KEEP_ALIVE: tr_socket_set_keep_alive(socket, words[0] != 0, words[1]); break;
    case TRI_TAG_SOCKET_BACKGROUND: tr_socket_set_background(socket, words[0] != 0); break;
    case TRI_TAG_SOCKET_OWNER: set_owner(socket, words[0], words[1]); break;
    case TRI_TAG_SOCKET_PIPE: begin_pipe(socket, words); break;
    case TRI_TAG_SOCKET_UNPIPE: tr_socket_unpipe(socket); break;
    case TRI_TAG_SOCKET_INFO: answer_socket_info(socket, message->from, (uint32_t)words[0], words[1]); break;
    case TRI_TAG_UNDELIVERED:
        tri_events_owner_gone(socket, words[0]);
        tri_pipe_undelivered(socket, words[0]);
        break;
    default: tri_pipe_receive(socket, message); break;
    }
}

/* Receiving: a server. */

static void
listen_by_order(tr_server *server, tr_message *message)
{
    struct listen_order *order = tr_message_take_pointer(message);
    tr_status status = tr_server_listen(server, &order->options);
    if (status == TR_OK) {
        free_listen_order(order); /* the descriptor is the server's */
        return;
    }
    if (tri_server_reserve_error(server) == TR_OK)
        tri_server_failed(server, status, 0, "listen");
    drop_listen_order(order);
}

static void
answer_server_info(tr_server *server, tr_ref asker, uint32_t reply_tag)
{
    struct tr_server_info info = {
        .server = tr_server_ref(server),
        .connections = tr_server_connections(server),
        .listening = tr_server_listening(server),
    };
    tr_server_address(server, &info.address);
    answer(server->net->worker, server->actor, asker, reply_tag, &info, sizeof(info));
}

void
tri_remote_to_server(tr_server *server, tr_message *message)
{
    const uint64_t *words = message->payload.words;
    switch (message->tag) {
    case TRI_TAG_SERVER_LISTEN: listen_by_order(server, message); break;
    case TRI_TAG_SERVER_CLOSE: tr_server_close(server); break;
    case TRI_TAG_SERVER_PAUSE: tr_server_pause(server, words[0]); break;
    case TRI_TAG_SERVER_RESUME: tr_server_resume(server); break;
    case TRI_TAG_SERVER_MAX_CONNECTIONS: tr_server_set_max_connections(server, (uint32_t)words[0]); break;
    case TRI_TAG_SERVER_INFO: answer_server_info(server, message->from, (uint32_t)words[0]); break;
    default: break; /* meant for something that is no server */
    }
}
