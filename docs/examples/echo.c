/* An echo server on every core: what a connection sends comes back to it. */
#include <stdio.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

static void
on_data(tr_socket *socket, tr_slice data)
{
    tr_status status = tr_socket_write_slice(socket, data);
    if (status == TR_QUEUED)
        tr_socket_pause(socket); /* the peer reads slowly: read no more until drain */
    else if (status != TR_OK)
        tr_socket_destroy(socket, status);
}

int
main(int argc, char **argv)
{
    static const struct tr_socket_events events = {.data = on_data, .drain = tr_socket_resume};
    struct tr_server_options server = {.socket = {.events = &events, .no_delay = true}};
    /* With any_port the argument may be 0: the system chooses a port. Without it 0 is an error. */
    struct tr_listen_options listen = {.port = 8124, .any_port = true};
    struct tr_address at;
    tr_runtime *runtime = NULL;
    tr_status status = TR_OK;
    if (argc > 1)
        status = tr_port_parse(argv[1], &listen.port);
    if (status == TR_OK)
        status = tr_runtime_start(NULL, &runtime); /* a worker on each CPU */
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    if (status == TR_OK) {
        fprintf(stderr, "echo: listening on port %u, %u workers\n", at.port, tr_runtime_workers(runtime));
        tr_runtime_wait(runtime); /* until Ctrl-C */
    } else {
        fprintf(stderr, "echo: %s\n", tr_status_text(status));
    }
    tr_status end = tr_runtime_stop(runtime, 2000, NULL); /* at most 2 s for what is on its way */
    return status == TR_OK && end == TR_OK ? 0 : 1;
}
