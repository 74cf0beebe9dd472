/*
 * A program for peers of other makes: what happens to its sockets goes to standard output, a line for each event.
 *
 *   peer serve          prints "port N"; echoes; says "goodbye" when the other side has ended. Until its input ends
 *   peer hurry          the same, but answers what ends with an empty line, as a server of HTTP does, and gives up
 *                       peers that are slow
 *   peer client PORT    connects, says "hello", echoes what comes. Until it is closed
 *
 * A line is "NUMBER EVENT"; the numbers count the connections of a server, a client is 0.
 */
#include <ck_pr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>
#include <unistd.h>

static tr_runtime *runtime;
static unsigned connections;

static void
say(tr_socket *socket, const char *event)
{
    /* One write for a line: workers print at the same time. */
    char line[64];
    int size = snprintf(line, sizeof(line), "%u %s\n", (unsigned)(uintptr_t)tr_socket_data(socket), event);
    if (write(STDOUT_FILENO, line, (size_t)size) != size)
        abort();
}

static void
on_connection(tr_socket *socket)
{
    tr_socket_set_data(socket, (void *)(uintptr_t)(ck_pr_faa_uint(&connections, 1) + 1));
    say(socket, "accepted");
}

static void
on_connect(tr_socket *socket)
{
    say(socket, "connect");
    tr_socket_write(socket, "hello", 5);
}

static void
on_ready(tr_socket *socket)
{
    say(socket, "ready");
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    if (tr_socket_write_slice(socket, data) == TR_QUEUED)
        tr_socket_pause(socket);
}

static void
on_end(tr_socket *socket)
{
    say(socket, "end");
    tr_socket_write(socket, "goodbye", 7);
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    say(socket, tr_status_code(error->status));
}

static void
on_close(tr_socket *socket, bool had_error)
{
    say(socket, had_error ? "close!" : "close");
    if (tr_socket_server(socket) == TR_NOBODY)
        tr_runtime_quit(runtime);
}

static const struct tr_socket_events events = {
    .connect = on_connect,
    .ready = on_ready,
    .data = on_data,
    .end = on_end,
    .drain = tr_socket_resume,
    .error = on_error,
    .close = on_close,
};

/* The header of a request comes as one piece from whoever means well. */
static void
on_request(tr_socket *socket, tr_slice data)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    if (data.size >= 4 && memcmp((const char *)data.data + data.size - 4, "\r\n\r\n", 4) == 0)
        tr_socket_end_with(socket, tr_slice_constant(answer, sizeof(answer) - 1));
}

static const struct tr_socket_events hurried = {.data = on_request, .error = on_error, .close = on_close};

static tr_status
serve(bool hurries)
{
    struct tr_server_options server = {.connection = on_connection, .socket.events = hurries ? &hurried : &events};
    if (hurries) {
        server.socket.first_byte_timeout_ms = 1000;
        server.socket.min_rate = 1000;
        server.socket.min_rate_interval_ms = 1000;
        server.socket.write_timeout_ms = 1000;
    }
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address at;
    tr_status status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    if (status != TR_OK)
        return status;
    printf("port %u\n", at.port);
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return TR_OK;
}

static tr_status
visit(uint16_t port)
{
    struct tr_socket_options socket = {.events = &events};
    struct tr_connect_options options = {.host = "127.0.0.1", .port = port};
    tr_status status = tr_runtime_connect(runtime, &socket, &options, NULL);
    if (status == TR_OK)
        tr_runtime_wait(runtime);
    return status;
}

int
main(int argc, char **argv)
{
    struct tr_runtime_options options = {.workers = 2};
    tr_status status = tr_runtime_start(&options, &runtime);
    if (status == TR_OK)
        status = argc == 3 ? visit((uint16_t)atoi(argv[2])) : serve(argc == 2 && strcmp(argv[1], "hurry") == 0);
    tr_status stopped = tr_runtime_stop(runtime, 60000, NULL);
    return status == TR_OK && stopped == TR_OK ? 0 : 1;
}
