/*
 * What `troupe-trace sockets` says of traces that are known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/core/status.h>

#include "timed.h"

#define SERVER TRI_TRACE_REF(0, 1, 1)
#define PEER TRI_TRACE_REF(1, 2, 1)
#define CLIENT TRI_TRACE_REF(1, 3, 1)

static void
expect_json(struct traces *traces, const char *part)
{
    timed_end(traces->directory, true);
    expect_output(traces, "sockets", "--json", NULL, 0, part);
}

static void
write_client(void)
{
    timed_begin();
    timed_spawn(0, CLIENT, "socket");
    timed_event(1, 1, NET(socket_spawned), 0, CLIENT, 0);
    timed_event(1, 2, NET(socket_connecting), 80, CLIENT, 0);
    timed_event(1, 3, NET(socket_connect), 0, CLIENT, 0);
    timed_event(1, 4, NET(socket_ready), 0, CLIENT, 0);
}

static void
sockets_tells_events_in_order_and_joins_data_for_people(void **state)
{
    struct traces *traces = *state;
    write_client();
    timed_event(1, 5, NET(socket_data), 1000, CLIENT, 0);
    timed_event(1, 6, NET(socket_data), 234, CLIENT, 0);
    timed_event(1, 7, NET(socket_end), 0, CLIENT, 0);
    timed_event(1, 8, NET(socket_close), 0, CLIENT, 1234);
    timed_end(traces->directory, true);
    static const char *const lines[] = {
        "socket 1:3.1\n", "  connect\n", "  ready\n", "  data  1,234 bytes in 2 events\n",
        "  end\n",        "  close\n\n", NULL};
    expect_parts(traces, "sockets", NULL, NULL, 0, lines);
    static const char *const entries[] = {"\"event\":\"data\",\"bytes\":1000}", "\"event\":\"data\",\"bytes\":234}",
                                          "\"event\":\"close\",\"had_error\":false}]}\n", NULL};
    expect_parts(traces, "sockets", "--json", NULL, 0, entries);
}

static void
an_error_has_its_own_code_if_it_was_told_one(void **state)
{
    write_client();
    timed_event(1, 5, NET(socket_code), timed_name("EDICE"), CLIENT, 0);
    timed_event(1, 6, NET(socket_error), (uint32_t)TR_EUSER, CLIENT, 0);
    timed_event(1, 7, NET(socket_close), 1, CLIENT, 0);
    expect_json(*state, "\"event\":\"error\",\"code\":\"EDICE\"},");
    expect_output(*state, "sockets", "--json", NULL, 0, "\"event\":\"close\",\"had_error\":true}");
}

static void
a_connection_is_told_by_its_server_and_has_the_name_of_a_mark(void **state)
{
    timed_begin();
    timed_spawn(0, SERVER, "server");
    timed_event(0, 1, NET(server_listening), 80, SERVER, 0);
    timed_event(0, 2, NET(server_announced), 0, SERVER, 0);
    timed_spawn(3, PEER, "socket");
    timed_event(1, 4, NET(socket_accepted), 0, PEER, SERVER);
    timed_event(1, 5, CORE(mark), timed_name("name first"), PEER, PEER);
    timed_event(1, 6, CORE(mark), timed_name("logged in"), PEER, 7);
    timed_event(1, 7, NET(socket_close), 0, PEER, 0);
    expect_json(*state, "\"event\":\"connection\",\"other\":\"1:2.1\",\"name\":\"first\"}");
    static const char *const parts[] = {"server 0:1.1\n",
                                        "  listening\n",
                                        "  connection  1:2.1 first\n",
                                        "socket 1:2.1 first\n",
                                        "  accepted  0:1.1\n",
                                        "  mark  logged in 7\n",
                                        NULL};
    expect_parts(*state, "sockets", NULL, NULL, 0, parts);
    struct outcome one = traces_tool(*state, "sockets", "--name", "first", NULL, NULL);
    assert_true(one.status == 0 && strncmp(one.text, "socket 1:2.1 first\n", 19) == 0);
    assert_int_equal(traces_count(one.text, "server 0:1.1\n"), 0);
    free(one.text);
}

/* More than is held: they are given in parts, and none is missing. */
static void
what_is_too_much_to_hold_is_told_in_parts(void **state)
{
    enum { DATA = 300000 };
    write_client();
    for (uint64_t i = 0; i < DATA; i++)
        timed_event(1, 5 + i, NET(socket_data), 1, CLIENT, 0);
    timed_end(((struct traces *)*state)->directory, true);
    struct outcome outcome = traces_tool(*state, "sockets", "--json", NULL, NULL, NULL);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(traces_count(outcome.text, "\"event\":\"data\""), DATA);
    assert_int_equal(traces_count(outcome.text, "\"goes_on\":true"), 2);
    assert_int_equal(traces_count(outcome.text, "\"goes_on\":false"), 1);
    free(outcome.text);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, traces_setup, traces_teardown)
    const struct CMUnitTest tests[] = {
        TEST(sockets_tells_events_in_order_and_joins_data_for_people),
        TEST(an_error_has_its_own_code_if_it_was_told_one),
        TEST(a_connection_is_told_by_its_server_and_has_the_name_of_a_mark),
        TEST(what_is_too_much_to_hold_is_told_in_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
