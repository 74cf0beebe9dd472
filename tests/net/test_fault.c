/*
 * What the system's errors lead to, each by injection: the rows of net/descriptor/verdict.c as a user of sockets meets
 * them.
 */
#include "cast.h"
#include "fault_rows.h"
#include "helpers.h"
#include "retry.h"
#include "socket_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int file = -1;

static void
check(const struct fault_row *rows, size_t count, void (*script)(void))
{
    for (row_now = rows; row_now < rows + count; row_now++) {
        fault_set_up();
        stage_play(1, script);
        unsigned met = fault_met(row_now->call);
        fault_clear();
        if (met == 0)
            fail_msg("%s: was never met", row_now->name);
        if (strcmp(client.log, row_now->log) != 0)
            fail_msg("%s: %s", row_now->name, client.log);
        if (strcmp(peer.text, row_now->heard) != 0)
            fail_msg("%s: the peer heard %s", row_now->name, peer.text);
    }
}

#define CHECK(rows, script) check(rows, sizeof(rows) / sizeof((rows)[0]), script)

/* Reading. */

static void
play_reading(void)
{
    int fds[2];
    stage_pair(AF_INET, fds);
    stage_adopt(&client, fds[0]);
    peer.fd = fds[1];
    assert_true(tests_peer_send(peer.fd, "in", 2));
    shutdown(peer.fd, SHUT_WR);
    fault_plan(row_now->call, 1, row_now->times, row_now->error);
    stage_read(&peer);
    end_when_done();
}

static void
reading_goes_on_after_what_passes_and_fails_with_what_does_not(void **state)
{
    static const struct fault_row rows[] = {
        ROW(READ, EINTR, 3, "data:in end close", ""),
        ROW(READ, EAGAIN, 3, "data:in end close", ""),
        ROW(READ, ECONNRESET, 1, "ECONNRESET close!", ""),
        ROW(READ, ETIMEDOUT, 1, "ETIMEDOUT close!", ""),
        ROW(READ, ENOMEM, 1, "ENOMEM close!", ""),
        ROW(READ, ENOBUFS, 1, "ENOBUFS close!", ""),
        ROW(READ, EHOSTUNREACH, 1, "EHOSTUNREACH close!", ""),
        ROW(READ, EIO, 1, "EIO close!", ""),
    };
    (void)state;
    CHECK(rows, play_reading);
}

static void
play_receiving(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt_as(&client, fds[0], (struct tr_socket_options){.receive_fds = true});
    peer.fd = fds[1];
    assert_true(tests_peer_send(peer.fd, "in", 2));
    shutdown(peer.fd, SHUT_WR);
    if (row_now->error != 0)
        fault_plan(row_now->call, 1, row_now->times, row_now->error);
    else
        fault_plan_flags(1, MSG_CTRUNC);
    stage_read(&peer);
    end_when_done();
}

static void
a_lost_descriptor_fails_the_stream_before_its_bytes(void **state)
{
    static const struct fault_row rows[] = {
        ROW(RECVMSG, EINTR, 3, "data:in end close", ""),
        ROW(RECVMSG, EAGAIN, 3, "data:in end close", ""),
        ROW(RECVMSG, 0, 1, "EMFILE close!", ""), /* MSG_CTRUNC */
        ROW(RECVMSG, ENOMEM, 1, "ENOMEM close!", ""),
    };
    (void)state;
    CHECK(rows, play_receiving);
}

/* Writing: a first piece at once, a second when the first has gone, both with a word when they have. */

static bool
was_met_twice(void)
{
    return fault_met(row_now->call) == 2;
}

/* The descriptor is writable all the time. */
static void
look_whether_quiet(void *argument)
{
    (void)argument;
    if (client.socket != NULL && tri_retry_is_due(client.socket))
        assert_int_equal(client.socket->polled & UV_WRITABLE, 0);
}

static void
play_writing(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt(&client, fds[0]);
    peer.fd = fds[1];
    fault_plan(row_now->call, 1, row_now->times, row_now->error);
    if (row_now->call == FAULT_WRITEV)
        tr_socket_cork(client.socket);
    tr_socket_write_then(client.socket, tr_slice_constant("one", 3), note_written, "1");
    if (!tr_socket_destroyed(client.socket))
        tr_socket_write_then(client.socket, tr_slice_constant("two", 3), note_written, "2");
    if (row_now->call == FAULT_WRITEV)
        tr_socket_uncork(client.socket);
    if (row_now->times == 2)
        stage_when(was_met_twice, look_whether_quiet, NULL);
    tr_socket_end(client.socket);
    stage_read(&peer); /* to the end, then it closes */
    end_when_done();
}

static void
writing_waits_for_what_passes_and_fails_with_what_does_not(void **state)
{
    static const struct fault_row rows[] = {
        ROW(WRITE, EINTR, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITE, EAGAIN, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITE, ENOBUFS, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITE, ENOMEM, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITE, EPIPE, 1, "1:EPIPE EPIPE close!", ""),
        ROW(WRITE, EHOSTUNREACH, 1, "1:EHOSTUNREACH EHOSTUNREACH close!", ""),
        ROW(WRITE, ENETDOWN, 1, "1:ENETDOWN ENETDOWN close!", ""),
        ROW(WRITE, ETIMEDOUT, 1, "1:ETIMEDOUT ETIMEDOUT close!", ""),
        ROW(WRITE, EPERM, 1, "1:EPERM EPERM close!", ""),
        ROW(WRITEV, EINTR, 2, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITEV, EAGAIN, 2, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITEV, ENOBUFS, 2, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITEV, ENOMEM, 2, "1:OK 2:OK end close", "onetwo"),
        ROW(WRITEV, EPIPE, 1, "1:EPIPE 2:EPIPE EPIPE close!", ""),
        ROW(WRITEV, EHOSTUNREACH, 1, "1:EHOSTUNREACH 2:EHOSTUNREACH EHOSTUNREACH close!", ""),
    };
    (void)state;
    CHECK(rows, play_writing);
}

/* The descriptor is writable all the while, and is left alone until it is time. */
static uint64_t wrote_ns, took_ns;

static void
note_time_written(tr_socket *socket, void *name, tr_status status)
{
    took_ns = tests_now_ns() - wrote_ns;
    note_written(socket, name, status);
}

static bool
waits_for_memory(void)
{
    return took_ns != 0 || tri_retry_is_due(client.socket);
}

/* Polling would tell at once, again and again, that there is room. */
static void
check_that_nothing_is_polled(void *argument)
{
    (void)argument;
    assert_true(took_ns != 0 || !tri_socket_has_any(client.socket, TRI_SOCKET_WRITING));
    end_when_done();
}

static void
play_lack(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt(&client, fds[0]);
    peer.fd = fds[1];
    fault_plan(FAULT_WRITE, 1, 1, EAGAIN); /* so it is polled for room */
    fault_plan(FAULT_WRITEV, 1, 1, ENOBUFS);
    wrote_ns = tests_now_ns();
    tr_socket_write_then(client.socket, tr_slice_constant("one", 3), note_time_written, "1");
    tr_socket_end(client.socket);
    stage_read(&peer);
    stage_when(waits_for_memory, check_that_nothing_is_polled, NULL);
}

static void
what_the_system_has_no_room_for_is_written_after_a_while_and_not_at_once(void **state)
{
    (void)state;
    fault_set_up();
    took_ns = 0;
    stage_play(1, play_lack);
    assert_string_equal(client.log, "1:OK end close");
    assert_int_equal(fault_met(FAULT_WRITEV), 1);
    assert_true(took_ns >= UINT64_C(50) * 1000000);
    fault_clear();
}

static void
play_passing(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt(&client, fds[0]);
    peer.fd = fds[1];
    fault_plan(row_now->call, 1, row_now->times, row_now->error);
    tr_socket_write_fd(client.socket, tr_slice_constant("one", 3), STDERR_FILENO, note_written, "1");
    if (!tr_socket_destroyed(client.socket))
        tr_socket_write_then(client.socket, tr_slice_constant("two", 3), note_written, "2");
    tr_socket_end(client.socket);
    stage_read(&peer); /* to the end, then it closes */
    end_when_done();
}

static void
descriptors_wait_while_too_many_are_on_their_way(void **state)
{
    static const struct fault_row rows[] = {
        ROW(SENDMSG, EINTR, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDMSG, EAGAIN, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDMSG, ETOOMANYREFS, 2, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDMSG, ENOMEM, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDMSG, EPIPE, 1, "1:EPIPE EPIPE close!", ""),
        ROW(SENDMSG, EPERM, 1, "1:EPERM EPERM close!", ""),
        ROW(FCNTL, EMFILE, 1, "1:EMFILE 2:OK end close", "two"),
        ROW(FCNTL, ENFILE, 1, "1:ENFILE 2:OK end close", "two"),
    };
    (void)state;
    CHECK(rows, play_passing);
}

static void
play_sending_file(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt(&client, fds[0]);
    peer.fd = fds[1];
    if (row_now->call == FAULT_PREAD)
        fault_plan(FAULT_SENDFILE, 1, ~0u, EINVAL);
    fault_plan(row_now->call, 1, row_now->times, row_now->error);
    tr_socket_write_file(client.socket, file, 0, 0, note_written, "1");
    if (!tr_socket_destroyed(client.socket))
        tr_socket_write_then(client.socket, tr_slice_constant("two", 3), note_written, "2");
    tr_socket_end(client.socket);
    stage_read(&peer); /* to the end, then it closes */
    end_when_done();
}

static void
a_file_goes_another_way_or_later_or_not_at_all(void **state)
{
    static const struct fault_row rows[] = {
        ROW(SENDFILE, EINVAL, ~0u, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDFILE, ENOSYS, ~0u, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDFILE, EINTR, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDFILE, EAGAIN, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDFILE, ENOMEM, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(SENDFILE, EIO, 1, "1:EIO EIO close!", ""),
        ROW(SENDFILE, EPIPE, 1, "1:EPIPE EPIPE close!", ""),
        ROW(PREAD, EINTR, 1, "1:OK 2:OK end close", "onetwo"),
        ROW(PREAD, EIO, 1, "1:EIO EIO close!", ""),
        ROW(FSTAT, EIO, 1, "1:EIO 2:OK end close", "two"),
    };
    char name[] = "/tmp/fault.XXXXXX";
    (void)state;
    file = mkstemp(name);
    unlink(name);
    assert_int_equal(write(file, "one", 3), 3);
    CHECK(rows, play_sending_file);
    close(file);
}

/* Connecting and listening. */

static void
play_connecting(void)
{
    memset(accepted, 0, sizeof(accepted));
    stage_serve((struct tr_server_options){0});
    client.hook = ends_at_ready;
    fault_plan(row_now->call, 1, row_now->times, row_now->error);
    stage_connect_with(
        &client, (struct tr_connect_options){.host = "127.0.0.1", .port = stage_port, .local_address = "127.0.0.1"});
    peer.ended = true;
    end_when_done();
}

static void
connecting_tells_what_failed(void **state)
{
    static const struct fault_row rows[] = {
        ROW(SOCKET, EMFILE, 1, "EMFILE close!", ""),
        ROW(SOCKET, ENOBUFS, 1, "ENOBUFS close!", ""),
        ROW(BIND, EADDRINUSE, 1, "EADDRINUSE close!", ""),
        ROW(CONNECT, EINTR, 1, "connect ready end close", ""),
        ROW(CONNECT, EPERM, 1, "EPERM close!", ""), /* a firewall's */
        ROW(CONNECT, ENETUNREACH, 1, "ENETUNREACH close!", ""),
        ROW(CONNECT, EADDRNOTAVAIL, 1, "EADDRNOTAVAIL close!", ""),
        ROW(CONNECT, EAGAIN, 1, "EAGAIN close!", ""),
        ROW(CONNECT, ENOBUFS, 1, "ENOBUFS close!", ""),
        ROW(GETSOCKOPT, ENOBUFS, 1, "ENOBUFS close!", ""),
        ROW(GETSOCKNAME, ENOBUFS, 1, "connect ready end close", ""),
        ROW(SETSOCKOPT, ENOMEM, 1, "ENOMEM close!", ""),
    };
    (void)state;
    CHECK(rows, play_connecting);
}

/* What a connection costs that only comes and goes: no more calls than it must. Nothing fails here. */

static const struct cost {
    const char *name;
    enum fault_call call;
    unsigned calls;
} costs[] = {
    {"read", FAULT_READ, 1},
    {"shutdown", FAULT_SHUTDOWN, 1},
    {"setsockopt", FAULT_SETSOCKOPT, 0},
    {"getsockopt", FAULT_GETSOCKOPT, 0},
    {"fcntl", FAULT_FCNTL, 0},
};

#define COSTS (sizeof(costs) / sizeof(costs[0]))

static void
play_brief_connection(void)
{
    stage_serve((struct tr_server_options){.socket = {.no_delay = true}});
    fault_spare_me(true);
    close(tests_peer_connect(stage_port));
    fault_spare_me(false);
    for (size_t i = 0; i < COSTS; i++)
        fault_plan(costs[i].call, ~0u, 1, 0);
    struct endpoint *one[] = {&accepted[0]};
    stage_end_when_closed(one, 1);
}

static void
a_connection_costs_no_more_calls_than_it_must(void **state)
{
    (void)state;
    fault_set_up();
    memset(accepted, 0, sizeof(accepted));
    stage_play(1, play_brief_connection);
    assert_string_equal(accepted[0].log, "accepted end close");
    for (size_t i = 0; i < COSTS; i++)
        if (fault_seen(costs[i].call) != costs[i].calls)
            fail_msg("%s: %u calls", costs[i].name, fault_seen(costs[i].call));
    fault_clear();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_goes_on_after_what_passes_and_fails_with_what_does_not),
        cmocka_unit_test(a_lost_descriptor_fails_the_stream_before_its_bytes),
        cmocka_unit_test(writing_waits_for_what_passes_and_fails_with_what_does_not),
        cmocka_unit_test(what_the_system_has_no_room_for_is_written_after_a_while_and_not_at_once),
        cmocka_unit_test(descriptors_wait_while_too_many_are_on_their_way),
        cmocka_unit_test(a_file_goes_another_way_or_later_or_not_at_all),
        cmocka_unit_test(connecting_tells_what_failed),
        cmocka_unit_test(a_connection_costs_no_more_calls_than_it_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
