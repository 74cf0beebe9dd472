/*
 * The socket: one thread with a loop of its own, so that it answers while workers hang.
 *
 * Whoever connects sends lines, each a word, and gets answers; a line that begins like HTTP gets an answer of HTTP and
 * the end. What others can make it hold is bounded:
 *
 *   - a connection has room for one line, and reads no more while it is answering;
 *   - an answer is made a page at a time (report.h), and the next when the other side has taken the last. A slow reader
 *     keeps one page;
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
#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <troupe/core/descriptors.h>
#include <troupe/core/private_socket.h>
#include <troupe/core/say.h>
#include <troupe/core/status_from.h>
#include <troupe/core/thread.h>

#define CONNECTIONS 32u
#define LINE_BYTES 1024u
#define HEADER_LINES 100u
#define BACKLOG 16

enum http { NO_HTTP, HTTP_METRICS, HTTP_JSON, HTTP_NOT_FOUND, HTTP_BAD_METHOD };

struct connection {
    struct connection *next, **link;
    struct tri_inspector *inspector;
    uv_pipe_t pipe;
    uv_write_t write;
    uv_shutdown_t shutdown;
    uint64_t heard; /* when it last did something: the inspector's count */

    char line[LINE_BYTES];
    size_t size;
    bool ended; /* the other side sends no more */

    enum http http;        /* what was asked for; the header's lines follow */
    unsigned header_lines; /* so far */

    struct tri_page page;
    struct tri_report report;
    bool reporting; /* there is more to come */
    bool writing;   /* the page is under way */
    bool last;      /* no line is answered any more */
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
    tri_page_clear(&connection->page);
    if (connection->reporting)
        tri_report_end(&connection->report);
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
    if (status != 0 || connection->ended)
        close_connection(connection);
}

static void
shut_down(struct connection *connection)
{
    if (uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->pipe, on_shut_down) != 0)
        close_connection(connection);
}

/* -- Answers. -- */

static void
on_written(uv_write_t *request, int status)
{
    struct connection *connection = request->handle->data;
    connection->writing = false;
    connection->heard = ++connection->inspector->events;
    tri_page_clear(&connection->page);
    if (status != 0)
        close_connection(connection);
    else
        go_on(connection);
}

static void
send_page(struct connection *connection)
{
    uv_buf_t buffer = uv_buf_init(connection->page.text, (unsigned)connection->page.size);
    connection->writing = uv_write(&connection->write, (uv_stream_t *)&connection->pipe, &buffer, 1, on_written) == 0;
    if (!connection->writing)
        close_connection(connection);
}

/* Writes on until there is something to send, or the report is over. */
static void
report_on(struct connection *connection)
{
    while (connection->reporting && connection->page.size == 0 && !connection->page.failed) {
        connection->reporting = tri_report_go_on(&connection->report, &connection->page);
        if (!connection->reporting)
            tri_report_end(&connection->report);
    }
}

static void
report(struct connection *connection, enum tri_report_kind kind)
{
    connection->reporting = tri_report_begin(&connection->report, kind, &connection->inspector->inquiry);
    connection->page.failed = !connection->reporting;
}

static const char help[] = "actors   all actors: whose child, whom it waits for, messages waiting and handled,\n"
                           "         time spent, age, class, state, registered names\n"
                           "workers  all workers: counters, CPU time, what each runs\n"
                           "json     everything, as one JSON document\n"
                           "metrics  for Prometheus; also by HTTP: GET /metrics, GET /json\n"
                           "help     this\n"
                           "quit     the end\n"
                           "\n";

static void
answer(struct connection *connection, const char *word)
{
    struct tri_page *page = &connection->page;
    if (strcmp(word, "actors") == 0)
        report(connection, TRI_REPORT_ACTORS);
    else if (strcmp(word, "workers") == 0)
        report(connection, TRI_REPORT_WORKERS);
    else if (strcmp(word, "json") == 0)
        report(connection, TRI_REPORT_JSON);
    else if (strcmp(word, "metrics") == 0)
        report(connection, TRI_REPORT_METRICS);
    else if (strcmp(word, "quit") == 0)
        connection->last = true;
    else if (strcmp(word, "help") == 0)
        tri_page_add(page, "%s", help);
    else if (word[0] != '\0')
        tri_page_add(page, "no such word; \"help\" says which there are\n\n");
}

/* -- HTTP. -- */

static bool
is_path(const char *text, const char *path)
{
    size_t length = strlen(path);
    return strncmp(text, path, length) == 0 && (text[length] == '\0' || text[length] == ' ' || text[length] == '?');
}

static enum http
http_of(const char *line)
{
    static const char *const others[] = {"HEAD /", "POST /", "PUT /", "DELETE /", "OPTIONS ", "PATCH /"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strncmp(line, others[i], strlen(others[i])) == 0)
            return HTTP_BAD_METHOD;
    if (strncmp(line, "GET ", 4) != 0)
        return NO_HTTP;
    if (is_path(line + 4, "/metrics"))
        return HTTP_METRICS;
    return is_path(line + 4, "/json") ? HTTP_JSON : HTTP_NOT_FOUND;
}

static void
answer_http(struct connection *connection)
{
    static const struct {
        const char *status, *type;
    } heads[] = {
        [HTTP_METRICS] = {"200 OK", "text/plain; version=0.0.4; charset=utf-8"},
        [HTTP_JSON] = {"200 OK", "application/json"},
        [HTTP_NOT_FOUND] = {"404 Not Found", "text/plain"},
        [HTTP_BAD_METHOD] = {"405 Method Not Allowed\r\nAllow: GET", "text/plain"},
    };
    connection->last = true;
    tri_page_add(&connection->page, "HTTP/1.1 %s\r\nContent-Type: %s\r\nConnection: close\r\n\r\n",
                 heads[connection->http].status, heads[connection->http].type);
    if (connection->http == HTTP_METRICS || connection->http == HTTP_JSON)
        report(connection, connection->http == HTTP_METRICS ? TRI_REPORT_METRICS : TRI_REPORT_JSON);
    else
        tri_page_add(&connection->page, "There are /metrics and /json.\n");
}

static void
take_header_line(struct connection *connection, const char *line)
{
    if (line[0] == '\0')
        answer_http(connection);
    else if (++connection->header_lines > HEADER_LINES)
        close_connection(connection);
}

/* -- Lines. -- */

static void
take_line(struct connection *connection, const char *line)
{
    if (connection->http != NO_HTTP) {
        take_header_line(connection, line);
        return;
    }
    connection->http = http_of(line);
    if (connection->http == NO_HTTP)
        answer(connection, line);
    else if (strstr(line, " HTTP/") == NULL)
        answer_http(connection); /* HTTP 0.9: no header follows */
}

/* The first line, without its end and blanks around it. false: there is none yet. */
static bool
next_line(struct connection *connection, char line[LINE_BYTES + 1])
{
    const char *end = memchr(connection->line, '\n', connection->size);
    if (end == NULL && (!connection->ended || connection->size == 0))
        return false;
    size_t length = end != NULL ? (size_t)(end - connection->line) : connection->size;
    size_t taken = end != NULL ? length + 1 : length;
    memcpy(line, connection->line, length);
    connection->size -= taken;
    memmove(connection->line, connection->line + taken, connection->size);
    while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == ' ' || line[length - 1] == '\t'))
        length--;
    line[length] = '\0';
    return true;
}

static void
take_lines(struct connection *connection)
{
    char line[LINE_BYTES + 1];
    while (!connection->last && !connection->reporting && connection->page.size == 0 && next_line(connection, line))
        take_line(connection, line);
    if (connection->last || connection->reporting || connection->page.size > 0)
        return;
    if (connection->size == LINE_BYTES) {
        tri_page_add(&connection->page, "that line is too long\n\n");
        connection->last = true;
    }
}

static void
allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *connection = handle->data;
    (void)suggested;
    if (connection->last)
        connection->size = 0; /* nobody reads it */
    *buffer = uv_buf_init(connection->line + connection->size, (unsigned)(LINE_BYTES - connection->size));
}

static void
on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    (void)buffer;
    connection->heard = ++connection->inspector->events;
    if (size > 0 && !connection->last)
        connection->size += (size_t)size;
    if (size < 0)
        connection->ended = true;
    if (size < 0 && size != UV_EOF)
        close_connection(connection);
    else if (connection->last && connection->ended)
        close_connection(connection);
    else if (!connection->last)
        go_on(connection);
}

/* What comes next: a page to send, a line to answer, more to read, or the end. */
static void
go_on(struct connection *connection)
{
    uv_stream_t *stream = (uv_stream_t *)&connection->pipe;
    if (connection->writing || uv_is_closing((uv_handle_t *)stream))
        return;
    take_lines(connection);
    if (uv_is_closing((uv_handle_t *)stream))
        return;
    report_on(connection);
    if (connection->page.failed) {
        close_connection(connection);
    } else if (connection->page.size > 0) {
        uv_read_stop(stream);
        send_page(connection);
    } else if (connection->last || connection->ended) {
        connection->last = true;
        if (!connection->ended)
            uv_read_start(stream, allocate, on_read);
        shut_down(connection);
    } else {
        uv_read_start(stream, allocate, on_read);
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
