/*
 * Sockets and servers from a distance.
 *
 * An operation is a message with a tag of the library's own (tags.h); the actor carries it out when it comes to it, by
 * the same public functions. A write that wants an answer takes its question along as memory, until the callback of the
 * write.
 */
#include "server_internal.h"
#include "socket_internal.h"
#include "tune.h"

#include <stdlib.h>
#include <troupe/net/remote.h>

/* A question that an answer refers to. */
struct write_ask {
    tr_slice slice;
    tr_ref asker;
    uint64_t token;
    uint32_t reply_tag;
};

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
send_words(tr_actor *self, tr_ref to, uint32_t tag, uint64_t first, uint64_t second)
{
    uint64_t words[2] = {first, second};
    tr_message message = tr_message_copy(tag, words, sizeof(words));
    return send_off(self, to, &message);
}

tr_status
tr_remote_write(tr_actor *self, tr_ref socket, tr_slice slice)
{
    if (self == NULL || (slice.data == NULL && slice.size > 0))
        return TR_EINVAL;
    tr_slice_hold(slice);
    tr_message message = tr_message_slice(TRI_TAG_SOCKET_WRITE, slice);
    return send_off(self, socket, &message);
}

static void
drop_ask(void *address)
{
    struct write_ask *ask = address;
    tr_slice_release(ask->slice);
    free(ask);
}

tr_status
tr_remote_write_ask(tr_actor *self, tr_ref socket, tr_slice slice, uint32_t reply_tag, uint64_t token)
{
    if (self == NULL || (slice.data == NULL && slice.size > 0))
        return TR_EINVAL;
    if (reply_tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    struct write_ask *ask = malloc(sizeof(*ask));
    if (ask == NULL)
        return TR_ENOMEM;
    tr_slice_hold(slice);
    *ask = (struct write_ask){slice, tr_self(self), token, reply_tag};
    tr_message message = tr_message_pointer(TRI_TAG_SOCKET_WRITE_ASK, ask, sizeof(*ask) + slice.size, drop_ask);
    return send_off(self, socket, &message);
}

tr_status
tr_remote_end(tr_actor *self, tr_ref socket)
{
    return send_words(self, socket, TRI_TAG_SOCKET_END, 0, 0);
}

tr_status
tr_remote_destroy(tr_actor *self, tr_ref socket, tr_status error)
{
    return send_words(self, socket, TRI_TAG_SOCKET_DESTROY, (uint64_t)(int64_t)error, 0);
}

tr_status
tr_remote_pause(tr_actor *self, tr_ref socket)
{
    return send_words(self, socket, TRI_TAG_SOCKET_PAUSE, 0, 0);
}

tr_status
tr_remote_resume(tr_actor *self, tr_ref socket)
{
    return send_words(self, socket, TRI_TAG_SOCKET_RESUME, 0, 0);
}

tr_status
tr_remote_set_timeout(tr_actor *self, tr_ref socket, uint64_t timeout_ms)
{
    if (timeout_ms > INT32_MAX)
        return TR_EBADLIMIT;
    return send_words(self, socket, TRI_TAG_SOCKET_TIMEOUT, timeout_ms, 0);
}

tr_status
tr_remote_set_no_delay(tr_actor *self, tr_ref socket, bool no_delay)
{
    return send_words(self, socket, TRI_TAG_SOCKET_NO_DELAY, no_delay, 0);
}

tr_status
tr_remote_set_keep_alive(tr_actor *self, tr_ref socket, bool enable, uint64_t initial_delay_ms)
{
    if (initial_delay_ms > TRI_KEEP_ALIVE_LIMIT_MS)
        return TR_EBADLIMIT;
    return send_words(self, socket, TRI_TAG_SOCKET_KEEP_ALIVE, enable, initial_delay_ms);
}

tr_status
tr_remote_socket_info(tr_actor *self, tr_ref socket, uint32_t reply_tag)
{
    if (reply_tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    return send_words(self, socket, TRI_TAG_SOCKET_INFO, reply_tag, 0);
}

tr_status
tr_remote_server_close(tr_actor *self, tr_ref server)
{
    return send_words(self, server, TRI_TAG_SERVER_CLOSE, 0, 0);
}

tr_status
tr_remote_server_set_max_connections(tr_actor *self, tr_ref server, uint32_t max_connections)
{
    return send_words(self, server, TRI_TAG_SERVER_MAX_CONNECTIONS, max_connections, 0);
}

tr_status
tr_remote_server_info(tr_actor *self, tr_ref server, uint32_t reply_tag)
{
    if (reply_tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    return send_words(self, server, TRI_TAG_SERVER_INFO, reply_tag, 0);
}

/* Receiving. */

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
write_and_answer(tr_socket *socket, struct write_ask *ask)
{
    tr_status status = tr_socket_write_then(socket, ask->slice, tri_remote_written, ask);
    /* After these the callback is not called. */
    if (status == TR_EDESTROYED || status == TR_ENOMEM || status == TR_EINVAL)
        tri_remote_written(socket, ask, status);
}

static void
answer_socket_info(tr_socket *socket, tr_ref asker, uint32_t reply_tag)
{
    struct tr_socket_info info = {
        .socket = tr_socket_ref(socket),
        .bytes_read = tr_socket_bytes_read(socket),
        .bytes_written = tr_socket_bytes_written(socket),
        .buffered = tr_socket_buffered(socket),
        .connecting = tr_socket_connecting(socket),
        .destroyed = tr_socket_destroyed(socket),
    };
    tr_socket_local_address(socket, &info.local);
    tr_socket_remote_address(socket, &info.remote);
    answer(socket->net->worker, socket->actor, asker, reply_tag, &info, sizeof(info));
}

void
tri_remote_to_socket(tr_socket *socket, tr_message *message)
{
    const uint64_t *words = message->payload.words;
    switch (message->tag) {
    case TRI_TAG_SOCKET_WRITE: tr_socket_write_slice(socket, message->payload.slice); break;
    case TRI_TAG_SOCKET_WRITE_ASK: write_and_answer(socket, tr_message_take_pointer(message)); break;
    case TRI_TAG_SOCKET_END: tr_socket_end(socket); break;
    case TRI_TAG_SOCKET_DESTROY: tr_socket_destroy(socket, (tr_status)(int64_t)words[0]); break;
    case TRI_TAG_SOCKET_PAUSE: tr_socket_pause(socket); break;
    case TRI_TAG_SOCKET_RESUME: tr_socket_resume(socket); break;
    case TRI_TAG_SOCKET_TIMEOUT: tr_socket_set_timeout(socket, words[0]); break;
    case TRI_TAG_SOCKET_NO_DELAY: tr_socket_set_no_delay(socket, words[0] != 0); break;
    case TRI_TAG_SOCKET_KEEP_ALIVE: tr_socket_set_keep_alive(socket, words[0] != 0, words[1]); break;
    case TRI_TAG_SOCKET_INFO: answer_socket_info(socket, message->from, (uint32_t)words[0]); break;
    default: break; /* meant for something that is no socket */
    }
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
    case TRI_TAG_SERVER_CLOSE: tr_server_close(server); break;
    case TRI_TAG_SERVER_MAX_CONNECTIONS: tr_server_set_max_connections(server, (uint32_t)words[0]); break;
    case TRI_TAG_SERVER_INFO: answer_server_info(server, message->from, (uint32_t)words[0]); break;
    default: break; /* meant for something that is no server */
    }
}
