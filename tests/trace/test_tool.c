/*
 * What troupe-trace prints, and what it makes of arguments and files that nobody should give it.
 */
#include <fcntl.h>
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
#include <troupe/actors/actor.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/actors/trace.h>
#include <troupe/net/socket.h>

#include "../../net/base/tags.h"
#include "helpers.h"
#include "stage.h"
#include "traces.h"

#define A TRI_TRACE_REF(0, 7, 3)
#define B TRI_TRACE_REF(1, 8, 4)

/* A sends B a message and gets one from outside. The behavior's name is hostile. */
static void
write_small(struct traces *traces)
{
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    uint32_t name = tri_trace_name(traces->trace, "a\x1b[31m\"\\\n\xff\xc3\xa9<b>");
    traces_write(traces, 0, TRI_TRACE_ACTORS_spawn, name, A, 0);
    traces_write(traces, 1, TRI_TRACE_ACTORS_spawn, 77, B, A);
    traces_write(traces, 0, TRI_TRACE_ACTORS_send, 5, A, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 1, TRI_TRACE_ACTORS_receive, 5, B, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, TRI_TRACE_OUTSIDE, TRI_TRACE_ACTORS_send, 6, 0, TRI_TRACE_MESSAGE(TRI_TRACE_OUTSIDE, 1));
    traces_write(traces, 0, TRI_TRACE_ACTORS_receive, 6, A, TRI_TRACE_MESSAGE(TRI_TRACE_OUTSIDE, 1));
    traces_write(traces, 0, TRI_TRACE_ACTORS_init_failed, (uint32_t)-111, A, 0);
    traces_close(traces);
}

static unsigned
count_lines(const char *text)
{
    unsigned count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

/* -- Output. -- */

static void
expect_dump(const struct traces *traces, const char *option, const char *value, unsigned lines, const char *part)
{
    struct outcome outcome = traces_tool(traces, "dump", option, value, NULL, NULL);
    if (outcome.status != 0 || count_lines(outcome.text) != lines || strstr(outcome.text, part) == NULL)
        fail_msg("dump %s %s ended with %d or printed something else than %u lines and \"%s\":\n%s",
                 option != NULL ? option : "", value != NULL ? value : "", outcome.status, lines, part, outcome.text);
    free(outcome.text);
}

/* Of the threads outside. */
static void
expect_outside(const struct traces *traces, unsigned lines, const char *part)
{
    struct outcome outcome = traces_tool(traces, "dump", "--json", "--worker", "outside", NULL);
    if (outcome.status != 0 || count_lines(outcome.text) != lines || strstr(outcome.text, part) == NULL)
        fail_msg("dump ended with %d or printed something else than %u lines and %s:\n%s", outcome.status, lines, part,
                 outcome.text);
    free(outcome.text);
}

static void
dump_shows_events_with_their_names_and_escapes_what_is_hostile(void **state)
{
    struct traces *traces = *state;
    write_small(traces);
    expect_dump(traces, NULL, NULL, 7, "Z        0  spawn              0:7.3 (a\\x1b[31m\"\\\\\\x0a\\xff\xc3\xa9<b>)");
    expect_dump(traces, NULL, NULL, 7, "Z        1  spawn              1:8.4  parent 0:7.3  behavior #77\n");
    expect_dump(traces, NULL, NULL, 7, "Z        1  receive            1:8.4  message 0:1  tag 5\n");
    expect_dump(traces, NULL, NULL, 7, "Z  outside  send               message outside:1  tag 6\n");
    expect_dump(traces, NULL, NULL, 7, "status -111\n");
}

static void
dump_prints_json_lines(void **state)
{
    struct traces *traces = *state;
    write_small(traces);
    expect_dump(traces, "--json", NULL, 7,
                ",\"worker\":0,\"event\":\"spawn\",\"actor\":\"0:7.3\",\"parent\":null,"
                "\"behavior\":\"a\\u001b[31m\\u0022\\u005c\\u000a\\ufffd\\u00e9<b>\",\"flags\":0}\n");
    expect_dump(
        traces, "--json", NULL, 7,
        ",\"worker\":1,\"event\":\"spawn\",\"actor\":\"1:8.4\",\"parent\":\"0:7.3\",\"behavior\":null,\"flags\":0}\n");
    expect_dump(
        traces, "--json", NULL, 7,
        ",\"worker\":\"outside\",\"event\":\"send\",\"actor\":null,\"message\":\"outside:1\",\"tag\":6,\"flags\":0}\n");
    expect_dump(traces, "--json", NULL, 7, "\"status\":-111,");
}

/* From outside: a message that is refused is one that was sent and died. */

static struct tally held, let_go;

static void
hold(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state, (void)message;
    tally_add(&held, 1);
    tally_await(&let_go, 1);
}

static void
what_is_refused_from_outside_died_of_a_full_mailbox(void **state)
{
    static const struct tr_behavior holder = {.name = "holder", .receive = hold};
    struct traces *traces = *state;
    struct tr_runtime_options options = {.workers = 1, .outside_limit = 1};
    options.trace = (struct tr_trace_options){.mode = TR_TRACE_FILE, .directory = traces->directory};
    tr_runtime *runtime;
    held = let_go = (struct tally){0};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    tr_ref to = stage_spawn(runtime, &holder, 0, NULL);
    stage_send(runtime, to, 1, NULL, 0);
    tally_await(&held, 1);
    stage_send(runtime, to, 2, NULL, 0);
    tr_message message = tr_message_signal(3);
    assert_int_equal(tr_runtime_send(runtime, to, &message), TR_EFULL);
    tally_add(&let_go, 1);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    char part[160];
    snprintf(part, sizeof(part),
             "\"event\":\"dead_letter\",\"actor\":\"0:%" PRIu32 ".%" PRIu32 "\",\"message\":"
             "\"outside:3\",\"reason\":%d,",
             TRI_TRACE_REF_SLOT(to), TRI_TRACE_REF_GENERATION(to), TR_DEAD_MAILBOX_FULL);
    expect_outside(traces, 4, part); /* three are sent */
    traces_expect(traces, "check", 0, NULL);
}

/* JSON has the number: programs compare it. */
static void
dump_prints_the_librarys_own_tags_by_name(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    traces_write(traces, 0, TRI_TRACE_ACTORS_send, TRI_TAG_SOCKET_WRITE, A, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 1, TRI_TRACE_ACTORS_receive, TRI_TAG_PIPE_NEVER, B, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 0, TRI_TRACE_ACTORS_send, UINT32_MAX, A, TRI_TRACE_MESSAGE(0, 2));
    traces_close(traces);
    expect_dump(traces, NULL, NULL, 3, "send               0:7.3  message 0:1  tag SOCKET_WRITE\n");
    expect_dump(traces, NULL, NULL, 3, "receive            1:8.4  message 0:1  tag PIPE_NEVER\n");
    expect_dump(traces, NULL, NULL, 3, "send               0:7.3  message 0:2  tag 4294967295\n");
    expect_dump(traces, "--json", NULL, 3, "\"message\":\"0:1\",\"tag\":4294905860,");
}

static void
a_runtime_writes_the_names_of_its_tags(void **state)
{
    static const char *const names[] = {"DEAD_LETTER", "SPAWN", "SOCKET_WRITE", "PIPE_DATA", "EVENT_DATA"};
    struct traces *traces = *state;
    struct tr_runtime_options options = {.workers = 1};
    options.trace = (struct tr_trace_options){.mode = TR_TRACE_FILE, .directory = traces->directory};
    tr_runtime *runtime;
    tr_ref socket;
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    struct tr_connect_options connect = {.path = "/nobody/listens/here"};
    assert_int_equal(tr_runtime_connect(runtime, NULL, &connect, &socket), TR_OK);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    size_t size;
    char *text = traces_read(traces, "metadata", &size);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char part[40];
        snprintf(part, sizeof(part), " : uint32_t { %s = ", names[i]);
        assert_int_equal(traces_count(text, part), 1);
    }
    free(text);
}

static void
dump_filters_by_actor_worker_and_event(void **state)
{
    struct traces *traces = *state;
    write_small(traces);
    expect_dump(traces, "--actor", "0:7.3", 4, "send");
    char number[40];
    snprintf(number, sizeof(number), "0x%" PRIx64, B);
    expect_dump(traces, "--actor", number, 2, "receive");
    expect_dump(traces, "--worker", "1", 2, "spawn");
    expect_dump(traces, "--worker", "outside", 1, "send");
    expect_dump(traces, "--event", "receive", 2, "receive");
    expect_dump(traces, "--actor", "0:0.0", 1, "outside:1");
    struct outcome all = traces_tool(traces, "dump", "--worker=0", "--event=send", "--actor=0:7.3", "--json");
    assert_int_equal(all.status, 0);
    assert_int_equal(count_lines(all.text), 1);
    free(all.text);
}

static void
a_name_that_a_program_writes_is_that_which_the_tool_prints_and_takes(void **state)
{
    struct traces *traces = *state;
    char text[TR_REF_TEXT_SIZE];
    write_small(traces);
    assert_ptr_equal(tr_ref_text(A, text), text);
    assert_string_equal(text, "0:7.3");
    expect_dump(traces, "--actor", text, 4, text);
    expect_dump(traces, "--actor", tr_ref_text(B, text), 2, text);
    assert_string_equal(tr_ref_text(TR_NOBODY, text), "none");
    assert_string_equal(tr_ref_text(UINT64_MAX, text), "4095:16777215.268435455");
    assert_int_equal(strlen(text) + 1, TR_REF_TEXT_SIZE);
}

/* On disk B's stream is earlier than A's: only the messages tell the order. */
static void
dump_puts_a_send_before_its_receive_whatever_the_clock_says(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    for (unsigned i = 1; i <= 3; i++)
        traces_write(traces, 1, TRI_TRACE_ACTORS_receive, i, B, TRI_TRACE_MESSAGE(0, i));
    for (unsigned i = 1; i <= 3; i++)
        traces_write(traces, 0, TRI_TRACE_ACTORS_send, i, A, TRI_TRACE_MESSAGE(0, i));
    traces_close(traces);
    struct outcome dump = traces_tool(traces, "dump", NULL, NULL, NULL, NULL);
    assert_int_equal(dump.status, 0);
    const char *at = dump.text;
    for (unsigned i = 1; i <= 3; i++) {
        char send[80], receive[120];
        snprintf(send, sizeof(send), "send               0:7.3  message 0:%u", i);
        snprintf(receive, sizeof(receive), "receive            1:8.4  message 0:%u  tag %u  (its time is before", i, i);
        at = strstr(at, send);
        assert_non_null(at);
        assert_non_null(strstr(at, receive));
    }
    free(dump.text);
}

/* Two streams wait for one message; when it is sent both go on, before what comes later. */
static void
dump_goes_by_time_where_no_message_decides(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    for (unsigned i = 0; i < 6; i++)
        traces_write(traces, 1 - i % 2, TRI_TRACE_CORE_lane_full, i, 0, 0);
    traces_write(traces, 1, TRI_TRACE_ACTORS_receive, 6, B, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, TRI_TRACE_OUTSIDE, TRI_TRACE_ACTORS_receive, 7, B, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 0, TRI_TRACE_ACTORS_send, 8, A, TRI_TRACE_MESSAGE(0, 1));
    traces_write(traces, 0, TRI_TRACE_CORE_lane_full, 9, 0, 0);
    traces_close(traces);
    static const char *const order[] = {"\"to_worker\":0,", "\"to_worker\":1,", "\"to_worker\":2,", "\"to_worker\":3,",
                                        "\"to_worker\":4,", "\"to_worker\":5,", "\"tag\":8,",       "\"tag\":6,",
                                        "\"tag\":7,",       "\"to_worker\":9,"};
    struct outcome dump = traces_tool(traces, "dump", "--json", NULL, NULL, NULL);
    assert_int_equal(dump.status, 0);
    const char *at = dump.text;
    for (unsigned i = 0; i < 10; i++)
        if ((at = strstr(at, order[i])) == NULL)
            fail_msg("%s comes too early:\n%s", order[i], dump.text);
    free(dump.text);
}

/* Names as they are written for people, and as JSON. */
static void
what_turns_writing_round_or_is_no_utf8_is_escaped(void **state)
{
    static const struct {
        const char *name, *text, *json;
    } cases[] = {
        {"\xe2\x80\xae", "\\xe2\\x80\\xae", "\\u202e"},                               /* right to left */
        {"\xef\xbb\xbf", "\\xef\\xbb\\xbf", "\\ufeff"},                               /* a mark of the byte order */
        {"\xc1\xbf", "\\xc1\\xbf", "\\ufffd\\ufffd"},                                 /* DEL, in two bytes */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80", "\\ufffd\\ufffd\\ufffd"},                 /* half a pair */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"}, /* beyond U+10FFFF */
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", "\\ud83d\\ude00"},                   /* a face */
    };
    struct traces *traces = *state;
    char text[80], json[80];
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        traces_write(traces, 0, TRI_TRACE_ACTORS_spawn, tri_trace_name(traces->trace, cases[i].name), A + i, 0);
    traces_close(traces);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text), " (%s)", cases[i].text);
        snprintf(json, sizeof(json), "\"behavior\":\"%s\"", cases[i].json);
        traces_expect(traces, "dump", 0, text);
        expect_dump(traces, "--json", NULL, sizeof(cases) / sizeof(cases[0]), json);
    }
}

static void
a_name_of_1000_bytes_is_shown_whole(void **state)
{
    struct traces *traces = *state;
    char name[1001] = {0}, shown[1010];
    memset(name, 'n', 1000);
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    traces_write(traces, 0, TRI_TRACE_ACTORS_spawn, tri_trace_name(traces->trace, name), A, 0);
    traces_close(traces);
    snprintf(shown, sizeof(shown), " (%s)", name);
    traces_expect(traces, "dump", 0, shown);
}

static void
info_counts_streams_events_and_losses(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 5 * SEGMENT);
    traces_fill(traces, 0, 2 * FULL + 12345);
    traces_write(traces, 1, TRI_TRACE_CORE_sleep, 0, 0, 0);
    traces_close(traces);
    traces_expect(traces, "info", 0, "0                 2              249                0           12,345\n");
    traces_expect(traces, "info", 0, "1                 1                1                0                0\n");
    traces_expect(traces, "info", 0, "wake                             248\n");
    traces_expect(traces, "info", 0, "ended       properly");
}

static void
an_empty_trace_is_a_trace(void **state)
{
    struct traces *traces = *state;
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_close(traces);
    traces_expect(traces, "info", 0, "ended       properly");
    traces_expect(traces, "dump", 0, NULL);
    traces_expect(traces, "check", 0, "0 events");
}

static void
help_is_printed(void **state)
{
    static const char *const ways[][4] = {{TROUPE_TRACE, "--help"}, {TROUPE_TRACE, "dump", "--help"}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct outcome outcome = traces_run(ways[i]);
        assert_int_equal(outcome.status, 0);
        assert_non_null(strstr(outcome.text, "usage: troupe-trace"));
        free(outcome.text);
    }
}

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
        {TROUPE_TRACE, "info", traces->directory, traces->directory},
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

/* Every command must refuse, naming the file and the offset. */
static void
expect_refusal(const struct traces *traces, const char *text)
{
    traces_expect(traces, "info", 2, text);
    traces_expect(traces, "dump", 2, text);
    traces_expect(traces, "check", 2, text);
}

static void
damaged_headers_and_events_are_refused_with_file_and_offset(void **state)
{
    const struct {
        const char *file;
        uint64_t offset, value;
        size_t size;
        const char *text;
    } cases[] = {
        {"worker-0.00000000", AT(magic), 0, 4, "worker-0.00000000: offset 0: bad magic 0x00000000"},
        {"worker-0.00000000", AT(magic), 0xc11ffcc1u, 4, "offset 0: was written on a machine of the other byte order"},
        {"worker-0.00000000", AT(uuid), 0, 8, "offset 4: belongs to another trace"},
        {"worker-0.00000000", AT(stream_id), 2, 4, "offset 20: unknown class of streams 2"},
        {"worker-0.00000000", AT(stream_instance_id), 65536, 8, "offset 24: there is no stream 65536"},
        {"worker-0.00000000", AT(stream_instance_id), 1, 8, "offset 72: worker and stream differ"},
        {"worker-0.00000000", AT(timestamp_begin), 1, 8, "offset 32: timestamp_begin is not the first event's"},
        {"worker-0.00000000", AT(content_size), UINT64_MAX, 8, "offset 40: content_size"},
        {"worker-0.00000000", AT(content_size), SEGMENT * 8 + 256, 8, "offset 40: content_size 33024 is larger"},
        {"worker-0.00000000", AT(content_size), EVENT(1) * 8 + 8, 8, "offset 40: content_size 1032 ends within"},
        {"worker-0.00000000", AT(content_size), EVENT(0) * 8, 8, "offset 40: content_size 768 holds no event"},
        {"worker-0.00000000", AT(content_size), 0, 8, "offset 40: content_size 0 holds no event"},
        {"worker-0.00000000", AT(content_size), EVENT(5) * 8, 8, "offset 232: unknown event id 0"},
        {"worker-0.00000000", AT(packet_size), 0, 8, "offset 48: packet_size is 0 bits"},
        {"worker-0.00000000", AT(packet_size), UINT64_MAX, 8, "offset 48: packet_size"},
        {"worker-0.00000000", EVENT(1) + 8, 0xfff0, 2, "offset 136: unknown event id 65520"},
        {"worker-0.00000000", EVENT(1), 5, 8, "offset 128: time goes back by "},
        {"names.00000000", AT(content_size), EVENT(0) * 8 + 8, 8, "names.00000000: offset 96: a name is cut off"},
        {"names.00000000", EVENT(0) + TRI_TRACE_NAME_ID, 3, 2, "offset 104: unknown event id 3 among the names"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        void *fresh;
        assert_int_equal(traces_setup(&fresh), 0);
        write_small(fresh);
        traces_patch(fresh, cases[i].file, cases[i].offset, &cases[i].value, cases[i].size);
        expect_refusal(fresh, cases[i].text);
        traces_teardown(&fresh);
    }
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
    }
    traces_expect(traces, "info", 0, "has sub-directories with traces of their own: 3, 12\n");
    in_directory(traces, "03", path);
    assert_int_equal(mkdir(path, 0777), 0);
    expect_refusal(traces, "03: offset 0: is not a regular file");
    rmdir(path);
    for (size_t i = 0; i < 2; i++) {
        in_directory(traces, names[i], path);
        rmdir(path);
    }
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
        {"", "metadata: offset 0: does not begin with"},
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
    traces_expect(traces, "check", 0, NULL);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(dump_shows_events_with_their_names_and_escapes_what_is_hostile),
        TEST(dump_prints_json_lines),
        TEST(dump_prints_the_librarys_own_tags_by_name),
        TEST(a_runtime_writes_the_names_of_its_tags),
        TEST(what_is_refused_from_outside_died_of_a_full_mailbox),
        TEST(dump_filters_by_actor_worker_and_event),
        TEST(a_name_that_a_program_writes_is_that_which_the_tool_prints_and_takes),
        TEST(dump_puts_a_send_before_its_receive_whatever_the_clock_says),
        TEST(dump_goes_by_time_where_no_message_decides),
        TEST(what_turns_writing_round_or_is_no_utf8_is_escaped),
        TEST(a_name_of_1000_bytes_is_shown_whole),
        TEST(info_counts_streams_events_and_losses),
        TEST(an_empty_trace_is_a_trace),
        TEST(help_is_printed),
        TEST(wrong_arguments_are_refused_with_the_usage),
        TEST(a_directory_that_is_no_trace_is_refused),
        TEST(damaged_headers_and_events_are_refused_with_file_and_offset),
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
