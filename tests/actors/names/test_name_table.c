/*
 * The table of names by itself: readers without a lock beside one who changes it.
 *
 * Provokes: a reader on a name that is taken out and becomes another, in its chain or in another one; a reader in the
 * chains of a table that has grown meanwhile, also of the one before that.
 */
#include "name_reader.h"

#include "fault.h"
#include "helpers.h"
#include "random.h"
#include "stage.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_BYTES 24u

/* Names of two lengths of words, some of which differ in the last byte only. */
static struct tri_name_key
key_of(const struct tri_name_table *table, unsigned number, char text[TEXT_BYTES])
{
    struct tri_name_key key;
    snprintf(text, TEXT_BYTES, number % 2 == 0 ? "%x" : "a/longer/name/%x", number);
    assert_int_equal(tri_name_key_make(table, text, &key), TR_OK);
    return key;
}

static tr_ref
look(const struct tri_name_table *table, unsigned number)
{
    char text[TEXT_BYTES];
    struct tri_name_key key = key_of(table, number, text);
    return tri_name_table_look(table, &key);
}

static struct tri_name_held *const somebody = (struct tri_name_held *)16;

static bool
add(struct tri_name_table *table, unsigned number, tr_ref ref)
{
    char text[TEXT_BYTES];
    struct tri_name_key key = key_of(table, number, text);
    struct tri_name *name = tri_name_table_make(table, &key);
    if (name == NULL)
        return false;
    name->held = somebody;
    tri_name_give(name, ref);
    return true;
}

static void
remove_name(struct tri_name_table *table, unsigned number)
{
    char text[TEXT_BYTES];
    struct tri_name_key key = key_of(table, number, text);
    struct tri_name *name = tri_name_table_find(table, &key);
    assert_non_null(name);
    tri_name_give(name, TR_NOBODY);
    name->held = NULL;
    tri_name_table_drop_unused(table, name);
}

static struct tri_name_table *
table_new(void)
{
    struct tri_name_table *table = aligned_alloc(alignof(struct tri_name_table), sizeof(*table));
    assert_int_equal(tri_name_table_init(table), TR_OK);
    return table;
}

static void
table_free(struct tri_name_table *table)
{
    tri_name_table_fini(table);
    free(table);
}

static void
each_of_many_names_is_found_while_it_is_there_and_not_afterwards(void **state)
{
    (void)state;
    struct tri_name_table *table = table_new();
    for (unsigned i = 0; i < 10000; i++) {
        assert_int_equal(look(table, i), TR_NOBODY);
        assert_true(add(table, i, i + 1));
        assert_int_equal(look(table, i), i + 1);
    }
    for (unsigned i = 0; i < 10000; i += 3)
        remove_name(table, i);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(look(table, i), i % 3 == 0 ? TR_NOBODY : i + 1);
    table_free(table);
}

static void
memory_of_names_that_are_gone_is_used_for_the_next(void **state)
{
    (void)state;
    struct tri_name_table *table = table_new();
    for (unsigned i = 0; i < 100; i++)
        assert_true(add(table, i, i + 1));
    size_t allocated = tests_allocated();
    for (unsigned i = 100; i < 1000000; i++) {
        remove_name(table, i - 100);
        assert_true(add(table, i, i + 1));
    }
    assert_int_equal(tests_allocated(), allocated);
    assert_int_equal(table->count, 100);
    table_free(table);
}

/* The name itself may need memory, the array after it. */
static void
without_memory_to_grow_all_names_are_found_all_the_same(void **state)
{
    (void)state;
    struct tri_name_table *table = table_new();
    struct tri_name_buckets *first = table->buckets;
    for (unsigned i = 0; i < 2000; i++) {
        fault_plan(FAULT_MEMORY, table->free == NULL ? 2 : 1, UINT_MAX, ENOMEM);
        assert_true(add(table, i, i + 1));
        fault_clear();
    }
    assert_ptr_equal(table->buckets, first);
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(look(table, i), i + 1);
    assert_true(add(table, 2000, 2001));
    assert_ptr_not_equal(table->buckets, first);
    for (unsigned i = 0; i < 2001; i++)
        assert_int_equal(look(table, i), i + 1);
    table_free(table);
}

/* -- A reader that is held at each critical point. -- */

struct held {
    struct tri_name_table *table;
    struct tri_name_reader reader;
    struct tri_name_key key;
    char text[TEXT_BYTES];
};

/* A reader of that name, at the beginning of its chain. */
static void
held_begin(struct held *held, struct tri_name_table *table, unsigned number)
{
    held->table = table;
    held->key = key_of(table, number, held->text);
    held->reader = (struct tri_name_reader){.key = &held->key};
    tri_name_reader_begin(&held->reader, table);
}

/* Is the reader's chain that of this name? */
static bool
is_in_its_chain(const struct held *held, unsigned number)
{
    char text[TEXT_BYTES];
    struct tri_name_key key = key_of(held->table, number, text);
    return tri_name_index_of(held->reader.buckets, key.hash) == held->reader.index;
}

/* The first name from `number` on that is in the reader's chain, or in another one. */
static unsigned
next_name(const struct held *held, unsigned number, bool in_its_chain)
{
    while (is_in_its_chain(held, number) != in_its_chain)
        number++;
    return number;
}

static void
a_reader_on_a_name_that_becomes_another_does_not_take_its_ref(void **state)
{
    (void)state;
    struct tri_name_table *table = table_new();
    struct held held;
    tr_ref ref;
    assert_true(add(table, 1, 11));
    held_begin(&held, table, 1);
    assert_true(tri_name_reader_search(&held.reader));
    assert_true(tri_name_reader_take(&held.reader, &ref));
    assert_int_equal(ref, 11);
    remove_name(table, 1);
    assert_true(tri_name_reader_take(&held.reader, &ref)); /* it still is the name that it was, of nobody */
    assert_int_equal(ref, TR_NOBODY);
    assert_true(add(table, 2, 22)); /* in the same memory */
    assert_false(tri_name_reader_take(&held.reader, &ref));
    table_free(table);
}

/* The reader stands on `on`, before the name that it looks for, when that becomes `other`. */
static void
held_reader_is_led_away(bool into_its_chain)
{
    struct tri_name_table *table = table_new();
    struct held held;
    assert_true(add(table, 0, 1)); /* it looks for this one */
    held_begin(&held, table, 0);
    unsigned on = next_name(&held, 1, true), other = next_name(&held, on + 1, into_its_chain);
    assert_true(add(table, on, 2));
    held_begin(&held, table, 0);
    remove_name(table, on);
    assert_true(add(table, other, 3));
    bool found = tri_name_reader_search(&held.reader);
    assert_int_equal(found, into_its_chain); /* new names stand first: all that was before it is */
    if (!found)
        assert_false(tri_name_reader_is_at_its_end(&held.reader));
    assert_int_equal(look(table, 0), 1);
    table_free(table);
}

static void
a_reader_that_is_led_into_another_chain_sees_it_at_its_end(void **state)
{
    (void)state;
    held_reader_is_led_away(false);
}

static void
a_reader_that_is_led_to_the_beginning_of_its_chain_finds_all(void **state)
{
    (void)state;
    held_reader_is_led_away(true);
}

/* Adds names until the table has grown. */
static unsigned
grow(struct tri_name_table *table, unsigned number)
{
    const struct tri_name_buckets *buckets = table->buckets;
    while (table->buckets == buckets) {
        assert_true(add(table, number, number + 1));
        number++;
    }
    return number;
}

static void
a_reader_of_a_table_that_has_grown_finds_all_that_was_there(void **state)
{
    (void)state;
    struct tri_name_table *table = table_new();
    struct held held, missing;
    assert_true(add(table, 0, 1));
    held_begin(&held, table, 0);
    unsigned on = next_name(&held, 1, true);
    assert_true(add(table, on, 2));
    held_begin(&held, table, 0); /* stands on the name before it */
    held_begin(&missing, table, next_name(&held, on + 1, true));
    grow(table, 1000);
    assert_true(tri_name_reader_search(&held.reader));
    assert_false(tri_name_reader_search(&missing.reader));
    assert_true(tri_name_reader_is_at_its_end(&missing.reader));
    table_free(table);
}

static void
a_reader_of_the_table_before_that_finds_it_or_sees_another_end(void **state)
{
    (void)state;
    for (unsigned number = 0; number < 20; number++) {
        struct tri_name_table *table = table_new();
        struct held held;
        for (unsigned i = 0; i < 20; i++)
            assert_true(add(table, i, i + 1));
        held_begin(&held, table, number);
        grow(table, grow(table, 1000));
        assert_true(tri_name_reader_search(&held.reader) || !tri_name_reader_is_at_its_end(&held.reader));
        assert_int_equal(look(table, number), number + 1);
        table_free(table);
    }
}

/* -- Readers beside a writer. The ref of a name has its number in it, and a count. -- */

#define STAYING 32u  /* names that are there all the time */
#define COMING 4096u /* names that come and go */
#define READERS 3u

struct scene {
    struct tri_name_table *table;
    unsigned over;
    uint64_t looks[READERS], found[READERS];
    uint64_t lost, wrong;
};

struct reader {
    struct scene *scene;
    unsigned number;
};

static tr_ref
ref_of(unsigned number, uint64_t count)
{
    return count << 32 | number;
}

static void
look_once(struct scene *scene, unsigned reader, uint64_t *random)
{
    unsigned staying = random_below(random, STAYING), coming = STAYING + random_below(random, COMING);
    if (look(scene->table, staying) != ref_of(staying, 1))
        __atomic_fetch_add(&scene->lost, 1, __ATOMIC_RELAXED);
    tr_ref ref = look(scene->table, coming);
    if (ref != TR_NOBODY && (uint32_t)ref != coming)
        __atomic_fetch_add(&scene->wrong, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&scene->looks[reader], scene->looks[reader] + 1, __ATOMIC_RELAXED);
    scene->found[reader] += ref != TR_NOBODY;
}

static void *
read_on(void *argument)
{
    const struct reader *reader = argument;
    uint64_t random = reader->number + 1;
    while (__atomic_load_n(&reader->scene->over, __ATOMIC_RELAXED) == 0)
        look_once(reader->scene, reader->number, &random);
    return NULL;
}

static bool
all_have_looked(void *argument)
{
    const struct scene *scene = argument;
    for (unsigned i = 0; i < READERS; i++)
        if (__atomic_load_n(&scene->looks[i], __ATOMIC_RELAXED) == 0)
            return false;
    return true;
}

/* Names come and go until so many have come; in new tables, so that they grow again and again under the readers. */
static void
come_and_go(struct scene *scene, unsigned at_most, unsigned times, uint64_t *random)
{
    static bool there[COMING];
    memset(there, 0, sizeof(there));
    unsigned count = 0;
    for (unsigned i = 0; i < times; i++) {
        unsigned number = random_below(random, COMING);
        if (there[number]) {
            remove_name(scene->table, STAYING + number);
            count--;
        } else if (count < at_most) {
            assert_true(add(scene->table, STAYING + number, ref_of(STAYING + number, i + 1)));
            count++;
        } else {
            continue;
        }
        there[number] = !there[number];
    }
}

static void
play(unsigned at_most, unsigned times, uint64_t seed)
{
    struct scene scene = {.table = table_new()};
    struct reader readers[READERS];
    pthread_t threads[READERS];
    for (unsigned i = 0; i < STAYING; i++)
        assert_true(add(scene.table, i, ref_of(i, 1)));
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.scene = &scene, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    assert_true(tests_wait_until(all_have_looked, &scene, TESTS_LIMIT_MS));
    come_and_go(&scene, at_most, times, &seed);
    __atomic_store_n(&scene.over, 1, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(scene.lost, 0);
    assert_int_equal(scene.wrong, 0);
    table_free(scene.table);
}

static void
a_name_that_stays_is_found_and_no_ref_is_of_another_while_names_come_and_go(void **state)
{
    (void)state;
    play(40, 300000 * tests_stress(), 1); /* a small table: the same memory is used again at once */
}

static void
a_name_that_stays_is_found_and_no_ref_is_of_another_while_the_table_grows(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20 * tests_stress(); i++)
        play(COMING, 10000, i + 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_many_names_is_found_while_it_is_there_and_not_afterwards),
        cmocka_unit_test(memory_of_names_that_are_gone_is_used_for_the_next),
        cmocka_unit_test(without_memory_to_grow_all_names_are_found_all_the_same),
        cmocka_unit_test(a_reader_on_a_name_that_becomes_another_does_not_take_its_ref),
        cmocka_unit_test(a_reader_that_is_led_into_another_chain_sees_it_at_its_end),
        cmocka_unit_test(a_reader_that_is_led_to_the_beginning_of_its_chain_finds_all),
        cmocka_unit_test(a_reader_of_a_table_that_has_grown_finds_all_that_was_there),
        cmocka_unit_test(a_reader_of_the_table_before_that_finds_it_or_sees_another_end),
        cmocka_unit_test(a_name_that_stays_is_found_and_no_ref_is_of_another_while_names_come_and_go),
        cmocka_unit_test(a_name_that_stays_is_found_and_no_ref_is_of_another_while_the_table_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
