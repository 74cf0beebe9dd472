/*
 * What is wrong with a trace is seen: of each event that the library knows one is dropped, doubled, swapped with the
 * event beside it, and altered in each of its fields, and `troupe-trace check` must reject the trace by the rule that
 * the table in verdicts.c names. What it cannot see stands there, too, with the reason.
 */
#include "score.h"
#include "traces.h"

#include <errno.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/trace.h>
#include <troupe/net/trace.h>

#include "helpers.h"
#include "prove.h"

static const struct tri_trace_event events[] = {TRI_TRACE_CORE_EVENTS(TRI_TRACE_DESCRIPTION) TRI_TRACE_ACTORS_EVENTS(
    TRI_TRACE_DESCRIPTION) TRI_TRACE_NET_EVENTS(TRI_TRACE_DESCRIPTION)};

enum {
    EVENTS = sizeof(events) / sizeof(events[0]),
    MOST_NOTES = 400,
    TEXT = 65536,
    NOT_OF_THE_SCORE = 3, /* rules: switch, parcel and cluster, which have scenes of their own */
};

/* The score that is being changed. */
static const struct scene *scene;
static struct note notes[MOST_NOTES];
static size_t count;

static void
begin(const struct scene *of)
{
    assert_true(of->length < MOST_NOTES);
    memcpy(notes, of->notes, of->length * sizeof(*notes));
    count = of->length;
    scene = of;
}

/* -- Changes. -- */

static void
drop(size_t at)
{
    memmove(&notes[at], &notes[at + 1], (--count - at) * sizeof(*notes));
}

static void
put_twice(size_t at)
{
    memmove(&notes[at + 1], &notes[at], (count++ - at) * sizeof(*notes));
}

/* With the next of its stream, or the one before. false: there is none. */
static bool
swap(size_t at, int step)
{
    for (size_t other = at + (size_t)step; other < count; other += (size_t)step) {
        if (notes[other].stream != notes[at].stream)
            continue;
        struct note kept = notes[at];
        notes[at] = notes[other];
        notes[other] = kept;
        return true;
    }
    return false;
}

static uint64_t
next_word(const struct tri_trace_field *field, uint64_t value)
{
    for (size_t i = 0; field->words[i].word != NULL; i++)
        if (field->words[i].value == value && field->words[i + 1].word != NULL)
            return field->words[i + 1].value;
    return field->words[0].value;
}

/* Another value that its field may have. */
static uint64_t
altered(const struct tri_trace_field *field, uint64_t value)
{
    static const char *const flags[] = {"periodic", "emits_connect", "queued", "error"};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (strcmp(field->label, flags[i]) == 0)
            return !value;
    switch (field->kind) {
    case TRI_FIELD_NAME: return value % SCORE_NAMES + 1;
    case TRI_FIELD_STATUS: return value == 0 ? (uint32_t)TR_EIO : 0;
    case TRI_FIELD_WORD: return next_word(field, value);
    case TRI_FIELD_REF: return value + TRI_TRACE_REF(0, 0, 1);
    case TRI_FIELD_MESSAGE: return value + 1000;
    default: return value + 1;
    }
}

/* -- What is said. -- */

/* Where the trace of a process lies; 0: that of them all. */
static struct traces
place_of_process(const struct traces *traces, unsigned process)
{
    struct traces of = *traces;
    size_t length = strlen(of.directory);
    if (process > 0)
        assert_true(snprintf(of.directory + length, sizeof(of.directory) - length, "/%u", process + 1) == 2);
    return of;
}

static struct tri_trace *
open_process(const struct traces *traces, unsigned process)
{
    char number[16] = "parent";
    struct traces of = place_of_process(traces, process);
    if (process > 0)
        snprintf(number, sizeof(number), "%u", process - 1);
    if (scene->processes > 0)
        tri_trace_be_member("00112233445566778899aabbccddeeff", number, process, NULL);
    traces_open(&of, TR_TRACE_FILE, 0, 0);
    tri_trace_be_member("", "", 0, NULL);
    traces_declare_layers(of.trace);
    for (size_t i = 0; i < SCORE_NAMES; i++)
        assert_int_equal(tri_trace_name(of.trace, score_names[i]), i + 1);
    return of.trace;
}

static void
write_note(struct tri_trace *trace, const struct note *note)
{
    uint64_t message = note->message;
    if (message == SCORE_PID)
        message = (uint64_t)getpid();
    unsigned stream = note->stream & TRI_TRACE_OUTSIDE;
    if (stream == TRI_TRACE_OUTSIDE)
        tri_trace_write_outside(trace, note->id, note->flags, note->arg, note->actor, message);
    else
        tri_trace_write(tri_trace_stream_of(trace, stream), note->id, note->flags, note->arg, note->actor, message);
}

/* As if the program had died. */
static void
cut_off(const struct traces *traces)
{
    size_t size;
    char *metadata = traces_read(traces, "metadata", &size), *at = strstr(metadata, "closed = 1");
    assert_non_null(at);
    traces_patch(traces, "metadata", (uint64_t)(at - metadata), "closed = 0", 10);
    free(metadata);
}

static void
write_notes(const struct traces *traces)
{
    struct tri_trace *processes[4];
    unsigned all = scene->processes > 0 ? scene->processes : 1;
    for (unsigned i = 0; i < all; i++)
        processes[i] = open_process(traces, i);
    for (size_t i = 0; i < count; i++)
        write_note(processes[notes[i].stream >> 16], &notes[i]);
    for (unsigned i = 0; i < all; i++)
        tri_trace_close(processes[i]);
    if (scene->cut_off)
        cut_off(traces);
}

static void
remove_all(const struct traces *traces)
{
    for (unsigned process = scene->processes > 0 ? scene->processes : 1; process-- > 0;)
        tests_directory_remove(place_of_process(traces, process).directory);
}

_Noreturn static void
check_and_exit(const char *directory, int out)
{
    char *words[] = {"check", (char *)directory, NULL};
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    optind = 1;
    int status = command_check.run(2, words);
    fflush(stdout);
    _exit(status);
}

/* In a process of its own, but in this program: there are hundreds. */
static int
check(const struct traces *traces, char text[TEXT])
{
    int ends[2], status;
    size_t length = 0;
    write_notes(traces);
    fflush(stdout);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        check_and_exit(traces->directory, ends[1]);
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], text + length, TEXT - 1 - length)) > 0;)
        length += (size_t)got;
    text[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    remove_all(traces);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *reported; /* the first rule that was broken, for who writes the table */

static void
find_reported(const char *text)
{
    static char rule[40];
    const char *at = strstr(text, "FAILED   ");
    snprintf(rule, sizeof(rule), "%.*s", at != NULL ? (int)strcspn(at + 9, " ") : 1, at != NULL ? at + 9 : "-");
    reported = rule;
}

/*
 * Did the rule say so, and name two events? Of one that is missing there is but the other; and of an actor that is not
 * known, or a field without a meaning, there is no other.
 */
static bool
says(const char *text, const char *rule, const char *change)
{
    char line[80], failed[80];
    bool alone = strcmp(rule, "form") == 0 || strcmp(change, "dropped") == 0;
    snprintf(line, sizeof(line), "%s: ", rule);
    snprintf(failed, sizeof(failed), "FAILED   %-12s", rule);
    return strstr(text, line) != NULL && strstr(text, failed) != NULL &&
           (alone || strstr(text, "    it contradicts: ") != NULL || strstr(text, "no send before it") != NULL ||
            strstr(text, " before it is spawned") != NULL || strstr(text, "there is no such") != NULL ||
            strstr(text, "no such timer") != NULL || strstr(text, "not there") != NULL ||
            strstr(text, "that was not asked") != NULL || strstr(text, "a version that there is not") != NULL ||
            strstr(text, "no lane to itself") != NULL || strstr(text, "the threads outside were not") != NULL ||
            strstr(text, "more connections than") != NULL || strstr(text, "no process sent it before") != NULL ||
            strstr(text, "was not dealt") != NULL);
}

static void
judge(const char *event, const char *change, const char *verdict, int status, const char *text)
{
    bool is_seen = verdict != NULL && verdict[0] != '-';
    find_reported(text);
    if (getenv("SCORE") != NULL) {
        print_message("ROW %s %s %s\n", event, change, reported);
        return;
    }
    if (verdict == NULL)
        fail_msg("%s, %s: nothing says what is to come of it; it is: %s", event, change, reported);
    if (is_seen ? status != 1 || !says(text, verdict, change) : status != 0)
        fail_msg("%s, %s: it should be \"%s\", and check ended with %d:\n%s", event, change, verdict, status, text);
}

static void
expect(struct traces *traces, const char *event, const char *change, const char *verdict)
{
    char text[TEXT];
    int status = check(traces, text);
    judge(event, change, verdict, status, text);
}

static const struct verdict *
verdict_of(const char *event)
{
    for (size_t i = 0; i < verdict_count; i++)
        if (strcmp(verdicts[i].event, event) == 0)
            return &verdicts[i];
    return NULL;
}

/* The first of that kind in a scene. */
static size_t
place_in(const struct scene *of, const struct tri_trace_event *event)
{
    size_t at = 0;
    while (at < of->length && of->notes[at].id != event->id)
        at++;
    return at;
}

/* The first scene that holds it; NULL: none. */
static const struct scene *
scene_of(const struct tri_trace_event *event)
{
    for (size_t i = 0; i < scene_count; i++)
        if (place_in(scenes[i], event) < scenes[i]->length)
            return scenes[i];
    return NULL;
}

/* `lost` is the recorder's own, and whatever it stands for is unknown: test_recorder_losses.c. */
static bool
is_in_score(const struct tri_trace_event *event)
{
    return strcmp(event->name, "lost") != 0;
}

/* Begins the scene of an event. Gives its place there. */
static size_t
begin_with(const struct tri_trace_event *event)
{
    const struct scene *of = scene_of(event);
    if (of == NULL)
        fail_msg("no scene has an event %s", event->name);
    begin(of);
    return place_in(of, event);
}

/* -- Tests. -- */

static void
each_event_is_in_the_score_and_has_its_verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < EVENTS; i++)
        if (is_in_score(&events[i]) && (scene_of(&events[i]) == NULL || verdict_of(events[i].name) == NULL))
            fail_msg("there is no event %s in a scene, or no verdict", events[i].name);
}

static void
every_scene_passes(void **state)
{
    char text[TEXT];
    for (size_t i = 0; i < scene_count; i++) {
        begin(scenes[i]);
        int status = check(*state, text);
        if (status != 0)
            fail_msg("%s: check ended with %d:\n%s", scenes[i]->title, status, text);
    }
}

/* Of one process, with nothing missing. */
static void
of_the_whole_score_nothing_is_unknown(void **state)
{
    char text[TEXT];
    begin(&score);
    assert_int_equal(check(*state, text), 0);
    if (strstr(text, "unknown") != NULL || traces_count(text, "no case") != NOT_OF_THE_SCORE)
        fail_msg("something is unknown, or had no case:\n%s", text);
}

/* Of each event, with its verdicts. */
static void
for_each(struct traces *traces,
         void (*change)(struct traces *traces, const struct tri_trace_event *event, const struct verdict *verdict))
{
    static const struct verdict none = {NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    for (size_t i = 0; i < EVENTS; i++) {
        const struct verdict *verdict = verdict_of(events[i].name);
        if (is_in_score(&events[i]))
            change(traces, &events[i], verdict != NULL ? verdict : &none);
    }
}

static void
drop_it(struct traces *traces, const struct tri_trace_event *event, const struct verdict *verdict)
{
    drop(begin_with(event));
    expect(traces, event->name, "dropped", verdict->dropped);
}

static void
an_event_that_is_dropped_is_missed(void **state)
{
    for_each(*state, drop_it);
}

static void
double_it(struct traces *traces, const struct tri_trace_event *event, const struct verdict *verdict)
{
    put_twice(begin_with(event));
    expect(traces, event->name, "doubled", verdict->doubled);
}

static void
an_event_that_is_doubled_is_one_too_many(void **state)
{
    for_each(*state, double_it);
}

/* With the next, or if that is no matter with the one before. */
static void
swap_it(struct traces *traces, const struct tri_trace_event *event, const struct verdict *verdict)
{
    char text[TEXT];
    int status = 0;
    for (int step = 1; step >= -1 && status == 0; step -= 2) {
        if (swap(begin_with(event), step))
            status = check(traces, text);
    }
    judge(event->name, "swapped", verdict->swapped, status, text);
}

static void
an_event_before_the_one_that_it_depends_on_is_out_of_order(void **state)
{
    for_each(*state, swap_it);
}

static const char *
verdict_of_field(const struct tri_trace_field *field, const char *verdict)
{
    return field->kind == TRI_FIELD_NOTHING ? "form" : verdict;
}

static void
alter_it(struct traces *traces, const struct tri_trace_event *event, const struct verdict *verdict)
{
    size_t at = begin_with(event);
    notes[at].actor = altered(&event->actor, notes[at].actor);
    expect(traces, event->name, "actor", verdict_of_field(&event->actor, verdict->actor));
    begin_with(event);
    notes[at].flags = (uint16_t)altered(&event->flags, notes[at].flags);
    expect(traces, event->name, "flags", verdict_of_field(&event->flags, verdict->flags));
    begin_with(event);
    notes[at].arg = (uint32_t)altered(&event->arg, notes[at].arg);
    expect(traces, event->name, "arg", verdict_of_field(&event->arg, verdict->arg));
    begin_with(event);
    notes[at].message = altered(&event->message, notes[at].message);
    expect(traces, event->name, "message", verdict_of_field(&event->message, verdict->message));
}

static void
a_field_that_is_altered_contradicts_another_event(void **state)
{
    for_each(*state, alter_it);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_event_is_in_the_score_and_has_its_verdicts),
        TEST(every_scene_passes),
        TEST(of_the_whole_score_nothing_is_unknown),
        TEST(an_event_that_is_dropped_is_missed),
        TEST(an_event_that_is_doubled_is_one_too_many),
        TEST(an_event_before_the_one_that_it_depends_on_is_out_of_order),
        TEST(a_field_that_is_altered_contradicts_another_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
