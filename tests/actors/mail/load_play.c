#include "load_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct tally sent, got, held, release, hindered, done, letters, wrong;
uint64_t in_flight_most;

int
load_reset(void **state)
{
    (void)state;
    sent = got = held = release = hindered = done = letters = wrong = (struct tally){0};
    in_flight_most = 0;
    return 0;
}

struct tr_counters
counters_of(tr_runtime *runtime)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    return counters;
}

void
receiver_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == HOLD) {
        tally_add(&held, 1);
        tally_await(&release, 1);
        return;
    }
    uint64_t in_flight = tally_read(&sent) - tally_read(&got);
    in_flight_most = in_flight > in_flight_most ? in_flight : in_flight_most;
    tally_add(&got, 1);
}

const struct tr_behavior receiver = {.name = "receiver", .receive = receiver_receive};
