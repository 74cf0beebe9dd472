/*
 * Asking from a thread that is no worker: an actor on the other's worker asks in its place, and ends with the outcome.
 * The thread waits; what the actor needs is on its stack. Whatever ends the actor lets the thread go.
 */
#include "actor_internal.h"

#include <troupe/actors/ask.h>
#include <troupe/core/status_from.h>
#include <troupe/core/steps.h>

/* On the stack of the thread that waits. */
struct call {
    tr_ref to;
    tr_message *question;
    tr_message *answer;
    uint64_t timeout_ms;
    tr_status status;
    uv_sem_t over;
};

struct asker {
    struct call *call; /* NULL: it was let go */
};

static void
let_go(struct asker *asker, tr_status status)
{
    struct call *call = asker->call;
    asker->call = NULL;
    if (call == NULL)
        return;
    call->status = status;
    uv_sem_post(&call->over); /* afterwards the call is gone */
}

static void
on_outcome(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct asker *asker = context;
    if (answer->message != NULL) {
        *asker->call->answer = *answer->message;
        *answer->message = tr_message_signal(answer->message->tag);
    }
    let_go(asker, answer->status);
    tr_exit(self);
}

static tr_status
asker_init(tr_actor *self, void *state, const void *argument)
{
    struct asker *asker = state;
    struct call *call = *(struct call *const *)argument;
    struct tr_ask_options options = {.timeout_ms = call->timeout_ms, .done = on_outcome, .context = asker};
    tr_status status = tr_ask(self, call->to, call->question, &options);
    asker->call = status == TR_OK ? call : NULL;
    return status;
}

static void
asker_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
}

static bool
asker_stopping(tr_actor *self, void *state, enum tr_stop_mode how)
{
    (void)self;
    (void)how;
    let_go(state, TR_ESTOPPING);
    return true;
}

static const struct tr_behavior asker_behavior = {.name = "asker",
                                                  .state_size = sizeof(struct asker),
                                                  .init = asker_init,
                                                  .receive = asker_receive,
                                                  .stopping = asker_stopping};

tr_status
tr_runtime_ask(tr_runtime *runtime, tr_ref to, tr_message *question, uint64_t timeout_ms, tr_message *answer)
{
    if (runtime == NULL || question == NULL || answer == NULL)
        return TR_EINVAL;
    if (!tri_ref_is_of(runtime->core, to))
        return TR_EBADREF;
    struct call call = {.to = to, .question = question, .answer = answer, .timeout_ms = timeout_ms};
    int err = uv_sem_init(&call.over, 0);
    if (err != 0)
        return tri_status_from_uv(err);
    struct call *argument = &call;
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER,
                                       .worker = tri_ref_worker(to),
                                       .argument = &argument,
                                       .argument_size = sizeof(argument)};
    tr_status status = tr_runtime_spawn(runtime, &asker_behavior, &options, NULL);
    if (status == TR_OK) {
        tri_runtime_await(runtime->core, &call.over);
        status = call.status;
    }
    uv_sem_destroy(&call.over);
    return status;
}
