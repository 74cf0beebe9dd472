/*
 * The documents' client (v0.4 to v10) of the servers pipe.c and unix.c: it says world!, shows what comes, and ends.
 *
 *   client [PORT | PATH]        by default 8124; what has a slash is the path of a unix socket
 *
 * It finds a server on localhost whichever of ::1 and 127.0.0.1 that listens on, and gives up after five seconds. The
 * program ends when its only socket is closed: tr_runtime_wait_idle().
 */
#include <stdio.h>
#include <string.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/socket.h>

static bool failed; /* the worker's; read when that has ended */

static void
on_connect(tr_socket *socket)
{
    printf("connected to server!\n");
    tr_status status = tr_socket_write_slice(socket, tr_slice_constant("world!\r\n", strlen("world!\r\n")));
    if (status < TR_OK)
        tr_socket_destroy(socket, status);
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    printf("%.*s", (int)data.size, data.data);
    tr_socket_end(socket); /* the server may still go on: what it says comes here too */
}

static void
on_end(tr_socket *socket)
{
    (void)socket;
    printf("disconnected from server\n");
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    (void)socket;
    fprintf(stderr, "client: %s: %s\n", error->call, tr_status_text(error->status));
    failed = true;
}

int
main(int argc, char **argv)
{
    static const struct tr_socket_events events = {
        .connect = on_connect, .data = on_data, .end = on_end, .error = on_error};
    struct tr_runtime_options options = {.workers = 1};
    struct tr_socket_options socket = {.events = &events};
    struct tr_connect_options connect = {.port = 8124, .connect_timeout_ms = 5000};
    tr_status status = TR_OK;
    if (argc > 1 && strchr(argv[1], '/') != NULL)
        connect.path = argv[1];
    else if (argc > 1)
        status = tr_port_parse(argv[1], &connect.port);

    tr_runtime *runtime = NULL;
    if (status == TR_OK)
        status = tr_runtime_start(&options, &runtime);
    if (status == TR_OK)
        status = tr_runtime_connect(runtime, &socket, &connect, NULL);
    if (status == TR_OK)
        tr_runtime_wait_idle(runtime);
    else
        fprintf(stderr, "client: %s\n", tr_status_text(status));
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK && !failed ? 0 : 1;
}
