/*
 * A program with actors that a debugger and other tools look at: on each of two workers an actor of class "clerk", and
 * on the second a "holder" that hangs in its first message, of tag 7, while three more wait, which it has sent to
 * itself. On the first a supervisor with two children: a "keeper", registered as "till", which has set a message of tag
 * 5 aside, and a "sleeper" that has failed and rests. It prints the names of all but these, then "ready", calls
 * guest_is_ready(), and goes on when its input ends.
 */
#include <stdio.h>
#include <troupe/actors/become.h>
#include <troupe/actors/failure.h>
#include <troupe/actors/names.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/actors/supervisor.h>
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

static void
keep(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tr_stash(self, message);
}

static void
fall_asleep(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    tr_fail(self, TR_EUSER, "tired");
}

static const struct tr_behavior keeper = {.name = "keeper", .receive = keep};
static const struct tr_behavior sleeper = {.name = "sleeper", .receive = fall_asleep};
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

/* Until the keeper has set its message aside, and the sleeper rests. */
static bool
supervise(tr_runtime *runtime)
{
    static const struct tr_child_spec children[] = {{.name = "k", .behavior = &keeper, .registered = "till"},
                                                    {.name = "s", .behavior = &sleeper}};
    struct tr_supervisor_options options = {.children = children, .child_count = 2, .backoff = {.first_ms = 3600000}};
    struct tr_supervisor_answer answer;
    tr_ref supervisor;
    if (tr_runtime_spawn_supervisor(runtime, &options, &supervisor) != TR_OK ||
        tr_runtime_supervisor_child(runtime, supervisor, "s", &answer) != TR_OK ||
        !send_number(runtime, tr_runtime_whereis(runtime, "till"), 5) || !send_number(runtime, answer.child, 6))
        return false;
    while (answer.state != TR_CHILD_RESTING)
        if (tr_runtime_supervisor_child(runtime, supervisor, "s", &answer) != TR_OK)
            return false;
    return true;
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
    bool sent = supervise(runtime);
    sent &= send_number(runtime, guest_holder, 7);
    uv_sem_wait(&holding);
    guest_is_ready();
    while (read(STDIN_FILENO, &(char){0}, 1) > 0)
        continue;
    uv_sem_post(&released);
    return tr_runtime_stop(runtime, 10000, NULL) == TR_OK && sent ? 0 : 1;
}
