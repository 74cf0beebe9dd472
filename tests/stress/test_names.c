/*
 * Provokes: names that come, go with their actors, and are taken by others, on all workers at once, while they are
 * looked up and watched everywhere.
 *
 * On each of three workers live tenants. Each registers, releases and looks up names at random, and dies now and then,
 * with its names, leaving the rest of its turns to a child. An actor registers only names of its class, which its ref
 * says: so whoever looks up a name, an actor or a thread outside, sees whether an actor that it finds may ever have had
 * it. On each worker a guard watches all names, stops watching and begins again at random: of each name it must hear
 * that it comes and that it goes, in turns, and nothing while it does not watch.
 */
#include "actor_internal.h"
#include "helpers.h"
#include "random.h"
#include "registry.h"
#include "stage.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/names.h>

#define WORKERS 3u
#define TENANTS 12u /* on each worker */
#define NAMES 48u
#define CLASSES 6u
#define TURNS 10000u

enum { TURN = 1 };

static uint64_t seed = 1;
static struct tally done, deaths, registered, found, wrong, news;

static const char *
name_of(unsigned number, char text[TR_NAME_SIZE])
{
    snprintf(text, TR_NAME_SIZE, number % 3 == 0 ? "%u" : "a name of more than one line, whose number is %u", number);
    return text;
}

static unsigned
class_of(tr_ref ref)
{
    return tri_ref_slot(ref) % CLASSES;
}

static void
check(tr_ref ref, unsigned number)
{
    if (ref != TR_NOBODY && class_of(ref) != number % CLASSES)
        tally_add(&wrong, 1);
    tally_add(&found, ref != TR_NOBODY);
}

/* Tenants. */

struct tenant {
    uint64_t left, random;
};

static tr_status
tenant_init(tr_actor *self, void *state, const void *argument)
{
    struct tenant *tenant = state;
    tenant->left = *(const uint64_t *)argument;
    tenant->random = seed + tr_self(self);
    return tr_tell(self, tr_self(self), TURN, NULL, 0);
}

static void tenant_receive(tr_actor *self, void *state, tr_message *message);

static const struct tr_behavior tenant_behavior = {
    .name = "tenant", .state_size = sizeof(struct tenant), .init = tenant_init, .receive = tenant_receive};

static void
die(tr_actor *self, struct tenant *tenant)
{
    struct tr_spawn_options options = {.argument = &tenant->left};
    assert_int_equal(tr_spawn(self, &tenant_behavior, &options, NULL), TR_OK);
    tally_add(&deaths, 1);
    tr_exit(self);
}

static void
register_one(tr_actor *self, struct tenant *tenant)
{
    char text[TR_NAME_SIZE];
    unsigned number = random_below(&tenant->random, NAMES / CLASSES) * CLASSES + class_of(tr_self(self));
    tr_status status = tr_name_register(self, name_of(number, text));
    if (status == TR_OK && tr_whereis(self, text) != tr_self(self))
        tally_add(&wrong, 1);
    tally_add(&registered, status == TR_OK);
}

static void
release_one(tr_actor *self, struct tenant *tenant)
{
    char text[TR_NAME_SIZE];
    unsigned number = random_below(&tenant->random, NAMES / CLASSES) * CLASSES + class_of(tr_self(self));
    if (tr_name_release(self, name_of(number, text)) == TR_OK && tr_whereis(self, text) == tr_self(self))
        tally_add(&wrong, 1);
}

static void
take_turn(tr_actor *self, struct tenant *tenant)
{
    char text[TR_NAME_SIZE];
    for (unsigned i = 0; i < 8; i++) {
        unsigned number = random_below(&tenant->random, NAMES);
        check(tr_whereis(self, name_of(number, text)), number);
    }
    if (random_below(&tenant->random, 2) == 0)
        register_one(self, tenant);
    else
        release_one(self, tenant);
}

static void
tenant_receive(tr_actor *self, void *state, tr_message *message)
{
    struct tenant *tenant = state;
    take_turn(self, tenant);
    tenant->left--;
    if (tenant->left == 0) {
        tally_add(&done, 1);
        tr_exit(self);
    } else if (random_below(&tenant->random, 20) == 0) {
        die(self, tenant);
    } else {
        assert_int_equal(tr_tell(self, tr_self(self), message->tag, NULL, 0), TR_OK);
    }
}

/* Guards. */

struct guard {
    uint64_t random;
    bool watches[NAMES], there[NAMES];
};

static void
begin_to_watch(tr_actor *self, struct guard *guard, unsigned number)
{
    char text[TR_NAME_SIZE];
    tr_status status = tr_name_watch(self, name_of(number, text));
    if (status == TR_EGONE) /* the runtime ends, and this is the rest of the mailbox */
        return;
    assert_int_equal(status, TR_OK);
    guard->watches[number] = true;
    guard->there[number] = false; /* if it is there the guard is told */
}

static tr_status
guard_init(tr_actor *self, void *state, const void *argument)
{
    struct guard *guard = state;
    (void)argument;
    guard->random = seed + tr_self(self);
    for (unsigned i = 0; i < NAMES; i++)
        begin_to_watch(self, guard, i);
    return TR_OK;
}

static unsigned
number_of(const struct tr_name_change *change)
{
    char text[TR_NAME_SIZE];
    for (unsigned i = 0; i < NAMES; i++)
        if (strcmp(name_of(i, text), change->name) == 0)
            return i;
    return NAMES;
}

static void
hear(struct guard *guard, const struct tr_name_change *change)
{
    unsigned number = number_of(change);
    bool comes = change->ref != TR_NOBODY;
    if (number == NAMES || !guard->watches[number] || guard->there[number] == comes)
        tally_add(&wrong, 1);
    else
        guard->there[number] = comes;
    if (comes)
        check(change->ref, number);
    tally_add(&news, 1);
}

static void
turn_to_another(tr_actor *self, struct guard *guard)
{
    char text[TR_NAME_SIZE];
    unsigned number = random_below(&guard->random, NAMES);
    if (!guard->watches[number]) {
        begin_to_watch(self, guard, number);
        return;
    }
    assert_int_equal(tr_name_unwatch(self, name_of(number, text)), TR_OK);
    guard->watches[number] = false;
}

static void
guard_receive(tr_actor *self, void *state, tr_message *message)
{
    struct guard *guard = state;
    hear(guard, tr_message_data(message));
    if (random_below(&guard->random, 16) == 0)
        turn_to_another(self, guard);
}

static const struct tr_behavior guard_behavior = {
    .name = "guard", .state_size = sizeof(struct guard), .init = guard_init, .receive = guard_receive};

/* Outside. */

static void *
look_from_outside(void *argument)
{
    uint64_t random = seed + 99;
    char text[TR_NAME_SIZE];
    while (tally_read(&done) < WORKERS * TENANTS) {
        unsigned number = random_below(&random, NAMES);
        check(tr_runtime_whereis(argument, name_of(number, text)), number);
    }
    return NULL;
}

static bool
nobody_has_a_name(void *argument)
{
    char text[TR_NAME_SIZE];
    for (unsigned i = 0; i < NAMES; i++)
        if (tr_runtime_whereis(argument, name_of(i, text)) != TR_NOBODY)
            return false;
    return true;
}

static void
names_never_lead_to_another_actor_and_their_changes_are_heard_in_turns(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(WORKERS);
    uint64_t turns = TURNS * tests_stress();
    for (unsigned i = 0; i < WORKERS; i++)
        stage_spawn(runtime, &guard_behavior, i, NULL);
    for (unsigned i = 0; i < WORKERS * TENANTS; i++)
        stage_spawn(runtime, &tenant_behavior, i % WORKERS, &turns);
    pthread_t outside;
    assert_int_equal(pthread_create(&outside, NULL, look_from_outside, runtime), 0);
    tally_await(&done, WORKERS * TENANTS);
    pthread_join(outside, NULL);
    assert_true(tests_wait_until(nobody_has_a_name, runtime, TESTS_LIMIT_MS));
    uv_mutex_lock(&runtime->names->lock);
    uint64_t count = runtime->names->table.count;
    uv_mutex_unlock(&runtime->names->lock);
    assert_true(count <= NAMES);
    stage_close(runtime);
    print_message("%llu deaths, %llu registered, %llu found, %llu news\n", (unsigned long long)tally_read(&deaths),
                  (unsigned long long)tally_read(&registered), (unsigned long long)tally_read(&found),
                  (unsigned long long)tally_read(&news));
    assert_int_equal(tally_read(&wrong), 0);
    assert_true(tally_read(&deaths) > 0 && tally_read(&registered) > 0 && tally_read(&found) > 0);
    assert_true(tally_read(&news) > 0);
}

int
main(void)
{
    const char *given = getenv("TROUPE_SEED");
    seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)(uintptr_t)&given >> 4 | 1;
    print_message("TROUPE_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_never_lead_to_another_actor_and_their_changes_are_heard_in_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
