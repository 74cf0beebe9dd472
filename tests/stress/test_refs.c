/*
 * Provokes: a message that arrives at the moment at which its actor ends, and a slot that is used again at once.
 *
 * On each of three workers a nurse spawns short-lived actors here and there and publishes their names; hunters on all
 * workers, and a thread outside, send to whatever names they find, most of them stale, and kill some. Every actor
 * checks that each message it gets was meant for it. At the end every payload was freed once: received, refused or
 * buried.
 */
#include "counting.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORKERS 3u
#define NAMES 64u
#define LIVES 4000u /* that each nurse gives, and more until enough were hit */
#define SHOTS 20000u
#define HITS 1000u

enum { NURSE = 1, HUNT, SHOT, POINTED };

static tr_ref names[NAMES];
static struct tally spawned, born, ended, made, hit, done;
static uint64_t seed = 1;

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A payload that says for whom it is. */
static tr_message
shot_for(tr_ref target)
{
    tr_ref *payload = malloc(sizeof(*payload));
    *payload = target;
    tally_add(&made, 1);
    return tr_message_pointer(POINTED, payload, sizeof(*payload), count_freed);
}

static tr_status
mayfly_init(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    (void)argument;
    tally_add(&born, 1);
    return tr_self(self) == TR_NOBODY ? TR_EINVAL : TR_OK;
}

static void
mayfly_receive(tr_actor *self, void *state, tr_message *message)
{
    uint64_t *got = state;
    if (message->tag == POINTED && *(const tr_ref *)tr_message_data(message) != tr_self(self))
        fail_msg("a message for %llx reached %llx", (unsigned long long)*(const tr_ref *)tr_message_data(message),
                 (unsigned long long)tr_self(self));
    tally_add(&hit, 1);
    if (++*got == 3)
        tr_exit(self);
}

static void
mayfly_stopped(tr_actor *self, void *state)
{
    (void)self;
    (void)state;
    tally_add(&ended, 1);
}

static const struct tr_behavior mayfly = {.name = "mayfly",
                                          .state_size = sizeof(uint64_t),
                                          .init = mayfly_init,
                                          .receive = mayfly_receive,
                                          .stopped = mayfly_stopped};

struct player {
    uint64_t left, random;
};

static tr_status
player_init(tr_actor *self, void *state, const void *argument)
{
    struct player *player = state;
    player->left = *(const uint64_t *)argument;
    player->random = tr_self(self) * 2654435761u + seed;
    return TR_OK;
}

static void
go_on(tr_actor *self, struct player *player, tr_message *message)
{
    if (player->left == 0 && tally_read(&hit) < HITS)
        player->left = 8;
    if (player->left == 0)
        tally_add(&done, 1);
    else
        tr_tell(self, tr_self(self), message->tag, NULL, 0);
}

static void
nurse_receive(tr_actor *self, void *state, tr_message *message)
{
    struct player *player = state;
    for (unsigned i = 0; i < 8 && player->left > 0; i++, player->left--) {
        struct tr_spawn_options options = {.placement = TR_PLACE_WORKER,
                                           .worker = next_random(&player->random) % WORKERS};
        tr_ref ref;
        assert_int_equal(tr_spawn(self, &mayfly, &options, &ref), TR_OK);
        tally_add(&spawned, 1);
        tr_ref before = __atomic_exchange_n(&names[next_random(&player->random) % NAMES], ref, __ATOMIC_ACQ_REL);
        if (before != TR_NOBODY)
            tr_stop(self, before, next_random(&player->random) % 2 == 0 ? TR_STOP_DRAIN : TR_STOP_NOW);
    }
    go_on(self, player, message);
}

static void
hunter_receive(tr_actor *self, void *state, tr_message *message)
{
    struct player *player = state;
    for (unsigned i = 0; i < 16 && player->left > 0; i++, player->left--) {
        tr_ref target = __atomic_load_n(&names[next_random(&player->random) % NAMES], __ATOMIC_ACQUIRE);
        tr_message shot = shot_for(target);
        if (target == TR_NOBODY || tr_send(self, target, &shot) != TR_OK)
            tr_message_drop(&shot);
    }
    go_on(self, player, message);
}

static const struct tr_behavior nurse = {
    .name = "nurse", .state_size = sizeof(struct player), .init = player_init, .receive = nurse_receive};
static const struct tr_behavior hunter = {
    .name = "hunter", .state_size = sizeof(struct player), .init = player_init, .receive = hunter_receive};

static void *
hunt_from_outside(void *argument)
{
    uint64_t random = seed + 99;
    for (unsigned i = 0; i < SHOTS; i++) {
        tr_ref target = __atomic_load_n(&names[next_random(&random) % NAMES], __ATOMIC_ACQUIRE);
        tr_message shot = shot_for(target);
        if (target == TR_NOBODY || tr_runtime_send(argument, target, &shot) != TR_OK)
            tr_message_drop(&shot);
    }
    tally_add(&done, 1);
    return NULL;
}

static void
a_name_never_reaches_another_actor_and_nothing_is_lost(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(WORKERS);
    uint64_t lives = LIVES, shots = SHOTS;
    for (unsigned i = 0; i < WORKERS; i++) {
        stage_send(runtime, stage_spawn(runtime, &nurse, i, &lives), NURSE, NULL, 0);
        stage_send(runtime, stage_spawn(runtime, &hunter, i, &shots), HUNT, NULL, 0);
    }
    pthread_t outside;
    pthread_create(&outside, NULL, hunt_from_outside, runtime);
    pthread_join(outside, NULL);
    tally_await(&done, 2 * WORKERS + 1);
    tally_await(&born, tally_read(&spawned)); /* a spawn on its way when the runtime stops is refused */
    stage_close(runtime);
    assert_true(tally_read(&spawned) >= LIVES * WORKERS);
    assert_int_equal(tally_read(&born), tally_read(&spawned));
    assert_int_equal(tally_read(&ended), tally_read(&spawned));
    assert_true(tally_read(&made) >= SHOTS * (WORKERS + 1));
    assert_int_equal(tally_read(&freed), tally_read(&made));
}

int
main(void)
{
    const char *given = getenv("TROUPE_SEED");
    seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)(uintptr_t)&given >> 4 | 1;
    print_message("TROUPE_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_never_reaches_another_actor_and_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
