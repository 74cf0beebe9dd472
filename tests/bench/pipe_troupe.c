/*
 * pipe-troupe: the proxy that is compared with a hand-written one.
 *
 *   pipe-troupe --port P --to Q [--workers N] [--across]
 *
 * Listens on 127.0.0.1:P and pipes each connection to one of its own to 127.0.0.1:Q, both ways. --across: that one
 * lives on another worker than the connection. Prints "ready" when it listens.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/remote.h>
#include <troupe/net/server.h>

#define BACKLOG 4096
#define STOP_MS 1000u
#define NOT_SUPPORTED 77

static struct tr_connect_options target = {.host = "127.0.0.1"};
static const struct tr_socket_options both = {.allow_half_open = true, .no_delay = true};
static bool across;

static tr_status
pipe_both(tr_socket *client)
{
    tr_socket *upstream;
    tr_status status = tr_connect(tr_socket_actor(client), &both, &target, &upstream);
    if (status == TR_OK)
        status = tr_socket_pipe(client, tr_socket_ref(upstream), NULL);
    if (status == TR_OK)
        status = tr_socket_pipe(upstream, tr_socket_ref(client), NULL);
    return status;
}

static tr_status
pipe_across(tr_socket *client)
{
    tr_actor *self = tr_socket_actor(client);
    unsigned workers = tr_runtime_workers(tr_actor_runtime(self));
    struct tr_spawn_options place = {.placement = TR_PLACE_WORKER};
    place.worker = (tr_ref_worker(tr_self(self)) + 1) % workers;
    tr_ref upstream;
    tr_status status = tr_remote_socket(self, &both, &place, &upstream);
    if (status == TR_OK)
        status = tr_remote_connect(self, upstream, &target);
    if (status == TR_OK)
        status = tr_remote_pipe(self, upstream, tr_self(self), NULL);
    if (status == TR_OK)
        status = tr_socket_pipe(client, upstream, NULL);
    return status;
}

static void
on_connection(tr_socket *client)
{
    tr_status status = across ? pipe_across(client) : pipe_both(client);
    if (status != TR_OK)
        tr_socket_destroy(client, status);
}

static void
must(const char *what, tr_status status)
{
    if (status == TR_OK)
        return;
    fprintf(stderr, "pipe-troupe: %s: %s\n", what, tr_status_text(status));
    exit(1);
}

static bool
parse(int argc, char **argv, struct tr_listen_options *listen, struct tr_runtime_options *options)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--across") == 0)
            across = true;
        else if (i + 1 < argc && strcmp(argv[i], "--port") == 0)
            listen->port = (uint16_t)atoi(argv[++i]);
        else if (i + 1 < argc && strcmp(argv[i], "--to") == 0)
            target.port = (uint16_t)atoi(argv[++i]);
        else if (i + 1 < argc && strcmp(argv[i], "--workers") == 0)
            options->workers = (unsigned)atoi(argv[++i]);
        else
            return false;
    }
    return target.port != 0 && listen->port != 0;
}

int
main(int argc, char **argv)
{
    struct tr_server_options server = {.connection = on_connection, .socket = both};
    struct tr_listen_options listen = {.host = "127.0.0.1", .backlog = BACKLOG};
    struct tr_runtime_options options = {.workers = 1};
    if (!parse(argc, argv, &listen, &options))
        return NOT_SUPPORTED;

    /* Also for the moment between "ready" and the wait. */
    sigset_t end;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigaddset(&end, SIGINT);
    pthread_sigmask(SIG_BLOCK, &end, NULL);

    tr_runtime *runtime;
    must("start", tr_runtime_start(&options, &runtime));
    must("listen", tr_runtime_listen(runtime, &server, &listen, NULL, NULL));
    printf("ready\n");
    fflush(stdout);
    tr_runtime_wait(runtime);
    tr_runtime_stop(runtime, STOP_MS, NULL);
    return 0;
}
