/*
 * The document's echo server of v0.2: hello to who connects, goodbye to who ends.
 *
 *   hello [PORT]        by default 8124
 *
 * It hears of a new connection by the socket's own connect event, which accepted sockets give with emit_connect only.
 * Within the end event there is still time for a goodbye; after it the socket would end its side by itself.
 */
#include <stdio.h>
#include <string.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

static void
on_data(tr_socket *socket, tr_slice data)
{
    tr_status status = tr_socket_write_slice(socket, data);
    if (status == TR_QUEUED)
        tr_socket_pause(socket);
    if (status < TR_OK)
        tr_socket_destroy(socket, status);
}

static void
say(tr_socket *socket, const char *text)
{
    on_data(socket, tr_slice_constant(text, strlen(text)));
}

static void
on_connect(tr_socket *socket)
{
    say(socket, "hello\r\n");
}

static void
on_end(tr_socket *socket)
{
    say(socket, "goodbye\r\n");
    tr_socket_end(socket);
}

int
main(int argc, char **argv)
{
    static const struct tr_socket_events events = {
        .connect = on_connect, .data = on_data, .drain = tr_socket_resume, .end = on_end};
    struct tr_server_options server = {
        .socket = {.events = &events, .emit_connect = true, .encoding = TR_ENCODING_UTF8}};
    struct tr_listen_options listen = {.host = "localhost", .port = 8124};
    struct tr_address at;
    tr_runtime *runtime = NULL;
    tr_status status = argc > 1 ? tr_port_parse(argv[1], &listen.port) : TR_OK;
    if (status == TR_OK)
        status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    if (status == TR_OK) {
        fprintf(stderr, "hello: listening on port %u of %s\n", at.port, at.text);
        tr_runtime_wait(runtime); /* for Ctrl-C */
    } else {
        fprintf(stderr, "hello: %s\n", tr_status_text(status));
    }
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK ? 0 : 1;
}
