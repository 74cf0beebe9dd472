/*
 * What troupe-trace refuses: wrong arguments, files that are damaged, or no files of a trace.
 */
#include "small_trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "helpers.h"

/* -- Wrong arguments. -- */

static void
wrong_arguments_are_refused_with_the_usage(void **state)
{
    struct traces *traces = *state;
    write_small(traces);
    const char *const cases[][6] = {
        {TROUPE_TRACE},
        {TROUPE_TRACE, "nonsense", traces->directory},
        {TROUPE_TRACE, "info"},
        {TROUPE_TRACE, "diff", traces->directory},
        {TROUPE_TRACE, "info", "--strict", traces->directory},
        {TROUPE_TRACE, "check", "--json", traces->directory},
        {TROUPE_TRACE, "dump", "--nonsense", traces->directory},
        {TROUPE_TRACE, "dump", "--actor", "1:2", traces->directory},
        {TROUPE_TRACE, "dump", "--actor", "1:2.99999999999", traces->directory},
        {TROUPE_TRACE, "dump", "--worker", "-1", traces->directory},
        {TROUPE_TRACE, "dump", "--worker", "70000", traces->directory},
        {TROUPE_TRACE, "dump", "--event", "nonsense", traces->directory},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome outcome = traces_run(cases[i]);
        assert_int_equal(outcome.status, 2);
        assert_non_null(strstr(outcome.text, "usage: troupe-trace"));
        free(outcome.text);
    }
}

static void
a_directory_that_is_no_trace_is_refused(void **state)
{
    struct traces *traces = *state;
    traces_expect(traces, "info", 2, "cannot be opened: No such file or directory");
    assert_int_equal(mkdir(traces->directory, 0777), 0);
    traces_expect(traces, "info", 2, "holds no file `metadata`");
}

/* -- Hostile files. -- */

#define AT(field) offsetof(struct tri_trace_packet, field)
#define EVENT(i) (sizeof(struct tri_trace_packet) + (i)*TRI_TRACE_STEP)

/* Every command that reads events must refuse, naming the file and the offset. */
static void
expect_refusal_of_events(const struct traces *traces, const char *text)
{
    traces_expect(traces, "dump", 2, text);
    traces_expect(traces, "check", 2, text);
    struct outcome outcome = traces_tool(traces, "info", "--counts", NULL, NULL, NULL);
    assert_int_equal(outcome.status, 2);
    assert_non_null(strstr(outcome.text, text));
    free(outcome.text);
}

/* And so must the one that reads none. */
static void
expect_refusal(const struct traces *traces, const char *text)
{
    traces_expect(traces, "info", 2, text);
    expect_refusal_of_events(traces, text);
}

struct damage {
    const char *file;
    uint64_t offset, value;
    size_t size;
    const char *text;
};

static void
expect_refusal_of_damage(const struct damage *damage, void (*expect)(const struct traces *traces, const char *text))
{
    void *fresh;
    assert_int_equal(traces_setup(&fresh), 0);
    write_small(fresh);
    traces_patch(fresh, damage->file, damage->offset, &damage->value, damage->size);
    expect(fresh, damage->text);
    traces_teardown(&fresh);
}

static void
damaged_headers_are_refused_with_file_and_offset(void **state)
{
    const struct damage cases[] = {
        {"worker-0.00000000", AT(magic), 0, 4, "worker-0.00000000: offset 0: bad magic 0x00000000"},
        {"worker-0.00000000", AT(magic), 0xc11ffcc1u, 4, "offset 0: was written on a machine of the other byte order"},
        {"worker-0.00000000", AT(uuid), 0, 8, "offset 4: belongs to another trace"},
        {"worker-0.00000000", AT(stream_id), 2, 4, "offset 20: unknown class of streams 2"},
        {"worker-0.00000000", AT(stream_instance_id), 65536, 8, "offset 24: there is no stream 65536"},
        {"worker-0.00000000", AT(stream_instance_id), 1, 8, "offset 72: worker and stream differ"},
        {"worker-0.00000000", AT(content_size), UINT64_MAX, 8, "offset 40: content_size"},
        {"worker-0.00000000", AT(content_size), SEGMENT * 8 + 256, 8, "offset 40: content_size 33024 is larger"},
        {"worker-0.00000000", AT(content_size), EVENT(1) * 8 + 8, 8, "offset 40: content_size 1032 ends within"},
        {"worker-0.00000000", AT(content_size), EVENT(0) * 8, 8, "offset 40: content_size 768 holds no event"},
        {"worker-0.00000000", AT(content_size), 0, 8, "offset 40: content_size 0 holds no event"},
        {"worker-0.00000000", AT(packet_size), 0, 8, "offset 48: packet_size is 0 bits"},
        {"worker-0.00000000", AT(packet_size), UINT64_MAX, 8, "offset 48: packet_size"},
        {"names.00000000", AT(content_size), EVENT(0) * 8 + 8, 8, "names.00000000: offset 96: a name is cut off"},
        {"names.00000000", EVENT(0) + TRI_TRACE_NAME_ID, 3, 2, "offset 104: unknown event id 3 among the names"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_refusal_of_damage(&cases[i], expect_refusal);
}

static void
damaged_events_are_refused_with_file_and_offset(void **state)
{
    const struct damage cases[] = {
        {"worker-0.00000000", AT(timestamp_begin), 1, 8, "offset 32: timestamp_begin is not the first event's"},
        {"worker-0.00000000", AT(content_size), EVENT(5) * 8, 8, "offset 232: unknown event id 0"},
        {"worker-0.00000000", EVENT(1) + 8, 0xfff0, 2, "offset 136: unknown event id 65520"},
        {"worker-0.00000000", EVENT(1), 5, 8, "offset 128: time goes back by "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_refusal_of_damage(&cases[i], expect_refusal_of_events);
}

static void
info_looks_at_no_event_but_the_last(void **state)
{
    struct traces *traces = *state;
    static const uint16_t unknown = 0xfff0;
    write_small(traces);
    traces_patch(traces, "worker-0.00000000", EVENT(1) + 8, &unknown, sizeof(unknown));
    traces_expect(traces, "info", 0, "ended       properly");
    expect_refusal_of_events(traces, "unknown event id 65520");
}

static void
in_directory(const struct traces *traces, const char *file, char path[600])
{
    snprintf(path, 600, "%s/%s", traces->directory, file);
}

static void
write_file(const struct traces *traces, const char *file, const char *bytes, size_t size)
{
    char path[600];
    in_directory(traces, file, path);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    fclose(out);
}

static void
files_that_are_cut_short_are_refused(void **state)
{
    struct traces *traces = *state;
    char path[600];
    write_small(traces);
    in_directory(traces, "worker-0.00000000", path);
    assert_int_equal(truncate(path, 2000), 0);
    expect_refusal(traces, "worker-0.00000000: offset 48: packet_size is 32768 bits, the file has 2000 bytes");
    assert_int_equal(truncate(path, 50), 0);
    expect_refusal(traces, "worker-0.00000000: offset 50: the file ends within its header");
    assert_int_equal(truncate(path, 0), 0);
    expect_refusal(traces, "worker-0.00000000: offset 0: the file ends within its header");
}

/* A clock of three ticks a second that began 1000 and two thirds of a second after 1970. */
static void
times_are_exact_at_any_frequency(void **state)
{
    static const char metadata[] = "/* CTF 1.8 */\n    troupe_format = 1;\n    closed = 1;\n    freq = 3;\n"
                                   "    offset_s = 1000;\n    offset = 2;\n"
                                   "event { name = \"novelty\"; id = 1; stream_id = 0;\n";
    struct traces *traces = *state;
    struct {
        struct tri_trace_packet packet;
        struct tri_trace_record records[2];
    } file = {.records = {{.timestamp = 5, .id = 1, .arg = 7}, {.timestamp = 9, .id = 1}}};
    file.packet = (struct tri_trace_packet){.magic = TRI_TRACE_MAGIC,
                                            .timestamp_begin = 5,
                                            .content_size = sizeof(file) * 8,
                                            .packet_size = sizeof(file) * 8};
    assert_int_equal(mkdir(traces->directory, 0777), 0);
    write_file(traces, "metadata", metadata, sizeof(metadata) - 1);
    write_file(traces, "worker-0.00000000", (const char *)&file, sizeof(file));
    traces_expect(traces, "info", 0, "begins      1970-01-01T00:16:42.333333333Z\n");
    traces_expect(traces, "info", 0, "ends        1970-01-01T00:16:43.666666666Z\n");
    traces_expect(traces, "info", 0, "lasts       1.333333333 s\n");
    expect_dump(traces, NULL, NULL, 2, "1970-01-01T00:16:42.333333333Z        0  novelty            arg 7\n");
    expect_dump(traces, "--json", NULL, 2, "\"actor\":null,\"message\":0,\"arg\":7,\"flags\":0}\n");
}

static void
a_file_that_is_missing_is_a_loss_and_losses_that_are_taken_back_are_refused(void **state)
{
    struct traces *traces = *state;
    char path[600], line[100];
    static const uint64_t seven = 7;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, 4 * FULL);
    traces_close(traces);
    in_directory(traces, "worker-0.00000001", path);
    assert_int_equal(unlink(path), 0);
    snprintf(line, sizeof(line), "0                 3              %u                0              %u\n",
             (unsigned)(3 * FULL), (unsigned)FULL);
    traces_expect(traces, "info", 0, line);
    traces_patch(traces, "worker-0.00000000", AT(events_discarded), &seven, sizeof(seven));
    expect_refusal(traces, "offset 64: events_discarded goes back");
}

static void
sub_directories_with_traces_are_named_in_order_and_others_refused(void **state)
{
    static const char *const names[] = {"12", "3"};
    struct traces *traces = *state;
    char path[600];
    write_small(traces);
    for (size_t i = 0; i < 2; i++) {
        in_directory(traces, names[i], path);
        assert_int_equal(mkdir(path, 0777), 0);
        snprintf(path, sizeof(path), "%s/metadata", names[i]);
        write_file(traces, path, "/* CTF 1.8 */\n", 14);
    }
    in_directory(traces, "4", path); /* a trace is about to begin there */
    assert_int_equal(mkdir(path, 0777), 0);
    traces_expect(traces, "info", 0, "has sub-directories with traces of their own: 3, 12\n");
    in_directory(traces, "03", path);
    assert_int_equal(mkdir(path, 0777), 0);
    expect_refusal(traces, "03: offset 0: is not a regular file");
    rmdir(path);
    for (size_t i = 0; i < 2; i++) {
        in_directory(traces, names[i], path);
        tests_directory_remove(path);
    }
    in_directory(traces, "4", path);
    rmdir(path);
}

static void
two_files_with_one_sequence_number_are_refused(void **state)
{
    struct traces *traces = *state;
    size_t size;
    write_small(traces);
    char *bytes = traces_read(traces, "worker-0.00000000", &size);
    write_file(traces, "worker-0.00000001", bytes, size);
    free(bytes);
    expect_refusal(traces, "offset 56: packet 0 of this stream is there twice");
}

static void
a_name_that_is_told_twice_is_refused(void **state)
{
    struct traces *traces = *state;
    size_t size;
    write_small(traces);
    char *bytes = traces_read(traces, "names.00000000", &size);
    write_file(traces, "names.00000001", bytes, size);
    free(bytes);
    expect_refusal(traces, "offset 106: name 1 is told twice");
}

static void
a_name_without_an_end_is_refused(void **state)
{
    struct traces *traces = *state;
    write_small(traces);
    char text[3000];
    memset(text, 'x', sizeof(text));
    uint64_t content = (EVENT(0) + sizeof(text)) * 8;
    traces_patch(traces, "names.00000000", EVENT(0) + TRI_TRACE_NAME_TEXT, text, sizeof(text));
    traces_patch(traces, "names.00000000", AT(content_size), &content, sizeof(content));
    expect_refusal(traces, "names.00000000: offset 96: a name is cut off or too long");
}

static void
things_that_are_no_files_of_a_trace_are_refused_and_their_names_escaped(void **state)
{
    struct traces *traces = *state;
    char path[600];
    write_small(traces);
    write_file(traces, "a\x1b[2Jb", "hello", 5);
    expect_refusal(traces, "troupe-trace: a\\x1b[2Jb: offset 5: the file ends within its header");
    in_directory(traces, "a\x1b[2Jb", path);
    unlink(path);
    assert_int_equal(mkfifo(path, 0666), 0);
    expect_refusal(traces, "is not a regular file");
    unlink(path);
    assert_int_equal(mkdir(path, 0777), 0);
    expect_refusal(traces, "is not a regular file");
    rmdir(path);
    write_file(traces, ".hidden", "hello", 5);
    traces_expect(traces, "info", 0, NULL);
}

static void
hostile_metadata_is_refused(void **state)
{
    static const char good[] = "/* CTF 1.8 */\n    troupe_format = 1;\n    freq = 1000;\n";
    const struct {
        const char *text, *expected;
    } cases[] = {
        {"", "holds no trace yet: its program has ended before it recorded anything, or has only just begun\n"},
        {"hello", "metadata: offset 0: does not begin with"},
        {"/* CTF 1.8 */\n", "no `troupe_format = 1`"},
        {"/* CTF 1.8 */\n    troupe_format = 2;\n    freq = 1000;\n", "no `troupe_format = 1`"},
        {"/* CTF 1.8 */\n    troupe_format = 1;\n", "the clock's frequency is missing or impossible"},
        {"/* CTF 1.8 */\n    troupe_format = 1;\n    freq = 0;\n", "the clock's frequency is missing or impossible"},
        {"/* CTF 1.8 */\n    freq = 99999999999999999999;\n", "offset 14: a number is missing or too large"},
        {"/* CTF 1.8 */\n    freq = -1;\n", "offset 14: a number is missing or too large"},
        {"/* CTF 1.8 */\n    freq = 1000\n", "offset 14: a number is missing or too large"},
        {"/* CTF 1.8 */\n    byte_order = be;\n", "offset 14: the trace was written on a machine of the other"},
        {"/* CTF 1.8 */\n    uuid = \"1234-zz\";\n", "offset 14: the uuid is not one"},
        {"/* CTF 1.8 */\n    uuid = \"", "offset 14: the uuid is not one"},
        {"/* CTF 1.8 */\n    mode = \"\x1b[31m\";\n", "offset 14: the mode is not one"},
        {"/* CTF 1.8 */\n    mode = \"abcdefghijklmnopqrstuvwxyz\";\n", "offset 14: the mode is not one"},
        {"/* CTF 1.8 */\nevent { name = \"\x1b[31m\"; id = 1; stream_id = 0;\n",
         "offset 14: an event's name is not one"},
        {"/* CTF 1.8 */\nevent { name = \"", "offset 14: an event's name is not one"},
        {"/* CTF 1.8 */\nevent { name = \"a\"; id = ", "offset 14: a number is missing or too large"},
        {"/* CTF 1.8 */\nevent { name = \"a\"; id = 1; stream_id = ", "offset 14: a number is missing or too large"},
        {"/* CTF 1.8 */\nevent { name = \"a\"; id = 65536; stream_id = 0;\n", "offset 14: event id 65536"},
        {"/* CTF 1.8 */\nevent { name = \"a\"; id = 1; stream_id = 0;\nevent { name = \"b\"; id = 1; stream_id = 0;\n",
         "offset 57: event id 1 is taken"},
        {"/* CTF 1.8 */\nevent { name = \"a\"; id = 1; stream_id = 0;\nevent { name = \"a\"; id = 2; stream_id = 0;\n",
         "offset 57: event name a is taken"},
        {"/* CTF 1.8 */\nenum tag_", "offset 14: a number is missing or too large"},
        {"/* CTF 1.8 */\nenum tag_1 : uint32_t { \x1b[31m = 1 };\n", "offset 14: a tag's name is not one"},
        {"/* CTF 1.8 */\nenum tag_1 : uint32_t { A", "offset 14: a tag's name is not one"},
        {"/* CTF 1.8 */\nenum tag_4294967296 : uint32_t { A = 1 };\n", "offset 14: tag 4294967296"},
        {"/* CTF 1.8 */\nenum tag_1 : uint32_t { A = 1 };\nenum tag_1 : uint32_t { B = 1 };\n",
         "offset 47: tag 1 is taken"},
    };
    const struct traces *traces = *state;
    char path[600];
    assert_int_equal(mkdir(traces->directory, 0777), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_file(traces, "metadata", cases[i].text, strlen(cases[i].text));
        traces_expect(traces, "info", 2, cases[i].expected);
    }
    write_file(traces, "metadata", good, sizeof(good)); /* with its zero byte */
    traces_expect(traces, "info", 2, "metadata: offset 54: is not a text");
    in_directory(traces, "metadata", path);
    assert_int_equal(truncate(path, (off_t)1 << 30), 0);
    traces_expect(traces, "info", 2, "metadata: offset 16777216: is larger than 16777216 bytes");
    write_file(traces, "metadata", good, sizeof(good) - 1);
    traces_expect(traces, "info", 0, NULL);
}

/* The reader adds up numbers that stand in files: they must not wrap round to "nothing lost". */
static void
absurd_counts_of_losses_stay_losses(void **state)
{
    struct traces *traces = *state;
    static const uint64_t most = UINT64_MAX;
    write_small(traces);
    traces_patch(traces, "worker-0.00000000", AT(packet_seq_num), &most, sizeof(most));
    traces_patch(traces, "worker-0.00000000", AT(events_discarded), &most, sizeof(most));
    traces_patch(traces, "worker-1.00000000", AT(events_discarded), &most, sizeof(most));
    traces_expect(traces, "info", 0, "18,446,744,073,709,551,615");
    struct outcome outcome = traces_tool(traces, "check", "--strict", NULL, NULL, NULL);
    assert_int_equal(outcome.status, 3);
    free(outcome.text);
}

/* Xorshift: the same damage in every run. */
static uint32_t
next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* TROUPE_STRESS=n: n times as much. */
static void
random_damage_never_crashes_the_reader(void **state)
{
    struct traces *traces = *state;
    static const char *const files[] = {"worker-0.00000000", "worker-1.00000000", "outside.00000000", "names.00000000",
                                        "metadata"};
    static const char *const commands[] = {"info", "dump", "check"};
    uint32_t seed = 20240611;
    write_small(traces);
    for (unsigned round = 0; round < 60 * tests_stress(); round++) {
        const char *file = files[next_random(&seed) % 5];
        size_t size;
        char *before = traces_read(traces, file, &size);
        for (unsigned i = 0, damages = 1 + next_random(&seed) % 3; i < damages; i++) {
            uint8_t byte = (uint8_t)next_random(&seed);
            uint64_t reach = strcmp(file, "metadata") == 0 ? size : EVENT(6);
            traces_patch(traces, file, next_random(&seed) % reach, &byte, 1);
        }
        struct outcome outcome = traces_tool(traces, commands[round % 3], NULL, NULL, NULL, NULL);
        if (outcome.status < 0 || outcome.status > 2)
            fail_msg("round %u, %s: ended with %d\n%s", round, file, outcome.status, outcome.text);
        free(outcome.text);
        traces_patch(traces, file, 0, before, size);
        free(before);
    }
    traces_expect(traces, "info", 0, NULL);
}

/* The command holds 65,536 events back and writes into a pipe that is soon full, so it waits long before the last file.
 * That goes meanwhile. */
static void
what_was_printed_before_a_file_went_is_not_lost(void **state)
{
    struct traces *traces = *state;
    char command[900], path[600], first[16], line[256] = "";
    const unsigned files = 600;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_fill(traces, 0, files * FULL);
    traces_close(traces);
    snprintf(command, sizeof(command), "%s dump --json '%s' 2>/dev/null", TROUPE_TRACE, traces->directory);
    snprintf(path, sizeof(path), "%s/worker-0.%08u", traces->directory, files - 1);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    assert_int_equal(fread(first, 1, sizeof(first), output), sizeof(first)); /* it has read all files once */
    assert_int_equal(unlink(path), 0);
    unsigned lines = 0;
    while (fgets(line, sizeof(line), output) != NULL)
        lines++;
    assert_int_equal(WEXITSTATUS(pclose(output)), 2);
    assert_int_equal(lines, (files - 1) * FULL);
    assert_string_equal(line + strlen(line) - 2, "}\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(wrong_arguments_are_refused_with_the_usage),
        TEST(a_directory_that_is_no_trace_is_refused),
        TEST(damaged_headers_are_refused_with_file_and_offset),
        TEST(damaged_events_are_refused_with_file_and_offset),
        TEST(info_looks_at_no_event_but_the_last),
        TEST(files_that_are_cut_short_are_refused),
        TEST(times_are_exact_at_any_frequency),
        TEST(a_file_that_is_missing_is_a_loss_and_losses_that_are_taken_back_are_refused),
        TEST(sub_directories_with_traces_are_named_in_order_and_others_refused),
        TEST(two_files_with_one_sequence_number_are_refused),
        TEST(a_name_that_is_told_twice_is_refused),
        TEST(a_name_without_an_end_is_refused),
        TEST(things_that_are_no_files_of_a_trace_are_refused_and_their_names_escaped),
        TEST(hostile_metadata_is_refused),
        TEST(absurd_counts_of_losses_stay_losses),
        TEST(random_damage_never_crashes_the_reader),
        TEST(what_was_printed_before_a_file_went_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
