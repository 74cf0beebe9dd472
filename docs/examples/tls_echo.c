/*
 * The echo server over TLS: what a client sends comes back to it, and nobody else can read it.
 *
 *   tls-echo PORT CERTIFICATES KEY        both are files in PEM, as every authority gives them
 */
#include <stdio.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

/* As over TCP: the socket is the same. */
static void
on_data(tr_socket *socket, tr_slice data)
{
    tr_status status = tr_socket_write_slice(socket, data);
    if (status == TR_QUEUED)
        tr_socket_pause(socket); /* the peer reads slowly: read no more until drain */
    else if (status != TR_OK)
        tr_socket_destroy(socket, status);
}

/* A handshake has failed. Nobody else is disturbed, and no connection comes of it. */
static void
on_handshake_failed(tr_server *server, const struct tr_handshake_failure *failure)
{
    (void)server;
    fprintf(stderr, "tls-echo: %s port %u, who asked for '%s': %s\n", failure->peer.text, failure->peer.port,
            failure->server_name, failure->error.code);
}

static tr_tls_context *
make_context(const char *certificates, const char *key)
{
    struct tr_tls_identity identity = {.chain.file = certificates, .key.file = key};
    struct tr_tls_context_options options = {.serves = true, .identities = &identity, .identity_count = 1};
    struct tr_tls_refusal why;
    tr_tls_context *context = NULL;
    if (tr_tls_context_new(&options, &why, &context) != TR_OK)
        fprintf(stderr, "tls-echo: %s\n", why.text); /* which file, which line, and what is wrong with it */
    return context;
}

int
main(int argc, char **argv)
{
    static const struct tr_socket_events events = {.data = on_data, .drain = tr_socket_resume};
    static const struct tr_server_events server_events = {.handshake_failed = on_handshake_failed};
    struct tr_server_options server = {.socket = {.events = &events, .no_delay = true}, .events = &server_events};
    struct tr_listen_options listen = {.any_port = true};
    struct tr_address at;
    tr_runtime *runtime = NULL;
    if (argc < 4) {
        fprintf(stderr, "usage: tls-echo PORT CERTIFICATES KEY\n");
        return 1;
    }
    server.tls.context = make_context(argv[2], argv[3]);
    if (server.tls.context == NULL)
        return 1;
    tr_status status = tr_port_parse(argv[1], &listen.port);
    if (status == TR_OK)
        status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    tr_tls_context_release(server.tls.context); /* the server holds it */
    if (status == TR_OK) {
        fprintf(stderr, "tls-echo: listening on port %u\n", at.port);
        tr_runtime_wait(runtime); /* until Ctrl-C, or SIGTERM */
    } else {
        fprintf(stderr, "tls-echo: %s\n", tr_status_text(status));
    }
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK ? 0 : 1;
}
