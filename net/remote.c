/*
 * Sockets and servers from a distance.
 *
 * An operation is a message with a tag of the library's own (tags.h); the actor carries it out when it comes to it, by
 * the same public functions. What does not fit into a message goes along as memory: texts with the options that point
 * to them, and questions, which stay until the callback of their write.
 *
 * Nobody looks at what these functions return there. So a table says for each operation what its refusal leads to:
 * socket_refusals, server_refusals. An order whose loss would leave somebody waiting has a destructor that tells: a
 * question is answered, and the second socket of a pipe hears that there will be none.
 */
#include "connect.h"
#include "server_internal.h"
#include "socket_internal.h"
#include "start.h"
#include "tune.h"
#include "writer.h"

#include <assert.h>
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

/*
 * Sends an order that somebody waits for: lost() is called if it gets lost on its way, dropped() if it is not sent at
 * all, which the caller hears of.
 */
static tr_status
send_order(tr_actor *self, tr_ref to, uint32_t tag, void *order, size_t size, void (*lost)(void *),
           void (*dropped)(void *))
{
    tr_message message = tr_message_pointer(tag, order, size, lost);
    tr_status status = tri_send_system_or_keep(tri_actor_worker(self), self, to, &message);
    if (status != TR_OK)
        dropped(tr_message_take_pointer(&message));
    return status;
}

static tr_status
send_words(tr_actor *self, tr_ref to, uint32_t tag, uint64_t first, uint64_t second)
{
    uint64_t words[2] = {first, second};
    tr_message message = tr_message_copy(tag, words, sizeof(words));
    return send_off(self, to, &message);
}

static tr_status
send_word(tr_actor *self, tr_ref to, uint32_t tag, uint64_t word)
{
    return send_words(self, to, tag, word, 0);
}

static tr_status
send_signal(tr_actor *self, tr_ref to, uint32_t tag)
{
    return send_words(self, to, tag, 0, 0);
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
    struct tri_word word; /* first; the answer */
    tr_slice slice;
    tr_ref asker;
    uint64_t token;
    uint32_t reply_tag;
    int fd; /* -1: none */
};

static void
release_ask(struct write_ask *ask)
{
    tr_slice_release(ask->slice);
    if (ask->fd >= 0)
        close(ask->fd);
}

static void
free_ask(void *address)
{
    release_ask(address);
    free(address);
}

/*
 * By the library's own way: the asker's mailbox limit shall not lose an answer, and a killed socket still gives one.
 * self: the socket's actor; NULL: it is gone, or is killed. Takes the ask, which becomes the answer.
 */
static void
answer(struct tri_worker *worker, tr_actor *self, struct write_ask *ask, const void *data, size_t size)
{
    assert(size <= TR_MESSAGE_INLINE);
    release_ask(ask);
    ask->word.done = tri_word_free;
    tri_word_send(worker, &ask->word, tr_self(self), ask->asker, tr_message_copy(ask->reply_tag, data, size));
}

static void
answer_ask(struct tri_worker *worker, tr_actor *self, struct write_ask *ask, tr_status status)
{
    struct tr_remote_written outcome = {.token = ask->token, .status = status};
    answer(worker, self, ask, &outcome, sizeof(outcome));
}

/* A question found no socket. */
static void
lose_ask(void *address)
{
    struct tri_worker *here = tri_worker_current();
    if (here != NULL)
        answer_ask(here, NULL, address, TR_EGONE);
    else
        free_ask(address); /* the runtime has ended */
}

/* What somebody wants to know of a socket or a server. */
struct info_ask {
    union { /* first: the answer carries the ask along */
        struct tr_socket_info socket;
        struct tr_server_info server;
    } info;
    tr_ref about, asker;
    uint64_t token;
    uint32_t reply_tag;
    struct tri_word word;
};

/* Takes the ask, whose info is set. */
static void
answer_info(struct tri_worker *worker, tr_actor *self, struct info_ask *ask, size_t size)
{
    ask->word.done = NULL;
    tri_word_send(worker, &ask->word, tr_self(self), ask->asker, tr_message_pointer(ask->reply_tag, ask, size, free));
}

/* There is no socket: it is closed, and has no addresses. */
static void
lose_socket_ask(void *address)
{
    struct info_ask *ask = address;
    ask->info.socket = (struct tr_socket_info){
        .socket = ask->about, .token = ask->token, .ready_state = TR_STATE_CLOSED, .pending = true, .destroyed = true};
    if (tri_worker_current() != NULL)
        answer_info(tri_worker_current(), NULL, ask, sizeof(ask->info.socket));
    else
        free(ask);
}

static void
lose_server_ask(void *address)
{
    struct info_ask *ask = address;
    ask->info.server = (struct tr_server_info){.server = ask->about};
    if (tri_worker_current() != NULL)
        answer_info(tri_worker_current(), NULL, ask, sizeof(ask->info.server));
    else
        free(ask);
}

static tr_status
ask_for_info(tr_actor *self, uint32_t tag, const struct info_ask *content, void (*lost)(void *))
{
    if (self == NULL)
        return TR_EINVAL;
    if (content->reply_tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    struct info_ask *ask = malloc(sizeof(*ask));
    if (ask == NULL)
        return TR_ENOMEM;
    *ask = *content;
    ask->asker = tr_self(self);
    return send_order(self, ask->about, tag, ask, sizeof(*ask), lost, free);
}

/* Takes the descriptor in any case. lost: see send_order(). */
static tr_status
send_ask(tr_actor *self, tr_ref socket, uint32_t tag, const struct write_ask *content, void (*lost)(void *))
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
    return send_order(self, socket, tag, ask, sizeof(*ask) + ask->slice.size, lost, free_ask);
}

static tr_status
ask_about(tr_actor *self, tr_ref socket, uint32_t tag, tr_slice slice, uint32_t reply_tag, uint64_t token)
{
    if (self == NULL || (slice.data == NULL && slice.size > 0))
        return TR_EINVAL;
    if (reply_tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    struct write_ask ask = {.slice = slice, .token = token, .reply_tag = reply_tag, .fd = -1};
    return send_ask(self, socket, tag, &ask, lose_ask);
}

tr_status
tr_remote_write(tr_actor *self, tr_ref socket, tr_slice slice)
{
    TRI_CHECK_SELF(self);
    return send_slice(self, socket, TRI_TAG_SOCKET_WRITE, slice);
}

tr_status
tr_remote_write_ask(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token)
{
    TRI_CHECK_SELF(self);
    return ask_about(self, socket, TRI_TAG_SOCKET_WRITE_ASK, slice, reply_tag, token);
}

tr_status
tr_remote_write_check(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token)
{
    TRI_CHECK_SELF(self);
    return ask_about(self, socket, TRI_TAG_SOCKET_WRITE_CHECK, slice, reply_tag, token);
}

tr_status
tr_remote_end_ask(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token)
{
    TRI_CHECK_SELF(self);
    return ask_about(self, socket, TRI_TAG_SOCKET_END_ASK, slice, reply_tag, token);
}

tr_status
tr_remote_write_fd(tr_actor *self, tr_ref socket, tr_slice slice, int fd)
{
    TRI_CHECK_SELF(self);
    if (self == NULL || slice.data == NULL || slice.size == 0)
        return TR_EINVAL;
    struct write_ask ask = {.slice = slice, .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)};
    if (ask.fd < 0)
        return tri_status_from_errno(errno);
    return send_ask(self, socket, TRI_TAG_SOCKET_WRITE_FD, &ask, free_ask);
}

/* Options with the texts that they point to, in one piece of memory. */

struct connect_order {
    tr_runtime *runtime; /* which it keeps alive on its way */
    uint64_t start;      /* the number of the word to start that follows */
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
    TRI_CHECK_SELF(self);
    if (self == NULL || options == NULL)
        return TR_EINVAL;
    tr_status status = tri_connect_check(options, TR_SOCKET_ANY);
    if (status != TR_OK)
        return status;
    size_t size = sizeof(struct connect_order) + size_of(options->host) + size_of(options->local_address) +
                  size_of(options->path);
    struct connect_order *order = malloc(size);
    struct tri_net *net = tri_net_of(tri_actor_worker(self));
    if (order == NULL || net == NULL || tri_start_later(net, socket, &order->start) != TR_OK) {
        free(order);
        return TR_ENOMEM;
    }
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
    TRI_CHECK_SELF(self);
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
    TRI_CHECK_SELF(self);
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
    /* A duplicate goes along: what cannot be sent is dropped with its descriptor, and the caller's stays the
     * caller's. */
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
    TRI_CHECK_SELF(self);
    if (self == NULL || out == NULL)
        return TR_EINVAL;
    tr_status status = tri_socket_check_options(tr_actor_runtime(self), options);
    if (status != TR_OK)
        return status;
    struct tri_socket_order order = {.from_afar = true};
    if (options != NULL)
        order.options = *options;
    struct tr_spawn_options spawn = placement != NULL ? *placement : (struct tr_spawn_options){0};
    spawn.argument = &order;
    spawn.argument_size = sizeof(order);
    return tr_spawn(self, &tri_socket_behavior, &spawn, out);
}

tr_status
tr_remote_credit(tr_actor *self, tr_ref socket, uint32_t events)
{
    TRI_CHECK_SELF(self);
    return send_word(self, socket, TRI_TAG_SOCKET_CREDIT, events);
}

tr_status
tr_remote_cork(tr_actor *self, tr_ref socket)
{
    TRI_CHECK_SELF(self);
    return send_signal(self, socket, TRI_TAG_SOCKET_CORK);
}

tr_status
tr_remote_uncork(tr_actor *self, tr_ref socket)
{
    TRI_CHECK_SELF(self);
    return send_signal(self, socket, TRI_TAG_SOCKET_UNCORK);
}

tr_status
tr_remote_end(tr_actor *self, tr_ref socket)
{
    TRI_CHECK_SELF(self);
    return send_signal(self, socket, TRI_TAG_SOCKET_END);
}

tr_status
tr_remote_end_with(tr_actor *self, tr_ref socket, tr_slice slice)
{
    TRI_CHECK_SELF(self);
    return send_slice(self, socket, TRI_TAG_SOCKET_END_WITH, slice);
}

tr_status
tr_remote_destroy(tr_actor *self, tr_ref socket, tr_status error)
{
    TRI_CHECK_SELF(self);
    return send_word(self, socket, TRI_TAG_SOCKET_DESTROY, (uint64_t)(int64_t)error);
}

tr_status
tr_remote_destroy_with(tr_actor *self, tr_ref socket, const char *code)
{
    TRI_CHECK_SELF(self);
    return send_word(self, socket, TRI_TAG_SOCKET_DESTROY_WITH, (uint64_t)(uintptr_t)code);
}

tr_status
tr_remote_reset(tr_actor *self, tr_ref socket)
{
    TRI_CHECK_SELF(self);
    return send_signal(self, socket, TRI_TAG_SOCKET_RESET);
}

tr_status
tr_remote_pause(tr_actor *self, tr_ref socket)
{
    TRI_CHECK_SELF(self);
    return send_signal(self, socket, TRI_TAG_SOCKET_PAUSE);
}

tr_status
tr_remote_resume(tr_actor *self, tr_ref socket)
{
    TRI_CHECK_SELF(self);
    return send_signal(self, socket, TRI_TAG_SOCKET_RESUME);
}

tr_status
tr_remote_set_encoding(tr_actor *self, tr_ref socket, enum tr_encoding encoding)
{
    TRI_CHECK_SELF(self);
    if (encoding > TR_ENCODING_UTF16LE)
        return TR_EBADENCODING;
    return send_word(self, socket, TRI_TAG_SOCKET_ENCODING, encoding);
}

tr_status
tr_remote_set_timeout(tr_actor *self, tr_ref socket, uint64_t timeout_ms)
{
    TRI_CHECK_SELF(self);
    if (timeout_ms > INT32_MAX)
        return TR_EBADLIMIT;
    return send_word(self, socket, TRI_TAG_SOCKET_TIMEOUT, timeout_ms);
}

tr_status
tr_remote_set_no_delay(tr_actor *self, tr_ref socket, bool no_delay)
{
    TRI_CHECK_SELF(self);
    return send_word(self, socket, TRI_TAG_SOCKET_NO_DELAY, no_delay);
}

tr_status
tr_remote_set_keep_alive(tr_actor *self, tr_ref socket, bool enable, uint64_t initial_delay_ms)
{
    TRI_CHECK_SELF(self);
    if (initial_delay_ms > TRI_KEEP_ALIVE_LIMIT_MS)
        return TR_EBADLIMIT;
    return send_words(self, socket, TRI_TAG_SOCKET_KEEP_ALIVE, enable, initial_delay_ms);
}

tr_status
tr_remote_set_background(tr_actor *self, tr_ref socket, bool background)
{
    TRI_CHECK_SELF(self);
    return send_word(self, socket, TRI_TAG_SOCKET_BACKGROUND, background);
}

tr_status
tr_remote_set_owner(tr_actor *self, tr_ref socket, const struct tr_owner *owner)
{
    TRI_CHECK_SELF(self);
    tr_status status = self != NULL && owner != NULL ? tri_events_check_owner(tr_actor_runtime(self), owner) : TR_OK;
    if (status != TR_OK)
        return status;
    return send_words(self, socket, TRI_TAG_SOCKET_OWNER, owner != NULL ? owner->actor : TR_NOBODY,
                      owner != NULL ? owner->credit : 0);
}

struct pipe_order {
    struct tri_word word; /* first; to the second: there will be no pipe */
    tr_ref to;
    struct tr_pipe_options options;
};

/* The order found no socket. */
static void
lose_pipe(void *address)
{
    struct pipe_order *order = address;
    if (!order->options.keep_open)
        tri_pipe_never(&order->word, order->to, TRI_PIPE_FAILED);
    else
        free(order);
}

tr_status
tr_remote_pipe(tr_actor *self, tr_ref from, tr_ref to, const struct tr_pipe_options *options)
{
    TRI_CHECK_SELF(self);
    static const struct tr_pipe_options defaults;
    if (options == NULL)
        options = &defaults;
    if (self != NULL && (to == TR_NOBODY || tr_ref_worker(to) >= tr_runtime_workers(tr_actor_runtime(self))))
        return TR_EBADREF;
    struct pipe_order *order = self != NULL ? malloc(sizeof(*order)) : NULL;
    if (order == NULL)
        return self != NULL ? TR_ENOMEM : TR_EINVAL;
    *order = (struct pipe_order){.word = {.done = tri_word_free}, .to = to, .options = *options};
    return send_order(self, from, TRI_TAG_SOCKET_PIPE, order, sizeof(*order), lose_pipe, free);
}

tr_status
tr_remote_unpipe(tr_actor *self, tr_ref from)
{
    TRI_CHECK_SELF(self);
    return send_signal(self, from, TRI_TAG_SOCKET_UNPIPE);
}

tr_status
tr_remote_socket_info(tr_actor *self, tr_ref socket, uint32_t reply_tag, uint64_t token)
{
    TRI_CHECK_SELF(self);
    struct info_ask ask = {.about = socket, .token = token, .reply_tag = reply_tag};
    return ask_for_info(self, TRI_TAG_SOCKET_INFO, &ask, lose_socket_ask);
}

/* Servers. */

tr_status
tr_remote_server_close(tr_actor *self, tr_ref server)
{
    TRI_CHECK_SELF(self);
    return send_signal(self, server, TRI_TAG_SERVER_CLOSE);
}

tr_status
tr_remote_server_pause(tr_actor *self, tr_ref server, uint64_t pause_ms)
{
    TRI_CHECK_SELF(self);
    if (pause_ms > INT32_MAX)
        return TR_EBADLIMIT;
    return send_word(self, server, TRI_TAG_SERVER_PAUSE, pause_ms);
}

tr_status
tr_remote_server_resume(tr_actor *self, tr_ref server)
{
    TRI_CHECK_SELF(self);
    return send_signal(self, server, TRI_TAG_SERVER_RESUME);
}

tr_status
tr_remote_server_set_max_connections(tr_actor *self, tr_ref server, uint32_t max_connections)
{
    TRI_CHECK_SELF(self);
    return send_word(self, server, TRI_TAG_SERVER_MAX_CONNECTIONS, max_connections);
}

tr_status
tr_remote_server_info(tr_actor *self, tr_ref server, uint32_t reply_tag)
{
    TRI_CHECK_SELF(self);
    struct info_ask ask = {.about = server, .reply_tag = reply_tag};
    return ask_for_info(self, TRI_TAG_SERVER_INFO, &ask, lose_server_ask);
}

/* Carrying out: a socket. */

/* The callback of a write that another actor asked for. */
static void
written(tr_socket *socket, void *argument, tr_status status)
{
    tr_actor *self = tri_socket_has_any(socket, TRI_SOCKET_SILENT) ? NULL : socket->actor;
    answer_ask(socket->home->worker, self, argument, status);
}

static tr_status
write_answered(tr_socket *socket, struct write_ask *ask)
{
    struct tri_order order = {ask->slice, tri_slice_keep, written, ask, .from_afar = true};
    tr_status status = tri_order_write(socket, &order);
    if (tri_write_is_untold(status))
        written(socket, ask, status);
    return status;
}

static tr_status
end_answered(tr_socket *socket, struct write_ask *ask)
{
    struct tri_order order = {.slice = ask->slice, .done = written, .argument = ask, .from_afar = true};
    tr_status status = tri_order_end(socket, &order);
    if (tri_write_is_untold(status))
        written(socket, ask, status);
    return status;
}

static tr_status
write_checked(tr_socket *socket, struct write_ask *ask)
{
    struct tr_remote_accepted accepted = {.token = ask->token, .status = tr_socket_write_slice(socket, ask->slice)};
    answer(socket->home->worker, socket->actor, ask, &accepted, sizeof(accepted));
    return accepted.status;
}

static tr_status
write_descriptor(tr_socket *socket, struct write_ask *ask)
{
    tr_status status = tr_socket_write_fd(socket, ask->slice, ask->fd, NULL, NULL);
    free_ask(ask);
    return status;
}

/*
 * Whoever asked waits for connect or error. A socket that connects or is connected has given one of them, or will: it
 * goes on. One that was closed fails again, in a new life.
 */
static tr_status
connect_by_order(tr_socket *socket, const struct connect_order *order)
{
    tr_status status = tri_connect_order(socket, &order->options, order->start);
    if (status == TR_OK || tri_socket_has_any(socket, TRI_SOCKET_CONNECTING | TRI_SOCKET_STOPS) ||
        tri_socket_is_open(socket))
        return TR_OK;
    if (tri_socket_has_any(socket, TRI_SOCKET_CLOSED))
        tri_socket_reopen(socket);
    return status;
}

static tr_status
looked_up(tr_socket *socket, const struct looked_up_order *order)
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
begin_pipe(tr_socket *socket, struct pipe_order *order)
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
answer_socket_info(tr_socket *socket, struct info_ask *ask)
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
    answer_info(socket->home->worker, socket->actor, ask, sizeof(*info));
}

/* The operations that return something. */
static tr_status
ask_socket(tr_socket *socket, tr_message *message)
{
    const uint64_t *words = message->payload.words;
    const void *data = tr_message_data(message);
    switch (message->tag) {
    case TRI_TAG_SOCKET_CONNECT: return connect_by_order(socket, data);
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
    default: return begin_pipe(socket, tr_message_take_pointer(message)); /* TRI_TAG_SOCKET_PIPE */
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
    OF(PIPE) = {FAILS, TRI_CALL_READ},
};

static void
settle_refusal(tr_socket *socket, const struct refusal_of *of, tr_status status)
{
    if (of->refusal == FAILS || (of->refusal == CHANGES && tri_write_is_untold(status)))
        tri_socket_destroy(socket, status, 0, of->call);
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
    case TRI_TAG_SOCKET_UNPIPE: tr_socket_unpipe(socket); break;
    case TRI_TAG_SOCKET_INFO: answer_socket_info(socket, tr_message_take_pointer(message)); break;
    case TRI_TAG_SOCKET_ANSWER: tri_connect_answer(socket, message); break;
    case TRI_TAG_SOCKET_DRAIN: tri_socket_drain(socket); break;
    case TRI_TAG_SOCKET_PEER_ENDED: tri_socket_end_with_peer(socket); break;
    case TRI_TAG_UNDELIVERED:
        tri_events_owner_gone(socket, words[0]);
        tri_pipe_undelivered(socket, words[0]);
        break;
    default: tri_pipe_receive(socket, message); break;
    }
}

void
tri_remote_to_socket(tr_socket *socket, tr_message *message)
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

/* Carrying out: a server. */

static tr_status
listen_by_order(tr_server *server, tr_message *message)
{
    struct listen_order *order = tr_message_take_pointer(message);
    tr_status status = tr_server_listen(server, &order->options);
    if (status == TR_OK)
        free_listen_order(order); /* the descriptor is the server's */
    else
        drop_listen_order(order);
    return status;
}

static tr_status
answer_server_info(tr_server *server, struct info_ask *ask)
{
    struct tr_server_info *info = &ask->info.server;
    *info = (struct tr_server_info){
        .server = tr_server_ref(server),
        .connections = tr_server_connections(server),
        .listening = tr_server_listening(server),
    };
    tr_server_address(server, &info->address);
    tr_server_refusals(server, &info->refusals);
    answer_info(server->net->worker, server->actor, ask, sizeof(*info));
    return TR_OK;
}

static tr_status
set_max_connections(tr_server *server, uint64_t max_connections)
{
    tr_server_set_max_connections(server, (uint32_t)max_connections);
    return TR_OK;
}

static tr_status
ask_server(tr_server *server, tr_message *message)
{
    const uint64_t *words = message->payload.words;
    switch (message->tag) {
    case TRI_TAG_SERVER_LISTEN: return listen_by_order(server, message);
    case TRI_TAG_SERVER_CLOSE: return tr_server_close(server);
    case TRI_TAG_SERVER_PAUSE: return tr_server_pause(server, words[0]);
    case TRI_TAG_SERVER_RESUME: return tr_server_resume(server);
    case TRI_TAG_SERVER_MAX_CONNECTIONS: return set_max_connections(server, words[0]);
    default: return answer_server_info(server, tr_message_take_pointer(message)); /* TRI_TAG_SERVER_INFO */
    }
}

/* The call that the error event names; NULL: the close event, or an answer, tells. */
static const char *const server_refusals[TRI_TAG_SERVER_INFO - TRI_TAG_SERVER_LISTEN + 1] = {
    [TRI_TAG_SERVER_LISTEN - TRI_TAG_SERVER_LISTEN] = "listen",
    [TRI_TAG_SERVER_CLOSE - TRI_TAG_SERVER_LISTEN] = NULL,
    [TRI_TAG_SERVER_PAUSE - TRI_TAG_SERVER_LISTEN] = "pause",
    [TRI_TAG_SERVER_RESUME - TRI_TAG_SERVER_LISTEN] = "resume",
};

void
tri_remote_to_server(tr_server *server, tr_message *message)
{
    uint32_t place = message->tag - TRI_TAG_SERVER_LISTEN;
    if (place > TRI_TAG_SERVER_INFO - TRI_TAG_SERVER_LISTEN) {
        tri_actor_bounce(server->actor, message); /* meant for something that is no server */
        return;
    }
    tr_status status = ask_server(server, message);
    if (status < TR_OK && server_refusals[place] != NULL)
        tri_server_refused(server, status, server_refusals[place]);
}
