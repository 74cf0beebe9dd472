#include "checked.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <troupe/core/status.h>

void
begin_two(struct traces *traces)
{
    traces_open(traces, TR_TRACE_FILE, 0, 0);
    traces_declare_layers(traces->trace);
    traces_write(traces, 0, ACTORS(spawn), 0, A, 0);
    traces_write(traces, 1, ACTORS(spawn), 0, B, A);
}

void
expect_finding(struct traces *traces, int status, const char *text)
{
    traces_close(traces);
    traces_expect(traces, "check", status, text);
}

void
write_send(struct traces *traces, uint64_t from, uint64_t message, uint32_t tag)
{
    traces_write(traces, from != 0 ? TRI_TRACE_REF_WORKER(from) : OUTSIDE, ACTORS(send), tag, from, message);
}

void
write_receive(struct traces *traces, uint64_t by, uint64_t message, uint32_t tag)
{
    traces_write(traces, TRI_TRACE_REF_WORKER(by), ACTORS(receive), tag, by, message);
}

/* A letter for each event of a socket's life. */
static void
write_socket_event(struct traces *traces, char letter, uint64_t ref)
{
    static const struct {
        char letter;
        uint16_t id, flags;
        uint32_t arg;
    } events[] = {
        {'A', NET(socket_accepted), 0, 0},  {'C', NET(socket_connecting), 0, 80},
        {'L', NET(socket_lookup), 0, 0},    {'c', NET(socket_connect), 0, 0},
        {'d', NET(socket_data), 0, 5},      {'w', NET(socket_write), 0, 5},
        {'q', NET(socket_write), 1, 5},     {'r', NET(socket_drain), 0, 0},
        {'e', NET(socket_end), 0, 0},       {'s', NET(socket_shutdown), 0, 0},
        {'t', NET(socket_timeout), 0, 100}, {'!', NET(socket_error), 0, (uint32_t)TR_EIO},
        {'x', NET(socket_close), 0, 0},     {'X', NET(socket_close), 0, 1},
        {'S', ACTORS(stopped), 0, 0},       {'k', ACTORS(stop), 0, 2},
        {'p', ACTORS(spawn), 0, 0},         {'N', NET(socket_spawned), 0, 0},
        {'D', NET(socket_adopted), 0, 0},   {'R', NET(socket_again), 0, 0},
        {'E', NET(socket_accepted), 1, 0},  {'f', ACTORS(init_failed), 0, (uint32_t)TR_EIO},
        {'n', ACTORS(stop), 0, 1},          {'j', ACTORS(stop), 0, 0},
    };
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i].letter == letter)
            tri_trace(tri_trace_stream_of(traces->trace, 0), events[i].id, events[i].flags, events[i].arg, ref, 0);
    }
}

void
write_socket(struct traces *traces, const char *letters, uint32_t slot)
{
    for (const char *at = letters; *at != '\0'; at++)
        write_socket_event(traces, *at, TRI_TRACE_REF(0, slot, 1));
}
