/* A program of somebody else's: an actor says a number to another one on the other worker, and a server listens. */
#include <stdio.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/net/server.h>

static int heard; /* written by the listener actor, read after the runtime has stopped */

static void
hear(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    heard = (int)message->tag;
    tr_runtime_quit(tr_actor_runtime(self));
}

static tr_status
speak(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    return tr_tell(self, *(const tr_ref *)argument, 42, NULL, 0);
}

static void
ignore(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state, (void)message;
}

static tr_status
run(tr_runtime *runtime)
{
    static const struct tr_behavior listener = {.name = "listener", .receive = hear};
    static const struct tr_behavior speaker = {.name = "speaker", .init = speak, .receive = ignore};
    struct tr_server_options server = {.socket.no_delay = true};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = 0};
    struct tr_address bound;
    tr_ref ref;

    tr_status status = tr_runtime_listen(runtime, &server, &listen, NULL, &bound);
    if (status != TR_OK)
        return status;
    status = tr_runtime_spawn(runtime, &listener, &place, &ref);
    if (status != TR_OK)
        return status;
    struct tr_spawn_options other = {
        .placement = TR_PLACE_WORKER, .worker = 1, .argument = &ref, .argument_size = sizeof(ref)};
    status = tr_runtime_spawn(runtime, &speaker, &other, NULL);
    if (status == TR_OK)
        tr_runtime_wait(runtime);
    return bound.port > 0 ? status : TR_EBADPORT;
}

int
main(void)
{
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER};
    tr_runtime *runtime = NULL;
    tr_status status = tr_runtime_start(&options, &runtime);
    if (status == TR_OK)
        status = run(runtime);
    tr_status stopped = tr_runtime_stop(runtime, 5000, NULL);
    printf("%s, stopped: %s, heard %d\n", tr_status_text(status), tr_status_text(stopped), heard);
    return status == TR_OK && stopped == TR_OK && heard == 42 ? 0 : 1;
}
