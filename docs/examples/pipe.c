/*
 * The documents' echo server of v0.4 to v10: it says hello and pipes each socket to itself.
 *
 *   pipe [PORT]        by default 8124; try it with: telnet localhost 8124
 *
 * The pipe sees to it that a peer which does not read is not read either.
 */
#include <stdio.h>
#include <string.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/pipe.h>
#include <troupe/net/server.h>

static void
on_end(tr_socket *socket)
{
    (void)socket;
    fprintf(stderr, "client disconnected\n");
}

static void
on_connection(tr_socket *socket)
{
    fprintf(stderr, "client connected\n");
    tr_status status = tr_socket_write_slice(socket, tr_slice_constant("hello\r\n", strlen("hello\r\n")));
    if (status >= TR_OK)
        status = tr_socket_pipe(socket, tr_socket_ref(socket), NULL);
    if (status < TR_OK)
        tr_socket_destroy(socket, status);
}

int
main(int argc, char **argv)
{
    static const struct tr_socket_events events = {.end = on_end};
    struct tr_server_options server = {.connection = on_connection, .socket = {.events = &events}};
    struct tr_listen_options listen = {.port = 8124, .any_port = true};
    struct tr_address at;
    tr_runtime *runtime = NULL;
    tr_status status = argc > 1 ? tr_port_parse(argv[1], &listen.port) : TR_OK;
    if (status == TR_OK)
        status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    if (status == TR_OK) {
        fprintf(stderr, "pipe: listening on port %u\n", at.port);
        tr_runtime_wait(runtime); /* for Ctrl-C */
    } else {
        fprintf(stderr, "pipe: %s\n", tr_status_text(status));
    }
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK ? 0 : 1;
}
