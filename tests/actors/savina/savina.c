#include "savina.h"

#include "counters.h"
#include "helpers.h"
#include "seeded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/testing.h>

static uint64_t expected_dead; /* of the program that is being played */

/* Playing a program. */

void
savina_expect_dead(uint64_t count)
{
    expected_dead = count;
}

static void
nothing_is_left(tr_runtime *runtime)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    assert_int_equal(counters.actors, 0);
    assert_int_equal(counters.dead_letters, expected_dead);
    assert_int_equal(counters.refused, 0);
    assert_int_equal(counters.notices_lost, 0);
    assert_int_equal(counters.sent + counters.outside, counters.received + counters.dead_letters);
}

static bool
is_empty(void *runtime)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    return counters.actors == 0;
}

void
savina_on_workers(savina_program *program, const void *size)
{
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        tr_runtime *runtime = stage_open(workers);
        expected_dead = 0;
        program(runtime, size);
        assert_true(tests_wait_until(is_empty, runtime, TESTS_LIMIT_MS));
        tests_counters_add_up(runtime);
        nothing_is_left(runtime);
        stage_close(runtime);
    }
}

struct seeded {
    savina_program *program;
    const void *size;
};

/* Gives the hash of how it was played. */
static uint64_t
play_seed(uint64_t seed, const void *context)
{
    const struct seeded *seeded = context;
    struct tr_testing_options options = {.seed = seed, .workers = 1 + (unsigned)(seed % 4)};
    tr_runtime *runtime;
    assert_int_equal(tr_testing_start(&options, &runtime), TR_OK);
    expected_dead = 0;
    seeded->program(runtime, seeded->size);
    tr_testing_run(runtime);
    nothing_is_left(runtime);
    uint64_t hash = tr_testing_hash(runtime);
    stage_close(runtime);
    return hash;
}

void
savina_under_seeds(savina_program *program, const void *size)
{
    struct seeded seeded = {program, size};
    seeded_play(play_seed, &seeded);
}

tr_message
savina_direct(tr_runtime *runtime, const struct tr_behavior *director, const void *argument, size_t size,
              tr_message question)
{
    struct tr_spawn_options options = {.argument = argument, .argument_size = size};
    tr_ref ref;
    tr_message answer;
    assert_int_equal(tr_runtime_spawn(runtime, director, &options, &ref), TR_OK);
    assert_int_equal(tr_runtime_ask(runtime, ref, &question, TESTS_LIMIT_MS, &answer), TR_OK);
    return answer;
}

/* The cast. */

void
savina_begin(tr_actor *director, struct savina_play *play)
{
    assert_int_equal(tr_question_keep(director, &play->question), TR_OK);
}

tr_ref
savina_cast(tr_actor *director, struct savina_play *play, const struct tr_behavior *behavior, unsigned number,
            const void *argument, size_t size)
{
    static const enum tr_placement placements[] = {TR_PLACE_WORKER, TR_PLACE_HERE, TR_PLACE_BY_KEY,
                                                   TR_PLACE_LEAST_LOADED};
    tr_monitor monitor;
    struct tr_spawn_options options = {.placement = placements[number % 4],
                                       .worker = number / 4 % tr_runtime_workers(tr_actor_runtime(director)),
                                       .key = number,
                                       .argument = argument,
                                       .argument_size = size,
                                       .monitor = &monitor};
    tr_ref ref;
    assert_int_equal(tr_spawn(director, behavior, &options, &ref), TR_OK);
    play->cast++;
    return ref;
}

void
savina_one_has_ended(struct savina_play *play, const tr_message *message)
{
    assert_int_equal(message->tag, TR_TAG_DOWN);
    const struct tr_down *down = tr_message_data(message);
    assert_int_equal(down->status, TR_OK);
    assert_true(play->cast > 0);
    play->cast--;
}

void
savina_end(tr_actor *director, struct savina_play *play, tr_message answer)
{
    assert_int_equal(play->cast, 0);
    savina_reply_kept(director, &play->question, answer);
    tr_exit(director);
}

/* What must succeed. */

void
savina_send(tr_actor *self, tr_ref to, tr_message message)
{
    assert_int_equal(tr_send(self, to, &message), TR_OK);
}

void
savina_ask(tr_actor *self, tr_ref to, tr_message question,
           void (*done)(tr_actor *self, void *context, const struct tr_answer *answer))
{
    struct tr_ask_options options = {.timeout_ms = TESTS_LIMIT_MS, .done = done, .context = tr_state(self)};
    assert_int_equal(tr_ask(self, to, &question, &options), TR_OK);
}

void
savina_reply(tr_actor *self, tr_message answer)
{
    assert_int_equal(tr_reply(self, &answer), TR_OK);
}

void
savina_reply_kept(tr_actor *self, tr_question *question, tr_message answer)
{
    assert_int_equal(tr_question_reply(self, question, &answer), TR_OK);
}

/* Lines. */

void
savina_line_keep(tr_actor *self, struct savina_line *line, uint64_t number)
{
    assert_true(line->count < SAVINA_LINE);
    struct savina_kept *kept = &line->at[(line->first + line->count++) % SAVINA_LINE];
    assert_int_equal(tr_question_keep(self, &kept->question), TR_OK);
    kept->number = number;
}

struct savina_kept
savina_line_take(struct savina_line *line)
{
    assert_true(line->count > 0);
    struct savina_kept kept = line->at[line->first];
    line->first = (line->first + 1) % SAVINA_LINE;
    line->count--;
    return kept;
}
