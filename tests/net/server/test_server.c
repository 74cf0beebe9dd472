#include "fds.h"
#include "helpers.h"
#include "play.h"
#include "server_state.h"
#include "stage.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/ipaddr/block_list.h>

static const struct tr_socket_events silent; /* of connections that a play does not look at */
static struct endpoint clients[4];
static char server_log[1024];
static tr_server *server;
static void (*server_hook)(const char *event);

static int
reset(void **state)
{
    (void)state;
    memset(clients, 0, sizeof(clients));
    memset(accepted, 0, sizeof(accepted));
    server_log[0] = '\0';
    server_hook = NULL;
    server = NULL;
    return 0;
}

/* The log of the server. When a play ends while it listens, the end of the runtime closes it. */

static void
write_down(const char *event)
{
    size_t used = strlen(server_log);
    snprintf(server_log + used, sizeof(server_log) - used, "%s%s", used > 0 ? " " : "", event);
    if (server_hook != NULL)
        server_hook(event);
}

static void
on_listening(tr_server *self)
{
    assert_true(tr_server_listening(self));
    write_down("listening");
}

static void
on_error(tr_server *self, const struct tr_error *error)
{
    (void)self;
    write_down(tr_status_code(error->status));
}

static void
on_close(tr_server *self)
{
    assert_int_equal(tr_server_connections(self), 0);
    write_down("close");
}

static const struct tr_server_events events = {.listening = on_listening, .error = on_error, .close = on_close};

static void
end_when_all_are_closed(size_t n)
{
    static struct endpoint *all[8];
    for (size_t i = 0; i < n; i++) {
        all[2 * i] = &clients[i];
        all[2 * i + 1] = &accepted[i];
    }
    stage_end_when_closed(all, 2 * n);
}

static bool
peer_was_accepted(void)
{
    return accepted_count > 0;
}

/* Listening and closing. */

static void
play_close_at_once(void)
{
    struct tr_server_options options = {.events = &events};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_EALREADYLISTENING);
    assert_int_equal(tr_server_close(server), TR_OK);
    assert_false(tr_server_listening(server));
    struct tr_address address = {.family = TR_FAMILY_IPV4};
    assert_int_equal(tr_server_address(server, &address), TR_ENOTLISTENING);
    assert_int_equal(address.family, TR_FAMILY_NONE);
    assert_string_equal(server_log, "");
    stage_settled(end_play, NULL);
}

static void
listening_and_closing_at_once_gives_only_close(void **state)
{
    (void)state;
    stage_play(2, play_close_at_once);
    assert_string_equal(server_log, "close");
}

static void
closes_twice(const char *event)
{
    if (!is(event, "listening"))
        return;
    assert_int_equal(tr_server_close(server), TR_OK);
    assert_int_equal(tr_server_close(server), TR_ENOTLISTENING);
    stage_settled(end_play, NULL);
}

static void
play_close_twice(void)
{
    server_hook = closes_twice;
    server = stage_serve((struct tr_server_options){.events = &events});
}

static void
closing_twice_gives_two_closes_as_in_node(void **state)
{
    (void)state;
    stage_play(1, play_close_twice);
    assert_string_equal(server_log, "listening close close");
}

static void
say_bye(void *argument)
{
    (void)argument;
    write_down("bye");
    tr_socket_end(accepted[0].socket);
}

static void
closes_server(struct endpoint *self, const char *event)
{
    if (is(event, "accepted")) {
        assert_int_equal(tr_server_connections(server), 1);
        assert_int_equal(tr_server_close(server), TR_OK);
        stage_settled(say_bye, NULL);
    }
    if (is(event, "close")) {
        assert_int_equal(tr_server_connections(server), 0);
        write_down("socket");
    }
    (void)self;
}

static void
ends_after_close(const char *event)
{
    if (is(event, "close"))
        stage_end();
}

static void
play_close_waits(void)
{
    server_hook = ends_after_close;
    accepted[0].hook = closes_server;
    server = stage_serve((struct tr_server_options){.events = &events});
    stage_connect(&clients[0]);
}

static void
close_comes_after_the_close_of_the_last_connection(void **state)
{
    (void)state;
    stage_play(1, play_close_waits);
    assert_string_equal(server_log, "listening bye socket close");
}

static void
listens_again(const char *event)
{
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    if (is(event, "close") && strcmp(server_log, "listening close") == 0)
        assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    else if (is(event, "listening"))
        tr_server_close(server);
    else
        stage_end();
}

static void
play_listen_again(void)
{
    server_hook = listens_again;
    server = stage_serve((struct tr_server_options){.events = &events});
}

static void
a_server_can_listen_again_after_close(void **state)
{
    (void)state;
    stage_play(2, play_listen_again);
    assert_string_equal(server_log, "listening close listening close");
}

/* A close that waits for a connection is void when the server listens again. */

static void
closes_and_listens(struct endpoint *self, const char *event)
{
    (void)self;
    if (!is(event, "accepted"))
        return;
    assert_int_equal(tr_server_close(server), TR_OK);
    assert_int_equal(tr_server_listen(server, &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    tr_socket_end(clients[0].socket);
}

static bool
is_over(void)
{
    return accepted[0].closed && clients[0].closed;
}

static void
end_with_a_word(void *argument)
{
    write_down(argument);
    stage_end();
}

static void
play_listen_before_close(void)
{
    accepted[0].hook = closes_and_listens;
    server = stage_serve((struct tr_server_options){.events = &events});
    stage_connect(&clients[0]);
    stage_settled_when(is_over, end_with_a_word, "over");
}

/* The word of the last end is on its way to the server when that listens: another's message comes before it. */

static void
listens_for_server(tr_server *other, tr_message *message)
{
    (void)other;
    (void)message;
    assert_int_equal(tr_server_listen(server, &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
}

static tr_server *helper;

static void
closes_at_the_end(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "accepted"))
        tr_socket_end(clients[0].socket);
    if (!is(event, "close"))
        return;
    assert_int_equal(tr_server_close(server), TR_OK);
    assert_int_equal(tr_tell(director, tr_server_ref(helper), 1, NULL, 0), TR_OK);
}

static void
play_listen_before_word(void)
{
    static const struct tr_server_events helping = {.message = listens_for_server};
    accepted[0].hook = closes_at_the_end;
    server = stage_serve((struct tr_server_options){.events = &events});
    assert_int_equal(tr_server_spawn(director, &(struct tr_server_options){.events = &helping}, &helper), TR_OK);
    stage_connect(&clients[0]);
    stage_settled_when(is_over, end_with_a_word, "over");
}

static void
a_server_that_listens_again_before_its_last_connection_has_ended_gives_no_close(void **state)
{
    stage_play(2, play_listen_before_close);
    assert_string_equal(server_log, "listening listening over close");
    reset(state);
    stage_play(1, play_listen_before_word);
    assert_string_equal(server_log, "listening listening over close");
}

/* Stopped at once. */

static void
closes_with_a_connection(tr_server *self)
{
    assert_int_equal(tr_server_connections(self), 1);
    assert_false(accepted[0].closed);
    write_down("close");
    tr_socket_end(clients[0].socket);
}

static void
stops_server_now(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "accepted"))
        assert_int_equal(tr_stop(director, tr_server_ref(server), TR_STOP_NOW), TR_OK);
}

static void
play_stop_now(void)
{
    static const struct tr_server_events impatient = {.close = closes_with_a_connection};
    accepted[0].hook = stops_server_now;
    server = stage_serve((struct tr_server_options){.events = &impatient});
    stage_connect(&clients[0]);
    end_when_all_are_closed(1);
}

static void
a_server_that_is_to_stop_now_does_not_wait_for_its_connections(void **state)
{
    (void)state;
    stage_play(1, play_stop_now);
    assert_string_equal(server_log, "close");
    assert_string_equal(accepted[0].log, "accepted end close");
}

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
    tr_server_close(server);
}

static void
listens_there_again(const char *event)
{
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    if (is(server_log, "listening close"))
        assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    else if (is(event, "listening") && !is(server_log, "listening"))
        stage_end();
}

static void
play_listen_there_again(void)
{
    server_hook = listens_there_again;
    accepted[0].hook = ends_itself_first;
    server = stage_serve((struct tr_server_options){.events = &events, .keep = true});
    stage_connect(&clients[0]);
    stage_settled_when(is_over, close_when_over, NULL);
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
    assert_int_equal(tr_server_close(server), TR_ENOTLISTENING);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
}

static void
retries(const char *event)
{
    if (is(event, "EADDRINUSE")) {
        assert_false(tr_server_listening(server));
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
    struct tr_server_options options = {.events = &events, .keep = true};
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
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
    struct tr_server_options options = {.events = &events, .keep = true};
    struct tr_listen_options listen = {.host = "localhost"};
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_EALREADYLISTENING);
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
    assert_int_equal(tr_server_address(server, &address), TR_OK);
    assert_int_equal(address.port, stage_port);
    stage_end();
}

static void
play_name_and_port(void)
{
    int one = 1;
    kept = tests_peer_refuse(&stage_port);
    assert_int_equal(setsockopt(kept, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    struct tr_server_options options = {.events = &events};
    struct tr_listen_options listen = {.host = "localhost", .port = stage_port};
    server_hook = checks_its_port;
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
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
    assert_int_equal(tr_server_close(server), TR_OK);
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
    assert_int_equal(tr_server_close(server), TR_OK);
    assert_int_equal(tr_server_listen(server, &(struct tr_listen_options){.host = "localhost"}), TR_OK);
    assert_false(tr_server_listening(server));
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
    struct tr_server_options options = {.events = &events, .keep = true};
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &(struct tr_listen_options){.host = "no..such..name"}), TR_OK);
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
    struct tr_server_options options = {.events = &events};
    struct tr_listen_options listen = {.any_port = true};
    struct tr_address address;
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_address(server, &address), TR_ENOTLISTENING);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    assert_int_equal(tr_server_address(server, &address), TR_OK);
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
    struct tr_server_options options = {.events = &events, .keep = true};
    struct tr_listen_options listen = {.any_port = true, .ipv6_only = true};
    struct tr_address address;
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    if (tr_server_address(server, &address) == TR_OK) /* there is IPv6 here */
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
    struct tr_server_options options = {.events = &events, .keep = true};
    stage_serve((struct tr_server_options){0});
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port, .path = "@not-this"};
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    assert_false(tr_server_listening(server));
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
    ask_option(self->listener.endpoint->fd, IPPROTO_TCP, TCP_INFO, &info, sizeof(info));
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
    server = stage_serve((struct tr_server_options){0});
    assert_int_equal(server->deal->options.prefix_ipv6, 64);
    assert_int_equal(backlog_of(server), shortened(511));
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
    struct tr_server_options options = {.events = &events, .keep = true};
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tr_server_listen(server, &listen), TR_OK);
        if (closes_between)
            assert_int_equal(tr_server_close(server), TR_ENOTLISTENING);
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
    reset(state);
    closes_between = true;
    stage_play(1, play_fail_twice);
    assert_string_equal(server_log, "EADDRINUSE close EADDRINUSE close EADDRINUSE close");
}

static void
play_fail_at_the_end(void)
{
    stage_serve((struct tr_server_options){0});
    struct tr_server_options options = {.events = &events};
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    assert_int_equal(tr_stop(director, tr_server_ref(server), TR_STOP_DRAIN), TR_OK);
    stage_settled(end_play, NULL);
}

static void
a_server_that_is_asked_to_stop_still_tells_its_errors(void **state)
{
    (void)state;
    stage_play(1, play_fail_at_the_end);
    assert_string_equal(server_log, "EADDRINUSE");
}

/* Pausing. */

static int waiting_peer;
static bool resumed;

static void
resume_server(void *argument)
{
    (void)argument;
    assert_false(peer_was_accepted());
    resumed = true;
    assert_int_equal(tr_server_resume(server), TR_OK);
}

/* Later than all that could end a pause by now. */
static void
resume_when_settled(void *argument)
{
    stage_settled(resume_server, argument);
}

static void
closes_peer(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "accepted"))
        close(waiting_peer);
    if (is(event, "close"))
        stage_end();
}

static uint64_t pause_ms;

static void
play_pause(void)
{
    accepted[0].hook = closes_peer;
    server = stage_serve((struct tr_server_options){.events = &events});
    assert_int_equal(tr_server_pause(server, pause_ms == 0 ? 1 : 50000), TR_OK);
    assert_int_equal(tr_server_pause(server, pause_ms), TR_OK); /* in place of that */
    assert_true(tr_server_listening(server));
    waiting_peer = tests_peer_connect(stage_port);
    assert_true(waiting_peer >= 0);
    if (pause_ms == 0)
        stage_after(3, resume_when_settled, NULL);
}

static void
a_paused_server_lets_connections_wait_until_it_is_resumed(void **state)
{
    (void)state;
    pause_ms = 0;
    resumed = false;
    stage_play(1, play_pause);
    assert_true(resumed);
    assert_int_equal(accepted_count, 1);
}

static void
a_pause_ends_by_itself_after_its_time(void **state)
{
    (void)state;
    pause_ms = 30;
    stage_play(1, play_pause);
    assert_int_equal(accepted_count, 1);
}

static void
pauses_and_listens_again(const char *event)
{
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    if (is(event, "listening") && is(server_log, "listening")) {
        assert_int_equal(tr_server_pause(server, 0), TR_OK);
        assert_int_equal(tr_server_close(server), TR_OK);
        assert_int_equal(tr_server_pause(server, 0), TR_ENOTLISTENING);
        assert_int_equal(tr_server_resume(server), TR_ENOTLISTENING);
    } else if (is(event, "close") && is(server_log, "listening close")) {
        assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    } else if (is(event, "listening")) {
        waiting_peer = tests_peer_connect(stage_port);
    }
}

static void
play_pause_ends_with_listening(void)
{
    accepted[0].hook = closes_peer;
    server_hook = pauses_and_listens_again;
    server = stage_serve((struct tr_server_options){.events = &events});
}

static void
a_pause_ends_with_the_listening(void **state)
{
    (void)state;
    stage_play(1, play_pause_ends_with_listening);
    assert_int_equal(accepted_count, 1);
}

static void
pauses_itself(struct endpoint *self, const char *event)
{
    if (is(event, "accepted"))
        assert_int_equal(tr_server_pause(server, 0), TR_OK);
    (void)self;
}

static void
count_accepted(void *argument)
{
    (void)argument;
    assert_int_equal(accepted_count, 1);
    stage_end();
}

static void
play_pause_in_connection(void)
{
    static int fds[2];
    accepted[0].hook = pauses_itself;
    server = stage_serve((struct tr_server_options){.events = &events});
    for (int i = 0; i < 2; i++)
        fds[i] = tests_peer_connect(stage_port);
    close(fds[0]); /* they are in the backlog */
    close(fds[1]);
    stage_settled_when(peer_was_accepted, count_accepted, NULL);
}

static void
a_connection_may_pause_its_server_and_is_the_last(void **state)
{
    (void)state;
    stage_play(1, play_pause_in_connection);
}

/* Many wait: some are accepted, then it is the others' turn. */

#define MANY 40

static unsigned accepted_in_turn;
static uv_check_t turn; /* runs when the descriptors of a turn have been looked at */

static void
end_of_turn(uv_check_t *check)
{
    if (accepted_in_turn == 0)
        return;
    assert_in_range(accepted_in_turn, 1, 16);
    uv_close((uv_handle_t *)check, NULL);
    stage_end();
}

static void
count_and_destroy(tr_socket *socket)
{
    accepted_in_turn++;
    tr_socket_destroy(socket, TR_OK);
}

static void
play_storm(void)
{
    accepted_in_turn = 0;
    server = stage_serve((struct tr_server_options){.connection = count_and_destroy, .socket.events = &silent});
    for (int i = 0; i < MANY; i++)
        close(tests_peer_connect(stage_port));
    assert_int_equal(uv_check_init(&server->net->worker->loop, &turn), 0);
    assert_int_equal(uv_check_start(&turn, end_of_turn), 0);
}

static void
a_storm_of_connections_is_not_accepted_in_one_turn(void **state)
{
    (void)state;
    stage_play(1, play_storm);
}

/* Data. */

static const char *data_met[2];
static unsigned data_count;

static void
look_at_data(tr_socket *socket)
{
    data_met[data_count++] = tr_socket_data(socket);
    tr_socket_destroy(socket, TR_OK);
}

static bool
both_have_data(void)
{
    return data_count == 2;
}

static void
play_data(void)
{
    struct tr_server_options options = {.connection = look_at_data, .data = "the server's", .socket.events = &silent};
    data_count = 0;
    server = stage_serve(options);
    close(tests_peer_connect(stage_port));
    options.socket.data = "its own";
    stage_serve(options);
    close(tests_peer_connect(stage_port));
    stage_when(both_have_data, end_play, NULL);
}

static void
the_data_of_a_connection_is_its_own_or_the_servers(void **state)
{
    (void)state;
    stage_play(1, play_data);
    bool in_order = is(data_met[0], "the server's");
    assert_string_equal(data_met[in_order ? 0 : 1], "the server's");
    assert_string_equal(data_met[in_order ? 1 : 0], "its own");
}

/* Shares. */

static unsigned
always_second(const struct tr_balance_view *view)
{
    (void)view;
    return 1;
}

static uint32_t seen_on[3];

static void
count_and_end(tr_socket *socket)
{
    ck_pr_inc_32(&seen_on[tr_ref_worker(tr_socket_ref(socket))]);
    tr_socket_end(socket);
}

static uint32_t seen_then;

static bool
are_served(void)
{
    return ck_pr_load_32(&seen_on[0]) + ck_pr_load_32(&seen_on[1]) >= seen_then;
}

static void
close_server(void *argument)
{
    (void)argument;
    tr_server_close(server);
}

static void
close_when_served(uint32_t seen)
{
    seen_then = seen;
    stage_when(are_served, close_server, NULL);
}

static void
connect_one_more(void *argument)
{
    (void)argument;
    close_when_served(ck_pr_load_32(&seen_on[1]) + 1);
    close(tests_peer_connect(stage_port));
}

/* A share that is stopped three times and killed, and connections that are assigned to it before the server hears of
 * its end, or after, to its successor. They take all places that their address has. */
#define PLACES 12u

static tr_ref stopped_share;

static uint32_t
places_taken(void)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct tri_limit_key key;
    assert_true(tri_limit_key_of((struct sockaddr *)&peer, server->deal->options.prefix_ipv6, &key));
    return tri_limits_count(&server->limits, &key);
}

static bool
there_is_a_successor_and_all_places_are_back(void)
{
    uint64_t dealt[2];
    tr_server_dealt(server, dealt, 2);
    return server->shares[1] != stopped_share && dealt[0] + dealt[1] == PLACES && places_taken() == 0;
}

static void
play_killed_share(void)
{
    memset(seen_on, 0, sizeof(seen_on));
    server_hook = ends_after_close;
    server = stage_serve((struct tr_server_options){.events = &events,
                                                    .balance = always_second,
                                                    .connection = count_and_end,
                                                    .max_per_address = PLACES,
                                                    .socket = {.events = &silent}});
    stopped_share = server->shares[1];
    for (int round = 0; round < 3; round++) {
        assert_int_equal(tr_stop(director, stopped_share, (enum tr_stop_mode)round), TR_OK);
        for (unsigned i = 0; i < PLACES / 3; i++)
            close(tests_peer_connect(stage_port));
    }
    assert_int_equal(tr_stop(director, stopped_share, TR_STOP_KILL), TR_OK);
    stage_when(there_is_a_successor_and_all_places_are_back, connect_one_more, NULL);
}

static void
a_share_that_somebody_stops_or_kills_gets_a_successor_and_no_connection_is_miscounted(void **state)
{
    (void)state;
    stage_play(2, play_killed_share);
    assert_string_equal(server_log, "listening close");
    assert_true(seen_on[1] > 0);
    assert_int_equal(seen_on[0], 0);
}

/* As the runtime does when the share's init found no memory; the share that is there gets its dismissal. */
static void
share_is_not_born(unsigned worker)
{
    struct tr_spawn_failed failed = {.actor = server->shares[worker], .status = TR_ENOMEM};
    tr_message message = tr_message_copy(TR_TAG_SPAWN_FAILED, &failed, sizeof(failed));
    tri_send_system(server->net->worker, director, tr_server_ref(server), &message);
}

static void
connect_three(void *argument)
{
    (void)argument;
    for (int i = 0; i < 3; i++)
        close(tests_peer_connect(stage_port));
    close_when_served(3);
}

static void
play_unborn_share(void)
{
    memset(seen_on, 0, sizeof(seen_on));
    server_hook = ends_after_close;
    server = stage_serve((struct tr_server_options){
        .events = &events, .balance = always_second, .connection = count_and_end, .socket = {.events = &silent}});
    share_is_not_born(1);
    stage_settled(connect_three, NULL);
}

static void
a_worker_whose_share_was_not_born_gets_no_connections(void **state)
{
    (void)state;
    stage_play(2, play_unborn_share);
    assert_string_equal(server_log, "listening close");
    assert_int_equal(seen_on[0], 3);
    assert_int_equal(seen_on[1], 0);
}

/* The worker that the policy names can take none: of the others the one with fewer. */

static unsigned
always_third(const struct tr_balance_view *view)
{
    assert_int_equal(view->loads[2], UINT32_MAX);
    return 2;
}

static void
connect_two(void *argument)
{
    (void)argument;
    for (int i = 0; i < 2; i++)
        close(tests_peer_connect(stage_port));
    close_when_served(2);
}

static void
play_third_unborn(void)
{
    memset(seen_on, 0, sizeof(seen_on));
    server_hook = ends_after_close;
    server = stage_serve((struct tr_server_options){
        .events = &events, .balance = always_third, .connection = count_and_end, .socket = {.events = &silent}});
    share_is_not_born(2);
    stage_settled(connect_two, NULL);
}

static void
a_policy_that_names_a_worker_without_a_share_means_the_next_best(void **state)
{
    (void)state;
    stage_play(3, play_third_unborn);
    assert_int_equal(seen_on[0], 1);
    assert_int_equal(seen_on[1], 1);
}

/* Connections. */

static void
alive(struct endpoint *self, const char *event)
{
    if (is(event, "data"))
        tr_socket_end_with(self->socket, tr_slice_constant("bye", 3));
    if (is(event, "accepted"))
        stage_connect(&clients[1]);
}

static void
say_alive(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "close"))
        say(clients[0].socket, "alive");
}

static void
play_max_connections(void)
{
    accepted[0].hook = alive;
    clients[1].hook = say_alive;
    server = stage_serve((struct tr_server_options){.max_connections = 1, .events = &events});
    stage_connect(&clients[0]);
    static struct endpoint *all[] = {&clients[0], &clients[1], &accepted[0]};
    stage_end_when_closed(all, 3);
}

static void
connections_above_the_limit_are_closed_at_once(void **state)
{
    (void)state;
    stage_play(1, play_max_connections);
    assert_int_equal(accepted_count, 1);
    assert_string_equal(clients[0].log, "connect ready data:bye end close");
    assert_string_equal(clients[1].log, "connect ready end close");
}

/* Every call of the policy writes down what it was told. */
static unsigned asked;
static uint32_t seen_loads[3];

static unsigned
out_of_range(const struct tr_balance_view *view)
{
    assert_int_equal(view->sequence, asked);
    asked++;
    memcpy(seen_loads, view->loads, sizeof(seen_loads));
    assert_int_equal(view->workers, 3);
    assert_int_equal(view->home, 0);
    return 77;
}

static void
ends_itself(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        tr_socket_end(self->socket);
}

static uint64_t dealt_to[3];

static void
looks_at_dealt(struct endpoint *self, const char *event)
{
    (void)self;
    if (!is(event, "close"))
        return;
    memset(dealt_to, 0, sizeof(dealt_to));
    dealt_to[1] = 7;
    assert_int_equal(tr_server_dealt(server, dealt_to, 1), 3);
}

static void
play_own_policy(void)
{
    asked = 0;
    accepted[0].hook = accepted[1].hook = looks_at_dealt;
    clients[0].hook = clients[1].hook = ends_itself;
    server = stage_serve((struct tr_server_options){.balance = out_of_range});
    stage_connect(&clients[0]);
    stage_connect(&clients[1]);
    end_when_all_are_closed(2);
}

static void
a_policy_of_the_users_is_asked_and_nonsense_means_home(void **state)
{
    (void)state;
    stage_play(3, play_own_policy);
    assert_int_equal(asked, 2);
    assert_int_equal(dealt_to[0], 2);
    assert_int_equal(dealt_to[1], 7); /* nothing is written behind what there is room for */
    assert_int_equal(accepted_count, 2);
}

/* From outside, over all workers. */

#define WORKERS 2
#define CONNECTIONS 1000

static uint32_t open_on[WORKERS];
static uint32_t closed_on[WORKERS];

static void
count_connection(tr_socket *socket)
{
    ck_pr_inc_32(&open_on[tr_ref_worker(tr_socket_ref(socket))]);
}

static void
count_close(tr_socket *socket, bool had_error)
{
    (void)had_error;
    ck_pr_inc_32(&closed_on[tr_ref_worker(tr_socket_ref(socket))]);
}

static bool
all_are_open(void *argument)
{
    (void)argument;
    return ck_pr_load_32(&open_on[0]) + ck_pr_load_32(&open_on[1]) == CONNECTIONS;
}

static bool
all_are_closed(void *argument)
{
    (void)argument;
    return ck_pr_load_32(&closed_on[0]) + ck_pr_load_32(&closed_on[1]) == CONNECTIONS;
}

static void
allow_descriptors(rlim_t wanted)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < wanted)
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void
a_thousand_open_connections_are_split_evenly_over_two_workers(void **state)
{
    (void)state;
    static const struct tr_socket_events socket_events = {.close = count_close};
    struct tr_server_options options = {.connection = count_connection, .socket = {.events = &socket_events}};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address address;
    tr_runtime *runtime;
    static int fds[CONNECTIONS];
    allow_descriptors(2 * CONNECTIONS + 100);
    memset(open_on, 0, sizeof(open_on));
    memset(closed_on, 0, sizeof(closed_on));
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = WORKERS}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &address), TR_OK);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        fds[i] = tests_peer_connect(address.port);
        assert_true(fds[i] >= 0);
    }
    assert_true(tests_wait_until(all_are_open, NULL, TESTS_LIMIT_MS));
    uint32_t most = open_on[0] > open_on[1] ? open_on[0] : open_on[1];
    uint32_t least = CONNECTIONS - most;
    assert_true(most * 100 <= least * 102);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    assert_true(tests_wait_until(all_are_closed, NULL, TESTS_LIMIT_MS));
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

static bool
is_open_somewhere(void *argument)
{
    (void)argument;
    return ck_pr_load_32(&open_on[0]) + ck_pr_load_32(&open_on[1]) >= 20;
}

static void
stopping_with_open_connections_and_a_stream_of_new_ones_leaves_nothing(void **state)
{
    (void)state;
    static const struct tr_socket_events socket_events = {.close = count_close};
    struct tr_server_options options = {.connection = count_connection, .socket = {.events = &socket_events}};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    int fds[60];
    for (int round = 0; round < 5; round++) {
        struct tr_address address;
        tr_runtime *runtime;
        int before = tests_open_fds();
        memset(open_on, 0, sizeof(open_on));
        memset(closed_on, 0, sizeof(closed_on));
        assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = WORKERS}, &runtime), TR_OK);
        assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &address), TR_OK);
        for (unsigned i = 0; i < 60; i++)
            fds[i] = tests_peer_connect(address.port);
        assert_true(tests_wait_until(is_open_somewhere, NULL, TESTS_LIMIT_MS));
        struct tr_stop_report report;
        assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, &report), TR_OK);
        assert_int_equal(report.killed, 0);
        assert_int_equal(open_on[0] + open_on[1], closed_on[0] + closed_on[1]);
        for (unsigned i = 0; i < 60; i++)
            close(fds[i]);
        assert_int_equal(tests_open_fds(), before);
    }
}

static void
killing_at_once_leaves_no_descriptor(void **state)
{
    (void)state;
    struct tr_server_options options = {.connection = count_connection};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    int fds[20];
    for (int round = 0; round < 5; round++) {
        struct tr_address address;
        tr_runtime *runtime;
        int before = tests_open_fds();
        assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = WORKERS}, &runtime), TR_OK);
        assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &address), TR_OK);
        for (unsigned i = 0; i < 20; i++)
            fds[i] = tests_peer_connect(address.port);
        tr_runtime_stop(runtime, 0, NULL);
        for (unsigned i = 0; i < 20; i++)
            close(fds[i]);
        assert_int_equal(tests_open_fds(), before);
    }
}

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

/* What keeps the program alive. */

static bool goes_to_background;
static unsigned ended_closes;

static void
goes_away(tr_server *self)
{
    if (goes_to_background) {
        tr_server_set_background(self, false); /* twice the same does no harm */
        tr_server_set_background(self, true);
        tr_server_set_background(self, true);
    } else {
        tr_server_close(self);
    }
}

static void
note_close(tr_server *self)
{
    (void)self;
    ck_pr_inc_uint(&ended_closes);
}

static void
a_server_keeps_the_program_alive_until_it_closes_or_goes_to_the_background(void **state)
{
    (void)state;
    static const struct tr_server_events going = {.listening = goes_away, .close = note_close};
    struct tr_server_options options = {.events = &going};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    for (int round = 0; round < 2; round++) {
        tr_runtime *runtime;
        ended_closes = 0;
        goes_to_background = round == 1;
        assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 2}, &runtime), TR_OK);
        assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, NULL), TR_OK);
        assert_int_equal(tr_runtime_wait_idle(runtime), 0); /* or the test never ends */
        assert_int_equal(ck_pr_load_uint(&ended_closes), goes_to_background ? 0 : 1);
        assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
        assert_int_equal(ended_closes, 1);
    }
}

/* Again and again one goes to the background and another comes out of it in one callback: one keeps it alive always. */

#define CHANGES 20
#define MOMENT_MS 5u /* who waits may look now */

enum { TAG_CHANGE = 1 };

static struct {
    tr_server *servers[2];
    unsigned changes, over;
} relay;

static void
change_places(tr_actor *self, void *state, tr_message *message)
{
    tr_message next = tr_message_signal(TAG_CHANGE);
    (void)state;
    (void)message;
    unsigned goes = relay.changes++ % 2;
    if (relay.changes == CHANGES) {
        ck_pr_store_uint(&relay.over, 1);
        for (int i = 0; i < 2; i++)
            tr_server_close(relay.servers[i]);
        return;
    }
    tr_server_set_background(relay.servers[goes], true);
    tests_hold(MOMENT_MS);
    tr_server_set_background(relay.servers[1 - goes], false);
    assert_int_equal(tr_send_after(self, tr_self(self), 1, &next, NULL), TR_OK);
}

static tr_status
begin_relay(tr_actor *self, void *state, const void *argument)
{
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    tr_message first_change = tr_message_signal(TAG_CHANGE);
    (void)state;
    (void)argument;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tr_server_spawn(self, &(struct tr_server_options){0}, &relay.servers[i]), TR_OK);
        assert_int_equal(tr_server_listen(relay.servers[i], &listen), TR_OK);
    }
    tr_server_set_background(relay.servers[1], true);
    return tr_send_after(self, tr_self(self), 1, &first_change, NULL);
}

static void
one_after_the_other_keeps_the_program_alive(void **state)
{
    (void)state;
    static const struct tr_behavior runner = {.name = "runner", .init = begin_relay, .receive = change_places};
    tr_runtime *runtime;
    memset(&relay, 0, sizeof(relay));
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_spawn(runtime, &runner, NULL, NULL), TR_OK);
    assert_int_equal(tr_runtime_wait_idle(runtime), 0);
    assert_int_equal(ck_pr_load_uint(&relay.over), 1);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

/* Out of descriptors. */

static unsigned echoed;
static unsigned complaints;

static void
echo_and_count(tr_socket *socket, tr_slice data)
{
    tr_socket_write_slice(socket, data);
    ck_pr_inc_uint(&echoed);
}

static void
count_complaint(tr_server *self, const struct tr_error *error)
{
    (void)self;
    if (error->status == TR_EMFILE && strcmp(error->call, "accept") == 0)
        ck_pr_inc_uint(&complaints);
}

static bool
has_complained(void *argument)
{
    (void)argument;
    return ck_pr_load_uint(&complaints) > 0;
}

static void
out_of_descriptors_accepting_pauses_and_established_connections_go_on(void **state)
{
    (void)state;
    static const struct tr_socket_events socket_events = {.data = echo_and_count};
    static const struct tr_server_events server_events = {.error = count_complaint};
    struct tr_server_options options = {.socket = {.events = &socket_events}, .events = &server_events};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address address;
    tr_runtime *runtime;
    char byte;
    complaints = 0;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = WORKERS}, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen, NULL, &address), TR_OK);
    int established = tests_peer_connect(address.port);
    assert_true(tests_peer_send(established, "a", 1) && tests_peer_receive(established, &byte, 1) == 1);

    /* The process has room for one descriptor, which our own side of the next connection takes. */
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int next = dup(established);
    close(next);
    limit = before;
    limit.rlim_cur = (rlim_t)next + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int waiting = tests_peer_connect(address.port);
    assert_true(waiting >= 0);
    assert_true(tests_wait_until(has_complained, NULL, TESTS_LIMIT_MS));
    assert_true(tests_cpu_ms_in(500) < 250);
    assert_int_equal(ck_pr_load_uint(&complaints), 1);
    assert_true(tests_peer_send(established, "b", 1) && tests_peer_receive(established, &byte, 1) == 1);

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(tests_peer_send(waiting, "c", 1) && tests_peer_receive(waiting, &byte, 1) == 1);
    close(waiting);
    close(established);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

/* The life of a server's actor under its own callbacks. */

static const char *fatal_event;

static void
kill_server(void)
{
    assert_int_equal(tr_stop(director, tr_server_ref(server), TR_STOP_KILL), TR_OK);
}

static void
dies_in_event(const char *event)
{
    if (is(event, "listening"))
        tr_server_close(server);
    if (!is(event, fatal_event))
        return;
    tr_server_close(server); /* one more event that is due, and will not be given */
    kill_server();
    tr_server_close(server);
    assert_int_equal(tr_server_listen(server, &(struct tr_listen_options){.host = "127.0.0.1"}), TR_ESTOPPING);
    assert_int_equal(tr_server_dealt(server, NULL, 0), 1);
    stage_settled(end_play, NULL);
}

static void
play_kill_in_event(void)
{
    struct tr_server_options options = {.events = &events, .keep = true};
    server_hook = dies_in_event;
    if (!is(fatal_event, "EADDRINUSE")) {
        server = stage_serve(options);
        return;
    }
    stage_serve((struct tr_server_options){0});
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
}

static void
a_server_may_be_killed_in_any_of_its_events(void **state)
{
    static const char *const event_names[] = {"listening", "close", "EADDRINUSE"};
    for (size_t i = 0; i < sizeof(event_names) / sizeof(event_names[0]); i++) {
        reset(state);
        fatal_event = event_names[i];
        stage_play(1, play_kill_in_event);
        const char *last = strstr(server_log, fatal_event);
        assert_non_null(last);
        assert_string_equal(last, fatal_event);
    }
}

static void
end_first_client(void *argument)
{
    (void)argument;
    tr_socket_end(clients[0].socket);
}

static void
kills_server(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "accepted")) {
        kill_server();
        stage_settled(end_first_client, NULL);
    }
}

static void
play_kill_in_connection(void)
{
    accepted[0].hook = kills_server;
    server = stage_serve((struct tr_server_options){.events = &events});
    stage_connect(&clients[0]);
    end_when_all_are_closed(1);
}

static void
a_connection_may_kill_its_server_and_lives_on(void **state)
{
    (void)state;
    stage_play(1, play_kill_in_connection);
    assert_string_equal(accepted[0].log, "accepted end close");
}

static void
listens_where_it_cannot(const char *event)
{
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = stage_port};
    if (is(event, "listening"))
        assert_int_equal(tr_server_close(server), TR_OK);
    else if (is(event, "close"))
        assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    else
        stage_settled(end_play, NULL);
}

static void
play_listen_again_in_vain(void)
{
    server_hook = listens_where_it_cannot;
    server = stage_serve((struct tr_server_options){.events = &events});
    stage_serve((struct tr_server_options){0}); /* the port of this one is taken */
}

static void
listening_again_in_vain_is_told_after_close(void **state)
{
    (void)state;
    stage_play(1, play_listen_again_in_vain);
    assert_string_equal(server_log, "listening close EADDRINUSE");
}

static tr_status listened;

static void
listens_for_ever(const char *event)
{
    if (is(event, "close"))
        listened = tr_server_listen(server, &(struct tr_listen_options){.host = "127.0.0.1"});
    else
        stage_end();
}

static void
play_listen_for_ever(void)
{
    server_hook = listens_for_ever;
    server = stage_serve((struct tr_server_options){.events = &events});
}

static void
a_server_that_stops_does_not_listen_again(void **state)
{
    (void)state;
    stage_play(1, play_listen_for_ever);
    assert_string_equal(server_log, "listening close");
    assert_int_equal(listened, TR_ESTOPPING);
}

/* Wrong arguments. */

static void
play_bad_arguments(void)
{
    struct tr_server_options options = {0};
    struct tr_listen_options listen = {.host = "a\x01"};
    struct tr_address address;
    tr_server *other;
    assert_int_equal(tr_server_spawn(NULL, &options, &server), TR_EINVAL);
    assert_int_equal(tr_server_spawn(director, NULL, &server), TR_EINVAL);
    assert_int_equal(tr_server_spawn(director, &options, NULL), TR_EINVAL);
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    assert_int_equal(tr_server_listen(NULL, &listen), TR_EINVAL);
    assert_int_equal(tr_server_listen(server, NULL), TR_EINVAL);
    assert_int_equal(tr_server_listen(server, &listen), TR_EBADHOST);
    assert_int_equal(tr_server_listen(server, &(struct tr_listen_options){0}), TR_ENOADDRESS);
    assert_int_equal(tr_server_listen(server, &(struct tr_listen_options){.ipv6_only = true}), TR_ENOADDRESS);
    assert_int_equal(tr_server_listen(server, &(struct tr_listen_options){.any_port = true, .backlog = -1}),
                     TR_EBADLIMIT);
    assert_int_equal(tr_server_pause(server, 0), TR_ENOTLISTENING);
    assert_int_equal(tr_server_pause(server, (uint64_t)INT32_MAX + 1), TR_EBADLIMIT);
    assert_int_equal(tr_server_pause(NULL, 0), TR_EINVAL);
    assert_int_equal(tr_server_resume(server), TR_ENOTLISTENING);
    assert_int_equal(tr_server_resume(NULL), TR_EINVAL);
    tr_server_set_background(NULL, true);
    tr_server_set_block_list(NULL, NULL);
    options.prefix_ipv6 = 129;
    assert_int_equal(tr_server_spawn(director, &options, &other), TR_EBADLIMIT);
    options = (struct tr_server_options){.socket = {.owner = {.actor = UINT64_MAX}}};
    assert_int_equal(tr_server_spawn(director, &options, &other), TR_EBADREF);
    assert_int_equal(tr_server_close(NULL), TR_EINVAL);
    assert_int_equal(tr_server_address(server, NULL), TR_EINVAL);
    assert_int_equal(tr_server_address(NULL, &address), TR_EINVAL);
    assert_int_equal(tr_server_connections(NULL), 0);
    assert_int_equal(tr_server_dealt(server, NULL, 5), 1);
    assert_null(tr_server_data(server));
    stage_end();
}

static void
wrong_arguments_are_refused_by_name(void **state)
{
    (void)state;
    stage_play(1, play_bad_arguments);
}

/* A server whose home is not the first worker. */

static unsigned port_of_other, home_of_connection; /* atomic; the second plus one */

static void
note_home(tr_socket *socket)
{
    __atomic_store_n(&home_of_connection, tr_ref_worker(tr_socket_ref(socket)) + 1, __ATOMIC_SEQ_CST);
    tr_socket_destroy(socket, TR_OK);
}

static unsigned
nonsense(const struct tr_balance_view *view)
{
    return view->workers;
}

static tr_status
serve_elsewhere(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    static const struct tr_server_options options = {.balance = nonsense, .connection = note_home};
    tr_server *other;
    struct tr_address address;
    assert_int_equal(tr_server_spawn(self, &options, &other), TR_OK);
    assert_int_equal(tr_server_listen(other, &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    assert_int_equal(tr_server_address(other, &address), TR_OK);
    __atomic_store_n(&port_of_other, address.port, __ATOMIC_SEQ_CST);
    return TR_OK;
}

static bool
serves_elsewhere(void)
{
    return __atomic_load_n(&port_of_other, __ATOMIC_SEQ_CST) != 0;
}

static bool
has_connection(void)
{
    return __atomic_load_n(&home_of_connection, __ATOMIC_SEQ_CST) != 0;
}

static void
connect_elsewhere(void *argument)
{
    (void)argument;
    int fd = tests_peer_connect((uint16_t)port_of_other);
    assert_true(fd >= 0);
    stage_when(has_connection, end_play, NULL);
    close(fd);
}

static void
play_home(void)
{
    static const struct tr_behavior neighbour = {.name = "neighbour", .init = serve_elsewhere, .receive = ignore};
    struct tr_spawn_options there = {.placement = TR_PLACE_WORKER, .worker = 1};
    port_of_other = home_of_connection = 0;
    assert_int_equal(tr_spawn(director, &neighbour, &there, NULL), TR_OK);
    stage_when(serves_elsewhere, connect_elsewhere, NULL);
}

static void
nonsense_means_home_wherever_that_is(void **state)
{
    (void)state;
    stage_play(2, play_home);
    assert_int_equal(home_of_connection, 1 + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(listening_and_closing_at_once_gives_only_close, reset),
        cmocka_unit_test_setup(closing_twice_gives_two_closes_as_in_node, reset),
        cmocka_unit_test_setup(close_comes_after_the_close_of_the_last_connection, reset),
        cmocka_unit_test_setup(a_server_can_listen_again_after_close, reset),
        cmocka_unit_test_setup(a_server_that_listens_again_before_its_last_connection_has_ended_gives_no_close, reset),
        cmocka_unit_test_setup(a_server_that_is_to_stop_now_does_not_wait_for_its_connections, reset),
        cmocka_unit_test_setup(a_port_can_be_listened_on_again_at_once, reset),
        cmocka_unit_test_setup(an_address_in_use_is_an_error_without_close_and_can_be_tried_again, reset),
        cmocka_unit_test_setup(a_name_can_be_listened_on, reset),
        cmocka_unit_test_setup(a_name_is_listened_on_with_its_port, reset),
        cmocka_unit_test_setup(closing_during_a_lookup_forgets_it, reset),
        cmocka_unit_test_setup(the_answer_of_a_forgotten_lookup_is_not_taken_for_a_later_one, reset),
        cmocka_unit_test_setup(a_name_that_nobody_knows_is_an_error_event, reset),
        cmocka_unit_test_setup(without_a_host_it_listens_on_all_addresses_ipv4_too, reset),
        cmocka_unit_test_setup(ipv6_only_takes_no_ipv4, reset),
        cmocka_unit_test_setup(of_a_path_and_a_port_the_port_is_taken, reset),
        cmocka_unit_test_setup(the_defaults_of_a_server_are_those_of_the_header, reset),
        cmocka_unit_test_setup(every_failure_and_every_close_is_told_in_its_order, reset),
        cmocka_unit_test_setup(a_server_that_is_asked_to_stop_still_tells_its_errors, reset),
        cmocka_unit_test_setup(a_paused_server_lets_connections_wait_until_it_is_resumed, reset),
        cmocka_unit_test_setup(a_pause_ends_by_itself_after_its_time, reset),
        cmocka_unit_test_setup(a_pause_ends_with_the_listening, reset),
        cmocka_unit_test_setup(a_connection_may_pause_its_server_and_is_the_last, reset),
        cmocka_unit_test_setup(a_storm_of_connections_is_not_accepted_in_one_turn, reset),
        cmocka_unit_test_setup(the_data_of_a_connection_is_its_own_or_the_servers, reset),
        cmocka_unit_test_setup(a_share_that_somebody_stops_or_kills_gets_a_successor_and_no_connection_is_miscounted,
                               reset),
        cmocka_unit_test_setup(a_worker_whose_share_was_not_born_gets_no_connections, reset),
        cmocka_unit_test_setup(a_policy_that_names_a_worker_without_a_share_means_the_next_best, reset),
        cmocka_unit_test_setup(connections_above_the_limit_are_closed_at_once, reset),
        cmocka_unit_test_setup(a_policy_of_the_users_is_asked_and_nonsense_means_home, reset),
        cmocka_unit_test(a_thousand_open_connections_are_split_evenly_over_two_workers),
        cmocka_unit_test(stopping_with_open_connections_and_a_stream_of_new_ones_leaves_nothing),
        cmocka_unit_test(killing_at_once_leaves_no_descriptor),
        cmocka_unit_test(listening_from_outside_answers_what_is_wrong),
        cmocka_unit_test(a_server_keeps_the_program_alive_until_it_closes_or_goes_to_the_background),
        cmocka_unit_test(one_after_the_other_keeps_the_program_alive),
        cmocka_unit_test(out_of_descriptors_accepting_pauses_and_established_connections_go_on),
        cmocka_unit_test_setup(a_server_may_be_killed_in_any_of_its_events, reset),
        cmocka_unit_test_setup(a_connection_may_kill_its_server_and_lives_on, reset),
        cmocka_unit_test_setup(listening_again_in_vain_is_told_after_close, reset),
        cmocka_unit_test_setup(a_server_that_stops_does_not_listen_again, reset),
        cmocka_unit_test_setup(wrong_arguments_are_refused_by_name, reset),
        cmocka_unit_test_setup(nonsense_means_home_wherever_that_is, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
