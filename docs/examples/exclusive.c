/*
 * The document's server that shares its port with nobody (v10, `exclusive: true`), on localhost.
 *
 *   exclusive [PORT]        by default 80, which needs the rights for it
 *
 * A second server on the same address gets TR_EADDRINUSE, in this process as in any other. Without the option servers
 * of one process share an address if their connections live on different workers: shards.c.
 */
#include <stdio.h>
#include <string.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

static void
on_connection(tr_socket *socket)
{
    tr_status status = tr_socket_end_with(socket, tr_slice_constant("mine\n", strlen("mine\n")));
    if (status < TR_OK)
        tr_socket_destroy(socket, status);
}

int
main(int argc, char **argv)
{
    struct tr_server_options server = {.connection = on_connection};
    struct tr_listen_options listen = {.host = "localhost", .port = 80, .exclusive = true};
    struct tr_address at;
    tr_runtime *runtime = NULL;
    tr_status status = argc > 1 ? tr_port_parse(argv[1], &listen.port) : TR_OK;
    if (status == TR_OK)
        status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    if (status == TR_OK) {
        fprintf(stderr, "exclusive: listening on port %u of %s\n", at.port, at.text);
        tr_runtime_wait(runtime); /* for Ctrl-C */
    } else {
        fprintf(stderr, "exclusive: %s: %s\n", tr_status_code(status), tr_status_text(status));
    }
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK ? 0 : 1;
}
