/*
 * What the recorder writes: events, files, times, names, ids; from all threads at once; and what a killed process
 * leaves.
 */
#include "recorder_files.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/core/clock.h>

#include "helpers.h"

/* -- Off. -- */

static void
off_gives_no_recorder_and_every_call_does_nothing(void **state)
{
    const struct traces *traces = *state;
    struct tr_trace_options options = {.directory = traces->directory};
    struct tri_trace *trace = (struct tri_trace *)&options;
    assert_int_equal(tri_trace_open(&options, 2, &trace), TR_OK);
    assert_null(trace);
    assert_null(tri_trace_stream_of(trace, 1));
    tri_trace(tri_trace_stream_of(trace, 1), TRI_TRACE_CORE_over_budget, 0, 0, 0, 0);
    assert_int_equal(tri_trace_name(trace, "name"), 0);
    traces_declare_layers(trace);
    tri_trace_close(trace);
    assert_int_equal(access(traces->directory, F_OK), -1);
}

static void
an_empty_environment_variable_is_off(void **state)
{
    (void)state;
    struct tr_trace_options options = {0};
    struct tri_trace *trace;
    setenv("TR_TRACE", "", 1);
    assert_int_equal(tri_trace_open(&options, 1, &trace), TR_OK);
    assert_null(trace);
}

/* -- On. -- */

static void
events_stand_in_the_file_as_they_were_given(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    tri_trace(tri_trace_stream_of(traces->trace, 0), TRI_TRACE_CORE_over_budget, 3, 4, 5, 6);
    tri_trace(tri_trace_stream_of(traces->trace, 0), TRI_TRACE_CORE_sleep, 0xffff, UINT32_MAX, UINT64_MAX,
              UINT64_MAX - 1);
    traces_close(traces);
    struct file file = load_segment(traces, 0);
    assert_int_equal(file.count, 2);
    assert_int_equal(file.packet->stream_id, TRI_TRACE_CLASS_EVENTS);
    assert_int_equal(file.packet->stream_instance_id, 0);
    assert_int_equal(file.packet->timestamp_begin, file.records[0].timestamp);
    assert_int_equal(file.records[0].id, TRI_TRACE_CORE_over_budget);
    assert_int_equal(file.records[0].flags, 3);
    assert_int_equal(file.records[0].arg, 4);
    assert_int_equal(file.records[0].actor, 5);
    assert_int_equal(file.records[0].message, 6);
    assert_true(file.records[1].timestamp >= file.records[0].timestamp);
    assert_int_equal(file.records[1].id, TRI_TRACE_CORE_sleep);
    assert_int_equal(file.records[1].flags, 0xffff);
    assert_int_equal(file.records[1].arg, UINT32_MAX);
    assert_true(file.records[1].actor == UINT64_MAX && file.records[1].message == UINT64_MAX - 1);
    free(file.bytes);
}

static void
an_event_counts_as_soon_as_it_is_written(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    for (uint32_t i = 1; i <= 5; i++) {
        traces_fill(traces, i, 1);
        struct file file = load_segment(traces, 0);
        assert_int_equal(file.count, i);
        assert_int_equal(file.records[i - 1].arg, i);
        free(file.bytes);
    }
}

#define MANY 30000u        /* events in a file */
#define LOOKS_ENOUGH 2000u /* at events that had just been counted */

static cpu_set_t reader_cpus, writer_cpus;

/* The first of our CPUs for the reader and the others for the writer, if there are others: they shall run at once. */
static void
part_cpus(const cpu_set_t *all)
{
    int first = 0;
    while (!CPU_ISSET(first, all))
        first++;
    reader_cpus = writer_cpus = *all;
    if (CPU_COUNT(all) == 1)
        return;
    CPU_ZERO(&reader_cpus);
    CPU_SET(first, &reader_cpus);
    CPU_CLR(first, &writer_cpus);
}

static void *
write_many(void *stream)
{
    pthread_setaffinity_np(pthread_self(), sizeof(writer_cpus), &writer_cpus);
    for (uint32_t i = 1; i < MANY; i++)
        tri_trace_write(stream, TRI_TRACE_CORE_over_budget, 1, i, ~(uint64_t)i, i);
    return NULL;
}

/* Looks at the newest event whenever another one counts. Returns how often; *torn: how often it was not whole. */
static unsigned
look_at_newest(const struct tri_trace_packet *packet, unsigned *torn)
{
    const struct tri_trace_record *records = (const struct tri_trace_record *)(packet + 1);
    unsigned looks = 0;
    for (uint64_t seen = 1, count; seen < MANY; seen = count) {
        count = (ck_pr_load_64(&packet->content_size) / 8 - sizeof(*packet)) / TRI_TRACE_STEP;
        if (count == seen)
            continue;
        ck_pr_fence_load();
        const struct tri_trace_record *newest = &records[count - 1];
        uint64_t number = count - 1;
        *torn += ck_pr_load_16(&newest->id) != TRI_TRACE_CORE_over_budget || ck_pr_load_32(&newest->arg) != number ||
                 ck_pr_load_64(&newest->actor) != ~number || ck_pr_load_64(&newest->message) != number ||
                 ck_pr_load_64(&newest->timestamp) < packet->timestamp_begin;
        looks++;
    }
    return looks;
}

/* Provokes: a reader of the file, which is there while the newest event is written. */
static void
an_event_that_counts_is_whole(void **state)
{
    struct traces *traces = *state;
    size_t bytes = 1u << 20;
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = traces->directory, .segment_bytes = bytes};
    char path[400];
    unsigned looks = 0, torn = 0;
    cpu_set_t before;
    pthread_getaffinity_np(pthread_self(), sizeof(before), &before);
    part_cpus(&before);
    snprintf(path, sizeof(path), "%s/worker-0.00000000", traces->directory);
    for (unsigned round = 0; round < 20 && looks < LOOKS_ENOUGH; round++) {
        pthread_t writer;
        assert_int_equal(tri_trace_open(&options, 1, &traces->trace), TR_OK);
        traces_fill(traces, 0, 1);
        int fd = open(path, O_RDONLY);
        struct tri_trace_packet *packet = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
        assert_ptr_not_equal(packet, MAP_FAILED);
        assert_int_equal(pthread_create(&writer, NULL, write_many, tri_trace_stream_of(traces->trace, 0)), 0);
        pthread_setaffinity_np(pthread_self(), sizeof(reader_cpus), &reader_cpus);
        looks += look_at_newest(packet, &torn);
        pthread_join(writer, NULL);
        pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
        munmap(packet, bytes);
        close(fd);
        traces_close(traces);
        tests_directory_remove(traces->directory);
    }
    print_message("looked at %u events as soon as they counted\n", looks);
    assert_int_equal(torn, 0);
}

static void
files_without_an_event_are_hidden_and_removed_at_the_end(void **state)
{
    struct traces *traces = *state;
    int fds = tests_open_fds(), threads = tests_threads();
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    assert_int_equal(traces_files(traces, ""), 5); /* of two workers, outside, names; the metadata */
    assert_int_equal(traces_files(traces, "."), 4);
    traces_fill(traces, 0, 1);
    assert_int_equal(traces_files(traces, "worker-0."), 1);
    traces_close(traces);
    assert_int_equal(traces_files(traces, ""), 2);
    assert_int_equal(traces_files(traces, "."), 0);
    assert_int_equal(tests_open_fds(), fds);
    assert_true(tests_wait_until(has_threads, &threads, TESTS_LIMIT_MS));
}

/* Files of the trace that are in this process's memory. */
static unsigned
count_mappings(const struct traces *traces)
{
    char line[600];
    unsigned count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL)
        count += strstr(line, traces->directory) != NULL;
    fclose(maps);
    return count;
}

static void
file_mode_goes_on_in_new_files(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, 10 * FULL + 1);
    assert_in_range(count_mappings(traces), 4, 7); /* the first of each stream, one that was left, one for later */
    traces_close(traces);
    assert_int_equal(count_mappings(traces), 0);
    assert_int_equal(traces_files(traces, "worker-0."), 11);
    for (uint32_t i = 0, arg = 0; i <= 10; i++) {
        struct file file = load_segment(traces, i);
        assert_int_equal(file.count, i < 10 ? FULL : 1);
        for (size_t j = 0; j < file.count; j++)
            assert_int_equal(file.records[j].arg, arg++);
        free(file.bytes);
    }
}

static void
time_never_goes_back_within_a_stream(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, 20 * FULL);
    traces_close(traces);
    uint64_t newest = 0;
    for (unsigned i = 0; i < 20; i++) {
        struct file file = load_segment(traces, i);
        for (size_t j = 0; j < file.count; newest = file.records[j++].timestamp)
            assert_true(file.records[j].timestamp >= newest);
        free(file.bytes);
    }
}

/* What the clock says is changed by changing which clock it is. */
static void
time_does_not_go_back_though_the_clock_does(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    bool counter = tri_clock_is_counter;
    for (uint32_t i = 0; i < 6; i++) {
        tri_clock_is_counter = i % 2;
        traces_fill(traces, i, 1);
    }
    tri_clock_is_counter = counter;
    traces_close(traces);
    struct file file = load_segment(traces, 0);
    assert_int_equal(file.count, 6);
    for (size_t i = 1; i < file.count; i++)
        assert_true(file.records[i].timestamp >= file.records[i - 1].timestamp);
    free(file.bytes);
}

static uint64_t
number_after(const char *text, const char *word)
{
    const char *at = strstr(text, word);
    assert_non_null(at);
    return strtoull(at + strlen(word), NULL, 10);
}

/* To the second: somebody may set the machine's clock a little meanwhile. */
static void
the_metadata_turns_ticks_into_the_time_since_1970(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    long double before = (long double)tri_clock_ns(CLOCK_REALTIME) / TRI_CLOCK_NS;
    traces_fill(traces, 0, 1);
    long double after = (long double)tri_clock_ns(CLOCK_REALTIME) / TRI_CLOCK_NS;
    traces_close(traces);
    size_t size;
    char *text = traces_read(traces, "metadata", &size);
    struct file file = load_segment(traces, 0);
    uint64_t hertz = number_after(text, "freq = "), ticks = file.records[0].timestamp + number_after(text, "offset = ");
    long double time = (long double)number_after(text, "offset_s = ") + (long double)ticks / (long double)hertz;
    assert_true(time > before - 1 && time < after + 1);
    free(file.bytes);
    free(text);
}

static void
flight_mode_overwrites_whole_oldest_segments(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FLIGHT, 3, 0);
    traces_fill(traces, 0, 10 * FULL - 5);
    traces_close(traces);
    assert_int_equal(traces_files(traces, "worker-0."), 3);
    for (unsigned i = 7; i < 10; i++) {
        struct file file = load_segment(traces, i);
        assert_int_equal(file.count, i < 9 ? FULL : FULL - 5);
        assert_int_equal(file.records[0].arg, i * FULL);
        assert_int_equal(file.packet->events_discarded, 0);
        free(file.bytes);
    }
    char counted[40];
    snprintf(counted, sizeof(counted), "%u                0\n", (unsigned)(7 * FULL));
    traces_expect_counts(traces, counted);
}

static void
flight_mode_keeps_the_names(void **state)
{
    struct traces *traces = *state;
    char text[40];
    traces_open(traces, TR_TRACE_FLIGHT, 2, 0);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "behavior %u", i);
        assert_int_equal(tri_trace_name(traces->trace, text), i + 1);
        traces_fill(traces, 0, FULL);
    }
    traces_close(traces);
    size_t size;
    char *names = traces_read(traces, "names.00000000", &size);
    assert_string_equal(names + sizeof(struct tri_trace_packet) + TRI_TRACE_NAME_TEXT, "behavior 0");
    free(names);
}

/* -- Killed. -- */

static void
a_process_killed_while_it_writes_leaves_a_readable_trace(void **state)
{
    struct traces *traces = *state;
    for (int round = 0; round < 5; round++) {
        traces_write_and_kill(traces, TR_TRACE_FILE);
        traces_expect(traces, "check", 0, "passed   sent_before");
        traces_expect_counts(traces, "cut off");
        tests_directory_remove(traces->directory);
    }
}

static void
a_flight_recorder_killed_while_it_writes_leaves_a_readable_trace(void **state)
{
    struct traces *traces = *state;
    for (int round = 0; round < 5; round++) {
        traces_write_and_kill(traces, TR_TRACE_FLIGHT);
        traces_expect(traces, "check", 0, "unknown  sent_before");
        tests_directory_remove(traces->directory);
    }
}

/* -- Names, tables and ids. -- */

static void
every_layers_events_and_tags_are_described_once(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    traces_declare_layers(traces->trace);
    traces_close(traces);
    size_t size;
    char *text = traces_read(traces, "metadata", &size);
    assert_int_equal(traces_count(text, "event { name = \"lost\"; id = 1; stream_id = 0;"), 1);
    assert_int_equal(traces_count(text, "event { name = \"receive\"; id = 259; stream_id = 0;"), 1);
    assert_int_equal(traces_count(text, "event { name = \"socket_close\"; id = 539; stream_id = 0;"), 1);
    assert_int_equal(traces_count(text, "enum tag_4294905856 : uint32_t { SOCKET_CREDIT = 4294905856 };\n"), 1);
    assert_int_equal(traces_count(text, "closed = 1;"), 1);
    free(text);
}

static void
a_trace_says_that_it_is_open_until_it_is_closed(void **state)
{
    struct traces *traces = *state;
    size_t size;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    char *text = traces_read(traces, "metadata", &size);
    assert_int_equal(traces_count(text, "closed = 0;"), 1);
    free(text);
    traces_close(traces);
    text = traces_read(traces, "metadata", &size);
    assert_int_equal(traces_count(text, "closed = 1;"), 1);
    free(text);
}

static void
equal_names_have_equal_numbers(void **state)
{
    struct traces *traces = *state;
    char text[40];
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 1000; i++) { /* more than one file of them */
            snprintf(text, sizeof(text), "name %u", i);
            assert_int_equal(tri_trace_name(traces->trace, text), i + 1);
        }
    }
    assert_int_equal(tri_trace_name(traces->trace, ""), 1001);
    assert_int_equal(tri_trace_name(traces->trace, NULL), 0);
    traces_close(traces);
    assert_true(traces_files(traces, "names.") > 1);
    traces_expect_counts(traces, NULL);
}

static void
a_long_name_is_cut_in_the_file(void **state)
{
    struct traces *traces = *state;
    char text[3000];
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(tri_trace_name(traces->trace, text), 1);
    text[sizeof(text) - 2] = 'y';
    assert_int_equal(tri_trace_name(traces->trace, text), 2);
    traces_close(traces);
    size_t size;
    char *names = traces_read(traces, "names.00000000", &size);
    assert_int_equal(strlen(names + sizeof(struct tri_trace_packet) + TRI_TRACE_NAME_TEXT), TRI_TRACE_NAME_MAX);
    free(names);
    traces_expect_counts(traces, NULL);
}

static void
message_ids_count_up_in_each_stream(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    for (unsigned stream = 0; stream < 2; stream++) {
        for (unsigned i = 1; i <= 3; i++)
            assert_true(tri_trace_message_id(tri_trace_stream_of(traces->trace, stream)) ==
                        TRI_TRACE_MESSAGE(stream, i));
    }
    assert_true(tri_trace_message_id_outside(traces->trace) == TRI_TRACE_MESSAGE(TRI_TRACE_OUTSIDE, 1));
    assert_true(tri_trace_message_id_outside(traces->trace) == TRI_TRACE_MESSAGE(TRI_TRACE_OUTSIDE, 2));
}

/* -- Threads. -- */

#define ROUNDS 5000u

static void *
write_as_a_worker(void *argument)
{
    struct traces *traces = argument;
    static unsigned next_worker;
    unsigned worker = __atomic_fetch_add(&next_worker, 1, __ATOMIC_RELAXED) % 2;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        char name[20];
        snprintf(name, sizeof(name), "%u", i % 50);
        traces_write(traces, worker, TRI_TRACE_CORE_over_budget, tri_trace_name(traces->trace, name), 0, 0);
    }
    return NULL;
}

static void *
write_from_outside(void *argument)
{
    struct traces *traces = argument;
    for (uint32_t i = 0; i < ROUNDS; i++)
        tri_trace_write_outside(traces->trace, TRI_TRACE_CORE_over_budget, 0, i, 0,
                                tri_trace_message_id_outside(traces->trace));
    return NULL;
}

static void
workers_and_other_threads_write_at_once_and_nothing_is_lost(void **state)
{
    struct traces *traces = *state;
    pthread_t threads[4];
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i < 2 ? write_as_a_worker : write_from_outside, traces), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    traces_close(traces);
    traces_expect_counts(traces, "over_budget                   20,000");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(off_gives_no_recorder_and_every_call_does_nothing),
        TEST(an_empty_environment_variable_is_off),
        TEST(events_stand_in_the_file_as_they_were_given),
        TEST(an_event_counts_as_soon_as_it_is_written),
        TEST(an_event_that_counts_is_whole),
        TEST(files_without_an_event_are_hidden_and_removed_at_the_end),
        TEST(file_mode_goes_on_in_new_files),
        TEST(time_never_goes_back_within_a_stream),
        TEST(time_does_not_go_back_though_the_clock_does),
        TEST(the_metadata_turns_ticks_into_the_time_since_1970),
        TEST(flight_mode_overwrites_whole_oldest_segments),
        TEST(flight_mode_keeps_the_names),
        TEST(a_process_killed_while_it_writes_leaves_a_readable_trace),
        TEST(a_flight_recorder_killed_while_it_writes_leaves_a_readable_trace),
        TEST(every_layers_events_and_tags_are_described_once),
        TEST(a_trace_says_that_it_is_open_until_it_is_closed),
        TEST(equal_names_have_equal_numbers),
        TEST(a_long_name_is_cut_in_the_file),
        TEST(message_ids_count_up_in_each_stream),
        TEST(workers_and_other_threads_write_at_once_and_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
