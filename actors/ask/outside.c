/*
 * Asking from a thread that is no worker: an actor on the other's worker asks in its place, and ends with the outcome.
 * The thread waits; what the actor needs is on its stack. Whatever ends the actor before lets the thread go, with the
 * end of the question: nothing but the runtime's end does.
 */
#include "actor_internal.h"
#include "outsider.h"

#include <troupe/actors/ask.h>

/* On the stack of the thread that waits. */
struct call {
    tr_ref to;
    tr_message *question;
    tr_message *answer;
    uint64_t timeout_ms;
    struct tri_outsider waiter;
};

static void
on_outcome(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct call *call = context;
    if (answer->message != NULL) {
        *call->answer = *answer->message;
        *answer->message = tr_message_signal(answer->message->tag);
    }
    tri_outsider_let_go(&call->waiter, answer->status);
    tr_exit(self);
}

static void
on_end(void *context)
{
    struct call *call = context;
    tri_outsider_let_go(&call->waiter, TR_ESTOPPING);
}

static tr_status
asker_init(tr_actor *self, void *state, const void *argument)
{
    struct call *call = *(struct call *const *)argument;
    struct tr_ask_options options = {
        .timeout_ms = call->timeout_ms, .done = on_outcome, .context = call, .destroy = on_end};
    (void)state;
    return tr_ask(self, call->to, call->question, &options);
}

static void
asker_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
}

static const struct tr_behavior asker_behavior = {.name = "asker", .init = asker_init, .receive = asker_receive};

static tr_status
spawn_asker(tr_runtime *runtime, struct call *call)
{
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER,
                                       .worker = tri_ref_worker(call->to),
                                       .argument = &call,
                                       .argument_size = sizeof(call)};
    return tr_runtime_spawn(runtime, &asker_behavior, &options, NULL);
}

tr_status
tr_runtime_ask(tr_runtime *runtime, tr_ref to, tr_message *question, uint64_t timeout_ms, tr_message *answer)
{
    if (runtime == NULL || question == NULL || answer == NULL)
        return TR_EINVAL;
    if (!tri_ref_is_of(runtime->core, to))
        return TR_EBADREF;
    struct call call = {.to = to, .question = question, .answer = answer, .timeout_ms = timeout_ms};
    tr_status status = tri_outsider_init(&call.waiter, runtime->core);
    if (status != TR_OK)
        return status;
    status = spawn_asker(runtime, &call);
    if (status == TR_OK)
        status = tri_outsider_wait(&call.waiter);
    tri_outsider_fini(&call.waiter);
    return status;
}
