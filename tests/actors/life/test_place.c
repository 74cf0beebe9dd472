#include "helpers.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WORKERS 3u

static const struct tr_behavior child = {.name = "child", .receive = ignore};

/* What an actor is asked to spawn, and where it came to live. */
struct wish {
    struct tr_spawn_options options;
    tr_status status;
    tr_ref born;
};

static struct tally spawned;

static void
spawn_as_wished(tr_actor *self, void *state, tr_message *message)
{
    struct wish *wish = message->payload.pointer.address;
    (void)state;
    wish->status = tr_spawn(self, &child, &wish->options, &wish->born);
    tally_add(&spawned, 1);
}

static const struct tr_behavior parent = {.name = "parent", .receive = spawn_as_wished};

static void
spawn_by(tr_runtime *runtime, tr_ref spawner, struct wish *wish)
{
    uint64_t before = tally_read(&spawned);
    tr_message message = tr_message_pointer(1, wish, sizeof(*wish), NULL);
    assert_int_equal(tr_runtime_send(runtime, spawner, &message), TR_OK);
    tally_await(&spawned, before + 1);
}

static void
an_actor_is_placed_with_another(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct wish wish = {.options = {.placement = TR_PLACE_WITH, .with = stage_spawn(runtime, &child, i, NULL)}};
        for (unsigned from = 0; from < WORKERS; from++) {
            spawn_by(runtime, stage_spawn(runtime, &parent, from, NULL), &wish);
            assert_int_equal(wish.status, TR_OK);
            assert_int_equal(tr_ref_worker(wish.born), i);
        }
        assert_int_equal(tr_runtime_spawn(runtime, &child, &wish.options, &wish.born), TR_OK);
        assert_int_equal(tr_ref_worker(wish.born), i);
    }
    stage_close(runtime);
}

static void
note_end(tr_actor *self, void *state)
{
    (void)self, (void)state;
    tally_add(&spawned, 1);
}

static void
one_that_has_ended_still_says_where(void **state)
{
    static const struct tr_behavior brief = {.name = "brief", .receive = ignore, .stopped = note_end};
    (void)state;
    tr_runtime *runtime = stage_open(WORKERS);
    tr_ref ended = stage_spawn(runtime, &brief, 2, NULL), ref;
    uint64_t before = tally_read(&spawned);
    assert_int_equal(tr_runtime_stop_actor(runtime, ended, TR_STOP_NOW), TR_OK);
    tally_await(&spawned, before + 1);
    struct tr_spawn_options options = {.placement = TR_PLACE_WITH, .with = ended};
    assert_int_equal(tr_runtime_spawn(runtime, &child, &options, &ref), TR_OK);
    assert_int_equal(tr_ref_worker(ref), 2);
    stage_close(runtime);
}

static void
who_is_nobody_of_this_runtime_says_nothing(void **state)
{
    (void)state;
    tr_runtime *larger = stage_open(WORKERS), *runtime = stage_open(1);
    tr_ref spawner = stage_spawn(runtime, &parent, 0, NULL), ref = TR_NOBODY;
    tr_ref strangers[] = {TR_NOBODY, stage_spawn(larger, &child, 1, NULL), stage_spawn(larger, &child, 2, NULL),
                          UINT64_MAX};
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        struct wish wish = {.options = {.placement = TR_PLACE_WITH, .with = strangers[i]}};
        spawn_by(runtime, spawner, &wish);
        assert_int_equal(wish.status, TR_EBADREF);
        assert_int_equal(tr_runtime_spawn(runtime, &child, &wish.options, &ref), TR_EBADREF);
    }
    assert_int_equal(ref, TR_NOBODY);
    stage_close(runtime);
    stage_close(larger);
}

static void
equal_keys_go_to_the_same_worker_whoever_spawns(void **state)
{
    (void)state;
    tr_runtime *runtime = stage_open(WORKERS);
    tr_ref spawners[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++)
        spawners[i] = stage_spawn(runtime, &parent, i, NULL);
    for (uint64_t key = 0; key < 50; key++) {
        struct wish wish = {.options = {.placement = TR_PLACE_BY_KEY, .key = key}};
        for (unsigned i = 0; i < WORKERS; i++) {
            spawn_by(runtime, spawners[i], &wish);
            assert_int_equal(wish.status, TR_OK);
            assert_int_equal(tr_ref_worker(wish.born), tr_key_worker(key, WORKERS));
        }
        assert_int_equal(tr_runtime_spawn(runtime, &child, &wish.options, &wish.born), TR_OK);
        assert_int_equal(tr_ref_worker(wish.born), tr_key_worker(key, WORKERS));
    }
    stage_close(runtime);
}

/* Keys that have something in common: each family is a number to 64 bits. */

static uint64_t
counted(uint64_t i)
{
    return i;
}

static uint64_t
aligned(uint64_t i)
{
    return 0x7f0000000000 + i * 4096;
}

static uint64_t
high(uint64_t i)
{
    return i << 44;
}

static uint64_t
named(uint64_t i)
{
    char name[32];
    return tr_key(name, (size_t)snprintf(name, sizeof(name), "user-%llu", (unsigned long long)i));
}

static uint64_t
padded(uint64_t i)
{
    unsigned char bytes[64] = {0};
    memcpy(bytes + i % 7 * 8, &i, sizeof(i));
    return tr_key(bytes, sizeof(bytes));
}

/* With so many keys for each worker its number is off by a tenth once in 10^20 times by chance alone. */
static void
each_worker_gets_an_equal_part_of_keys_that_are_alike(void **state)
{
    enum { KEYS_EACH = 10000, MOST = 64 };
    static uint64_t (*const families[])(uint64_t i) = {counted, aligned, high, named, padded};
    (void)state;
    for (size_t family = 0; family < sizeof(families) / sizeof(families[0]); family++)
        for (unsigned workers = 1; workers <= MOST; workers = workers * 2 + (workers == 1)) {
            unsigned on[MOST] = {0};
            for (uint64_t i = 0; i < (uint64_t)KEYS_EACH * workers; i++) {
                unsigned worker = tr_key_worker(families[family](i), workers);
                assert_in_range(worker, 0, workers - 1);
                on[worker]++;
            }
            for (unsigned i = 0; i < workers; i++)
                assert_in_range(on[i], KEYS_EACH * 9 / 10, KEYS_EACH * 11 / 10);
        }
}

static void
a_key_of_bytes_and_its_worker_are_the_same_in_every_run(void **state)
{
    (void)state;
    assert_int_equal(tr_key("", 0), tr_key(NULL, 0));
    assert_int_equal(tr_key("", 0), tr_key(NULL, 5));
    assert_int_equal(tr_key("", 0), 0x4179b061e0c0e0d0);
    assert_int_equal(tr_key("Troupe", 6), 0xa3934a175e8fd529);
    assert_int_equal(tr_key("a name of more than 8 bytes", 27), 0xd8dd1e5ecbfcec33);
    assert_int_equal(tr_key_worker(1, 64), 16);
    assert_int_equal(tr_key_worker(2, 3), 0);
}

static void
a_key_of_bytes_depends_on_all_of_them(void **state)
{
    (void)state;
    unsigned char bytes[40];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 37);
    for (size_t size = 1; size <= sizeof(bytes); size++) {
        uint64_t key = tr_key(bytes, size);
        assert_int_not_equal(key, tr_key(bytes, size - 1));
        for (size_t bit = 0; bit < size * 8; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
            assert_int_not_equal(key, tr_key(bytes, size));
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
    }
    static const char zeros[24];
    for (size_t size = 1; size <= sizeof(zeros); size++)
        assert_int_not_equal(tr_key(zeros, size), tr_key(zeros, size - 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_actor_is_placed_with_another),
        cmocka_unit_test(one_that_has_ended_still_says_where),
        cmocka_unit_test(who_is_nobody_of_this_runtime_says_nothing),
        cmocka_unit_test(equal_keys_go_to_the_same_worker_whoever_spawns),
        cmocka_unit_test(each_worker_gets_an_equal_part_of_keys_that_are_alike),
        cmocka_unit_test(a_key_of_bytes_and_its_worker_are_the_same_in_every_run),
        cmocka_unit_test(a_key_of_bytes_depends_on_all_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
