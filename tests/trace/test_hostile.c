/*
 * Traces that nobody recorded. Those made to be slow are read by a troupe-trace that counts its work: four times the
 * trace may be four times the work and a little, not sixteen times. Those damaged at random must end it properly: with
 * a verdict or a refusal. TROUPE_FUZZ_ROUNDS in the environment asks for more of these.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/trace.h>

#include "counted.h"
#include "helpers.h"
#include "traces.h"

enum { SEND = 1, RECEIVE, FIRST_FREE };

/* -- Writing. -- */

static FILE *
create(const struct traces *traces, const char *name)
{
    char path[400];
    mkdir(traces->directory, 0700);
    snprintf(path, sizeof(path), "%s/%s", traces->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    return file;
}

/* The metadata, with that many events of no meaning besides. */
static void
write_metadata(const struct traces *traces, unsigned events)
{
    FILE *file = create(traces, "metadata");
    fputs("/* CTF 1.8 */\n    troupe_format = 1;\n    closed = 1;\n    freq = 1000000000;\n", file);
    fprintf(file, "event { name = \"send\"; id = %u; stream_id = 0;\n", SEND);
    fprintf(file, "event { name = \"receive\"; id = %u; stream_id = 0;\n", RECEIVE);
    for (unsigned i = 0; i < events; i++)
        fprintf(file, "event { name = \"event_%u\"; id = %u; stream_id = 0;\n", i, FIRST_FREE + i);
    fclose(file);
}

static void
write_stream(const struct traces *traces, unsigned stream, const struct tri_trace_record *records, size_t count)
{
    char name[40];
    uint64_t bits = (sizeof(struct tri_trace_packet) + count * sizeof(*records)) * 8;
    struct tri_trace_packet packet = {.magic = TRI_TRACE_MAGIC,
                                      .stream_instance_id = stream,
                                      .worker = stream,
                                      .timestamp_begin = records[0].timestamp,
                                      .content_size = bits,
                                      .packet_size = bits};
    snprintf(name, sizeof(name), "worker-%u.00000000", stream);
    FILE *file = create(traces, name);
    assert_int_equal(fwrite(&packet, sizeof(packet), 1, file), 1);
    assert_int_equal(fwrite(records, sizeof(*records), count, file), count);
    fclose(file);
}

/* -- What is made to be slow. -- */

static void
many_events(const struct traces *traces, unsigned n)
{
    struct tri_trace_record record = {.timestamp = 1, .id = SEND, .actor = 1, .message = TRI_TRACE_MESSAGE(0, 1)};
    write_metadata(traces, 16 * n);
    write_stream(traces, 0, &record, 1);
}

static void
many_streams(const struct traces *traces, unsigned n)
{
    write_metadata(traces, 0);
    for (unsigned i = 0; i < n; i++) {
        struct tri_trace_record record = {.timestamp = 1, .id = SEND, .message = TRI_TRACE_MESSAGE(i, 1)};
        write_stream(traces, i, &record, 1);
    }
}

/* All streams but the first wait for what the first sends last, while it sends more. */
static void
many_that_wait(const struct traces *traces, unsigned n)
{
    struct tri_trace_record *sends = calloc(16 * n, sizeof(*sends));
    write_metadata(traces, 0);
    for (unsigned i = 0; i < 16 * n; i++)
        sends[i] = (struct tri_trace_record){.timestamp = 1, .id = SEND, .message = TRI_TRACE_MESSAGE(0, i + 1)};
    write_stream(traces, 0, sends, 16 * n);
    free(sends);
    for (unsigned i = 1; i < n; i++) {
        struct tri_trace_record record = {.id = RECEIVE, .message = TRI_TRACE_MESSAGE(0, 16 * n)};
        write_stream(traces, i, &record, 1);
    }
}

/* Each stream waits for what the next one sends after its own waiting, again and again. */
static void
many_circles(const struct traces *traces, unsigned n)
{
    struct tri_trace_record records[32];
    write_metadata(traces, 0);
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < 32; k += 2) {
            uint64_t theirs = TRI_TRACE_MESSAGE((i + 1) % n, 1 + k), ours = TRI_TRACE_MESSAGE(i, 1 + k);
            records[k] = (struct tri_trace_record){.timestamp = k, .id = RECEIVE, .message = theirs};
            records[k + 1] = (struct tri_trace_record){.timestamp = k, .id = SEND, .message = ours};
        }
        write_stream(traces, i, records, 32);
    }
}

/* Each message is far from all others. */
static void
many_scattered_ids(const struct traces *traces, unsigned n)
{
    struct tri_trace_record *sends = calloc(16 * n, sizeof(*sends));
    write_metadata(traces, 0);
    for (uint64_t i = 0; i < 16 * n; i++)
        sends[i] = (struct tri_trace_record){.id = SEND, .actor = i << 40, .message = (i + 1) << 20};
    write_stream(traces, 0, sends, 16 * n);
    free(sends);
}

/* -- Counting. -- */

#define N 200u

static const char *const commands[] = {"info", "dump", "check", "stats", "explain"};

#define COMMANDS 5

struct works {
    struct work of[COMMANDS]; /* by command */
};

/* What the commands do with a trace besides what they do with none. */
static struct works
works_of(const struct traces *traces, void (*write)(const struct traces *traces, unsigned n), unsigned n)
{
    struct works works;
    write_metadata(traces, 0);
    for (int i = 0; i < COMMANDS; i++)
        works.of[i] = work_of(traces, commands[i]);
    write(traces, n);
    for (int i = 0; i < COMMANDS; i++) {
        struct work work = work_of(traces, commands[i]);
        works.of[i] = (struct work){work.blocks - works.of[i].blocks, work.bytes - works.of[i].bytes, 0};
    }
    tests_directory_remove(traces->directory);
    return works;
}

static void
expect_linear(struct traces *traces, void (*write)(const struct traces *traces, unsigned n))
{
    struct works less = works_of(traces, write, N), more = works_of(traces, write, 4 * N);
    for (int i = 0; i < COMMANDS; i++) {
        if (more.of[i].blocks > 6 * less.of[i].blocks || more.of[i].bytes > 6 * less.of[i].bytes)
            fail_msg("%s: %" PRIu64 " blocks and %" PRIu64 " bytes became %" PRIu64 " and %" PRIu64, commands[i],
                     less.of[i].blocks, less.of[i].bytes, more.of[i].blocks, more.of[i].bytes);
    }
}

/* A search through all 65,536 ids for each line would be linear too. */
static void
an_event_that_is_declared_costs_few_steps(void **state)
{
    assert_true(works_of(*state, many_events, N).of[0].blocks < 16 * N * 4096);
}

static void
the_work_grows_with_the_number_of_events_that_are_declared(void **state)
{
    expect_linear(*state, many_events);
}

static void
the_work_grows_with_the_number_of_streams(void **state)
{
    expect_linear(*state, many_streams);
}

static void
the_work_grows_with_the_number_of_streams_that_wait(void **state)
{
    expect_linear(*state, many_that_wait);
}

static void
the_work_grows_with_the_number_of_circles(void **state)
{
    expect_linear(*state, many_circles);
}

static void
the_work_grows_with_the_number_of_ids_however_far_apart(void **state)
{
    expect_linear(*state, many_scattered_ids);
}

static void
a_stream_of_few_events_takes_little_memory(void **state)
{
    assert_true(works_of(*state, many_streams, N).of[2].bytes < N * 4096);
}

/* -- Damage at random, with a fixed seed. -- */

static uint64_t seed = 20261127;

static uint64_t
below(uint64_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % limit;
}

/* Two workers and the threads outside, who send each other messages, in more than one file each. */
static void
write_talk(struct traces *traces)
{
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    uint64_t sent[3] = {0};
    static const unsigned streams[] = {0, 1, TRI_TRACE_OUTSIDE};
    for (unsigned i = 0; i < 400; i++) {
        unsigned from = (unsigned)below(3);
        uint64_t message = TRI_TRACE_MESSAGE(streams[from], ++sent[from]);
        traces_write(traces, streams[from], TRI_TRACE_ACTORS_send, i, from + 1, message);
        traces_write(traces, streams[below(2)], TRI_TRACE_ACTORS_receive, i, 1 + below(2), message);
    }
    tri_trace_name(traces->trace, "a name");
    traces_close(traces);
}

/* What changes: a byte; a word becomes a small or a huge one; a piece of the file is copied over another. */
static void
damage(char *bytes, size_t size)
{
    uint64_t word = below(2) != 0 ? below(70000) : UINT64_MAX >> below(64);
    size_t at = below(size), from = below(size), length = below(64);
    switch (below(3)) {
    case 0: bytes[at] = (char)below(256); break;
    case 1: memcpy(bytes + (at & ~(size_t)7), &word, size - (at & ~(size_t)7) < 8 ? 1 : 8); break;
    default: memmove(bytes + at, bytes + from, at + length > size || from + length > size ? 1 : length); break;
    }
}

static void
play_round(struct traces *traces, unsigned round)
{
    static const char *const files[] = {"worker-0.00000000", "worker-1.00000001", "outside.00000000", "names.00000000",
                                        "metadata"};
    const char *file = files[below(5)], *command = commands[below(COMMANDS)];
    size_t size;
    char *before = traces_read(traces, file, &size), *after = malloc(size);
    memcpy(after, before, size);
    for (uint64_t i = 0, count = 1 + below(4); i < count; i++)
        damage(after, size);
    traces_patch(traces, file, 0, after, size);
    struct outcome outcome = traces_tool(traces, command, NULL, NULL, NULL, NULL);
    if (outcome.status < 0 || outcome.status > 2)
        fail_msg("round %u, %s: %s ended with %d\n%.2000s", round, file, command, outcome.status, outcome.text);
    free(outcome.text);
    traces_patch(traces, file, 0, before, size);
    free(after);
    free(before);
}

static void
whatever_is_damaged_the_reader_ends_properly(void **state)
{
    struct traces *traces = *state;
    const char *asked = getenv("TROUPE_FUZZ_ROUNDS");
    unsigned rounds = asked != NULL ? (unsigned)atoi(asked) : 100;
    write_talk(traces);
    for (unsigned round = 0; round < rounds; round++)
        play_round(traces, round);
    struct outcome outcome = traces_tool(traces, "dump", NULL, NULL, NULL, NULL); /* all is as it was */
    assert_int_equal(outcome.status, 0);
    free(outcome.text);
}

/* As many as the metadata may hold. Whoever looks at all that follows for each of them takes minutes. */
static void
a_line_of_very_many_statuses_is_read_once(void **state)
{
    const struct traces *traces = *state;
    struct tri_trace_record record = {.timestamp = 1, .id = SEND, .actor = 1, .message = TRI_TRACE_MESSAGE(0, 1)};
    write_metadata(traces, 1);
    write_stream(traces, 0, &record, 1);
    char path[400];
    snprintf(path, sizeof(path), "%s/metadata", traces->directory);
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs("enum status : int32_t {", file);
    for (unsigned i = 0; ftell(file) < (16 << 20) - 40; i++)
        fprintf(file, " S = %u,", i);
    fputs(" S = -1 };\n", file);
    fclose(file);
    traces_expect(traces, "info", 0, NULL);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_work_grows_with_the_number_of_events_that_are_declared),
        TEST(an_event_that_is_declared_costs_few_steps),
        TEST(the_work_grows_with_the_number_of_streams),
        TEST(the_work_grows_with_the_number_of_streams_that_wait),
        TEST(the_work_grows_with_the_number_of_circles),
        TEST(the_work_grows_with_the_number_of_ids_however_far_apart),
        TEST(a_stream_of_few_events_takes_little_memory),
        TEST(a_line_of_very_many_statuses_is_read_once),
        TEST(whatever_is_damaged_the_reader_ends_properly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
