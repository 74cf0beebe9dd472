/*
 * A proxy: for each connection one to another server, and the two are piped to each other.
 *
 *   proxy PORT TO-PORT [TO-HOST [VERSION]]        TO-HOST is by default localhost
 *
 * With a VERSION, 1 or 2, the server is told whose connection it gets, in a header of the PROXY protocol.
 *
 * The pipes do all the rest: an end goes through as an end, in one direction at a time, hence allow_half_open; who
 * reads slowly makes the other side write slowly; when one of the two sockets is closed the other one is, so a server
 * that cannot be reached closes the client.
 */
#include <stdio.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/pipe.h>
#include <troupe/net/proxy.h>
#include <troupe/net/server.h>

struct target {
    struct tr_connect_options connect;
    unsigned version; /* of the header; 0: there is none */
};

static const struct tr_socket_options both = {.allow_half_open = true, .no_delay = true};

static void
on_connection(tr_socket *client)
{
    const struct target *target = tr_socket_data(client);
    struct tr_connect_options connect = target->connect;
    struct tr_proxy header;
    tr_socket *server = NULL;
    if (target->version != 0) {
        tr_proxy_for(client, &header);
        header.version = target->version;
        connect.proxy = &header;
    }
    tr_status status = tr_connect(tr_socket_actor(client), &both, &connect, &server);
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
        fprintf(stderr, "usage: proxy PORT TO-PORT [TO-HOST [VERSION]]\n");
        return 1;
    }
    struct target target = {.connect.host = argc > 3 ? argv[3] : NULL};
    if (argc > 4)
        target.version = argv[4][0] == '1' ? TR_PROXY_V1 : TR_PROXY_V2;
    struct tr_server_options server = {.connection = on_connection, .socket = both, .data = &target};
    struct tr_listen_options listen = {.any_port = true};
    struct tr_address at;
    tr_runtime *runtime = NULL;
    tr_status status = tr_port_parse(argv[1], &listen.port);
    if (status == TR_OK)
        status = tr_port_parse(argv[2], &target.connect.port);
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
