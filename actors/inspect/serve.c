/*
 * The socket: one thread with a loop of its own, so that it answers while workers hang. What is asked and answered on a
 * connection is a visit (visit.h). What others can make this hold is bounded:
 *
 *   - a connection reads no more while it is answering;
 *   - it asks for the next page of an answer when the other side has taken the last. A slow reader keeps one page;
 *   - there are CONNECTIONS at most. One more takes the place of the one that has been quiet longest, so nobody can
 *     keep all of them for good.
 *
 * After the last answer a connection is shut down and read on until its other side closes: to close it with bytes
 * unread would be a reset.
 *
 * Nothing here can fail the program: a connection without memory is closed.
 */
#include "serve.h"

#include "inquiry.h"
#include "visit.h"

#include <stdlib.h>
#include <troupe/core/descriptors.h>
#include <troupe/core/private_socket.h>
#include <troupe/core/say.h>
#include <troupe/core/status_from.h>
#include <troupe/core/thread.h>

#define CONNECTIONS 32u
#define BACKLOG 16

struct connection {
    struct connection *next, **link;
    struct tri_inspector *inspector;
    uv_pipe_t pipe;
    uv_write_t write;
    uv_shutdown_t shutdown;
    uint64_t heard; /* when it last did something: the inspector's count */
    bool writing;   /* the visit's page is under way */
    struct tri_visit visit;
};

struct tri_inspector {
    struct tri_inquiry inquiry;
    struct tri_private_socket socket;
    uv_thread_t thread;

    /* The thread's. */
    uv_loop_t loop;
    uv_pipe_t listener;
    struct connection *connections;
    unsigned count;
    uint64_t events;
    uv_pipe_t refused;
    bool refuses; /* and it is not closed yet */

    uv_async_t stop; /* others may only uv_async_send() it */
};

static void go_on(struct connection *connection);

/* -- A connection's end. -- */

static void
on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    tri_visit_end(&connection->visit);
    free(connection);
}

static void
close_connection(struct connection *connection)
{
    if (uv_is_closing((uv_handle_t *)&connection->pipe))
        return;
    *connection->link = connection->next;
    if (connection->next != NULL)
        connection->next->link = connection->link;
    connection->inspector->count--;
    uv_close((uv_handle_t *)&connection->pipe, on_closed);
}

static void
on_shut_down(uv_shutdown_t *request, int status)
{
    struct connection *connection = request->handle->data;
    if (status != 0 || connection->visit.ended)
        close_connection(connection);
}

static void
shut_down(struct connection *connection)
{
    if (uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->pipe, on_shut_down) != 0)
        close_connection(connection);
}

/* -- Saying and hearing. -- */

static void
on_written(uv_write_t *request, int status)
{
    struct connection *connection = request->handle->data;
    connection->writing = false;
    connection->heard = ++connection->inspector->events;
    tri_page_clear(&connection->visit.page);
    if (status != 0)
        close_connection(connection);
    else
        go_on(connection);
}

static void
send_page(struct connection *connection)
{
    const struct tri_page *page = &connection->visit.page;
    uv_buf_t buffer = uv_buf_init(page->text, (unsigned)page->size);
    uv_read_stop((uv_stream_t *)&connection->pipe);
    connection->writing = uv_write(&connection->write, (uv_stream_t *)&connection->pipe, &buffer, 1, on_written) == 0;
    if (!connection->writing)
        close_connection(connection);
}

static void
allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *connection = handle->data;
    size_t size;
    char *room = tri_visit_room(&connection->visit, &size);
    (void)suggested;
    *buffer = uv_buf_init(room, (unsigned)size);
}

static void
on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    struct tri_visit *visit = &connection->visit;
    (void)buffer;
    connection->heard = ++connection->inspector->events;
    if (size > 0)
        tri_visit_heard(visit, (size_t)size);
    visit->ended = visit->ended || size < 0;
    if ((size < 0 && size != UV_EOF) || (visit->last && visit->ended))
        close_connection(connection);
    else if (!visit->last)
        go_on(connection);
}

static void
go_on(struct connection *connection)
{
    uv_stream_t *stream = (uv_stream_t *)&connection->pipe;
    if (connection->writing || uv_is_closing((uv_handle_t *)stream))
        return;
    switch (tri_visit_go_on(&connection->visit)) {
    case TRI_VISIT_SAY: send_page(connection); break;
    case TRI_VISIT_HEAR: uv_read_start(stream, allocate, on_read); break;
    case TRI_VISIT_PART:
        if (!connection->visit.ended)
            uv_read_start(stream, allocate, on_read);
        shut_down(connection);
        break;
    case TRI_VISIT_BREAK: close_connection(connection); break;
    }
}

/* -- Connections. -- */

static void
close_quietest(struct tri_inspector *inspector)
{
    struct connection *quietest = inspector->connections;
    for (struct connection *other = quietest; other != NULL; other = other->next)
        if (other->heard < quietest->heard)
            quietest = other;
    close_connection(quietest);
}

static void
on_refused_closed(uv_handle_t *handle)
{
    struct tri_inspector *inspector = handle->data;
    inspector->refuses = false;
}

/* Without memory: accepts a connection and closes it at once. */
static void
refuse(struct tri_inspector *inspector)
{
    if (inspector->refuses)
        return; /* libuv asks again for what is not accepted when it has polled */
    inspector->refuses = true;
    uv_pipe_init(&inspector->loop, &inspector->refused, 0);
    inspector->refused.data = inspector;
    uv_accept((uv_stream_t *)&inspector->listener, (uv_stream_t *)&inspector->refused);
    uv_close((uv_handle_t *)&inspector->refused, on_refused_closed);
}

static void
on_connection(uv_stream_t *listener, int status)
{
    struct tri_inspector *inspector = listener->data;
    struct connection *connection = status == 0 ? calloc(1, sizeof(*connection)) : NULL;
    if (status != 0)
        return;
    if (connection == NULL) {
        refuse(inspector);
        return;
    }
    if (inspector->count == CONNECTIONS)
        close_quietest(inspector);
    connection->inspector = inspector;
    tri_visit_begin(&connection->visit, &inspector->inquiry);
    uv_pipe_init(&inspector->loop, &connection->pipe, 0);
    connection->pipe.data = connection;
    uv_accept(listener, (uv_stream_t *)&connection->pipe); /* it is there, or this were not called */
    connection->heard = ++inspector->events;
    connection->next = inspector->connections;
    connection->link = &inspector->connections;
    if (connection->next != NULL)
        connection->next->link = &connection->next;
    inspector->connections = connection;
    inspector->count++;
    go_on(connection);
}

/* -- The thread. -- */

static void
on_stop(uv_async_t *handle)
{
    struct tri_inspector *inspector = handle->data;
    while (inspector->connections != NULL)
        close_connection(inspector->connections);
    uv_close((uv_handle_t *)&inspector->listener, NULL);
    uv_close((uv_handle_t *)&inspector->stop, NULL);
}

static void
inspector_main(void *argument)
{
    struct tri_inspector *inspector = argument;
    uv_run(&inspector->loop, UV_RUN_DEFAULT);
}

/* -- Start and stop. -- */

/* Takes the descriptor. */
static int
listen_on(struct tri_inspector *inspector)
{
    int error = uv_pipe_init(&inspector->loop, &inspector->listener, 0);
    inspector->listener.data = inspector;
    if (error == 0)
        error = uv_pipe_open(&inspector->listener, inspector->socket.fd);
    if (error != 0) {
        tri_close(inspector->socket.fd);
        return error;
    }
    return uv_listen((uv_stream_t *)&inspector->listener, BACKLOG, on_connection);
}

/* Closes what was opened in the loop, on the calling thread. */
static void
close_loop(struct tri_inspector *inspector)
{
    uv_run(&inspector->loop, UV_RUN_DEFAULT);
    uv_loop_close(&inspector->loop);
}

static tr_status
open_loop(struct tri_inspector *inspector)
{
    int error = uv_loop_init(&inspector->loop);
    if (error != 0) {
        tri_close(inspector->socket.fd);
        return tri_status_from_uv(error);
    }
    error = uv_async_init(&inspector->loop, &inspector->stop, on_stop);
    inspector->stop.data = inspector;
    if (error != 0) {
        tri_close(inspector->socket.fd);
        goto close_loop;
    }
    error = listen_on(inspector);
    if (error == 0)
        error = tri_thread_start(&inspector->thread, "troupe/inspect", 0, inspector_main, inspector);
    if (error == 0)
        return TR_OK;
    uv_async_send(&inspector->stop);

close_loop:
    close_loop(inspector);
    return tri_status_from_uv(error);
}

static tr_status
start_at(tr_runtime *runtime, const char *path, struct tri_inspector **out)
{
    struct tri_inspector *inspector = calloc(1, sizeof(*inspector));
    if (inspector == NULL)
        return TR_ENOMEM;
    tr_status status = tri_inquiry_init(&inspector->inquiry, runtime);
    if (status != TR_OK)
        goto free_inspector;
    status = tri_private_socket_open(path, &inspector->socket);
    if (status != TR_OK)
        goto end_asker;
    status = open_loop(inspector);
    if (status != TR_OK)
        goto remove_socket;
    *out = inspector;
    return TR_OK;

remove_socket:
    tri_private_socket_remove(&inspector->socket);
end_asker:
    tri_inquiry_fini(&inspector->inquiry);
free_inspector:
    free(inspector);
    return status;
}

tr_status
tri_inspector_start(tr_runtime *runtime, const char *path, struct tri_inspector **out)
{
    *out = NULL;
    if (path != NULL)
        return start_at(runtime, path, out);
    const char *wanted = tri_private_socket_wanted();
    tr_status status = wanted != NULL ? start_at(runtime, wanted, out) : TR_OK;
    if (status != TR_OK)
        tri_say("nobody can inspect this program at %.600s (TR_INSPECT): %s", wanted, tr_status_text(status));
    return TR_OK;
}

void
tri_inspector_stop(struct tri_inspector *inspector)
{
    if (inspector == NULL)
        return;
    uv_async_send(&inspector->stop);
    uv_thread_join(&inspector->thread);
    uv_loop_close(&inspector->loop);
    tri_private_socket_remove(&inspector->socket);
    tri_inquiry_fini(&inspector->inquiry);
    free(inspector);
}
