/*
 * What the recorder loses and how it says so: limits, disks that are full, or hang.
 */
#include "recorder_files.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "helpers.h"

/* -- A disk as a test wants it. -- */

static atomic_bool disk_hangs, disk_is_full;
static atomic_uint files_begun;

/* Takes the place of the C library's. */
int
posix_fallocate(int fd, off_t offset, off_t size)
{
    files_begun++;
    while (disk_hangs)
        tests_let_pass(1000000);
    if (disk_is_full)
        return ENOSPC;
    return ftruncate(fd, offset + size) == 0 ? 0 : errno;
}

static bool
a_further_file_is_begun(void *count)
{
    return files_begun > *(unsigned *)count;
}

/* -- Losses. -- */

/* Five files in all: one of each stream, and one more. */
static void
beyond_the_limit_losses_are_counted_in_the_packet_and_in_an_event(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 5 * SEGMENT);
    traces_fill(traces, 0, 2 * FULL + 1234);
    traces_close(traces);
    assert_int_equal(traces_files(traces, "worker-0."), 2);
    struct file file = load_segment(traces, 1);
    assert_int_equal(file.count, FULL + 1);
    assert_int_equal(file.records[FULL - 1].arg, 2 * FULL - 1);
    assert_int_equal(file.records[FULL].id, TRI_TRACE_CORE_lost);
    assert_int_equal(file.records[FULL].arg, 1234);
    assert_int_equal(file.packet->events_discarded, 1234);
    free(file.bytes);
}

/* Each of the first files is one of the limit, and nobody is told: it is what was asked for. */
static void
a_limit_that_is_reached_is_no_fault(void **state)
{
    struct traces *traces = *state;
    struct words words;
    words_begin(&words, traces);
    traces_open(traces, TR_TRACE_FILE, 0, 4 * SEGMENT);
    traces_fill(traces, 0, 2 * FULL);
    traces_close(traces);
    assert_string_equal(words_end(&words), "");
    assert_int_equal(traces_files(traces, "worker-0."), 1);
}

static void
names_that_find_no_place_have_numbers_and_are_counted_as_lost(void **state)
{
    struct traces *traces = *state;
    char text[TRI_TRACE_NAME_MAX + 1];
    unsigned fit = (SEGMENT - sizeof(struct tri_trace_packet)) / 1024; /* of so long ones */
    traces_open(traces, TR_TRACE_FILE, 0, 4 * SEGMENT);
    memset(text, 'x', sizeof(text));
    text[TRI_TRACE_NAME_MAX] = '\0';
    for (unsigned i = 0; i < fit + 5; i++) {
        text[0] = (char)('a' + i);
        assert_int_equal(tri_trace_name(traces->trace, text), i + 1);
    }
    traces_close(traces);
    struct file names = load(traces, "names.00000000");
    assert_int_equal(names.packet->events_discarded, 5);
    free(names.bytes);
}

/* Two further files are allowed, and come in the end, though the disk was full each time when they were asked for. */
static void
a_disk_that_is_full_again_and_again_is_said_once_and_counted_each_time(void **state)
{
    struct traces *traces = *state;
    struct words words;
    uint32_t next = 0, lost = 65536; /* until the recorder asks again */
    words_begin(&words, traces);
    traces_open(traces, TR_TRACE_FILE, 0, 6 * SEGMENT);
    for (unsigned gap = 0; gap < 2; gap++) {
        disk_is_full = true;
        traces_fill(traces, next, FULL + 100 - (gap > 0)); /* the first of the second file is there */
        disk_is_full = false;
        next += FULL + 100 - (gap > 0);
        traces_fill(traces, next, lost - 100 + 1);
        next += lost - 100 + 1;
    }
    traces_close(traces);
    assert_int_equal(traces_count(words_end(&words), "\n"), 1);
    assert_non_null(strstr(words.text, traces->directory));
    assert_non_null(strstr(words.text, strerror(ENOSPC)));
    assert_int_equal(traces_files(traces, "worker-0."), 3);
    for (unsigned i = 0; i < 2; i++) {
        struct file file = load_segment(traces, i);
        assert_int_equal(file.count, FULL + 1);
        assert_int_equal(file.records[FULL].id, TRI_TRACE_CORE_lost);
        assert_int_equal(file.records[FULL].arg, lost);
        assert_int_equal(file.packet->events_discarded, (i + 1) * lost);
        free(file.bytes);
    }
    struct file last = load_segment(traces, 2);
    assert_int_equal(last.records[0].arg, next - 1);
    assert_int_equal(last.packet->events_discarded, 2 * lost);
    free(last.bytes);
}

static void
one_streams_losses_do_not_touch_another(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 4 * SEGMENT);
    traces_fill(traces, 0, 2 * FULL);
    traces_write(traces, 1, TRI_TRACE_CORE_over_budget, 1, 0, 0);
    traces_write(traces, TRI_TRACE_OUTSIDE, TRI_TRACE_CORE_over_budget, 1, 0, 0);
    traces_close(traces);
    static const char *const names[] = {"worker-1.00000000", "outside.00000000"};
    for (int i = 0; i < 2; i++) {
        struct file file = load(traces, names[i]);
        assert_int_equal(file.count, 1);
        assert_int_equal(file.packet->events_discarded, 0);
        free(file.bytes);
    }
}

/* Files above 4 KiB cannot be made for a while: a full disk, as far as the recorder can tell. */
static void
write_with_a_full_disk(struct traces *traces)
{
    struct rlimit limit, none;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    getrlimit(RLIMIT_FSIZE, &limit);
    none = limit;
    none.rlim_cur = SEGMENT / 2;
    setrlimit(RLIMIT_FSIZE, &none);
    traces_fill(traces, 0, FULL + 100000);
    setrlimit(RLIMIT_FSIZE, &limit);
    traces_fill(traces, FULL + 100000, 100000);
    traces_close(traces);
    _exit(0);
}

static void
a_disk_that_was_full_for_a_while_costs_what_came_meanwhile(void **state)
{
    struct traces *traces = *state;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        write_with_a_full_disk(traces);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    struct file full = load_segment(traces, 0), next = load_segment(traces, 1);
    assert_int_equal(full.count, FULL + 1);
    assert_int_equal(full.records[FULL].id, TRI_TRACE_CORE_lost);
    assert_int_equal(full.records[FULL].arg, full.packet->events_discarded);
    assert_in_range(full.packet->events_discarded, 100000, 200000 - 1);
    assert_int_equal(next.records[0].arg, FULL + full.packet->events_discarded);
    assert_int_equal(next.packet->events_discarded, full.packet->events_discarded);
    free(full.bytes);
    free(next.bytes);
    traces_expect_counts(traces, NULL);
}

static void
a_directory_that_disappears_costs_events_and_nothing_else(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, 10);
    tests_directory_remove(traces->directory);
    traces_fill(traces, 10, 3 * FULL);
    assert_int_equal(tri_trace_name(traces->trace, "name"), 1);
    traces_close(traces);
    assert_int_equal(access(traces->directory, F_OK), -1);
}

static void
flight_mode_makes_do_with_the_files_it_got(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FLIGHT, 8, 0);
    traces_fill(traces, 0, 3 * FULL + 1); /* four files, and the maker is not asked for more */
    struct rlimit limit, none;
    getrlimit(RLIMIT_FSIZE, &limit);
    none = limit;
    none.rlim_cur = SEGMENT / 2;
    setrlimit(RLIMIT_FSIZE, &none);
    traces_fill(traces, 3 * FULL + 1, 20 * FULL);
    setrlimit(RLIMIT_FSIZE, &limit);
    traces_close(traces);
    assert_int_equal(traces_files(traces, "worker-0."), 4);
    struct file newest = load_segment(traces, 23);
    assert_int_equal(newest.records[0].arg, 23 * FULL);
    assert_int_equal(newest.packet->events_discarded, 0);
    free(newest.bytes);
}

/* No file of a segment's size can be made: the first step that fails after the directory was claimed. */
static void
a_disk_that_is_full_from_the_beginning_is_reported_and_nothing_is_left(void **state)
{
    struct traces *traces = *state;
    struct rlimit limit, none;
    static const rlim_t limits[] = {100000, 1000, 0}; /* the last two: not even the metadata fits */
    getrlimit(RLIMIT_FSIZE, &limit);
    none = limit;
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = traces->directory};
        int fds = tests_open_fds(), threads = tests_threads();
        none.rlim_cur = limits[i];
        setrlimit(RLIMIT_FSIZE, &none); /* no signal comes of it: SIGXFSZ would end the process */
        tr_status status = tri_trace_open(&options, 2, &traces->trace);
        setrlimit(RLIMIT_FSIZE, &limit);
        assert_int_equal(status, TR_EFBIG);
        assert_null(traces->trace);
        assert_int_equal(access(traces->directory, F_OK), -1);
        assert_int_equal(tests_open_fds(), fds);
        assert_true(tests_wait_until(has_threads, &threads, TESTS_LIMIT_MS));
    }
}

static void
metadata_that_cannot_be_written_silences_what_it_does_not_describe(void **state)
{
    static const struct tri_trace_event event = {
        .id = 0x900, .name = "late", .doc = "an event that is declared too late"};
    static const struct tri_trace_table table = {.events = &event, .event_count = 1};
    struct traces *traces = *state;
    struct rlimit limit, none;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, 5);
    traces_write(traces, 1, TRI_TRACE_CORE_over_budget, 0, 0, 0);
    traces_write(traces, TRI_TRACE_OUTSIDE, TRI_TRACE_CORE_over_budget, 0, 0, 0);
    size_t size;
    char *before = traces_read(traces, "metadata", &size);
    getrlimit(RLIMIT_FSIZE, &limit);
    none = limit;
    none.rlim_cur = 1000;
    setrlimit(RLIMIT_FSIZE, &none);
    tri_trace_declare(traces->trace, 0, &table);
    setrlimit(RLIMIT_FSIZE, &limit);
    for (unsigned i = 0; i < 3; i++)
        traces_write(traces, 0, 0x900, i, 0, 0);
    traces_write(traces, 1, TRI_TRACE_CORE_over_budget, 1, 0, 0);
    for (unsigned i = 0; i < 2; i++)
        traces_write(traces, TRI_TRACE_OUTSIDE, 0x900, i, 0, 0); /* who knows which worker's */
    char *text = traces_read(traces, "metadata", &size);
    assert_string_equal(text, before); /* the old text is there, whole */
    free(before);
    free(text);
    tri_trace_declare(traces->trace, 1, &table); /* it was not added, so it can be */
    text = traces_read(traces, "metadata", &size);
    assert_int_equal(traces_count(text, "name = \"late\""), 1);
    free(text);
    traces_close(traces);
    struct file file = load_segment(traces, 0), outside = load(traces, "outside.00000000");
    assert_int_equal(file.count, 6);
    assert_int_equal(file.records[5].id, TRI_TRACE_CORE_lost);
    assert_int_equal(file.records[5].arg, 3);
    assert_int_equal(outside.count, 2);
    assert_int_equal(outside.records[1].id, TRI_TRACE_CORE_lost);
    assert_int_equal(outside.records[1].arg, 2);
    free(file.bytes);
    free(outside.bytes);
    traces_expect_counts(traces, "over_budget                        8");
}

/* -- A disk that hangs. -- */

struct writing {
    struct traces *traces;
    uint32_t next;
};

/* It goes on by itself once the file is there: an event for each look. */
static bool
one_more_event_makes_two_files(void *argument)
{
    struct writing *writing = argument;
    traces_fill(writing->traces, writing->next++, 1);
    return traces_files(writing->traces, "worker-0.") == 2;
}

/* All the time that the writer may wait is spent once, not once for each event. */
static void
a_disk_that_hangs_costs_events_and_no_time(void **state)
{
    struct traces *traces = *state;
    struct tr_trace_options options = {
        .mode = TR_TRACE_FILE, .directory = traces->directory, .segment_bytes = SEGMENT, .wait_ms = -1};
    assert_int_equal(tri_trace_open(&options, 2, &traces->trace), TR_OK);
    unsigned begun = files_begun;
    disk_hangs = true;
    traces_fill(traces, 0, FULL + 1000); /* it returns although no file comes */
    assert_true(tests_wait_until(a_further_file_is_begun, &begun, TESTS_LIMIT_MS));
    traces_fill(traces, FULL + 1000, 1000);
    disk_hangs = false;
    struct writing writing = {traces, FULL + 2000};
    assert_true(tests_wait_until(one_more_event_makes_two_files, &writing, TESTS_LIMIT_MS));
    traces_close(traces);
    struct file full = load_segment(traces, 0), after = load_segment(traces, 1);
    assert_int_equal(full.records[FULL].id, TRI_TRACE_CORE_lost);
    assert_in_range(full.records[FULL].arg, 2000, 65535); /* before it would have asked again */
    assert_int_equal(after.records[0].arg, FULL + full.records[FULL].arg);
    free(full.bytes);
    free(after.bytes);
}

static atomic_uint waits_in_vain;

int __real_uv_cond_timedwait(uv_cond_t *condition, uv_mutex_t *lock, uint64_t ns);
int __wrap_uv_cond_timedwait(uv_cond_t *condition, uv_mutex_t *lock, uint64_t ns);

int
__wrap_uv_cond_timedwait(uv_cond_t *condition, uv_mutex_t *lock, uint64_t ns)
{
    int error = __real_uv_cond_timedwait(condition, lock, ns);
    waits_in_vain += error == UV_ETIMEDOUT;
    return error;
}

static void
a_disk_that_hangs_is_waited_for_once_and_for_as_long_as_was_said(void **state)
{
    struct traces *traces = *state;
    unsigned wait_ms = 30;
    struct tr_trace_options options = {
        .mode = TR_TRACE_FILE, .directory = traces->directory, .segment_bytes = SEGMENT, .wait_ms = (int)wait_ms};
    assert_int_equal(tri_trace_open(&options, 2, &traces->trace), TR_OK);
    traces_fill(traces, 0, 1);
    disk_hangs = true;
    waits_in_vain = 0;
    uint64_t began_ns = tests_now_ns();
    traces_fill(traces, 1, FULL);
    uint64_t took_ns = tests_now_ns() - began_ns;
    unsigned first = waits_in_vain;
    traces_fill(traces, 1 + FULL, 3 * 65536); /* it asks again, and does not wait */
    unsigned all = waits_in_vain;
    disk_hangs = false;
    assert_true(took_ns >= wait_ms * UINT64_C(1000000));
    assert_int_equal(first, 1);
    assert_int_equal(all, 1);
}

/* So the next file is there when it is needed, and a stream that is hardly used has none made in vain. */
static void
the_next_file_is_made_when_an_eighth_of_one_is_full(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    unsigned begun = files_begun;
    traces_fill(traces, 0, FULL / 8);
    assert_int_equal(files_begun, begun);
    traces_fill(traces, FULL / 8, 1);
    assert_true(tests_wait_until(a_further_file_is_begun, &begun, TESTS_LIMIT_MS));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(beyond_the_limit_losses_are_counted_in_the_packet_and_in_an_event),
        TEST(a_limit_that_is_reached_is_no_fault),
        TEST(names_that_find_no_place_have_numbers_and_are_counted_as_lost),
        TEST(a_disk_that_is_full_again_and_again_is_said_once_and_counted_each_time),
        TEST(one_streams_losses_do_not_touch_another),
        TEST(a_disk_that_was_full_for_a_while_costs_what_came_meanwhile),
        TEST(a_directory_that_disappears_costs_events_and_nothing_else),
        TEST(flight_mode_makes_do_with_the_files_it_got),
        TEST(a_disk_that_is_full_from_the_beginning_is_reported_and_nothing_is_left),
        TEST(metadata_that_cannot_be_written_silences_what_it_does_not_describe),
        TEST(a_disk_that_hangs_costs_events_and_no_time),
        TEST(a_disk_that_hangs_is_waited_for_once_and_for_as_long_as_was_said),
        TEST(the_next_file_is_made_when_an_eighth_of_one_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
