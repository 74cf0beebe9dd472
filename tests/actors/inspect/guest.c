/*
 * A program with actors that a debugger and other tools look at: on each of two workers an actor of class "clerk", and
 * on the second a "holder" that hangs in its first message, of tag 7, while three more wait, which it has sent to
 * itself. It prints their names, then "ready", calls guest_is_ready(), and goes on when its input ends.
 */
#include <stdio.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <unistd.h>
#include <uv.h>

static uv_sem_t holding, released;
tr_ref guest_holder;
tr_message guest_message;
void guest_is_ready(void);

static void
ignore(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
}

static void
hold(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag != 7)
        return;
    for (uint32_t tag = 8; tag <= 10; tag++)
        tr_tell(self, tr_self(self), tag, &tag, sizeof(tag));
    uv_sem_post(&holding);
    uv_sem_wait(&released);
}

static const struct tr_behavior clerk = {.name = "clerk", .receive = ignore};
static const struct tr_behavior holder = {.name = "holder", .receive = hold};

static tr_ref
spawn(tr_runtime *runtime, const struct tr_behavior *behavior, unsigned worker)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = worker};
    tr_ref ref = TR_NOBODY;
    char text[TR_REF_TEXT_SIZE];
    if (tr_runtime_spawn(runtime, behavior, &options, &ref) != TR_OK)
        return TR_NOBODY;
    printf("%s %s\n", behavior->name, tr_ref_text(ref, text));
    return ref;
}

static bool
send_number(tr_runtime *runtime, tr_ref to, uint32_t tag)
{
    tr_message message = guest_message = tr_message_copy(tag, &tag, sizeof(tag));
    return tr_runtime_send(runtime, to, &message) == TR_OK;
}

/* Where a debugger stops. */
__attribute__((noinline)) void
guest_is_ready(void)
{
    printf("ready\n");
    fflush(stdout);
}

int
main(void)
{
    tr_runtime *runtime;
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER, .watchdog_ms = -1};
    if (uv_sem_init(&holding, 0) != 0 || uv_sem_init(&released, 0) != 0 ||
        tr_runtime_start(&options, &runtime) != TR_OK)
        return 1;
    spawn(runtime, &clerk, 0);
    spawn(runtime, &clerk, 1);
    guest_holder = spawn(runtime, &holder, 1);
    bool sent = send_number(runtime, guest_holder, 7);
    uv_sem_wait(&holding);
    guest_is_ready();
    while (read(STDIN_FILENO, &(char){0}, 1) > 0)
        continue;
    uv_sem_post(&released);
    return tr_runtime_stop(runtime, 10000, NULL) == TR_OK && sent ? 0 : 1;
}
