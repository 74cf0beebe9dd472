/*
 * What the system's errors lead to, each by injection: the rows of net/descriptor/verdict.c as a server meets them.
 */
#include "cast.h"
#include "fault_rows.h"
#include "helpers.h"
#include "listener_of.h"
#include "server_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/core/delay.h>
#include <troupe/ipaddr/block_list.h>

/* Accepting. */

static char server_log[64];

static void
on_server_error(tr_server *self, const struct tr_error *error)
{
    (void)self;
    assert_string_equal(error->call, "accept");
    strncat(server_log, error->code, sizeof(server_log) - 1 - strlen(server_log));
}

static const struct tr_server_events server_events = {.error = on_server_error};

static void
play_accepting(void)
{
    server_log[0] = '\0';
    stage_serve((struct tr_server_options){.events = &server_events});
    client.hook = ends_at_ready;
    fault_plan(row_now->call, 1, row_now->times, row_now->error);
    stage_connect(&client);
    peer.ended = true;
    end_when_done();
}

static void
accepting_goes_on_or_pauses_with_a_word(void **state)
{
    static const struct fault_row rows[] = {
        ROW(ACCEPT, EINTR, 1, "", ""),        ROW(ACCEPT, EAGAIN, 1, "", ""),
        ROW(ACCEPT, ECONNABORTED, 1, "", ""), ROW(ACCEPT, EPROTO, 1, "", ""),
        ROW(ACCEPT, EPERM, 1, "", ""),        ROW(ACCEPT, ENETDOWN, 3, "", ""),
        ROW(ACCEPT, EHOSTUNREACH, 1, "", ""), ROW(ACCEPT, EMFILE, 2, "EMFILE", ""),
        ROW(ACCEPT, ENFILE, 1, "ENFILE", ""), ROW(ACCEPT, ENOBUFS, 1, "ENOBUFS", ""),
        ROW(ACCEPT, ENOMEM, 1, "ENOMEM", ""), ROW(ACCEPT, EPERM, 40, "EPERM", ""),
    };
    (void)state;
    for (row_now = rows; row_now < rows + sizeof(rows) / sizeof(rows[0]); row_now++) {
        fault_set_up();
        memset(accepted, 0, sizeof(accepted));
        stage_play(1, play_accepting);
        fault_clear();
        if (strcmp(server_log, row_now->log) != 0 || strcmp(client.log, "connect ready end close") != 0)
            fail_msg("%s: %s, %s", row_now->name, server_log, client.log);
    }
}

/* What could not be begun is told, and counted. */

static uint64_t lost;

static void
counts_lost(tr_server *self, const struct tr_error *error)
{
    struct tr_server_refusals refusals;
    on_server_error(self, error);
    tr_server_refusals(self, &refusals);
    lost = refusals.lost;
    assert_int_equal(refusals.blocked + refusals.over_limit + refusals.over_address, 0);
    stage_end();
}

static void
play_lost_connection(void)
{
    static const struct tr_server_events events = {.error = counts_lost};
    server_log[0] = '\0';
    stage_serve((struct tr_server_options){.events = &events, .socket = {.state_size = 64}});
    fault_plan(FAULT_MEMORY, 1, 1, ENOMEM); /* the socket's, at the latest that of its state */
    peer.fd = tests_peer_connect(stage_port);
    close(peer.fd);
}

static void
a_connection_that_cannot_begin_is_told_and_counted(void **state)
{
    (void)state;
    fault_set_up();
    lost = 0;
    stage_play(1, play_lost_connection);
    fault_clear();
    assert_string_equal(server_log, "ENOMEM");
    assert_int_equal(lost, 1);
}

/* The place that its address had taken is free again. */

static void
connects_after_error(tr_server *self, const struct tr_error *error)
{
    on_server_error(self, error);
    client.hook = ends_at_ready;
    stage_connect(&client);
    peer.ended = true;
    end_when_done();
}

static void
play_lost_place(void)
{
    static const struct tr_server_events events = {.error = connects_after_error};
    server_log[0] = '\0';
    stage_serve((struct tr_server_options){.events = &events, .max_per_address = 1});
    fault_plan(FAULT_MEMORY, 2, 1, ENOMEM); /* not that of the place, but of what remembers it */
    close(tests_peer_connect(stage_port));
}

static void
a_connection_that_was_lost_takes_no_place_of_its_address(void **state)
{
    (void)state;
    fault_set_up();
    memset(accepted, 0, sizeof(accepted));
    stage_play(1, play_lost_place);
    fault_clear();
    assert_string_equal(server_log, "ENOMEM");
    assert_string_equal(accepted[0].log, "accepted end close");
}

/* A server that has run out of descriptors: its error is told once in a second, and it can be closed meanwhile. */

static uint64_t before_ms;

static void
listens_again(tr_server *self, const struct tr_error *error)
{
    const struct tri_timers *timers = &self->net->worker->timers;
    size_t waiting = timers->count;
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    on_server_error(self, error);
    assert_true(self->complain_ms >= before_ms + 1000);
    assert_true(listener_of(self)->starved);
    assert_int_equal(tr_server_close(self), TR_OK);
    assert_int_equal(timers->count, waiting - 1); /* nothing waits to accept again */
    assert_int_equal(tr_server_listen(self, &listen), TR_OK);
    stage_connect(&client);
    stage_end_when_closed(&(struct endpoint *){&client}, 1);
}

static void
play_starved(void)
{
    static const struct tr_server_events events = {.error = listens_again};
    server_log[0] = '\0';
    before_ms = tri_clock_ms();
    stage_serve((struct tr_server_options){.events = &events});
    client.hook = ends_at_ready;
    fault_plan(FAULT_ACCEPT, 1, 1, EMFILE);
    close(tests_peer_connect(stage_port)); /* it is lost with the listening */
}

static void
a_server_that_waits_for_descriptors_can_be_closed_and_listen_again(void **state)
{
    (void)state;
    fault_set_up();
    memset(accepted, 0, sizeof(accepted));
    stage_play(1, play_starved);
    assert_int_equal(fault_met(FAULT_ACCEPT), 1);
    fault_clear();
    assert_string_equal(server_log, "EMFILE");
    assert_string_equal(client.log, "connect ready end close");
}

/* Without memory for another block list the one before stays. */

static void
play_block_list(void)
{
    tr_block_list *before, *next;
    assert_int_equal(tr_block_list_new(&before), TR_OK);
    assert_int_equal(tr_block_list_add_text(before, "127.0.0.1"), TR_OK);
    assert_int_equal(tr_block_list_new(&next), TR_OK);
    assert_int_equal(tr_block_list_add_text(next, "127.0.0.2"), TR_OK);
    tr_server *server = stage_serve((struct tr_server_options){.block_list = before});
    tr_block_list_release(before);
    fault_plan(FAULT_MEMORY, 1, 1, ENOMEM);
    assert_int_equal(tr_server_set_block_list(server, next), TR_ENOMEM);
    fault_clear();
    tr_block_list_release(next);
    stage_connect(&client);
    peer.ended = true;
    end_when_done();
}

static void
a_block_list_for_which_there_is_no_memory_changes_nothing(void **state)
{
    (void)state;
    fault_set_up();
    stage_play(1, play_block_list);
    assert_string_equal(client.log, "connect ready end close");
    assert_int_equal(accepted_count, 0);
}

static void
ends_with_server(tr_server *self)
{
    (void)self;
    strncat(server_log, " close", sizeof(server_log) - 1 - strlen(server_log));
    stage_end();
}

static void
play_broken_listener(void)
{
    static const struct tr_server_events events = {.error = on_server_error, .close = ends_with_server};
    server_log[0] = '\0';
    stage_serve((struct tr_server_options){.events = &events});
    fault_plan(FAULT_ACCEPT, 1, ~0u, row_now->error);
    peer.fd = tests_peer_connect(stage_port);
    close(peer.fd);
}

static void
a_descriptor_that_listens_no_more_closes_its_server(void **state)
{
    static const struct fault_row rows[] = {ROW(ACCEPT, EINVAL, ~0u, "EINVAL close", ""),
                                            ROW(ACCEPT, EBADF, ~0u, "EBADF close", ""),
                                            ROW(ACCEPT, ENOTSOCK, ~0u, "ENOTSOCK close", "")};
    (void)state;
    for (row_now = rows; row_now < rows + sizeof(rows) / sizeof(rows[0]); row_now++) {
        fault_set_up();
        stage_play(1, play_broken_listener);
        fault_clear();
        assert_string_equal(server_log, row_now->log);
    }
}

/* Connecting and listening. */

static void
names_the_step(tr_server *self, const struct tr_error *error)
{
    (void)self;
    assert_int_equal(error->status, TR_ENOBUFS);
    assert_int_equal(error->system, ENOBUFS);
    strncat(server_log, error->call, sizeof(server_log) - 1);
    stage_end();
}

static void
play_listening(void)
{
    static const struct tr_server_events events = {.error = names_the_step};
    struct tr_server_options options = {.events = &events};
    tr_server *one;
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    server_log[0] = '\0';
    fault_plan(row_now->call, 1, row_now->times, row_now->error);
    assert_int_equal(tr_server_spawn(director, &options, &one), TR_OK);
    tr_status status = tr_server_listen(one, &listen);
    assert_int_equal(status, TR_OK); /* the rest is an event */
    assert_false(tr_server_listening(one));
}

static void
listening_fails_with_the_name_of_the_step_and_leaves_nothing(void **state)
{
    static const struct fault_row rows[] = {ROW(SOCKET, ENOBUFS, 1, "socket", ""),
                                            ROW(SETSOCKOPT, ENOBUFS, 1, "setsockopt", ""),
                                            ROW(BIND, ENOBUFS, 1, "bind", ""), ROW(LISTEN, ENOBUFS, 1, "listen", "")};
    (void)state;
    for (row_now = rows; row_now < rows + sizeof(rows) / sizeof(rows[0]); row_now++) {
        fault_set_up();
        stage_play(1, play_listening); /* which counts descriptors */
        assert_int_equal(fault_met(row_now->call), 1);
        fault_clear();
        assert_string_equal(server_log, row_now->log);
    }
}

/* Where there is no IPv6: the system says so in one of these ways. */

static bool wants_ipv6;

static void
play_without_ipv6(void)
{
    struct tr_server_options options = {.keep = true};
    struct tr_listen_options listen = {.any_port = true, .ipv6_only = wants_ipv6};
    struct tr_address address = {0};
    tr_server *one;
    assert_int_equal(tr_server_spawn(director, &options, &one), TR_OK);
    fault_plan(row_now->call, 1, 1, row_now->error);
    assert_int_equal(tr_server_listen(one, &listen), TR_OK);
    assert_int_equal(fault_met(row_now->call), 1);
    fault_clear();
    assert_int_equal(tr_server_listening(one), !wants_ipv6);
    tr_server_address(one, &address);
    assert_string_equal(address.text, wants_ipv6 ? "" : "0.0.0.0");
    stage_end();
}

static void
without_ipv6_all_addresses_are_those_of_ipv4(void **state)
{
    static const struct fault_row rows[] = {ROW(SOCKET, EAFNOSUPPORT, 1, "", ""), ROW(BIND, EADDRNOTAVAIL, 1, "", ""),
                                            ROW(SETSOCKOPT, EINVAL, 1, "", "")};
    (void)state;
    for (row_now = rows; row_now < rows + sizeof(rows) / sizeof(rows[0]); row_now++) {
        for (int round = 0; round < 2; round++) {
            wants_ipv6 = round == 1;
            fault_set_up();
            stage_play(1, play_without_ipv6);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepting_goes_on_or_pauses_with_a_word),
        cmocka_unit_test(a_connection_that_cannot_begin_is_told_and_counted),
        cmocka_unit_test(a_connection_that_was_lost_takes_no_place_of_its_address),
        cmocka_unit_test(a_server_that_waits_for_descriptors_can_be_closed_and_listen_again),
        cmocka_unit_test(a_block_list_for_which_there_is_no_memory_changes_nothing),
        cmocka_unit_test(a_descriptor_that_listens_no_more_closes_its_server),
        cmocka_unit_test(listening_fails_with_the_name_of_the_step_and_leaves_nothing),
        cmocka_unit_test(without_ipv6_all_addresses_are_those_of_ipv4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
