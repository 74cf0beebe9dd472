/*
 * The memory that a large trace takes: no more than a small one. Nor has `info` more to do. Counted, not measured: see
 * count_work.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <troupe/actors/trace.h>
#include <troupe/net/trace.h>

#include "counted.h"
#include "helpers.h"
#include "traces.h"

#define ACTORS(event) TRI_TRACE_ACTORS_##event
#define NET(event) TRI_TRACE_NET_##event

/* -- Writing: each stream is one file. -- */

struct writing {
    FILE *file;
    unsigned stream;
    uint64_t count, begin, time;
};

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

#define LINE(id, name, ...) fprintf(file, "event { name = \"%s\"; id = %u; stream_id = 0;\n", #name, id);

static void
write_metadata(const struct traces *traces)
{
    FILE *file = create(traces, "metadata");
    fputs("/* CTF 1.8 */\n    troupe_format = 1;\n    closed = 1;\n    freq = 1000000000;\n", file);
    TRI_TRACE_CORE_EVENTS(LINE)
    TRI_TRACE_ACTORS_EVENTS(LINE)
    TRI_TRACE_SOCKET_EVENTS(LINE)
    fclose(file);
}

static struct writing
begin(const struct traces *traces, unsigned stream, uint64_t time)
{
    char name[40];
    snprintf(name, sizeof(name), "worker-%u.00000000", stream);
    struct writing writing = {create(traces, name), stream, 0, time, time};
    fseek(writing.file, sizeof(struct tri_trace_packet), SEEK_SET);
    return writing;
}

static void
put(struct writing *writing, uint16_t id, uint32_t arg, uint64_t actor, uint64_t message)
{
    struct tri_trace_record record = {
        .timestamp = writing->time++, .id = id, .arg = arg, .actor = actor, .message = message};
    assert_int_equal(fwrite(&record, sizeof(record), 1, writing->file), 1);
    writing->count++;
}

static void
end(struct writing *writing)
{
    uint64_t bits = (sizeof(struct tri_trace_packet) + writing->count * TRI_TRACE_STEP) * 8;
    struct tri_trace_packet packet = {.magic = TRI_TRACE_MAGIC,
                                      .stream_instance_id = writing->stream,
                                      .worker = writing->stream,
                                      .timestamp_begin = writing->begin,
                                      .content_size = bits,
                                      .packet_size = bits};
    rewind(writing->file);
    assert_int_equal(fwrite(&packet, sizeof(packet), 1, writing->file), 1);
    fclose(writing->file);
}

/* -- What is written. -- */

#define FRONT TRI_TRACE_REF(0, 1, 1)
#define SLOTS 64u /* sessions that live at a time */

/* One worker sends, and the other receives a moment later. */
static void
steady_traffic(const struct traces *traces, unsigned n)
{
    struct writing sender = begin(traces, 0, 0), receiver = begin(traces, 1, 5);
    put(&sender, ACTORS(spawn), 0, FRONT, 0);
    put(&receiver, ACTORS(spawn), 0, TRI_TRACE_REF(1, 1, 1), 0);
    for (unsigned i = 1; i <= n; i++) {
        put(&sender, ACTORS(send), 7, FRONT, TRI_TRACE_MESSAGE(0, i));
        put(&receiver, ACTORS(receive), 7, TRI_TRACE_REF(1, 1, 1), TRI_TRACE_MESSAGE(0, i));
    }
    end(&sender);
    end(&receiver);
}

/* A session is a socket of its own; it asks another actor, which has a timer for it, and is monitored. */
static void
put_session(struct writing *front, struct writing *sessions, uint64_t session, uint64_t question)
{
    put(sessions, ACTORS(spawn), 0, session, 0);
    put(sessions, NET(socket_spawned), 0, session, 0);
    put(sessions, NET(socket_connecting), 0, session, 0);
    put(sessions, NET(socket_connect), 0, session, 0);
    put(sessions, ACTORS(ask), 0, session, question);
    put(sessions, ACTORS(send), 9, session, question);
    front->time = sessions->time;
    put(front, ACTORS(receive), 9, FRONT, question);
    put(front, ACTORS(monitor), 0, FRONT, session);
    put(front, ACTORS(down), 0, FRONT, session);
    put(front, ACTORS(timer), 100, FRONT, question);
    put(front, ACTORS(timer_over), 0, FRONT, question);
    put(front, ACTORS(handled), 9, FRONT, question);
    sessions->time = front->time;
    put(sessions, ACTORS(ask_over), 0, session, question);
    put(sessions, NET(socket_close), 0, session, 0);
    put(sessions, ACTORS(stopped), 0, session, 0);
}

/* Sessions come and go. */
static void
many_sessions(const struct traces *traces, unsigned n)
{
    struct writing front = begin(traces, 0, 0), sessions = begin(traces, 1, 0);
    put(&front, ACTORS(spawn), 0, FRONT, 0);
    for (unsigned i = 0; i < n; i++)
        put_session(&front, &sessions, TRI_TRACE_REF(1, i % SLOTS, 1 + i / SLOTS), TRI_TRACE_MESSAGE(1, i + 1));
    end(&front);
    end(&sessions);
}

/* Every second message of a worker is not in the trace. */
static void
many_holes(const struct traces *traces, unsigned n)
{
    struct writing sender = begin(traces, 0, 0);
    put(&sender, ACTORS(spawn), 0, FRONT, 0);
    for (unsigned i = 1; i <= n; i++) {
        put(&sender, ACTORS(send), 7, FRONT, TRI_TRACE_MESSAGE(0, 2 * i));
        put(&sender, ACTORS(receive), 7, FRONT, TRI_TRACE_MESSAGE(0, 2 * i));
    }
    end(&sender);
}

/* -- The memory. -- */

static uint64_t
memory_of(const struct traces *traces, const char *command, void (*write)(const struct traces *traces, unsigned n),
          unsigned n)
{
    write_metadata(traces);
    write(traces, n);
    uint64_t most = work_of(traces, command).most;
    tests_directory_remove(traces->directory);
    return most;
}

static void
expect_no_growth(const struct traces *traces, const char *command,
                 void (*write)(const struct traces *traces, unsigned n))
{
    uint64_t less = memory_of(traces, command, write, 8000), more = memory_of(traces, command, write, 64000);
    if (more > less)
        fail_msg("%s: %" PRIu64 " bytes became %" PRIu64, command, less, more);
}

static void
the_memory_of_no_command_grows_with_the_number_of_messages(void **state)
{
    static const char *const commands[] = {"info", "check", "stats", "explain"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        expect_no_growth(*state, commands[i], steady_traffic);
}

static uint64_t
work_of_info(const struct traces *traces, unsigned n)
{
    write_metadata(traces);
    steady_traffic(traces, n);
    uint64_t blocks = work_of(traces, "info").blocks;
    tests_directory_remove(traces->directory);
    return blocks;
}

/* But for the digits that it prints. */
static void
the_work_of_info_does_not_grow_with_the_number_of_messages(void **state)
{
    assert_in_range(work_of_info(*state, 64000), 1, work_of_info(*state, 8000) + 1000);
}

static void
the_memory_of_check_does_not_grow_with_the_number_of_actors_sockets_and_questions_that_were(void **state)
{
    expect_no_growth(*state, "check", many_sessions);
}

static void
the_memory_of_check_does_not_grow_with_the_number_of_losses(void **state)
{
    expect_no_growth(*state, "check", many_holes);
}

static void
the_memory_of_a_picture_or_an_export_does_not_grow_with_the_number_of_actors_that_were(void **state)
{
    static const char *const commands[] = {"export --to chrome --limit 10", "timeline --limit 10"};
    for (size_t i = 0; i < 2; i++)
        expect_no_growth(*state, commands[i], many_sessions);
}

/* Of the first one the messages are sent, and of the other received. */
static void
the_memory_to_choose_an_actor_does_not_grow_with_the_number_of_its_messages(void **state)
{
    static const char *const commands[] = {"export --to chrome --actor 0:1.1", "export --to chrome --actor 1:1.1",
                                           "timeline --last --limit 10 --actor 1:1.1"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        expect_no_growth(*state, commands[i], steady_traffic);
}

static void
sessions_that_come_and_go_break_no_rule(void **state)
{
    struct traces *traces = *state;
    write_metadata(traces);
    many_sessions(traces, 6000);
    traces_expect(traces, "check", 0, "0 messages were still on their way");
}

static void
ids_with_holes_break_no_rule(void **state)
{
    struct traces *traces = *state;
    write_metadata(traces);
    many_holes(traces, 6000);
    traces_expect(traces, "check", 0, "0 messages were still on their way");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_memory_of_no_command_grows_with_the_number_of_messages),
        TEST(the_work_of_info_does_not_grow_with_the_number_of_messages),
        TEST(the_memory_of_check_does_not_grow_with_the_number_of_actors_sockets_and_questions_that_were),
        TEST(the_memory_of_check_does_not_grow_with_the_number_of_losses),
        TEST(the_memory_of_a_picture_or_an_export_does_not_grow_with_the_number_of_actors_that_were),
        TEST(the_memory_to_choose_an_actor_does_not_grow_with_the_number_of_its_messages),
        TEST(sessions_that_come_and_go_break_no_rule),
        TEST(ids_with_holes_break_no_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
