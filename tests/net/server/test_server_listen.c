/*
 * Where a server listens: ports, names and families, its defaults, and what it is told when it cannot.
 */
#include "fds.h"
#include "helpers.h"
#include "server_log.h"
#include "server_state.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/ipaddr/block_list.h>

/* The server's side ends first, so it is the one whose port the system remembers. */

static void
ends_itself_first(struct endpoint *self, const char *event)
{
    if (is(event, "accepted"))
        tr_socket_end(self->socket);
}

static void
close_when_over(void *argument)
{
    (void)argument;
    tr_server_close(our_server);
}

static void
listens_there_again(const char *event)
{
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    if (is(server_log, "listening close"))
        assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
    else if (is(event, "listening") && !is(server_log, "listening"))
        stage_end();
}

static void
play_listen_there_again(void)
{
    server_hook = listens_there_again;
    accepted[0].hook = ends_itself_first;
    our_server = stage_serve((struct tr_server_options){.events = &logged, .keep = true});
    stage_connect(&clients[0]);
    stage_settled_when(first_is_over, close_when_over, NULL);
}

static void
a_port_can_be_listened_on_again_at_once(void **state)
{
    (void)state;
    stage_play(1, play_listen_there_again);
    assert_string_equal(server_log, "listening close listening close");
}

static tr_server *first;

static void
retry(void *argument)
{
    (void)argument;
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_server_close(our_server), TR_ENOTLISTENING);
    assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
}

static void
retries(const char *event)
{
    if (is(event, "EADDRINUSE")) {
        assert_false(tr_server_listening(our_server));
        assert_int_equal(tr_server_close(first), TR_OK);
        stage_settled(retry, NULL);
    }
    if (is(event, "listening"))
        stage_end();
}

static void
play_address_in_use(void)
{
    server_hook = retries;
    first = stage_serve((struct tr_server_options){0});
    struct tr_server_options options = {.events = &logged, .keep = true};
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_server_spawn(director, &options, &our_server), TR_OK);
    assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
}

static void
an_address_in_use_is_an_error_without_close_and_can_be_tried_again(void **state)
{
    (void)state;
    stage_play(2, play_address_in_use);
    assert_string_equal(server_log, "EADDRINUSE close listening close");
}

static void
ends_when_it_listens(const char *event)
{
    if (is(event, "listening"))
        stage_end();
}

static void
play_names(void)
{
    server_hook = ends_when_it_listens;
    struct tr_server_options options = {.events = &logged, .keep = true};
    struct tr_listen_options listen = {.host = "localhost"};
    assert_int_equal(tr_server_spawn(director, &options, &our_server), TR_OK);
    assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
    assert_int_equal(tr_server_listen(our_server, &listen), TR_EALREADYLISTENING);
}

static void
a_name_can_be_listened_on(void **state)
{
    (void)state;
    stage_play(1, play_names);
    assert_string_equal(server_log, "listening close");
}

static int kept; /* has the port, so that nobody else gets it, and does not listen */

static void
checks_its_port(const char *event)
{
    struct tr_address address;
    if (!is(event, "listening"))
        return;
    close(kept);
    assert_int_equal(tr_server_address(our_server, &address), TR_OK);
    assert_int_equal(address.port, stage_port);
    stage_end();
}

static void
play_name_and_port(void)
{
    int one = 1;
    kept = tests_peer_refuse(&stage_port);
    assert_int_equal(setsockopt(kept, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    struct tr_server_options options = {.events = &logged};
    struct tr_listen_options listen = {.host = "localhost", .port = stage_port};
    server_hook = checks_its_port;
    assert_int_equal(tr_server_spawn(director, &options, &our_server), TR_OK);
    assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
}

static void
a_name_is_listened_on_with_its_port(void **state)
{
    (void)state;
    stage_play(1, play_name_and_port);
    assert_string_equal(server_log, "listening close");
}

static void
play_close_during_lookup(void)
{
    play_names();
    assert_int_equal(tr_server_close(our_server), TR_OK);
    stage_settled(end_play, NULL);
}

static void
closing_during_a_lookup_forgets_it(void **state)
{
    (void)state;
    stage_play(1, play_close_during_lookup);
    assert_string_equal(server_log, "close");
}

static void
ends_at_enotfound(const char *event)
{
    if (is(event, "ENOTFOUND"))
        stage_end();
}

static void
play_lookup_twice(void)
{
    play_names();
    assert_int_equal(tr_server_close(our_server), TR_OK);
    assert_int_equal(tr_server_listen(our_server, &(struct tr_listen_options){.host = "localhost"}), TR_OK);
    assert_false(tr_server_listening(our_server));
}

static void
the_answer_of_a_forgotten_lookup_is_not_taken_for_a_later_one(void **state)
{
    (void)state;
    stage_play(1, play_lookup_twice);
    assert_string_equal(server_log, "close listening close");
}

static void
play_unknown_name(void)
{
    struct tr_server_options options = {.events = &logged, .keep = true};
    assert_int_equal(tr_server_spawn(director, &options, &our_server), TR_OK);
    assert_int_equal(tr_server_listen(our_server, &(struct tr_listen_options){.host = "no..such..name"}), TR_OK);
    server_hook = ends_at_enotfound;
}

static void
a_name_that_nobody_knows_is_an_error_event(void **state)
{
    (void)state;
    stage_play(1, play_unknown_name);
    assert_string_equal(server_log, "ENOTFOUND");
}

static void
play_any_host(void)
{
    struct tr_server_options options = {.events = &logged};
    struct tr_listen_options listen = {.any_port = true};
    struct tr_address address;
    assert_int_equal(tr_server_spawn(director, &options, &our_server), TR_OK);
    assert_int_equal(tr_server_address(our_server, &address), TR_ENOTLISTENING);
    assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
    assert_int_equal(tr_server_address(our_server, &address), TR_OK);
    assert_true(address.port > 0);
    if (address.family == TR_FAMILY_IPV6)
        assert_string_equal(address.text, "::");
    else
        assert_string_equal(address.text, "0.0.0.0");
    int fd = tests_peer_connect(address.port); /* by IPv4 */
    assert_true(fd >= 0);
    close(fd);
    stage_settled(end_play, NULL);
}

static void
without_a_host_it_listens_on_all_addresses_ipv4_too(void **state)
{
    (void)state;
    stage_play(1, play_any_host);
    assert_string_equal(server_log, "listening close");
}

static void
play_ipv6_only(void)
{
    struct tr_server_options options = {.events = &logged, .keep = true};
    struct tr_listen_options listen = {.any_port = true, .ipv6_only = true};
    struct tr_address address;
    assert_int_equal(tr_server_spawn(director, &options, &our_server), TR_OK);
    assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
    if (tr_server_address(our_server, &address) == TR_OK) /* there is IPv6 here */
        assert_int_equal(tests_peer_connect(address.port), -1);
    stage_end();
}

static void
ipv6_only_takes_no_ipv4(void **state)
{
    (void)state;
    stage_play(1, play_ipv6_only);
}

static void
play_port_and_path(void)
{
    struct tr_server_options options = {.events = &logged, .keep = true};
    stage_serve((struct tr_server_options){0});
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port, .path = "@not-this"};
    assert_int_equal(tr_server_spawn(director, &options, &our_server), TR_OK);
    assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
    assert_false(tr_server_listening(our_server));
    stage_settled(end_play, NULL);
}

static void
of_a_path_and_a_port_the_port_is_taken(void **state)
{
    (void)state;
    stage_play(1, play_port_and_path);
    assert_string_equal(server_log, "EADDRINUSE"); /* which is the port's */
}

/* The backlog, as the system has it: at most its own limit. */

static unsigned
backlog_of(const tr_server *self)
{
    struct tcp_info info = {0};
    ask_option(self->member->bound->opened.fd, IPPROTO_TCP, TCP_INFO, &info, sizeof(info));
    return info.tcpi_sacked; /* of a socket that listens */
}

static unsigned
most_that_the_system_allows(void)
{
    unsigned most = 0;
    FILE *file = fopen("/proc/sys/net/core/somaxconn", "r");
    if (file == NULL || fscanf(file, "%u", &most) != 1)
        most = 0;
    if (file != NULL)
        fclose(file);
    return most;
}

static unsigned
shortened(unsigned backlog)
{
    return backlog < most_that_the_system_allows() ? backlog : most_that_the_system_allows();
}

static void
play_backlogs(void)
{
    struct tr_server_options options = {.keep = true};
    struct tr_listen_options own = {.host = "127.0.0.1", .backlog = 5};
    tr_server *other, *third;
    our_server = stage_serve((struct tr_server_options){0});
    assert_int_equal(our_server->deal->options.prefix_ipv6, 64);
    assert_int_equal(backlog_of(our_server), shortened(511));
    assert_int_equal(tr_server_spawn(director, &options, &other), TR_OK);
    assert_int_equal(tr_server_listen(other, &own), TR_OK);
    assert_int_equal(backlog_of(other), shortened(5));
    assert_int_equal(tr_server_spawn(director, &options, &third), TR_OK);
    assert_int_equal(tr_server_listen(third, &(struct tr_listen_options){.server = other, .backlog = 7}), TR_OK);
    assert_int_equal(backlog_of(other), shortened(7));
    stage_end();
}

static void
the_defaults_of_a_server_are_those_of_the_header(void **state)
{
    (void)state;
    if (most_that_the_system_allows() == 0)
        skip(); /* no Linux */
    stage_play(1, play_backlogs);
}

/* Failing, more than once. */

static bool closes_between;

static void
play_fail_twice(void)
{
    stage_serve((struct tr_server_options){0});
    struct tr_server_options options = {.events = &logged, .keep = true};
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_server_spawn(director, &options, &our_server), TR_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
        if (closes_between)
            assert_int_equal(tr_server_close(our_server), TR_ENOTLISTENING);
    }
    assert_string_equal(server_log, "");
    stage_settled(end_play, NULL);
}

static void
every_failure_and_every_close_is_told_in_its_order(void **state)
{
    closes_between = false;
    stage_play(1, play_fail_twice);
    assert_string_equal(server_log, "EADDRINUSE EADDRINUSE EADDRINUSE");
    server_reset(state);
    closes_between = true;
    stage_play(1, play_fail_twice);
    assert_string_equal(server_log, "EADDRINUSE close EADDRINUSE close EADDRINUSE close");
}

static void
play_fail_at_the_end(void)
{
    stage_serve((struct tr_server_options){0});
    struct tr_server_options options = {.events = &logged};
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_server_spawn(director, &options, &our_server), TR_OK);
    assert_int_equal(tr_server_listen(our_server, &listen), TR_OK);
    assert_int_equal(tr_stop(director, tr_server_ref(our_server), TR_STOP_DRAIN), TR_OK);
    stage_settled(end_play, NULL);
}

static void
a_server_that_is_asked_to_stop_still_tells_its_errors(void **state)
{
    (void)state;
    stage_play(1, play_fail_at_the_end);
    assert_string_equal(server_log, "EADDRINUSE");
}

/* From outside, over all workers. */

static void
listening_from_outside_answers_what_is_wrong(void **state)
{
    (void)state;
    struct tr_server_options options = {0};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address address;
    tr_runtime *runtime;
    tr_ref ref;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = WORKERS}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(NULL, &options, &listen, NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_runtime_listen(runtime, NULL, &listen, NULL, NULL), TR_EINVAL);
    assert_int_equal(tr_runtime_listen(runtime, &options, NULL, NULL, NULL), TR_EINVAL);
    listen.host = "";
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, NULL), TR_EBADHOST);
    listen.host = "a host";
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, NULL), TR_EBADHOST);
    listen.host = "no..such..name";
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, NULL), TR_ENOTFOUND);
    listen.host = "192.0.2.1"; /* of nobody */
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, NULL), TR_EADDRNOTAVAIL);
    listen.host = "127.0.0.1";
    listen.backlog = -1;
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, NULL), TR_EBADLIMIT);
    listen.backlog = 0;
    options.socket.keep_alive_delay_ms = UINT64_MAX;
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, NULL), TR_EBADLIMIT);
    options.socket.keep_alive_delay_ms = 0;
    assert_int_equal(tr_block_list_new(&options.block_list), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, NULL), TR_EINVAL); /* it is not frozen */
    assert_false(tr_block_list_is_frozen(options.block_list));
    tr_block_list_release(options.block_list);
    options.block_list = NULL;
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, &ref, &address), TR_OK);
    listen.port = address.port;
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, NULL), TR_EADDRINUSE);
    assert_true(ref != TR_NOBODY);
    listen.port = 0;
    listen.host = "localhost";
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &address), TR_OK);
    assert_true(address.port > 0);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

/* Wrong arguments. */

static void
play_bad_arguments(void)
{
    struct tr_server_options options = {0};
    struct tr_listen_options listen = {.host = "a\x01"};
    struct tr_address address;
    tr_server *other;
    assert_int_equal(tr_server_spawn(NULL, &options, &our_server), TR_EINVAL);
    assert_int_equal(tr_server_spawn(director, NULL, &our_server), TR_EINVAL);
    assert_int_equal(tr_server_spawn(director, &options, NULL), TR_EINVAL);
    assert_int_equal(tr_server_spawn(director, &options, &our_server), TR_OK);
    assert_int_equal(tr_server_listen(NULL, &listen), TR_EINVAL);
    assert_int_equal(tr_server_listen(our_server, NULL), TR_EINVAL);
    assert_int_equal(tr_server_listen(our_server, &listen), TR_EBADHOST);
    assert_int_equal(tr_server_listen(our_server, &(struct tr_listen_options){0}), TR_ENOADDRESS);
    assert_int_equal(tr_server_listen(our_server, &(struct tr_listen_options){.ipv6_only = true}), TR_ENOADDRESS);
    assert_int_equal(tr_server_listen(our_server, &(struct tr_listen_options){.any_port = true, .backlog = -1}),
                     TR_EBADLIMIT);
    assert_int_equal(tr_server_pause(our_server, 0), TR_ENOTLISTENING);
    assert_int_equal(tr_server_pause(our_server, (uint64_t)INT32_MAX + 1), TR_EBADLIMIT);
    assert_int_equal(tr_server_pause(NULL, 0), TR_EINVAL);
    assert_int_equal(tr_server_resume(our_server), TR_ENOTLISTENING);
    assert_int_equal(tr_server_resume(NULL), TR_EINVAL);
    tr_server_set_background(NULL, true);
    tr_server_set_block_list(NULL, NULL);
    options.prefix_ipv6 = 129;
    assert_int_equal(tr_server_spawn(director, &options, &other), TR_EBADLIMIT);
    options = (struct tr_server_options){.socket = {.owner = {.actor = UINT64_MAX}}};
    assert_int_equal(tr_server_spawn(director, &options, &other), TR_EBADREF);
    assert_int_equal(tr_server_close(NULL), TR_EINVAL);
    assert_int_equal(tr_server_address(our_server, NULL), TR_EINVAL);
    assert_int_equal(tr_server_address(NULL, &address), TR_EINVAL);
    assert_int_equal(tr_server_connections(NULL), 0);
    assert_int_equal(tr_server_dealt(our_server, NULL, 5), 1);
    assert_null(tr_server_data(our_server));
    stage_end();
}

static void
wrong_arguments_are_refused_by_name(void **state)
{
    (void)state;
    stage_play(1, play_bad_arguments);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_port_can_be_listened_on_again_at_once, server_reset),
        cmocka_unit_test_setup(an_address_in_use_is_an_error_without_close_and_can_be_tried_again, server_reset),
        cmocka_unit_test_setup(a_name_can_be_listened_on, server_reset),
        cmocka_unit_test_setup(a_name_is_listened_on_with_its_port, server_reset),
        cmocka_unit_test_setup(closing_during_a_lookup_forgets_it, server_reset),
        cmocka_unit_test_setup(the_answer_of_a_forgotten_lookup_is_not_taken_for_a_later_one, server_reset),
        cmocka_unit_test_setup(a_name_that_nobody_knows_is_an_error_event, server_reset),
        cmocka_unit_test_setup(without_a_host_it_listens_on_all_addresses_ipv4_too, server_reset),
        cmocka_unit_test_setup(ipv6_only_takes_no_ipv4, server_reset),
        cmocka_unit_test_setup(of_a_path_and_a_port_the_port_is_taken, server_reset),
        cmocka_unit_test_setup(the_defaults_of_a_server_are_those_of_the_header, server_reset),
        cmocka_unit_test_setup(every_failure_and_every_close_is_told_in_its_order, server_reset),
        cmocka_unit_test_setup(a_server_that_is_asked_to_stop_still_tells_its_errors, server_reset),
        cmocka_unit_test(listening_from_outside_answers_what_is_wrong),
        cmocka_unit_test_setup(wrong_arguments_are_refused_by_name, server_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
