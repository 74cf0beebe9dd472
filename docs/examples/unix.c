/*
 * The documents' echo server on a unix socket (all eras): what pipe.c does on a port.
 *
 *   unix [PATH]        by default /tmp/echo.sock; try it with: nc -U /tmp/echo.sock
 *
 * A server that ends takes its path away. One that was killed leaves it behind: unlink_stale lets the next one have it.
 */
#include <stdio.h>
#include <string.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/pipe.h>
#include <troupe/net/server.h>

static void
on_connection(tr_socket *socket)
{
    tr_status status = tr_socket_write_slice(socket, tr_slice_constant("hello\r\n", strlen("hello\r\n")));
    if (status >= TR_OK)
        status = tr_socket_pipe(socket, tr_socket_ref(socket), NULL);
    if (status < TR_OK)
        tr_socket_destroy(socket, status);
}

int
main(int argc, char **argv)
{
    struct tr_server_options server = {.connection = on_connection};
    struct tr_listen_options listen = {.path = argc > 1 ? argv[1] : "/tmp/echo.sock", .unlink_stale = true};
    struct tr_address at;
    tr_runtime *runtime = NULL;
    tr_status status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    if (status == TR_OK) {
        fprintf(stderr, "unix: listening on %s\n", at.text);
        tr_runtime_wait(runtime); /* for Ctrl-C */
    } else {
        fprintf(stderr, "unix: %s\n", tr_status_text(status));
    }
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK ? 0 : 1;
}
