/*
 * Logistic map: x becomes r x (1 - x), again and again, for several rates r. A computer knows its rate and gives the
 * next term for the one that it is asked with. A series asks for a term only when it has the one before, however many
 * it is told to compute meanwhile, and keeps the question for its last term until it has come there.
 */
#include "savina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SERIES_MOST 32u

struct size {
    unsigned series, terms;
};

#define LOGISTIC(X)                                                                                                    \
    X(LOGISTIC_PLAY, logistic_play, SIGNAL)                                                                            \
    X(LOGISTIC_NEXT, logistic_next, SIGNAL)                                                                            \
    X(LOGISTIC_COMPUTE, logistic_compute, VALUE(double))                                                               \
    X(LOGISTIC_LAST, logistic_last, SIGNAL)                                                                            \
    X(LOGISTIC_TERM, logistic_term, VALUE(double))

TR_PROTOCOL(logistic, LOGISTIC, 1);

static double
rate_of(unsigned series)
{
    return 3.46 + 0.0025 * series;
}

static double
first_of(unsigned series)
{
    return 0.0005 * (series + 1);
}

/* Not inlined: everybody computes with the same instructions. */
__attribute__((noinline)) static double
following(double rate, double term)
{
    return rate * term * (1 - term);
}

/* Computers. */

static tr_status
computer_init(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    *(double *)state = *(const double *)argument;
    return TR_OK;
}

static void
computer_receive(tr_actor *self, void *state, tr_message *message)
{
    assert_int_equal(logistic_tag_of(self, message), LOGISTIC_COMPUTE);
    double term = following(*(const double *)state, *logistic_compute(message));
    savina_reply(self, logistic_term_message(&term));
}

static const struct tr_behavior computer_behavior = {
    .name = "computer", .state_size = sizeof(double), .init = computer_init, .receive = computer_receive};

/* Series. */

struct part {
    tr_ref computer;
    double first;
};

struct series {
    tr_ref computer;
    double term;
    unsigned due; /* terms, with the one that is asked for */
    bool wanted;  /* the last one: there is a question */
    tr_question question;
};

static tr_status
series_init(tr_actor *self, void *state, const void *argument)
{
    struct series *series = state;
    const struct part *part = argument;
    (void)self;
    series->computer = part->computer;
    series->term = part->first;
    return TR_OK;
}

static void
on_term(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct series *series = context;
    assert_int_equal(answer->outcome, TR_ANSWERED);
    assert_non_null(logistic_term(answer->message));
    series->term = *logistic_term(answer->message);
    if (--series->due > 0) {
        savina_ask(self, series->computer, logistic_compute_message(&series->term), on_term);
    } else if (series->wanted) {
        savina_reply_kept(self, &series->question, logistic_term_message(&series->term));
        tr_exit(self);
    }
}

static void
tell_last(tr_actor *self, struct series *series)
{
    series->wanted = series->due > 0;
    if (series->wanted) {
        assert_int_equal(tr_question_keep(self, &series->question), TR_OK);
        return;
    }
    savina_reply(self, logistic_term_message(&series->term));
    tr_exit(self);
}

static void
series_receive(tr_actor *self, void *state, tr_message *message)
{
    struct series *series = state;
    switch (logistic_tag_of(self, message)) {
    case LOGISTIC_NEXT:
        if (series->due++ == 0)
            savina_ask(self, series->computer, logistic_compute_message(&series->term), on_term);
        break;
    case LOGISTIC_LAST: tell_last(self, series); break;
    default: fail();
    }
}

static const struct tr_behavior series_behavior = {
    .name = "series", .state_size = sizeof(struct series), .init = series_init, .receive = series_receive};

/* The master: it takes the last terms as messages, and knows whose they are by their questions. */

struct master {
    struct size size;
    struct savina_play play;
    tr_ref computers[SERIES_MOST];
    tr_ask_id asked[SERIES_MOST];
    double last[SERIES_MOST];
};

static tr_status
master_init(tr_actor *self, void *state, const void *argument)
{
    struct master *master = state;
    (void)self;
    master->size = *(const struct size *)argument;
    return TR_OK;
}

static void
begin(tr_actor *self, struct master *master, unsigned number)
{
    double rate = rate_of(number);
    tr_ref computer = savina_cast(self, &master->play, &computer_behavior, number, &rate, sizeof(rate));
    struct part part = {computer, first_of(number)};
    tr_ref series = savina_cast(self, &master->play, &series_behavior, number + 1, &part, sizeof(part));
    master->computers[number] = computer;
    for (unsigned i = 0; i < master->size.terms; i++)
        assert_int_equal(logistic_next_send(self, series), TR_OK);
    tr_message message = logistic_last_message();
    struct tr_ask_options options = {.id = &master->asked[number]};
    assert_int_equal(tr_ask(self, series, &message, &options), TR_OK);
}

static void
play(tr_actor *self, struct master *master)
{
    savina_begin(self, &master->play);
    for (unsigned i = 0; i < master->size.series; i++)
        begin(self, master, i);
}

static void
take(tr_actor *self, struct master *master, double term)
{
    unsigned number = 0;
    while (number < master->size.series && master->asked[number] != tr_answers(self))
        number++;
    assert_in_range(number, 0, master->size.series - 1);
    master->last[number] = term;
    assert_int_equal(tr_stop(self, master->computers[number], TR_STOP_DRAIN), TR_OK);
}

/* Sums are in the order of the series, not in that of the answers: they are to be equal to the last bit. */
static void
one_has_ended(tr_actor *self, struct master *master, const tr_message *message)
{
    double sum = 0;
    savina_one_has_ended(&master->play, message);
    if (master->play.cast > 0)
        return;
    for (unsigned i = 0; i < master->size.series; i++)
        sum += master->last[i];
    savina_end(self, &master->play, logistic_term_message(&sum));
}

static void
master_receive(tr_actor *self, void *state, tr_message *message)
{
    switch (logistic_tag_of(self, message)) {
    case LOGISTIC_PLAY: play(self, state); break;
    case LOGISTIC_TERM: take(self, state, *logistic_term(message)); break;
    default: one_has_ended(self, state, message);
    }
}

static const struct tr_behavior master_behavior = {
    .name = "master", .state_size = sizeof(struct master), .init = master_init, .receive = master_receive};

/* The same in a loop. */
static double
sum_of(const struct size *size)
{
    double sum = 0;
    for (unsigned i = 0; i < size->series; i++) {
        double term = first_of(i);
        for (unsigned j = 0; j < size->terms; j++)
            term = following(rate_of(i), term);
        sum += term;
    }
    return sum;
}

static void
program(tr_runtime *runtime, const void *argument)
{
    const struct size *size = argument;
    tr_message answer = savina_direct(runtime, &master_behavior, size, sizeof(*size), logistic_play_message());
    double sum = sum_of(size);
    assert_non_null(logistic_term(&answer));
    assert_memory_equal(logistic_term(&answer), &sum, sizeof(sum));
    tr_message_drop(&answer);
}

static void
every_series_computes_the_terms_that_a_loop_does_on_many_workers(void **state)
{
    (void)state;
    savina_on_workers(program, &(struct size){.series = 10, .terms = 1000});
}

static void
every_series_computes_the_terms_that_a_loop_does_under_seeds(void **state)
{
    (void)state;
    savina_under_seeds(program, &(struct size){.series = 4, .terms = 12});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_series_computes_the_terms_that_a_loop_does_on_many_workers),
        cmocka_unit_test(every_series_computes_the_terms_that_a_loop_does_under_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
