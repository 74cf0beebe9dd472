/*
 * Names of tags, and of who sends and who receives: what a runtime records of them, and what dump makes of it.
 */
#include "helpers.h"
#include "stage.h"
#include "traces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/actors/actor.h>
#include <troupe/actors/become.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/actors/trace.h>

enum { FIRST = 1, SECOND, NAMELESS, EMPTY, TURN, REPEATS = 5000 };

static unsigned asked; /* atomic: how often for FIRST of a left actor */

static const char *
left_name(uint32_t tag)
{
    assert_true(tag < TR_TAG_RESERVED);
    if (tag == FIRST)
        __atomic_add_fetch(&asked, 1, __ATOMIC_SEQ_CST);
    return tag == FIRST ? "LEFT_FIRST" : tag == SECOND ? "LEFT_SECOND" : tag == EMPTY ? "" : NULL;
}

static const char *
right_name(uint32_t tag)
{
    return tag == FIRST ? "RIGHT_FIRST" : NULL;
}

static struct tally handled;

static void count(tr_actor *self, void *state, tr_message *message);

static const struct tr_behavior left = {.name = "left", .receive = count, .tag_name = left_name};
static const struct tr_behavior right = {.name = "right", .receive = count, .tag_name = right_name};

static void
count(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == TURN)
        assert_int_equal(tr_become(self, &right), TR_OK);
    tally_add(&handled, 1);
}

static tr_runtime *
start(const struct traces *traces, unsigned workers)
{
    struct tr_runtime_options options = {.workers = workers, .watchdog_ms = -1};
    tr_runtime *runtime;
    options.trace = (struct tr_trace_options){.mode = TR_TRACE_FILE, .directory = traces->directory};
    handled = (struct tally){0};
    asked = 0;
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    return runtime;
}

static tr_ref
spawn(tr_runtime *runtime, const struct tr_behavior *behavior, unsigned worker, const void *argument, size_t size)
{
    struct tr_spawn_options options = {
        .placement = TR_PLACE_WORKER, .worker = worker, .argument = argument, .argument_size = size};
    tr_ref ref;
    assert_int_equal(tr_runtime_spawn(runtime, behavior, &options, &ref), TR_OK);
    return ref;
}

static void
send(tr_runtime *runtime, tr_ref to, uint32_t tag)
{
    tr_message message = tr_message_signal(tag);
    assert_int_equal(tr_runtime_send(runtime, to, &message), TR_OK);
}

static void
stop(tr_runtime *runtime, uint64_t messages)
{
    tally_await(&handled, messages);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

static void
expect(const struct traces *traces, const char *json, const char *event, unsigned lines, const char *part)
{
    struct outcome outcome = json != NULL ? traces_tool(traces, "dump", json, "--event", event, NULL)
                                          : traces_tool(traces, "dump", "--event", event, NULL, NULL);
    if (outcome.status != 0 || traces_count(outcome.text, part) != lines)
        fail_msg("there are not %u times \"%s\" in:\n%s", lines, part, outcome.text);
    free(outcome.text);
}

static void
a_tag_has_the_name_that_its_receivers_behavior_gives(void **state)
{
    tr_runtime *runtime = start(*state, 1);
    tr_ref l = spawn(runtime, &left, 0, NULL, 0), r = spawn(runtime, &right, 0, NULL, 0);
    send(runtime, l, FIRST);
    send(runtime, l, SECOND);
    send(runtime, l, NAMELESS);
    send(runtime, l, EMPTY);
    send(runtime, r, FIRST);
    send(runtime, r, SECOND);
    stop(runtime, 6);
    expect(*state, NULL, "receive", 1, "  tag LEFT_FIRST\n");
    expect(*state, NULL, "receive", 1, "  tag LEFT_SECOND\n");
    expect(*state, NULL, "receive", 1, "  tag RIGHT_FIRST\n");
    expect(*state, NULL, "receive", 1, "  tag 2\n"); /* right has no name for it */
    expect(*state, NULL, "receive", 1, "  tag 3\n");
    expect(*state, NULL, "receive", 1, "  tag 4\n");
    expect(*state, NULL, "send", 1, "  tag RIGHT_FIRST  to 0:");
    expect(*state, "--json", "receive", 1,
           "\"tag\":1,\"tag_name\":\"LEFT_FIRST\",\"at_once\":0,\"flags\":0,\"class\":\"left\"}");
    expect(*state, "--json", "receive", 1, "\"tag\":3,\"at_once\":0,\"flags\":0,\"class\":\"left\"}");
}

static void
after_a_change_of_behavior_tags_have_the_names_of_the_new_one(void **state)
{
    tr_runtime *runtime = start(*state, 1);
    tr_ref l = spawn(runtime, &left, 0, NULL, 0);
    send(runtime, l, FIRST);
    send(runtime, l, TURN);
    send(runtime, l, FIRST);
    stop(runtime, 3);
    expect(*state, NULL, "receive", 1, " (left)  message outside:1  tag LEFT_FIRST\n");
    expect(*state, NULL, "receive", 1, " (right)  message outside:3  tag RIGHT_FIRST\n");
    expect(*state, NULL, "become", 1, " (right)  behavior right\n");
}

/* By both workers, and the behavior is asked for it once by each. */
static void
a_name_of_a_tag_is_written_once(void **state)
{
    tr_runtime *runtime = start(*state, 2);
    tr_ref to[2] = {spawn(runtime, &left, 0, NULL, 0), spawn(runtime, &left, 1, NULL, 0)};
    for (unsigned i = 0; i < REPEATS; i++)
        send(runtime, to[i % 2], FIRST);
    stop(runtime, REPEATS);
    size_t size, at, found = 0;
    char *names = traces_read(*state, "names.00000000", &size);
    for (at = 0; at + 10 < size; at++)
        found += memcmp(names + at, "LEFT_FIRST", 10) == 0;
    free(names);
    assert_int_equal(found, 1);
    assert_int_equal(asked, 2);
}

static void
more_names_of_tags_than_a_worker_remembers_are_written_once_each(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t tag = 0; tag < REPEATS; tag++) {
            char name[20];
            snprintf(name, sizeof(name), "TAG_%u", tag);
            tri_trace_name_tag(traces->trace, tag % 2 == 0 ? "even" : "odd", tag, name);
        }
    }
    traces_write(traces, 0, TRI_TRACE_ACTORS_spawn, tri_trace_name(traces->trace, "even"), TRI_TRACE_REF(0, 1, 1), 0);
    for (uint32_t tag = 0; tag < REPEATS; tag++) {
        traces_write(traces, 1, TRI_TRACE_ACTORS_send, tag, TRI_TRACE_REF(1, 1, 1), TRI_TRACE_MESSAGE(1, tag + 1));
        traces_write(traces, 0, TRI_TRACE_ACTORS_receive, tag, TRI_TRACE_REF(0, 1, 1), TRI_TRACE_MESSAGE(1, tag + 1));
    }
    traces_close(traces); /* a name that is told twice would be refused by the tool */
    expect(traces, NULL, "receive", REPEATS / 2, "  tag TAG_");
    expect(traces, NULL, "send", 1, "  tag TAG_4998  to 0:1.1 (even)\n");
    expect(traces, NULL, "receive", 1, "  tag 4999  from 1:1.1\n"); /* an odd one, which even does not know */
}

/* -- Senders and receivers. -- */

static tr_status
pass_on(tr_actor *self, void *state, const void *argument)
{
    const tr_ref *to = argument;
    (void)state;
    return tr_tell(self, *to, FIRST, NULL, 0);
}

static const struct tr_behavior teller = {.name = "teller", .init = pass_on, .receive = count};

static void
a_message_is_shown_with_its_sender_and_its_receiver(void **state)
{
    tr_runtime *runtime = start(*state, 2);
    tr_ref l = spawn(runtime, &left, 1, NULL, 0);
    tr_ref t = spawn(runtime, &teller, 0, &l, sizeof(l));
    char text[TR_REF_TEXT_SIZE], part[160];
    stop(runtime, 1);
    snprintf(part, sizeof(part), " (teller)  message 0:1  tag LEFT_FIRST  to %s (left)\n", tr_ref_text(l, text));
    expect(*state, NULL, "send", 1, part);
    snprintf(part, sizeof(part), " (left)  message 0:1  tag LEFT_FIRST  from %s (teller)\n", tr_ref_text(t, text));
    expect(*state, NULL, "receive", 1, part);
    snprintf(part, sizeof(part), "\"class\":\"teller\",\"to\":\"%s\",\"to_class\":\"left\"}", tr_ref_text(l, text));
    expect(*state, "--json", "send", 1, part);
    snprintf(part, sizeof(part), "\"class\":\"left\",\"from\":\"%s\",\"from_class\":\"teller\"}", tr_ref_text(t, text));
    expect(*state, "--json", "receive", 1, part);
}

static void
a_dead_letter_is_shown_with_its_sender_and_its_send_with_whom_it_did_not_reach(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    uint32_t name = tri_trace_name(traces->trace, "late");
    traces_write(traces, 0, TRI_TRACE_ACTORS_spawn, name, TRI_TRACE_REF(0, 1, 1), 0);
    traces_write(traces, 0, TRI_TRACE_ACTORS_send, 5, TRI_TRACE_REF(0, 1, 1), TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 1, TRI_TRACE_ACTORS_dead_letter, 0, TRI_TRACE_REF(1, 2, 1), TRI_TRACE_MESSAGE(0, 1));
    traces_close(traces);
    expect(traces, NULL, "send", 1, "  tag 5  to 1:2.1\n");
    expect(traces, NULL, "dead_letter", 1, "  reason no_actor  from 0:1.1 (late)\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_tag_has_the_name_that_its_receivers_behavior_gives),
        TEST(after_a_change_of_behavior_tags_have_the_names_of_the_new_one),
        TEST(a_name_of_a_tag_is_written_once),
        TEST(more_names_of_tags_than_a_worker_remembers_are_written_once_each),
        TEST(a_message_is_shown_with_its_sender_and_its_receiver),
        TEST(a_dead_letter_is_shown_with_its_sender_and_its_send_with_whom_it_did_not_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
