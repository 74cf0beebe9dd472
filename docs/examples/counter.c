/* An actor that adds up the numbers it is sent. */
#include <stdio.h>
#include <string.h>
#include <troupe/actors/runtime.h>

#define LAST 10

enum { ADD = 1 }; /* the tag of its one message, whose payload is an int */

struct counter {
    int total; /* zero at first */
};

static void
counter_receive(tr_actor *self, void *state, tr_message *message)
{
    struct counter *counter = state; /* only its own worker touches it, so it needs no lock */
    int number;
    memcpy(&number, tr_message_data(message), sizeof(number));
    counter->total += number;
    printf("%d\n", counter->total);
    if (number == LAST)
        tr_runtime_quit(tr_actor_runtime(self));
}

static const struct tr_behavior counter_behavior = {
    .name = "counter", .state_size = sizeof(struct counter), .receive = counter_receive};

int
main(void)
{
    tr_runtime *runtime = NULL;
    tr_ref counter;
    tr_status status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_spawn(runtime, &counter_behavior, NULL, &counter);
    for (int number = 1; status == TR_OK && number <= LAST; number++) {
        tr_message add = tr_message_copy(ADD, &number, sizeof(number));
        status = tr_runtime_send(runtime, counter, &add); /* on success the message has moved to the runtime */
    }
    if (status == TR_OK)
        tr_runtime_wait(runtime); /* until the actor quits */
    else
        fprintf(stderr, "counter: %s\n", tr_status_text(status));
    tr_status end = tr_runtime_stop(runtime, 1000, NULL);
    return status == TR_OK && end == TR_OK ? 0 : 1;
}
