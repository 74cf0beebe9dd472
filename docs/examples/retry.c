/*
 * The documents' answer to EADDRINUSE (v0.4 to v10): wait a second, close, and listen again.
 *
 *   retry [PORT [DELAY-MS]]        by default 8124 and 1000
 *
 * A server is an actor: it waits by a message that it sends itself later. Since tr_runtime_listen() gives up at once
 * when the address is taken, the server is spawned by an actor here, and reports errors as events.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/net/server.h>

enum { RETRY };

struct plan {
    struct tr_listen_options listen;
    uint64_t delay_ms;
};

static tr_status failure; /* the server's; read when its worker has ended */

static void
give_up(tr_server *server, tr_status status)
{
    failure = status;
    tr_runtime_quit(tr_actor_runtime(tr_server_actor(server)));
}

static void
on_error(tr_server *server, const struct tr_error *error)
{
    const struct plan *plan = tr_server_data(server);
    if (tr_server_listening(server)) /* a connection that could not be accepted: the server goes on */
        return;
    if (error->status != TR_EADDRINUSE) {
        give_up(server, error->status);
        return;
    }
    fprintf(stderr, "Address in use, retrying...\n");
    tr_message retry = tr_message_signal(RETRY);
    tr_status status = tr_send_after(tr_server_actor(server), tr_server_ref(server), plan->delay_ms, &retry, NULL);
    if (status != TR_OK)
        give_up(server, status);
}

static void
on_message(tr_server *server, tr_message *message)
{
    const struct plan *plan = tr_server_data(server);
    if (message->tag != RETRY)
        return;
    tr_server_close(server); /* it says that the server is not open, which is no news */
    tr_status status = tr_server_listen(server, &plan->listen);
    if (status != TR_OK)
        give_up(server, status);
}

static void
on_listening(tr_server *server)
{
    struct tr_address at;
    if (tr_server_address(server, &at) == TR_OK)
        fprintf(stderr, "retry: listening on port %u of %s\n", at.port, at.text);
}

static void
on_connection(tr_socket *socket)
{
    tr_status status = tr_socket_end_with(socket, tr_slice_constant("goodbye\n", strlen("goodbye\n")));
    if (status < TR_OK)
        tr_socket_destroy(socket, status);
}

/* The actor that spawns the server and has nothing else to do. */

static tr_status
starter_init(tr_actor *self, void *state, const void *argument)
{
    static const struct tr_server_events events = {.listening = on_listening, .error = on_error, .message = on_message};
    const struct plan *plan = argument;
    struct tr_server_options options = {.connection = on_connection, .events = &events, .data = (void *)plan};
    tr_server *server;
    tr_status status = tr_server_spawn(self, &options, &server);
    (void)state;
    return status == TR_OK ? tr_server_listen(server, &plan->listen) : status;
}

static void
starter_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state, (void)message;
}

int
main(int argc, char **argv)
{
    static const struct tr_behavior starter = {.name = "starter", .init = starter_init, .receive = starter_receive};
    struct plan plan = {
        .listen = {.host = "localhost", .port = 8124},
        .delay_ms = (uint64_t)(argc > 2 ? atoi(argv[2]) : 1000),
    };
    struct tr_spawn_options spawn = {.argument = &plan}; /* which outlives the runtime */
    tr_runtime *runtime = NULL;
    tr_status status = argc > 1 ? tr_port_parse(argv[1], &plan.listen.port) : TR_OK;
    if (status == TR_OK)
        status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_spawn(runtime, &starter, &spawn, NULL);
    if (status == TR_OK)
        tr_runtime_wait(runtime); /* for Ctrl-C, or give_up() */
    tr_status stopped = tr_runtime_stop(runtime, 2000, NULL);
    if (status == TR_OK)
        status = failure != TR_OK ? failure : stopped;
    if (status != TR_OK)
        fprintf(stderr, "retry: %s\n", tr_status_text(status));
    return status == TR_OK ? 0 : 1;
}
