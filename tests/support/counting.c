#include "counting.h"

#include <stdlib.h>

struct tally received, stopped, freed;

void
count_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
    tally_add(&received, 1);
}

void
count_stopped(tr_actor *self, void *state)
{
    (void)self;
    (void)state;
    tally_add(&stopped, 1);
}

void
count_freed(void *address)
{
    free(address);
    tally_add(&freed, 1);
}
