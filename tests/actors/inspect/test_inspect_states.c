/*
 * What is told of supervised actors, of muted ones and of registered names: to the program, and on the socket.
 */
#include "helpers.h"
#include "puppet.h"
#include "sight.h"
#include "visitor.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/failure.h>
#include <troupe/actors/names.h>
#include <troupe/actors/supervisor.h>

#define HOUR_MS 3600000u

enum { GO = 1, FAIL };

static tr_runtime *runtime;
static char directory[64], path[100];
static struct tally done, ends;

static int
open_runtime(void **state)
{
    (void)state;
    done = ends = (struct tally){0};
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/inspect", directory);
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER, .inspect = path};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    return 0;
}

static int
close_runtime(void **state)
{
    (void)state;
    tally_add(&ends, 1);
    stage_close(runtime);
    return rmdir(directory);
}

/* Any actor may be slow, where time is short. */
static unsigned
state_of(const struct tr_actor_info *info)
{
    return info->state & ~(unsigned)TR_ACTOR_SLOW;
}

static const struct tr_actor_info *
look_at(tr_ref ref)
{
    const struct tr_actor_info *info = sight_find(sight_look(runtime, TR_OK), ref);
    assert_non_null(info);
    return info;
}

/* -- Supervision: a clerk on worker 1, which rests for an hour when it has failed. -- */

static void
work(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == FAIL)
        tr_fail(self, TR_EUSER, "as told");
    else
        tally_add(&done, 1);
}

static const struct tr_behavior clerk = {.name = "clerk", .receive = work};

static tr_ref
supervise(tr_ref *child)
{
    static const struct tr_child_spec spec = {.name = "a",
                                              .behavior = &clerk,
                                              .registered = "shop",
                                              .placement = TR_PLACE_WORKER,
                                              .worker = 1,
                                              .keep_mailbox = true};
    struct tr_supervisor_options options = {
        .children = &spec, .child_count = 1, .limit = {10, 1000}, .backoff = {.first_ms = HOUR_MS}};
    struct tr_supervisor_answer answer;
    tr_ref supervisor;
    assert_int_equal(tr_runtime_spawn_supervisor(runtime, &options, &supervisor), TR_OK);
    assert_int_equal(tr_runtime_supervisor_child(runtime, supervisor, "a", &answer), TR_OK);
    *child = answer.child;
    return supervisor;
}

static void
a_supervised_actor_is_told_with_its_supervisor(void **state)
{
    tr_ref child, supervisor = supervise(&child), other = stage_spawn(runtime, &clerk, 1, NULL);
    (void)state;
    assert_true(look_at(child)->supervisor == supervisor);
    assert_true(look_at(child)->parent == supervisor);
    assert_true(look_at(supervisor)->supervisor == TR_NOBODY);
    assert_true(look_at(other)->supervisor == TR_NOBODY);
    assert_int_equal(state_of(look_at(child)), 0);
}

static void
between_two_lives_an_actor_rests_and_is_still_its_supervisors(void **state)
{
    tr_ref child, supervisor = supervise(&child);
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        stage_send(runtime, child, GO, NULL, 0);
    stage_send(runtime, child, FAIL, NULL, 0);
    const struct tr_actor_info *info = sight_await(runtime, child, TR_ACTOR_RESTING);
    assert_int_equal(state_of(info), TR_ACTOR_RESTING); /* it is not coming */
    assert_true(info->supervisor == supervisor);
    assert_string_equal(info->name, "clerk");
    assert_int_equal(info->handled, 4);
    assert_int_equal(info->registered_count, 0); /* nobody finds it */
    stage_send(runtime, child, GO, NULL, 0);
    while (look_at(child)->waiting == 0)
        continue;
}

/* -- Muting: a passer on worker 0 that is crowded with what it sends itself, until the test ends. -- */

static void
pass_on(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == GO && tally_read(&ends) == 0)
        tr_send(self, tr_self(self), message);
}

static void
send_one(tr_actor *self, void *to)
{
    tr_message message = tr_message_signal(FAIL);
    assert_int_equal(tr_send(self, *(tr_ref *)to, &message), TR_OK);
}

static tr_ref
mute(tr_ref *muted)
{
    static const struct tr_behavior passer = {
        .name = "passer", .receive = pass_on, .mailbox = {.messages = 16, .policy = TR_MAILBOX_MUTE}};
    tr_ref mutes = stage_spawn(runtime, &passer, 0, NULL);
    for (unsigned i = 0; i < 8; i++)
        stage_send(runtime, mutes, GO, NULL, 0);
    sight_await(runtime, mutes, TR_ACTOR_CROWDED);
    *muted = puppet_spawn(runtime, 1);
    puppet_do(runtime, *muted, send_one, &mutes);
    sight_await(runtime, mutes, TR_ACTOR_MUTES);
    return mutes;
}

static void
who_is_muted_is_told_with_the_one_whose_mailbox_it_waits_for(void **state)
{
    tr_ref muted, mutes = mute(&muted);
    (void)state;
    const struct tr_actor_info *info = look_at(muted);
    assert_int_equal(state_of(info), TR_ACTOR_MUTED);
    assert_true(info->muted_by == mutes);
    info = look_at(mutes);
    assert_int_equal(info->state & (TR_ACTOR_MUTES | TR_ACTOR_MUTED), TR_ACTOR_MUTES);
    assert_true(info->muted_by == TR_NOBODY);

    tally_add(&ends, 1);
    while ((look_at(muted)->state & TR_ACTOR_MUTED) != 0)
        continue;
    assert_true(look_at(muted)->muted_by == TR_NOBODY);
    assert_int_equal(look_at(mutes)->state & TR_ACTOR_MUTES, 0);
}

/* -- Names. -- */

static void
register_names(tr_actor *self, void *argument)
{
    unsigned count = *(unsigned *)argument;
    for (unsigned i = 0; i < count; i++) {
        char name[TR_NAME_SIZE];
        snprintf(name, sizeof(name), "name \"%u\"", i);
        assert_int_equal(tr_name_register(self, name), TR_OK);
    }
}

static void
release_names(tr_actor *self, void *argument)
{
    (void)argument;
    assert_int_equal(tr_name_release(self, "name \"0\""), TR_OK); /* the first */
    assert_int_equal(tr_name_release(self, "name \"2\""), TR_OK); /* between two others */
    assert_int_equal(tr_name_release(self, "name \"6\""), TR_OK); /* the last */
}

static bool
copy_names(void *context, const struct tr_actor_info *info)
{
    char *text = context;
    for (unsigned i = 0; i < TR_REGISTERED_TOLD && info->registered[i] != NULL; i++)
        sprintf(text + strlen(text), "%s, ", info->registered[i]);
    sprintf(text + strlen(text), "%u", info->registered_count);
    return false;
}

static void
the_names_of_an_actor_are_told_the_oldest_first(void **state)
{
    unsigned count = 7;
    char text[500] = "", left[500] = "";
    tr_ref puppet = puppet_spawn(runtime, 1);
    (void)state;
    puppet_do(runtime, puppet, register_names, &count);
    assert_int_equal(tr_inspect_actors(runtime, copy_names, text), TR_OK);
    assert_string_equal(text, "name \"0\", name \"1\", name \"2\", name \"3\", 7");
    puppet_do(runtime, puppet, release_names, NULL);
    assert_int_equal(tr_inspect_actors(runtime, copy_names, left), TR_OK);
    assert_string_equal(left, "name \"1\", name \"3\", name \"4\", name \"5\", 4");
}

/* An actor that has four of the longest names. */
static tr_status
take_long_names(tr_actor *self, void *state, const void *argument)
{
    (void)state;
    for (unsigned i = 0; i < TR_REGISTERED_TOLD; i++) {
        char name[TR_NAME_SIZE];
        memset(name, 'a' + (int)i, sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        sprintf(name, "%u", *(const unsigned *)argument);
        name[strlen(name)] = ' ';
        assert_int_equal(tr_name_register(self, name), TR_OK);
    }
    return TR_OK;
}

static bool
check_long_names(void *context, const struct tr_actor_info *info)
{
    unsigned *count = context;
    for (unsigned i = 0; i < TR_REGISTERED_TOLD; i++) {
        assert_int_equal(strlen(info->registered[i]), TR_NAME_SIZE - 1);
        assert_int_equal(info->registered[i][TR_NAME_SIZE - 2], 'a' + i);
        assert_int_equal(strtoul(info->registered[i], NULL, 10), strtoul(info->registered[0], NULL, 10));
    }
    ++*count;
    return true;
}

/* More than there is room for in one answer of a worker, though it is of few actors. */
static void
names_of_any_length_and_number_are_told_of_each_actor(void **state)
{
    enum { MANY = 500 };
    static const struct tr_behavior named = {.name = "named", .receive = ignore, .init = take_long_names};
    unsigned seen = 0;
    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        stage_spawn(runtime, &named, 0, &i);
    assert_int_equal(tr_inspect_actors(runtime, check_long_names, &seen), TR_OK);
    assert_int_equal(seen, MANY);
}

/* -- The forms. -- */

static json_t *
actor_in(const json_t *json, tr_ref ref)
{
    char text[TR_REF_TEXT_SIZE];
    size_t i;
    json_t *actor;
    json_array_foreach(json_object_get(json, "actors"), i, actor)
    {
        if (strcmp(json_string_value(json_object_get(actor, "ref")), tr_ref_text(ref, text)) == 0)
            return actor;
    }
    fail_msg("%s is not there", tr_ref_text(ref, text));
    return NULL;
}

static void
expect_ref(const json_t *actor, const char *key, tr_ref expected)
{
    char text[TR_REF_TEXT_SIZE];
    const json_t *ref = json_object_get(actor, key);
    assert_true(expected == TR_NOBODY ? json_is_null(ref) : json_is_string(ref));
    if (expected != TR_NOBODY)
        assert_string_equal(json_string_value(ref), tr_ref_text(expected, text));
}

/* Without "slow". */
static void
expect_words(const json_t *actor, const char *key, const char *expected)
{
    char text[500] = "";
    size_t i;
    json_t *word;
    json_array_foreach(json_object_get(actor, key), i, word)
    {
        if (strcmp(json_string_value(word), "slow") != 0)
            sprintf(text + strlen(text), "%s;", json_string_value(word));
    }
    assert_string_equal(text, expected);
}

static void
json_tells_supervisors_mutes_and_names(void **state)
{
    unsigned names = 6;
    tr_ref child, muted, supervisor = supervise(&child), mutes = mute(&muted), named = puppet_spawn(runtime, 0);
    (void)state;
    puppet_do(runtime, named, register_names, &names);
    char *answer = visitor_ask(path, "json\n");
    json_t *json = json_loads(answer, 0, NULL);
    assert_non_null(json);
    expect_ref(actor_in(json, child), "supervisor", supervisor);
    expect_ref(actor_in(json, child), "muted_by", TR_NOBODY);
    expect_words(actor_in(json, child), "names", "shop;");
    expect_words(actor_in(json, child), "state", "");
    expect_ref(actor_in(json, muted), "supervisor", TR_NOBODY);
    expect_ref(actor_in(json, muted), "muted_by", mutes);
    expect_words(actor_in(json, muted), "state", "muted;");
    expect_words(actor_in(json, named), "names", "name \"0\";name \"1\";name \"2\";name \"3\";");
    assert_int_equal(json_integer_value(json_object_get(actor_in(json, named), "name_count")), 6);
    json_decref(json);
    free(answer);

    stage_send(runtime, child, FAIL, NULL, 0);
    sight_await(runtime, child, TR_ACTOR_RESTING);
    answer = visitor_ask(path, "json\n");
    json = json_loads(answer, 0, NULL);
    expect_words(actor_in(json, child), "state", "resting;");
    expect_words(actor_in(json, child), "names", "");
    json_decref(json);
    free(answer);
}

/* The end of the line of an actor in the table for people. */
static void
expect_line(const char *table, tr_ref ref, const char *expected)
{
    char text[TR_REF_TEXT_SIZE + 2];
    snprintf(text, sizeof(text), "\n%s", tr_ref_text(ref, (char[TR_REF_TEXT_SIZE]){0}));
    const char *line = strstr(table, text);
    assert_non_null(line);
    size_t length = strcspn(line + 1, "\n") + 1;
    assert_true(length > strlen(expected));
    assert_memory_equal(line + length - strlen(expected), expected, strlen(expected));
}

static void
the_table_tells_supervisors_mutes_and_names(void **state)
{
    unsigned names = 6;
    char expected[100], ref[TR_REF_TEXT_SIZE];
    tr_ref child, muted;
    (void)state;
    supervise(&child);
    tr_ref mutes = mute(&muted), named = puppet_spawn(runtime, 0);
    puppet_do(runtime, named, register_names, &names);
    char *table = visitor_ask(path, "actors\n");
    expect_line(table, child, "clerk  supervised  \"shop\"");
    snprintf(expected, sizeof(expected), "muted by %s", tr_ref_text(mutes, ref));
    expect_line(table, muted, expected);
    expect_line(table, named, "  \"name \"0\"\" \"name \"1\"\" \"name \"2\"\" \"name \"3\"\" and 2 more");
    assert_null(strstr(strstr(table, "supervised") + 1, "supervised")); /* nobody else is */
    free(table);

    stage_send(runtime, child, FAIL, NULL, 0);
    sight_await(runtime, child, TR_ACTOR_RESTING);
    table = visitor_ask(path, "actors\n");
    expect_line(table, child, "clerk  supervised,resting");
    free(table);
}

static void
metrics_count_who_rests_and_who_is_muted_by_class(void **state)
{
    tr_ref child, muted;
    (void)state;
    supervise(&child);
    mute(&muted);
    stage_send(runtime, child, FAIL, NULL, 0);
    sight_await(runtime, child, TR_ACTOR_RESTING);
    char *metrics = visitor_ask(path, "metrics\n");
    assert_non_null(strstr(metrics, "\ntroupe_class_resting{class=\"clerk\"} 1\n"));
    assert_non_null(strstr(metrics, "\ntroupe_class_resting{class=\"passer\"} 0\n"));
    assert_non_null(strstr(metrics, "\ntroupe_class_muted{class=\"puppet\"} 1\n"));
    assert_non_null(strstr(metrics, "\ntroupe_class_muted{class=\"passer\"} 0\n"));
    free(metrics);
}

int
main(void)
{
#define WITH_RUNTIME(test) cmocka_unit_test_setup_teardown(test, open_runtime, close_runtime)
    const struct CMUnitTest tests[] = {
        WITH_RUNTIME(a_supervised_actor_is_told_with_its_supervisor),
        WITH_RUNTIME(between_two_lives_an_actor_rests_and_is_still_its_supervisors),
        WITH_RUNTIME(who_is_muted_is_told_with_the_one_whose_mailbox_it_waits_for),
        WITH_RUNTIME(the_names_of_an_actor_are_told_the_oldest_first),
        WITH_RUNTIME(names_of_any_length_and_number_are_told_of_each_actor),
        WITH_RUNTIME(json_tells_supervisors_mutes_and_names),
        WITH_RUNTIME(the_table_tells_supervisors_mutes_and_names),
        WITH_RUNTIME(metrics_count_who_rests_and_who_is_muted_by_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
