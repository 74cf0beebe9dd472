/*
 * The documents' server on a port that the system chooses (v0.2 to v10): it says goodbye, and where it can be found.
 *
 *   goodbye
 */
#include <stdio.h>
#include <string.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

static void
on_connection(tr_socket *socket)
{
    tr_status status = tr_socket_end_with(socket, tr_slice_constant("goodbye\n", strlen("goodbye\n")));
    if (status < TR_OK)
        tr_socket_destroy(socket, status);
}

static void
on_listening(tr_server *server)
{
    struct tr_address at;
    if (tr_server_address(server, &at) == TR_OK) /* it is not, if it was closed meanwhile */
        fprintf(stderr, "opened server on {\"port\":%u,\"family\":\"IPv%d\",\"address\":\"%s\"}\n", at.port,
                (int)at.family, at.text);
}

int
main(void)
{
    static const struct tr_server_events events = {.listening = on_listening};
    struct tr_server_options server = {.connection = on_connection, .events = &events};
    struct tr_listen_options listen = {.any_port = true};
    tr_runtime *runtime = NULL;
    tr_status status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, &listen, NULL, NULL);
    if (status == TR_OK)
        tr_runtime_wait(runtime); /* for Ctrl-C */
    else
        fprintf(stderr, "goodbye: %s\n", tr_status_text(status));
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK ? 0 : 1;
}
