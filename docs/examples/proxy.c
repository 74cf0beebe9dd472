/*
 * A proxy: for each connection one to another server, and the two are piped to each other.
 *
 *   proxy PORT TO-PORT [TO-HOST]        TO-HOST is by default localhost
 *
 * The pipes do all the rest: an end goes through as an end, in one direction at a time, hence allow_half_open; who
 * reads slowly makes the other side write slowly; when one of the two sockets is closed the other one is, so a server
 * that cannot be reached closes the client.
 */
#include <stdio.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/pipe.h>
#include <troupe/net/server.h>

static const struct tr_socket_options both = {.allow_half_open = true, .no_delay = true};

static void
on_connection(tr_socket *client)
{
    const struct tr_connect_options *target = tr_socket_data(client);
    tr_socket *server = NULL;
    tr_status status = tr_connect(tr_socket_actor(client), &both, target, &server);
    if (status == TR_OK)
        status = tr_socket_pipe(client, tr_socket_ref(server), NULL);
    if (status == TR_OK)
        status = tr_socket_pipe(server, tr_socket_ref(client), NULL);
    if (status != TR_OK) {
        tr_socket_destroy(client, status);
        tr_socket_destroy(server, status);
    }
}

int
main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: proxy PORT TO-PORT [TO-HOST]\n");
        return 1;
    }
    struct tr_connect_options target = {.host = argc > 3 ? argv[3] : NULL};
    struct tr_server_options server = {.connection = on_connection, .socket = both, .data = &target};
    struct tr_listen_options listen = {.any_port = true};
    struct tr_address at;
    tr_runtime *runtime = NULL;
    tr_status status = tr_port_parse(argv[1], &listen.port);
    if (status == TR_OK)
        status = tr_port_parse(argv[2], &target.port);
    if (status == TR_OK)
        status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    if (status == TR_OK) {
        fprintf(stderr, "proxy: listening on port %u\n", at.port);
        tr_runtime_wait(runtime); /* for Ctrl-C */
    } else {
        fprintf(stderr, "proxy: %s\n", tr_status_text(status));
    }
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK ? 0 : 1;
}
