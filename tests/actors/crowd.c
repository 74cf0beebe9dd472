#include "crowd.h"

#include "counters.h"
#include "helpers.h"
#include "random.h"
#include "seeded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/failure.h>
#include <troupe/testing.h>

#define RESTS 3u /* in each program */

static const unsigned paces[] = {2, 5, 12}; /* steps between two turns, at most: few, and all is under way at once */

struct birth {
    unsigned number;
    bool fails;
};

struct letter {
    uint32_t from, number;
    uint64_t word;
};

struct crowd_life crowd[CROWD_MOST];
unsigned crowd_born;
bool crowd_ends;
uint32_t crowd_written[CROWD_MOST][CROWD_MOST], crowd_read[CROWD_MOST][CROWD_MOST];

static const struct crowd_play *playing;
static tr_runtime *stage;
static uint64_t dice;

/* Chance. */

unsigned
crowd_roll(unsigned limit)
{
    return random_below(&dice, limit);
}

bool
crowd_once_in(unsigned times)
{
    return crowd_roll(times) == 0;
}

unsigned
crowd_anybody(void)
{
    return crowd_roll(crowd_born);
}

unsigned
crowd_somebody(void)
{
    unsigned who = crowd_anybody();
    for (unsigned tried = 0; crowd[who].gone && tried < crowd_born; tried++)
        who = (who + 1) % crowd_born;
    return who;
}

unsigned
crowd_number(tr_ref ref)
{
    for (unsigned who = 0; who < crowd_born; who++)
        if (crowd[who].ref == ref)
            return who;
    return CROWD_NOBODY;
}

/* A life. */

static tr_status
begin(tr_actor *self, void *state, const void *argument)
{
    const struct birth *birth = argument;
    *(unsigned *)state = birth->number;
    crowd[birth->number].ref = tr_self(self);
    return birth->fails ? TR_EINIT : TR_OK;
}

static void
read_letter(unsigned who, const struct letter *letter)
{
    assert_int_equal(letter->number, ++crowd_read[letter->from][who]);
    if (playing->read != NULL)
        playing->read(letter->from, who, letter->word);
}

unsigned
crowd_who(const void *state)
{
    return *(const unsigned *)state;
}

void
crowd_receive(tr_actor *self, void *state, tr_message *message)
{
    unsigned who = crowd_who(state);
    assert_false(crowd[who].gone);
    switch (message->tag) {
    case CROWD_TURN: playing->act(self, who); break;
    case CROWD_PING: crowd[who].answers = true; break;
    case CROWD_LETTER: read_letter(who, tr_message_data(message)); break;
    default:
        if (playing->hear != NULL)
            playing->hear(self, who, message);
    }
}

void
crowd_stopped(tr_actor *self, void *state)
{
    unsigned who = crowd_who(state);
    (void)self;
    assert_false(crowd[who].gone);
    crowd[who].may_be_gone = true;
    if (playing->end != NULL)
        playing->end(who);
}

static struct tr_behavior person = {
    .name = "person", .state_size = CROWD_STATE_SIZE, .init = begin, .stopped = crowd_stopped};

unsigned
crowd_bear_as(tr_actor *self, bool fails, struct tr_spawn_options options)
{
    if (crowd_born == CROWD_MOST)
        return CROWD_NOBODY;
    struct birth birth = {crowd_born++, fails};
    struct crowd_life *life = &crowd[birth.number];
    options.argument = &birth;
    options.argument_size = sizeof(birth);
    *life = (struct crowd_life){.may_be_gone = fails};
    tr_status status = self != NULL ? tr_spawn(self, &person, &options, &life->ref)
                                    : tr_runtime_spawn(stage, &person, &options, &life->ref);
    if (status == TR_OK)
        return birth.number;
    assert_true(fails && status == TR_EINIT);
    life->gone = true;
    return CROWD_NOBODY;
}

unsigned
crowd_bear(tr_actor *self, bool fails, tr_monitor *monitor)
{
    struct tr_spawn_options options = {
        .placement = TR_PLACE_WORKER, .worker = crowd_roll(tr_runtime_workers(stage)), .monitor = monitor};
    return crowd_bear_as(self, fails, options);
}

void
crowd_leave(tr_actor *self, unsigned who)
{
    crowd[who].may_be_gone = true;
    if (crowd_once_in(2))
        tr_exit(self);
    else
        tr_fail(self, TR_EUSER, "%u fails", who);
}

void
crowd_stop(tr_actor *self, unsigned whom)
{
    static const enum tr_stop_mode modes[] = {TR_STOP_DRAIN, TR_STOP_NOW, TR_STOP_KILL};
    enum tr_stop_mode mode = modes[crowd_roll(3)];
    crowd[whom].may_be_gone = true;
    crowd[whom].was_killed |= mode == TR_STOP_KILL;
    assert_int_equal(tr_stop(self, crowd[whom].ref, mode), TR_OK);
}

void
crowd_is_gone(unsigned who)
{
    assert_true(crowd[who].may_be_gone);
    crowd[who].gone = true;
}

void
crowd_write(tr_actor *self, unsigned who, unsigned to, uint64_t word)
{
    struct letter letter = {.from = who, .number = crowd_written[who][to] + 1, .word = word};
    if (tr_tell(self, crowd[to].ref, CROWD_LETTER, &letter, sizeof(letter)) == TR_OK)
        crowd_written[who][to]++;
}

/* The program. */

void
crowd_settle(tr_runtime *runtime)
{
    tr_testing_run(runtime);
    for (unsigned who = 0; who < crowd_born; who++) {
        crowd[who].answers = false;
        stage_send(runtime, crowd[who].ref, CROWD_PING, NULL, 0);
    }
    tr_testing_run(runtime);
    for (unsigned who = 0; who < crowd_born; who++)
        if (!crowd[who].answers)
            crowd_is_gone(who);
        else
            crowd[who].may_be_gone = false;
}

static void
every_message_has_ended_once(tr_runtime *runtime)
{
    struct tr_counters counters;
    tr_runtime_counters(runtime, &counters);
    assert_int_equal(counters.sent + counters.outside,
                     counters.received + counters.dead_letters + counters.notices_lost);
}

static void
every_letter_was_read(void)
{
    for (unsigned from = 0; from < crowd_born; from++)
        for (unsigned to = 0; to < crowd_born; to++)
            if (!crowd[to].gone)
                assert_int_equal(crowd_read[from][to], crowd_written[from][to]);
}

static void
fill_up(void)
{
    unsigned alive = 0;
    for (unsigned who = 0; who < crowd_born; who++)
        alive += !crowd[who].gone;
    for (; alive < playing->size && crowd_born < CROWD_MOST; alive++)
        crowd_bear(NULL, false, NULL);
}

static void
take_turns(tr_runtime *runtime)
{
    unsigned pace = paces[crowd_roll(3)];
    for (unsigned turn = 0; turn < playing->turns; turn++) {
        stage_send(runtime, crowd[crowd_somebody()].ref, CROWD_TURN, NULL, 0);
        for (unsigned steps = crowd_roll(pace + 1); steps > 0; steps--)
            tr_testing_step(runtime);
    }
}

static void
come_to_rest(tr_runtime *runtime)
{
    crowd_settle(runtime);
    every_letter_was_read();
    if (playing->rest != NULL)
        playing->rest(runtime);
    every_message_has_ended_once(runtime);
}

static void
end_all(tr_runtime *runtime)
{
    crowd_ends = true;
    for (unsigned who = 0; who < crowd_born; who++)
        crowd[who].may_be_gone = true;
    stage_close(runtime);
    if (playing->over != NULL)
        playing->over();
}

static uint64_t
play_seed(uint64_t seed, const void *context)
{
    struct tr_testing_options options = {.seed = seed, .workers = 2 + (unsigned)(seed % 2)};
    playing = context;
    assert_int_equal(tr_testing_start(&options, &stage), TR_OK);
    dice = seed;
    crowd_born = 0;
    crowd_ends = false;
    memset(crowd_written, 0, sizeof(crowd_written));
    memset(crowd_read, 0, sizeof(crowd_read));
    person.mailbox = playing->mailbox;
    person.receive = playing->receive != NULL ? playing->receive : crowd_receive;
    if (playing->begin != NULL)
        playing->begin(stage);
    for (unsigned i = 0; i < RESTS; i++) {
        fill_up();
        take_turns(stage);
        come_to_rest(stage);
    }
    uint64_t hash = tr_testing_hash(stage);
    end_all(stage);
    return hash;
}

void
crowd_under_seeds(const struct crowd_play *play)
{
    seeded_play(play_seed, play);
}
