/*
 * The document's idle timeout (v10): who says nothing for three seconds is shown the door.
 *
 *   timeout [PORT [TIMEOUT-MS]]        by default 8124 and 3000
 *
 * The timeout only tells that nothing moved; ending the connection is the program's choice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

static void
on_timeout(tr_socket *socket)
{
    fprintf(stderr, "socket timeout\n");
    tr_socket_end(socket);
}

int
main(int argc, char **argv)
{
    static const struct tr_socket_events events = {.timeout = on_timeout};
    struct tr_server_options server = {
        .socket = {.events = &events, .timeout_ms = (uint64_t)(argc > 2 ? atoi(argv[2]) : 3000)}};
    struct tr_listen_options listen = {.port = 8124, .any_port = true};
    struct tr_address at;
    tr_runtime *runtime = NULL;
    tr_status status = argc > 1 ? tr_port_parse(argv[1], &listen.port) : TR_OK;
    if (status == TR_OK)
        status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    if (status == TR_OK) {
        fprintf(stderr, "timeout: listening on port %u\n", at.port);
        tr_runtime_wait(runtime); /* for Ctrl-C */
    } else {
        fprintf(stderr, "timeout: %s\n", tr_status_text(status));
    }
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK ? 0 : 1;
}
