/*
 * bank: a teller keeps transfers between accounts under way. It asks the source, which asks the destination, which
 * answers the source, which answers the teller. An account that waits for a credit to arrive defers debits.
 */
#include "actor_bench.h"

#include <stdlib.h>

#define TRANSFERS_UNDER_WAY 100u
#define START_BALANCE 1000000

enum { OPEN, DEBIT, CREDIT, CREDITED, TRANSFERRED };

struct debit {
    tr_ref teller;
    tr_ref destination;
};

struct account {
    uint64_t index;
    int64_t balance;
    tr_ref teller;          /* of the transfer under way, TR_NOBODY: there is none */
    struct debit *deferred; /* a ring */
    unsigned first, count, room;
};

static void
defer(struct account *account, struct debit debit)
{
    if (account->count == account->room) {
        unsigned room = account->room > 0 ? 2 * account->room : 4;
        struct debit *deferred = malloc(room * sizeof(*deferred));
        if (deferred == NULL)
            fail("account", "not enough memory");
        for (unsigned i = 0; i < account->count; i++)
            deferred[i] = account->deferred[(account->first + i) % account->room];
        free(account->deferred);
        account->deferred = deferred;
        account->first = 0;
        account->room = room;
    }
    account->deferred[(account->first + account->count++) % account->room] = debit;
}

static void
begin_transfer(tr_actor *self, struct account *account, struct debit debit)
{
    account->teller = debit.teller;
    account->balance--;
    tell(self, debit.destination, CREDIT, 1);
}

static void
end_transfer(tr_actor *self, struct account *account)
{
    tell(self, account->teller, TRANSFERRED, 0);
    account->teller = TR_NOBODY;
    if (account->count == 0)
        return;
    struct debit next = account->deferred[account->first];
    account->first = (account->first + 1) % account->room;
    account->count--;
    begin_transfer(self, account, next);
}

static void
account_receive(tr_actor *self, void *state, tr_message *message)
{
    struct account *account = state;
    switch (message->tag) {
    case DEBIT: {
        struct debit debit = {message->from, number_of(message)};
        if (account->teller != TR_NOBODY)
            defer(account, debit);
        else
            begin_transfer(self, account, debit);
        break;
    }
    case CREDIT:
        account->balance += (int64_t)number_of(message);
        tell(self, message->from, CREDITED, 0);
        break;
    case CREDITED: end_transfer(self, account); break;
    }
}

static tr_status
account_init(tr_actor *self, void *state, const void *argument)
{
    struct account *account = state;
    account->balance = START_BALANCE;
    return init_index(self, state, argument);
}

static void
account_stopped(tr_actor *self, void *state)
{
    struct account *account = state;
    (void)self;
    free(account->deferred);
}

static const struct tr_behavior account_behavior = {.name = "account",
                                                    .state_size = sizeof(struct account),
                                                    .init = account_init,
                                                    .receive = account_receive,
                                                    .stopped = account_stopped};

struct teller {
    uint64_t index;
    uint64_t seed;
    uint64_t asked, transferred;
};

static void
ask_for_a_transfer(tr_actor *self, struct teller *teller)
{
    if (teller->asked == n)
        return;
    teller->asked++;
    uint64_t source = random_next(&teller->seed) % actor_count;
    uint64_t destination = random_other(&teller->seed, actor_count, source);
    tell(self, actors[source], DEBIT, actors[destination]);
}

static void
teller_receive(tr_actor *self, void *state, tr_message *message)
{
    struct teller *teller = state;
    if (message->tag == OPEN) {
        teller->seed = seed_of(teller->index);
        for (unsigned i = 0; i < TRANSFERS_UNDER_WAY; i++)
            ask_for_a_transfer(self, teller);
    } else if (++teller->transferred == n) {
        finish();
    } else {
        ask_for_a_transfer(self, teller);
    }
}

static const struct tr_behavior teller_behavior = {
    .name = "teller", .state_size = sizeof(struct teller), .init = init_index, .receive = teller_receive};

void
set_up_bank(void)
{
    make_table(actor_count);
    for (uint64_t i = 0; i < actor_count; i++)
        actors[i] = spawn_on((unsigned)(i % workers), &account_behavior, i);
    start(spawn_on(0, &teller_behavior, 0), OPEN, 0);
}
