/*
 * A server on each worker, with a shard of its own: what its connections share needs no lock, since they live on the
 * same worker as their server does.
 *
 *   shards [PORT]           by default 8124
 *
 * All listen on one port. Each connection is told which worker has it, and how many that worker has had.
 */
#include <stdio.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

static struct tr_listen_options address = {.host = "127.0.0.1", .port = 8124};

/* The state of the actor that keeps a worker's server. */
struct shard {
    unsigned worker;
    unsigned visits; /* only callbacks on its worker touch it */
};

static void
on_connection(tr_socket *socket)
{
    struct shard *shard = tr_socket_data(socket); /* the server's */
    char text[64];
    int size = snprintf(text, sizeof(text), "worker %u, visit %u\n", shard->worker, ++shard->visits);
    if (tr_socket_write(socket, text, (size_t)size) >= TR_OK)
        tr_socket_end(socket);
}

static void
on_listening(tr_server *server)
{
    const struct shard *shard = tr_server_data(server);
    struct tr_address at;
    tr_server_address(server, &at);
    fprintf(stderr, "shards: worker %u listening on port %u of %s\n", shard->worker, at.port, at.text);
}

static void
on_error(tr_server *server, const struct tr_error *error)
{
    (void)server;
    fprintf(stderr, "shards: %s\n", tr_status_text(error->status));
}

static tr_status
shard_init(tr_actor *self, void *state, const void *argument)
{
    static const struct tr_server_events events = {.listening = on_listening, .error = on_error};
    struct shard *shard = state;
    struct tr_server_options options = {
        .connection = on_connection, .events = &events, .data = shard, .own_worker = true};
    tr_server *server;
    (void)argument;
    shard->worker = tr_ref_worker(tr_self(self));
    tr_status status = tr_server_spawn(self, &options, &server);
    return status == TR_OK ? tr_server_listen(server, &address) : status;
}

static void
shard_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state, (void)message; /* nobody sends it anything */
}

static const struct tr_behavior shard_behavior = {
    .name = "shard", .state_size = sizeof(struct shard), .init = shard_init, .receive = shard_receive};

int
main(int argc, char **argv)
{
    tr_runtime *runtime = NULL;
    tr_status status = argc > 1 ? tr_port_parse(argv[1], &address.port) : TR_OK;
    if (status == TR_OK)
        status = tr_runtime_start(NULL, &runtime);
    for (unsigned worker = 0; status == TR_OK && worker < tr_runtime_workers(runtime); worker++) {
        struct tr_spawn_options there = {.placement = TR_PLACE_WORKER, .worker = worker};
        status = tr_runtime_spawn(runtime, &shard_behavior, &there, NULL);
    }
    if (status == TR_OK)
        tr_runtime_wait(runtime); /* for Ctrl-C */
    else
        fprintf(stderr, "shards: %s\n", tr_status_text(status));
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK ? 0 : 1;
}
