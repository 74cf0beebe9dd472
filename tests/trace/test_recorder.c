#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/actors/trace.h>
#include <troupe/core/clock.h>

#include "helpers.h"
#include "traces.h"

/* -- What is in a file. -- */

struct file {
    char *bytes;
    const struct tri_trace_packet *packet;
    const struct tri_trace_record *records;
    size_t count;
};

static struct file
load(const struct traces *traces, const char *name)
{
    size_t size;
    struct file file = {.bytes = traces_read(traces, name, &size)};
    assert_true(size >= sizeof(struct tri_trace_packet));
    file.packet = (const struct tri_trace_packet *)file.bytes;
    file.records = (const struct tri_trace_record *)(file.packet + 1);
    file.count = (size_t)(file.packet->content_size / 8 - sizeof(struct tri_trace_packet)) / TRI_TRACE_STEP;
    assert_int_equal(file.packet->magic, TRI_TRACE_MAGIC);
    assert_int_equal(file.packet->packet_size, size * 8);
    return file;
}

static struct file
load_segment(const struct traces *traces, unsigned sequence)
{
    char name[40];
    snprintf(name, sizeof(name), "worker-0.%08u", sequence);
    struct file file = load(traces, name);
    assert_int_equal(file.packet->packet_seq_num, sequence);
    return file;
}

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

/* -- What is said. -- */

/* stderr goes into a file meanwhile. */
struct words {
    int saved, log;
    char text[4096];
};

static void
words_begin(struct words *words, const struct traces *traces)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/stderr", traces->base);
    words->saved = dup(STDERR_FILENO);
    words->log = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(words->log, STDERR_FILENO);
}

static const char *
words_end(struct words *words)
{
    dup2(words->saved, STDERR_FILENO);
    ssize_t size = pread(words->log, words->text, sizeof(words->text) - 1, 0);
    words->text[size > 0 ? size : 0] = '\0';
    close(words->saved);
    close(words->log);
    return words->text;
}

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
    tri_trace(tri_trace_stream_of(trace, 1), TRI_TRACE_CORE_wake, 0, 0, 0, 0);
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

/* A thread that was joined may be seen for a moment more. */
static bool
has_threads(void *count)
{
    return tests_threads() == *(int *)count;
}

static void
events_stand_in_the_file_as_they_were_given(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    tri_trace(tri_trace_stream_of(traces->trace, 0), TRI_TRACE_CORE_wake, 3, 4, 5, 6);
    tri_trace(tri_trace_stream_of(traces->trace, 0), TRI_TRACE_CORE_sleep, 0xffff, UINT32_MAX, UINT64_MAX,
              UINT64_MAX - 1);
    traces_close(traces);
    struct file file = load_segment(traces, 0);
    assert_int_equal(file.count, 2);
    assert_int_equal(file.packet->stream_id, TRI_TRACE_CLASS_EVENTS);
    assert_int_equal(file.packet->stream_instance_id, 0);
    assert_int_equal(file.packet->timestamp_begin, file.records[0].timestamp);
    assert_int_equal(file.records[0].id, TRI_TRACE_CORE_wake);
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
        tri_trace_write(stream, TRI_TRACE_CORE_wake, 1, i, ~(uint64_t)i, i);
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
        *torn += ck_pr_load_16(&newest->id) != TRI_TRACE_CORE_wake || ck_pr_load_32(&newest->arg) != number ||
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
    traces_expect(traces, "info", 0, counted);
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
    traces_write(traces, 1, TRI_TRACE_CORE_wake, 1, 0, 0);
    traces_write(traces, TRI_TRACE_OUTSIDE, TRI_TRACE_CORE_wake, 1, 0, 0);
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
    traces_expect(traces, "info", 0, NULL);
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

/* -- Killed. -- */

static void
a_process_killed_while_it_writes_leaves_a_readable_trace(void **state)
{
    struct traces *traces = *state;
    for (int round = 0; round < 5; round++) {
        traces_write_and_kill(traces, TR_TRACE_FILE);
        traces_expect(traces, "check", 0, "passed   sent_before");
        traces_expect(traces, "info", 0, "cut off");
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
    traces_expect(traces, "info", 0, NULL);
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
    traces_expect(traces, "info", 0, NULL);
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
        traces_write(traces, worker, TRI_TRACE_CORE_wake, tri_trace_name(traces->trace, name), 0, 0);
    }
    return NULL;
}

static void *
write_from_outside(void *argument)
{
    struct traces *traces = argument;
    for (uint32_t i = 0; i < ROUNDS; i++)
        tri_trace_write_outside(traces->trace, TRI_TRACE_CORE_wake, 0, i, 0,
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
    traces_expect(traces, "info", 0, "wake                          20,000");
}

/* -- Options. -- */

/* What the recorder says on stderr while it opens as TR_TRACE asks. */
static const char *
open_from_environment(struct traces *traces, const char *value)
{
    static struct words words;
    struct tr_trace_options options = {0};
    words_begin(&words, traces);
    setenv("TR_TRACE", value, 1);
    tr_status status = tri_trace_open(&options, 1, &traces->trace);
    unsetenv("TR_TRACE");
    const char *text = words_end(&words);
    assert_int_equal(status, TR_OK);
    return text;
}

static void
expect_a_line_and_no_trace(struct traces *traces, const char *value, const char *reason)
{
    int fds = tests_open_fds(), threads = tests_threads();
    const char *text = open_from_environment(traces, value);
    assert_null(traces->trace);
    if (traces_count(text, "\n") != 1 || strncmp(text, "troupe: no trace", 16) != 0 || strstr(text, reason) == NULL ||
        strstr(text, "TR_TRACE") == NULL)
        fail_msg("TR_TRACE=%.100s was answered with: %s", value, text);
    if (strlen(value) < 200)
        assert_non_null(strstr(text, value));
    assert_int_equal(tests_open_fds(), fds);
    assert_true(tests_wait_until(has_threads, &threads, TESTS_LIMIT_MS));
}

static void
a_variable_that_cannot_be_obeyed_is_one_line_and_no_trace(void **state)
{
    struct traces *traces = *state;
    static char longest[8192], long_path[PATH_MAX - 10];
    memset(longest, 'x', sizeof(longest) - 1);
    for (size_t i = 0; i + 1 < sizeof(long_path); i++)
        long_path[i] = i % 100 == 0 ? '/' : 'y';
    static const char form[] = "and not DIRECTORY, \"DIRECTORY,file\" or \"DIRECTORY,flight\"";
    const char *const cases[][2] = {
        {",", form},
        {",flight", form},
        {"dir,", form},
        {"dir,FLIGHT", form},
        {"dir,flihgt", form},
        {"dir,flight,", form},
        {"dir,file,flight ", form},
        {"/nowhere/at/all", tr_status_text(TR_ENOENT)},
        {"/dev/null,file", tr_status_text(TR_ENOTDIR)},
        {"/proc/self,flight", ""},
        {longest, tr_status_text(TR_ENAMETOOLONG)},
        {long_path, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_a_line_and_no_trace(traces, cases[i][0], cases[i][1]);
}

/* With fewer descriptors than it needs, at each step of opening, and with all of memory's limits in the way. */
static void
without_descriptors_there_is_a_line_and_no_trace(void **state)
{
    struct traces *traces = *state;
    int taken[64], count = 0;
    struct rlimit limit, few;
    getrlimit(RLIMIT_NOFILE, &limit);
    few = limit;
    few.rlim_cur = (rlim_t)tests_open_fds() + 12;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (count < 64 && (taken[count] = open("/dev/null", O_RDONLY)) >= 0)
        count++;
    assert_in_range(count, 3, 63);
    int needed = 0; /* descriptors that are free when it works: those for stderr's file are two of them */
    for (; needed < count; needed++) {
        close(taken[count - 1 - needed]);
        if (needed < 2)
            continue;
        const char *text = open_from_environment(traces, traces->directory);
        if (traces->trace != NULL)
            break;
        assert_int_equal(traces_count(text, "\n"), 1);
        assert_non_null(strstr(text, traces->directory));
        assert_int_equal(access(traces->directory, F_OK), -1);
    }
    assert_in_range(needed, 3, count - 1);
    traces_close(traces);
    for (int i = 0; i < count - 1 - needed; i++)
        close(taken[i]);
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void
expect_mode_from_environment(struct traces *traces, const char *suffix, const char *mode)
{
    char value[400];
    snprintf(value, sizeof(value), "%s%s", traces->directory, suffix);
    setenv("TR_TRACE", value, 1);
    struct tr_trace_options options = {0};
    assert_int_equal(tri_trace_open(&options, 1, &traces->trace), TR_OK);
    assert_non_null(traces->trace);
    traces_fill(traces, 0, 1);
    traces_close(traces);
    traces_expect(traces, "info", 0, mode);
    tests_directory_remove(traces->directory);
}

static void
the_environment_variable_switches_tracing_on(void **state)
{
    expect_mode_from_environment(*state, "", "mode        file");
    expect_mode_from_environment(*state, ",file", "mode        file");
    expect_mode_from_environment(*state, ",flight", "mode        flight");
}

static void
options_that_are_on_win_over_the_environment(void **state)
{
    struct traces *traces = *state;
    setenv("TR_TRACE", "/nowhere/at/all,nonsense", 1);
    traces_open(traces, TR_TRACE_FLIGHT, 2, 0);
    traces_close(traces);
}

static void
wrong_options_are_refused_and_leave_nothing(void **state)
{
    const struct traces *traces = *state;
    const char *directory = traces->directory;
    const struct {
        struct tr_trace_options options;
        unsigned workers;
        tr_status status;
    } cases[] = {
        {{.mode = TR_TRACE_FILE}, 1, TR_EINVAL},
        {{.mode = TR_TRACE_FILE, .directory = ""}, 1, TR_EINVAL},
        {{.mode = (enum tr_trace_mode)77, .directory = directory}, 1, TR_EINVAL},
        {{.mode = TR_TRACE_FILE, .directory = directory}, TR_WORKERS_MAX + 1, TR_ETOOMANYWORKERS},
        {{.mode = TR_TRACE_FILE, .directory = directory, .segment_bytes = 100}, 1, TR_EBADLIMIT},
        {{.mode = TR_TRACE_FILE, .directory = directory, .segment_bytes = SIZE_MAX}, 1, TR_EBADLIMIT},
        {{.mode = TR_TRACE_FILE, .directory = directory, .limit_bytes = UINT64_MAX}, 1, TR_EBADLIMIT},
        {{.mode = TR_TRACE_FILE, .directory = directory, .limit_bytes = 1}, 1, TR_EBADLIMIT},
        {{.mode = TR_TRACE_FILE, .directory = directory, .segment_bytes = 8192, .limit_bytes = 16384}, 1, TR_EBADLIMIT},
        {{.mode = TR_TRACE_FLIGHT, .directory = directory, .segments = 1}, 1, TR_EBADLIMIT},
        {{.mode = TR_TRACE_FLIGHT, .directory = directory, .segments = UINT32_MAX}, 1, TR_EBADLIMIT},
    };
    int fds = tests_open_fds();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tri_trace *trace;
        assert_int_equal(tri_trace_open(&cases[i].options, cases[i].workers, &trace), cases[i].status);
        assert_null(trace);
        assert_int_equal(access(directory, F_OK), -1);
    }
    assert_int_equal(tests_open_fds(), fds);
}

static void
a_small_limit_makes_small_files_when_their_size_is_left_open(void **state)
{
    struct traces *traces = *state;
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = traces->directory, .limit_bytes = 100000};
    assert_int_equal(tri_trace_open(&options, 1, &traces->trace), TR_OK);
    traces_fill(traces, 0, 1);
    traces_close(traces);
    struct file file = load_segment(traces, 0);
    assert_int_equal(file.packet->packet_size / 8, 32768); /* a third, in whole pages */
    free(file.bytes);
}

static void
a_directory_that_holds_a_trace_is_left_alone_and_a_numbered_one_taken(void **state)
{
    struct traces *traces = *state;
    struct tri_trace *others[3];
    char path[400];
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, 7);
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = traces->directory};
    for (unsigned i = 0; i < 3; i++) {
        if (i == 1)
            traces_close(traces); /* closed or open, it is a trace */
        assert_int_equal(tri_trace_open(&options, 2, &others[i]), TR_OK);
        tri_trace(tri_trace_stream_of(others[i], 0), TRI_TRACE_CORE_wake, 0, i, 0, 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        tri_trace_close(others[i]);
        snprintf(path, sizeof(path), "%s/%u/worker-0.00000000", traces->directory, i + 2);
        assert_int_equal(access(path, F_OK), 0);
    }
    struct file file = load_segment(traces, 0);
    assert_int_equal(file.count, 7);
    free(file.bytes);
    traces_expect(traces, "check", 0, "2, 3, 4");
    for (unsigned i = 2; i <= 4; i++) {
        snprintf(path, sizeof(path), "%s/%u", traces->directory, i);
        tests_directory_remove(path);
    }
}

/* The names 2 to 9999 lead back to the directory, which holds a trace. */
static void
the_last_of_ten_thousand_directories_is_taken_and_then_none(void **state)
{
    struct traces *traces = *state;
    struct tri_trace *last = NULL, *none = NULL;
    char path[400];
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = traces->directory};
    for (unsigned i = 2; i < 9999; i++) {
        snprintf(path, sizeof(path), "%s/%u", traces->directory, i);
        assert_int_equal(symlink(".", path), 0);
    }
    int fds = tests_open_fds();
    assert_int_equal(tri_trace_open(&options, 1, &last), TR_OK);
    tri_trace_close(last);
    snprintf(path, sizeof(path), "%s/9999/metadata", traces->directory);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(tri_trace_open(&options, 1, &none), TR_EEXIST);
    assert_null(none);
    assert_int_equal(tests_open_fds(), fds);
    traces_close(traces);
    snprintf(path, sizeof(path), "%s/9999", traces->directory);
    tests_directory_remove(path);
}

#define PROCESSES 8u

/* Opens a trace as TR_TRACE asks, once the others are there too, and writes one event. */
_Noreturn static void
trace_at_once(const char *directory, int gate)
{
    char byte;
    struct tri_trace *trace;
    struct tr_trace_options options = {.mode = TR_TRACE_FILE, .directory = directory};
    if (read(gate, &byte, 1) != 0 || tri_trace_open(&options, 1, &trace) != TR_OK)
        _exit(1);
    tri_trace(tri_trace_stream_of(trace, 0), TRI_TRACE_CORE_wake, 0, 0, 0, 0);
    tri_trace_close(trace);
    _exit(0);
}

static void
processes_that_start_at_the_same_time_each_get_a_directory(void **state)
{
    struct traces *traces = *state;
    char path[400];
    pid_t children[PROCESSES];
    int gate[2];
    assert_int_equal(pipe(gate), 0);
    for (unsigned i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            close(gate[1]);
            trace_at_once(traces->directory, gate[0]);
        }
    }
    close(gate[0]);
    close(gate[1]);
    for (unsigned i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    traces_expect(traces, "info", 0, "wake                               1");
    for (unsigned i = 2; i <= PROCESSES; i++) {
        snprintf(path, sizeof(path), "%s/%u", traces->directory, i);
        const char *const words[] = {TROUPE_TRACE, "info", path, NULL};
        struct outcome outcome = traces_run(words);
        assert_int_equal(outcome.status, 0);
        assert_non_null(strstr(outcome.text, "wake                               1"));
        free(outcome.text);
        tests_directory_remove(path);
    }
    snprintf(path, sizeof(path), "%s/%u", traces->directory, PROCESSES + 1);
    assert_int_equal(access(path, F_OK), -1);
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
    static const struct tri_trace_event event = {0x900, "late", "an event that is declared too late"};
    static const struct tri_trace_table table = {.events = &event, .event_count = 1};
    struct traces *traces = *state;
    struct rlimit limit, none;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, 5);
    traces_write(traces, 1, TRI_TRACE_CORE_wake, 0, 0, 0);
    traces_write(traces, TRI_TRACE_OUTSIDE, TRI_TRACE_CORE_wake, 0, 0, 0);
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
    traces_write(traces, 1, TRI_TRACE_CORE_wake, 1, 0, 0);
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
    traces_expect(traces, "info", 0, "wake                               8");
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
        TEST(beyond_the_limit_losses_are_counted_in_the_packet_and_in_an_event),
        TEST(a_limit_that_is_reached_is_no_fault),
        TEST(names_that_find_no_place_have_numbers_and_are_counted_as_lost),
        TEST(a_disk_that_is_full_again_and_again_is_said_once_and_counted_each_time),
        TEST(one_streams_losses_do_not_touch_another),
        TEST(a_disk_that_was_full_for_a_while_costs_what_came_meanwhile),
        TEST(a_directory_that_disappears_costs_events_and_nothing_else),
        TEST(flight_mode_makes_do_with_the_files_it_got),
        TEST(a_process_killed_while_it_writes_leaves_a_readable_trace),
        TEST(a_flight_recorder_killed_while_it_writes_leaves_a_readable_trace),
        TEST(every_layers_events_and_tags_are_described_once),
        TEST(a_trace_says_that_it_is_open_until_it_is_closed),
        TEST(equal_names_have_equal_numbers),
        TEST(a_long_name_is_cut_in_the_file),
        TEST(message_ids_count_up_in_each_stream),
        TEST(workers_and_other_threads_write_at_once_and_nothing_is_lost),
        TEST(a_variable_that_cannot_be_obeyed_is_one_line_and_no_trace),
        TEST(without_descriptors_there_is_a_line_and_no_trace),
        TEST(the_environment_variable_switches_tracing_on),
        TEST(options_that_are_on_win_over_the_environment),
        TEST(wrong_options_are_refused_and_leave_nothing),
        TEST(a_small_limit_makes_small_files_when_their_size_is_left_open),
        TEST(a_directory_that_holds_a_trace_is_left_alone_and_a_numbered_one_taken),
        TEST(the_last_of_ten_thousand_directories_is_taken_and_then_none),
        TEST(processes_that_start_at_the_same_time_each_get_a_directory),
        TEST(a_disk_that_is_full_from_the_beginning_is_reported_and_nothing_is_left),
        TEST(metadata_that_cannot_be_written_silences_what_it_does_not_describe),
        TEST(a_disk_that_hangs_costs_events_and_no_time),
        TEST(a_disk_that_hangs_is_waited_for_once_and_for_as_long_as_was_said),
        TEST(the_next_file_is_made_when_an_eighth_of_one_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
