/* Echo on all cores: what comes in goes out again. */
#include <stdio.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

static void
on_data(tr_socket *socket, tr_slice data)
{
    tr_status status = tr_socket_write_slice(socket, data);
    if (status != TR_OK) /* QUEUED: the peer reads slowly, so read no more until it caught up */
        status == TR_QUEUED ? tr_socket_pause(socket) : tr_socket_destroy(socket, status);
}

int
main(int argc, char **argv)
{
    static const struct tr_socket_events events = {.data = on_data, .drain = tr_socket_resume};
    struct tr_server_options server = {.socket = {.events = &events, .no_delay = true}};
    struct tr_listen_options listen = {.port = 8124, .any_port = true};
    struct tr_address at;
    tr_runtime *runtime;
    tr_status status = argc > 1 ? tr_port_parse(argv[1], &listen.port) : TR_OK;
    if (status != TR_OK || (status = tr_runtime_start(NULL, &runtime)) != TR_OK ||
        (status = tr_runtime_listen(runtime, &server, &listen, NULL, &at)) != TR_OK)
        return fprintf(stderr, "echo: %s\n", tr_status_text(status)), 1;
    fprintf(stderr, "echo: listening on port %u, %u workers\n", at.port, tr_runtime_workers(runtime));
    tr_runtime_wait(runtime); /* for Ctrl-C */
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK ? 0 : 1;
}
