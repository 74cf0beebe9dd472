/* The tests of somebody else's program: an actor answers, whatever the seed. */
#include <stdio.h>
#include <troupe/actors/send.h>
#include <troupe/testing.h>

static void
answer(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tr_tell(self, message->from, message->tag + 1, NULL, 0);
}

static tr_status
ask(tr_runtime *runtime)
{
    static const struct tr_behavior answerer = {.name = "answerer", .receive = answer};
    tr_probe *probe = NULL;
    tr_ref ref;
    tr_status status = tr_runtime_spawn(runtime, &answerer, NULL, &ref);
    if (status == TR_OK)
        status = tr_probe_open(runtime, &probe);
    tr_message question = tr_message_signal(41);
    if (status == TR_OK)
        status = tr_probe_send(probe, ref, &question);
    if (status == TR_OK)
        status = tr_probe_expect(probe, 42, 1000, NULL);
    tr_probe_close(probe);
    return status;
}

static int
play(uint64_t seed, void *context)
{
    struct tr_testing_options options = {.seed = seed};
    tr_runtime *runtime;
    (void)context;
    if (tr_testing_start(&options, &runtime) != TR_OK)
        return 1;
    tr_status status = ask(runtime);
    tr_status stopped = tr_runtime_stop(runtime, 1000, NULL);
    return status != TR_OK || stopped != TR_OK;
}

int
main(void)
{
    bool passed = tr_testing_seeds(0, 100, play, NULL);
    printf("%s\n", passed ? "answered" : "failed");
    return passed ? 0 : 1;
}
