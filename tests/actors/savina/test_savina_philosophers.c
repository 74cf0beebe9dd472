/*
 * Dining philosophers: in a round, a fork between every two. A philosopher asks the waiter for the forks beside him,
 * eats with them, gives them back, and is hungry again. The waiter keeps the question until both forks are there and no
 * neighbour has been hungry for longer. So while somebody waits each of his neighbours eats at most once.
 *
 * What belongs to a fork is plain memory: whoever has the fork writes there, and the next one sees it, because the
 * forks came by messages.
 */
#include "savina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SEATS_MOST 64u

struct fork {
    bool taken;
    uint64_t meals;
};

struct table {
    unsigned seats, meals; /* meals of each philosopher */
    struct fork forks[SEATS_MOST];
};

struct place {
    struct table *table;
    tr_ref waiter;
    uint32_t seat;
};

#define DINNER(X)                                                                                                      \
    X(DINNER_PLAY, dinner_play, SIGNAL)                                                                                \
    X(DINNER_HUNGRY, dinner_hungry, VALUE(uint32_t))                                                                   \
    X(DINNER_SERVED, dinner_served, SIGNAL)                                                                            \
    X(DINNER_EATEN, dinner_eaten, SIGNAL)                                                                              \
    X(DINNER_FORKS, dinner_forks, VALUE(uint32_t))                                                                     \
    X(DINNER_OVER, dinner_over, SIGNAL)

TR_PROTOCOL(dinner, DINNER, 1);

/* Philosophers. */

struct philosopher {
    struct place place;
    unsigned meals;
};

static struct fork *
left_fork(const struct place *place)
{
    return &place->table->forks[place->seat];
}

static struct fork *
right_fork(const struct place *place)
{
    return &place->table->forks[(place->seat + 1) % place->table->seats];
}

static void
take(struct fork *fork)
{
    assert_false(fork->taken);
    fork->taken = true;
}

static void
give_back(struct fork *fork)
{
    assert_true(fork->taken);
    fork->meals++;
    fork->taken = false;
}

/* He eats until a message to himself has come, so that others have time for mistakes. */
static void
on_served(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct philosopher *philosopher = context;
    assert_int_equal(answer->outcome, TR_ANSWERED);
    assert_true(dinner_served_fits(answer->message));
    take(left_fork(&philosopher->place));
    take(right_fork(&philosopher->place));
    assert_int_equal(dinner_eaten_send(self, tr_self(self)), TR_OK);
}

static void
be_hungry(tr_actor *self, const struct place *place)
{
    savina_ask(self, place->waiter, dinner_hungry_message(&place->seat), on_served);
}

static tr_status
philosopher_init(tr_actor *self, void *state, const void *argument)
{
    struct philosopher *philosopher = state;
    philosopher->place = *(const struct place *)argument;
    be_hungry(self, &philosopher->place);
    return TR_OK;
}

static void
philosopher_receive(tr_actor *self, void *state, tr_message *message)
{
    struct philosopher *philosopher = state;
    struct place *place = &philosopher->place;
    assert_int_equal(dinner_tag_of(self, message), DINNER_EATEN);
    give_back(left_fork(place));
    give_back(right_fork(place));
    assert_int_equal(dinner_forks_send(self, place->waiter, &place->seat), TR_OK);
    if (++philosopher->meals < place->table->meals)
        be_hungry(self, place);
    else
        tr_exit(self);
}

static const struct tr_behavior philosopher_behavior = {.name = "philosopher",
                                                        .state_size = sizeof(struct philosopher),
                                                        .init = philosopher_init,
                                                        .receive = philosopher_receive};

/* The waiter, who directs. */

struct seat {
    tr_question question;
    uint64_t since;     /* when he became hungry: a number; 0: he is not */
    unsigned overtaken; /* meals that his neighbours have begun since then */
    bool eats;
};

struct waiter {
    struct table *table;
    struct savina_play play;
    uint64_t now;
    struct seat seats[SEATS_MOST];
};

static tr_status
waiter_init(tr_actor *self, void *state, const void *argument)
{
    struct waiter *waiter = state;
    (void)self;
    waiter->table = *(struct table *const *)argument;
    return TR_OK;
}

static struct seat *
neighbour(struct waiter *waiter, uint32_t seat, bool right)
{
    unsigned seats = waiter->table->seats;
    return &waiter->seats[(seat + (right ? 1 : seats - 1)) % seats];
}

static bool
must_wait_for(const struct seat *seat, const struct seat *neighbour)
{
    return neighbour->eats || (neighbour->since != 0 && neighbour->since < seat->since);
}

static void
serve(tr_actor *self, struct waiter *waiter, uint32_t number)
{
    struct seat *seat = &waiter->seats[number];
    struct seat *left = neighbour(waiter, number, false), *right = neighbour(waiter, number, true);
    if (seat->since == 0 || must_wait_for(seat, left) || must_wait_for(seat, right))
        return;
    assert_true(seat->overtaken <= 2);
    left->overtaken++;
    right->overtaken++;
    seat->since = 0;
    seat->eats = true;
    savina_reply_kept(self, &seat->question, dinner_served_message());
}

static void
hear(tr_actor *self, struct waiter *waiter, uint32_t number)
{
    struct seat *seat = &waiter->seats[number];
    assert_true(seat->since == 0 && !seat->eats);
    assert_int_equal(tr_question_keep(self, &seat->question), TR_OK);
    seat->since = ++waiter->now;
    seat->overtaken = 0;
    serve(self, waiter, number);
}

static void
take_forks(tr_actor *self, struct waiter *waiter, uint32_t number)
{
    unsigned seats = waiter->table->seats;
    waiter->seats[number].eats = false;
    serve(self, waiter, (number + seats - 1) % seats);
    serve(self, waiter, (number + 1) % seats);
}

static void
play(tr_actor *self, struct waiter *waiter)
{
    savina_begin(self, &waiter->play);
    for (uint32_t i = 0; i < waiter->table->seats; i++) {
        struct place place = {waiter->table, tr_self(self), i};
        savina_cast(self, &waiter->play, &philosopher_behavior, i, &place, sizeof(place));
    }
}

static void
one_has_ended(tr_actor *self, struct waiter *waiter, const tr_message *message)
{
    savina_one_has_ended(&waiter->play, message);
    if (waiter->play.cast == 0)
        savina_end(self, &waiter->play, dinner_over_message());
}

static void
waiter_receive(tr_actor *self, void *state, tr_message *message)
{
    switch (dinner_tag_of(self, message)) {
    case DINNER_PLAY: play(self, state); break;
    case DINNER_HUNGRY: hear(self, state, *dinner_hungry(message)); break;
    case DINNER_FORKS: take_forks(self, state, *dinner_forks(message)); break;
    default: one_has_ended(self, state, message);
    }
}

static const struct tr_behavior waiter_behavior = {
    .name = "waiter", .state_size = sizeof(struct waiter), .init = waiter_init, .receive = waiter_receive};

/* Two eat with each fork, all their meals. */
static void
program(tr_runtime *runtime, const void *size)
{
    struct table table = *(const struct table *)size, *argument = &table;
    tr_message answer = savina_direct(runtime, &waiter_behavior, &argument, sizeof(argument), dinner_play_message());
    assert_true(dinner_over_fits(&answer));
    for (unsigned i = 0; i < table.seats; i++) {
        assert_int_equal(table.forks[i].meals, 2 * table.meals);
        assert_false(table.forks[i].taken);
    }
    tr_message_drop(&answer);
}

static void
no_philosopher_starves_and_no_two_neighbours_eat_at_once_on_many_workers(void **state)
{
    (void)state;
    savina_on_workers(program, &(struct table){.seats = 20, .meals = 200});
}

static void
no_philosopher_starves_and_no_two_neighbours_eat_at_once_under_seeds(void **state)
{
    (void)state;
    savina_under_seeds(program, &(struct table){.seats = 5, .meals = 8});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_philosopher_starves_and_no_two_neighbours_eat_at_once_on_many_workers),
        cmocka_unit_test(no_philosopher_starves_and_no_two_neighbours_eat_at_once_under_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
