#include "cast.h"
#include "fds.h"
#include "helpers.h"
#include "socket_state.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define BIG (8u << 20) /* more than the kernel takes at once */

static void
end_when_both_are_closed(void)
{
    struct endpoint *both[] = {&client, &accepted[0]};
    stage_end_when_closed(both, 2);
}

static void
end_client(void *argument)
{
    (void)argument;
    if (client.socket != NULL)
        tr_socket_end(client.socket);
}

/* The order of events. */

static void
says_hello(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        assert_int_equal(say(self->socket, "hello"), TR_OK);
    if (is(event, "data") && self->bytes == 5)
        tr_socket_end(self->socket);
}

static void
echoes(struct endpoint *self, const char *event)
{
    if (is(event, "data"))
        tr_socket_write_slice(self->socket, self->last);
}

static void
play_echo(void)
{
    client.hook = says_hello;
    accepted[0].hook = echoes;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
an_echo_has_the_events_in_their_order(void **state)
{
    (void)state;
    stage_play(1, play_echo);
    assert_string_equal(client.log, "connect ready data:hello end close");
    assert_string_equal(accepted[0].log, "accepted data:hello end close");
}

static void
says_more_on_end(struct endpoint *self, const char *event)
{
    if (is(event, "end")) {
        assert_int_equal(say(self->socket, "goodbye"), TR_OK);
        tr_socket_end(self->socket);
    }
}

static void
ends_with_hello(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        assert_int_equal(tr_socket_end_with(self->socket, tr_slice_constant("hello", 5)), TR_OK);
}

static void
play_goodbye(void)
{
    client.hook = ends_with_hello;
    accepted[0].hook = says_more_on_end;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
the_end_callback_can_still_write(void **state)
{
    (void)state;
    stage_play(1, play_goodbye);
    assert_string_equal(client.log, "connect ready data:goodbye end close");
    assert_string_equal(accepted[0].log, "accepted data:hello end close");
}

static void
late_reply(void *argument)
{
    (void)argument;
    assert_false(accepted[0].closed);
    assert_int_equal(tr_socket_end_with(accepted[0].socket, tr_slice_constant("late", 4)), TR_OK);
}

static void
replies_later(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "end"))
        stage_settled(late_reply, NULL);
}

static void
play_half_open(void)
{
    client.hook = ends_with_hello;
    accepted[0].hook = replies_later;
    stage_serve((struct tr_server_options){.socket.allow_half_open = true});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
a_half_open_socket_ends_when_the_user_says_so(void **state)
{
    (void)state;
    stage_play(1, play_half_open);
    assert_string_equal(client.log, "connect ready data:late end close");
    assert_string_equal(accepted[0].log, "accepted data:hello end close");
}

/* A play that connects to a port where nobody listens. */
static void
play_refusal(void (*script)(void))
{
    int refusing = tests_peer_refuse(&stage_port);
    stage_play(1, script);
    close(refusing);
}

static void
lost(tr_socket *socket, void *argument, tr_status status)
{
    (void)argument;
    note(tr_socket_data(socket), "lost:%s", tr_status_code(status));
}

static void
play_refused(void)
{
    stage_connect(&client);
    assert_int_equal(tr_socket_write_then(client.socket, tr_slice_constant("x", 1), lost, NULL), TR_OK);
    assert_string_equal(client.log, "");
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
a_refused_connection_has_an_error_directly_before_close(void **state)
{
    (void)state;
    play_refusal(play_refused);
    assert_string_equal(client.log, "ECONNREFUSED close! lost:ERR_SOCKET_CLOSED_BEFORE_CONNECTION");
    assert_string_equal(client.call, "connect");
}

static void
play_lookup(void)
{
    client.hook = ends_with_hello;
    stage_serve((struct tr_server_options){0});
    stage_connect_with(&client, (struct tr_connect_options){.host = "localhost", .family = TR_FAMILY_IPV4});
    end_when_both_are_closed();
}

static void
a_name_is_looked_up_and_an_address_is_not(void **state)
{
    (void)state;
    stage_play(1, play_lookup);
    assert_string_equal(client.log, "lookup:localhost:127.0.0.1 connect ready end close");
}

static void
play_bad_lookup(void)
{
    stage_connect_with(&client, (struct tr_connect_options){.host = "no..such..name", .port = 80});
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
a_name_that_nobody_knows_fails_after_its_lookup_event(void **state)
{
    (void)state;
    stage_play(1, play_bad_lookup);
    assert_string_equal(client.log, "lookup:no..such..name:ENOTFOUND ENOTFOUND close!");
    assert_string_equal(client.call, "getaddrinfo");
}

static void
play_destroy_in_lookup(void)
{
    stage_connect_with(&client, (struct tr_connect_options){.host = "localhost", .port = 80});
    tr_socket_destroy(client.socket, TR_OK);
    assert_false(tr_socket_connecting(client.socket));
    assert_true(tr_socket_destroyed(client.socket));
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
a_socket_can_be_destroyed_before_it_is_connected(void **state)
{
    (void)state;
    stage_play(1, play_destroy_in_lookup);
    assert_string_equal(client.log, "close");
}

static void
destroys_itself(struct endpoint *self, const char *event)
{
    if (is(event, "data"))
        tr_socket_destroy(self->socket, TR_EIO);
}

static void
play_destroy_with_error(void)
{
    client.hook = says_hello;
    accepted[0].hook = destroys_itself;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
destroying_with_an_error_tells_it_before_close(void **state)
{
    (void)state;
    stage_play(1, play_destroy_with_error);
    assert_string_equal(accepted[0].log, "accepted data:hello EIO close!");
    assert_string_equal(accepted[0].call, "destroy");
    assert_int_equal(accepted[0].system, 0); /* the system has said nothing */
    assert_string_equal(client.log, "connect ready end close");
}

static void
exits(struct endpoint *self, const char *event)
{
    if (is(event, "data"))
        tr_exit(tr_socket_actor(self->socket));
}

static void
play_exit(void)
{
    client.hook = says_hello;
    accepted[0].hook = exits;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
the_exit_of_its_actor_destroys_a_socket(void **state)
{
    (void)state;
    stage_play(1, play_exit);
    assert_string_equal(accepted[0].log, "accepted data:hello close");
    assert_string_equal(client.log, "connect ready end close");
}

static int raw = -1;

static bool
has_a_byte(void)
{
    return accepted[0].bytes == 1;
}

static void
reset_raw(void *argument)
{
    (void)argument;
    tests_peer_reset(raw);
}

static void
play_reset(void)
{
    stage_serve((struct tr_server_options){0});
    raw = tests_peer_connect(stage_port);
    assert_true(raw >= 0);
    assert_true(tests_peer_send(raw, "x", 1));
    stage_settled_when(has_a_byte, reset_raw, NULL);
    struct endpoint *one[] = {&accepted[0]};
    stage_end_when_closed(one, 1);
}

static void
a_reset_by_the_peer_is_an_error(void **state)
{
    (void)state;
    stage_play(1, play_reset);
    assert_string_equal(accepted[0].log, "accepted data:x ECONNRESET close!");
    assert_string_equal(accepted[0].call, "read");
    assert_int_equal(accepted[0].system, ECONNRESET);
}

/* Writing. */

static void
written(tr_socket *socket, void *argument, tr_status status)
{
    note(tr_socket_data(socket), "%s:%s", (const char *)argument, tr_status_code(status));
}

static tr_status
write_told(tr_socket *socket, tr_slice slice, const char *name)
{
    return tr_socket_write_then(socket, slice, written, (void *)(uintptr_t)name);
}

static void
writes_three(struct endpoint *self, const char *event)
{
    if (!is(event, "connect"))
        return;
    assert_int_equal(write_told(self->socket, tr_slice_constant("a", 1), "first"), TR_OK);
    assert_int_equal(write_told(self->socket, tr_slice_constant("", 0), "nothing"), TR_OK);
    assert_int_equal(write_told(self->socket, tr_slice_constant("b", 1), "second"), TR_OK);
    assert_int_equal(tr_socket_buffered(self->socket), 0);
    tr_socket_end(self->socket);
}

static void
play_three_writes(void)
{
    client.hook = writes_three;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
write_callbacks_come_in_order_after_the_calls_have_returned(void **state)
{
    (void)state;
    stage_play(1, play_three_writes);
    assert_string_equal(client.log, "connect ready first:OK nothing:OK second:OK end close");
    assert_string_equal(accepted[0].log, "accepted data:ab end close");
}

static bool
both_are_written(void)
{
    return strstr(client.log, "b:OK") != NULL;
}

static void
play_writes_before_connect(void)
{
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    assert_int_equal(write_told(client.socket, tr_slice_constant("a", 1), "a"), TR_OK);
    assert_int_equal(write_told(client.socket, tr_slice_constant("b", 1), "b"), TR_OK);
    assert_int_equal(tr_socket_buffered(client.socket), 2);
    assert_int_equal(tr_socket_bytes_written(client.socket), 2);
    stage_settled_when(both_are_written, end_client, NULL);
    end_when_both_are_closed();
}

static void
small_writes_before_connect_go_out_before_ready_without_a_drain(void **state)
{
    (void)state;
    stage_play(1, play_writes_before_connect);
    assert_string_equal(client.log, "connect a:OK ready b:OK end close");
    assert_string_equal(accepted[0].log, "accepted data:ab end close");
}

static void
play_large_write_before_connect(void)
{
    client.hook = ends_on_drain;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(200000)), TR_QUEUED);
    end_when_both_are_closed();
}

static void
a_large_write_before_connect_is_queued_and_drains(void **state)
{
    (void)state;
    stage_play(1, play_large_write_before_connect);
    assert_non_null(strstr(client.log, "drain"));
    assert_int_equal(accepted[0].bytes, 200000);
    assert_int_equal(accepted[0].sum, pattern_sum(200000));
}

static bool
big_is_written(void)
{
    return strstr(client.log, "big:OK") != NULL;
}

static void
writes_big(struct endpoint *self, const char *event)
{
    if (is(event, "connect")) {
        assert_int_equal(write_told(self->socket, pattern(BIG), "big"), TR_QUEUED);
        assert_true(tr_socket_buffered(self->socket) > 0);
        assert_int_equal(tr_socket_bytes_written(self->socket), BIG);
    }
    if (is(event, "drain")) {
        assert_int_equal(tr_socket_buffered(self->socket), 0);
        stage_settled_when(big_is_written, end_client, NULL);
    }
}

static bool
is_accepted(void)
{
    return accepted_count > 0;
}

static void
resume(void *argument)
{
    (void)argument;
    tr_socket_resume(accepted[0].socket);
}

static void
play_back_pressure(void)
{
    client.hook = writes_big;
    stage_serve((struct tr_server_options){.pause_on_connect = true});
    stage_connect(&client);
    stage_settled_when(is_accepted, resume, NULL);
    end_when_both_are_closed();
}

static void
a_write_that_waits_drains_once_before_its_callback(void **state)
{
    (void)state;
    stage_play(1, play_back_pressure);
    assert_string_equal(client.log, "connect ready drain big:OK end close");
    assert_int_equal(accepted[0].bytes, BIG);
    assert_int_equal(accepted[0].sum, pattern_sum(BIG));
}

#define MANY 3000u /* more than one writev takes */

static void
writes_many(struct endpoint *self, const char *event)
{
    if (!is(event, "connect"))
        return;
    tr_socket_write_slice(self->socket, pattern(BIG));
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(tr_socket_write(self->socket, "0123456789", 10), TR_QUEUED);
    tr_socket_end(self->socket);
}

static void
play_many_queued(void)
{
    client.hook = writes_many;
    stage_serve((struct tr_server_options){.pause_on_connect = true});
    stage_connect(&client);
    stage_settled_when(is_accepted, resume, NULL);
    end_when_both_are_closed();
}

static void
thousands_of_queued_slices_arrive_in_order_before_the_end(void **state)
{
    (void)state;
    stage_play(1, play_many_queued);
    assert_string_equal(client.log, "connect ready end close");
    uint64_t sum = pattern_sum(BIG);
    for (uint64_t i = 0; i < MANY * 10; i++)
        sum += (uint64_t)('0' + i % 10) * ((BIG + i + 1) % 65521);
    assert_int_equal(accepted[0].bytes, BIG + MANY * 10);
    assert_int_equal(accepted[0].sum, sum);
}

static void
destroy_and_try(void *argument)
{
    (void)argument;
    tr_socket_destroy(client.socket, TR_OK);
    assert_int_equal(say(client.socket, "x"), TR_EDESTROYED);
    assert_int_equal(tr_socket_end(client.socket), TR_EDESTROYED);
}

static void
writes_and_is_destroyed(struct endpoint *self, const char *event)
{
    if (!is(event, "connect"))
        return;
    assert_int_equal(write_told(self->socket, pattern(BIG), "big"), TR_QUEUED);
    assert_int_equal(write_told(self->socket, tr_slice_constant("x", 1), "small"), TR_QUEUED);
    stage_settled(destroy_and_try, NULL);
}

static void
play_destroy_with_queue(void)
{
    client.hook = writes_and_is_destroyed;
    stage_serve((struct tr_server_options){.pause_on_connect = true});
    stage_connect(&client);
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
lost_writes_are_called_back_in_order_before_close(void **state)
{
    (void)state;
    stage_play(1, play_destroy_with_queue);
    assert_string_equal(client.log, "connect ready big:ERR_STREAM_DESTROYED small:ERR_STREAM_DESTROYED close");
}

static void
writes_after_end(struct endpoint *self, const char *event)
{
    if (!is(event, "connect"))
        return;
    assert_int_equal(tr_socket_end_with(self->socket, tr_slice_constant("done", 4)), TR_OK);
    assert_int_equal(tr_socket_end(self->socket), TR_OK);
    assert_int_equal(write_told(self->socket, tr_slice_constant("more", 4), "more"), TR_EWRITEAFTEREND);
}

static void
play_write_after_end(void)
{
    client.hook = writes_after_end;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
a_write_after_the_end_is_called_back_then_an_error_then_close(void **state)
{
    (void)state;
    stage_play(1, play_write_after_end);
    assert_string_equal(client.log, "connect ready more:ERR_STREAM_WRITE_AFTER_END ERR_STREAM_WRITE_AFTER_END close!");
    assert_string_equal(accepted[0].log, "accepted data:done end close");
}

static void
write_late(void *argument)
{
    (void)argument;
    assert_int_equal(write_told(client.socket, tr_slice_constant("late", 4), "late"), TR_EPIPE);
}

static void
writes_after_the_peers_end(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        tr_socket_write_slice(self->socket, pattern(BIG)); /* keeps it from closing at once */
    if (is(event, "end"))
        stage_settled(write_late, NULL);
}

static void
ends_at_once(struct endpoint *self, const char *event)
{
    if (is(event, "accepted"))
        tr_socket_end(self->socket);
}

static void
play_write_after_peers_end(void)
{
    client.hook = writes_after_the_peers_end;
    accepted[0].hook = ends_at_once;
    stage_serve((struct tr_server_options){.pause_on_connect = true});
    stage_connect(&client);
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
a_write_after_the_peer_ended_both_sides_is_a_broken_pipe(void **state)
{
    (void)state;
    stage_play(1, play_write_after_peers_end);
    assert_string_equal(client.log, "connect ready end late:EPIPE EPIPE close!");
}

/* Reading. */

static void
resume_and_note(void *argument)
{
    struct endpoint *endpoint = argument;
    note(endpoint, "resuming");
    tr_socket_resume(endpoint->socket);
    note(endpoint, "resumed");
}

static bool
more_came(void)
{
    return accepted[0].bytes == strlen("first") + strlen("more");
}

static void
pauses_in_data(struct endpoint *self, const char *event)
{
    if (!is(event, "data") || self->bytes != 5)
        return;
    tr_socket_pause(self->socket);
    say(client.socket, "more");
    stage_settled(resume_and_note, self);
    stage_settled_when(more_came, end_client, NULL);
}

static void
says_first(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        say(self->socket, "first");
}

static void
play_pause(void)
{
    client.hook = says_first;
    accepted[0].hook = pauses_in_data;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
a_paused_socket_gives_no_data_before_resume_has_returned(void **state)
{
    (void)state;
    stage_play(1, play_pause);
    assert_string_equal(accepted[0].log, "accepted data:first resuming resumed data:more end close");
}

static void
says_and_ends(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        tr_socket_end_with(self->socket, tr_slice_constant("payload", 7));
    if (is(event, "connect"))
        stage_settled_when(is_accepted, resume_and_note, &accepted[0]);
}

static void
play_pause_on_connect(void)
{
    client.hook = says_and_ends;
    stage_serve((struct tr_server_options){.pause_on_connect = true});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
a_connection_paused_from_the_start_gets_everything_later(void **state)
{
    (void)state;
    stage_play(1, play_pause_on_connect);
    assert_string_equal(accepted[0].log, "accepted resuming resumed data:payload end close");
}

static tr_slice kept[3];
static unsigned kept_count;

static void
keeps_slices(struct endpoint *self, const char *event)
{
    if (!is(event, "data"))
        return;
    if (kept_count < 3) {
        tr_slice_hold(self->last);
        kept[kept_count++] = self->last;
    }
    say(self->socket, "+");
}

static void
sends_three_apart(struct endpoint *self, const char *event)
{
    static const char *const words[] = {"one", "two", "three"};
    if (is(event, "connect"))
        say(self->socket, words[0]);
    if (is(event, "data")) {
        if (self->bytes < 3)
            say(self->socket, words[self->bytes]);
        else
            tr_socket_end(self->socket);
    }
}

static void
play_keep(void)
{
    kept_count = 0;
    client.hook = sends_three_apart;
    accepted[0].hook = keeps_slices;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
held_data_outlives_its_event_and_its_runtime(void **state)
{
    (void)state;
    stage_play(1, play_keep);
    assert_int_equal(kept_count, 3);
    static const char *const words[] = {"one", "two", "three"};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(kept[i].size, strlen(words[i]));
        assert_memory_equal(kept[i].data, words[i], kept[i].size);
        tr_slice_release(kept[i]);
    }
}

/* Timeouts, options, addresses. */

static void
say_x(void *argument)
{
    (void)argument;
    say(client.socket, "x");
}

/* However long it takes. */
static void
end_at_leisure(void *argument)
{
    assert_int_equal(tr_socket_set_timeout(client.socket, 0), TR_OK);
    end_client(argument);
}

static unsigned timeouts;

/* After the first timeout there is time enough for a second one that may not come. */
static void
sets_a_timeout(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        assert_int_equal(tr_socket_set_timeout(self->socket, 50), TR_OK);
    else if (is(event, "timeout") && ++timeouts == 1)
        stage_after(150, say_x, NULL);
    else if (is(event, "timeout") && timeouts == 2)
        stage_after(150, end_at_leisure, NULL);
}

static void
play_timeout(void)
{
    timeouts = 0;
    client.hook = sets_a_timeout;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
a_timeout_comes_once_for_each_idle_period(void **state)
{
    (void)state;
    stage_play(1, play_timeout);
    assert_string_equal(client.log, "connect ready timeout timeout end close");
}

static uint16_t silent_port;

static void
play_connect_timeout(void)
{
    client.hook = gives_up;
    stage_connect_with(&client, (struct tr_connect_options){.port = silent_port, .timeout_ms = 80});
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

/* A queue of the shortest length that is full: Linux does not answer what comes then. */
static void
the_timeout_option_covers_connecting(void **state)
{
    (void)state;
    int listener = tests_peer_listen(&silent_port);
    assert_int_equal(listen(listener, 0), 0);
    int in_the_queue = tests_peer_connect(silent_port);
    assert_true(in_the_queue >= 0);
    stage_play(1, play_connect_timeout);
    assert_string_equal(client.log, "timeout ETIMEDOUT close!");
    close(in_the_queue);
    close(listener);
}

static void
looks_at_addresses(struct endpoint *self, const char *event)
{
    if (!is(event, "connect"))
        return;
    struct tr_address local, remote;
    tr_socket_local_address(self->socket, &local);
    tr_socket_remote_address(self->socket, &remote);
    assert_int_equal(remote.family, TR_FAMILY_IPV4);
    assert_int_equal(remote.port, stage_port);
    assert_string_equal(remote.text, "127.0.0.1");
    assert_string_equal(local.text, "127.0.0.2");
    tr_socket_end(self->socket);
}

static void
play_addresses(void)
{
    struct tr_address address;
    client.hook = looks_at_addresses;
    stage_serve((struct tr_server_options){0});
    stage_connect_with(&client, (struct tr_connect_options){.local_address = "127.0.0.2"});
    tr_socket_remote_address(client.socket, &address);
    assert_int_equal(address.family, TR_FAMILY_NONE);
    end_when_both_are_closed();
}

static void
both_addresses_are_known_while_connected(void **state)
{
    (void)state;
    stage_play(1, play_addresses);
    assert_string_equal(client.log, "connect ready end close");
}

static void
tunes(struct endpoint *self, const char *event)
{
    if (!is(event, "connect") && !is(event, "accepted"))
        return;
    assert_int_equal(tr_socket_set_no_delay(self->socket, true), TR_OK);
    assert_int_equal(tr_socket_set_no_delay(self->socket, false), TR_OK);
    assert_int_equal(tr_socket_set_keep_alive(self->socket, true, 0), TR_OK);
    assert_int_equal(tr_socket_set_keep_alive(self->socket, true, 1500), TR_OK);
    assert_int_equal(tr_socket_set_keep_alive(self->socket, false, 0), TR_OK);
    assert_int_equal(tr_socket_set_keep_alive(self->socket, true, UINT64_MAX), TR_EBADLIMIT);
    assert_int_equal(tr_socket_set_timeout(self->socket, UINT64_MAX), TR_EBADLIMIT);
    if (is(event, "connect"))
        tr_socket_end(self->socket);
}

/* What the system has for an accepted socket. */
static int no_delay, keep_alive, idle_seconds;

static void
look_at_options(struct endpoint *self, const char *event)
{
    socklen_t size = sizeof(int);
    if (is(event, "accepted")) {
        getsockopt(self->socket->fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
        getsockopt(self->socket->fd, SOL_SOCKET, SO_KEEPALIVE, &keep_alive, &size);
        getsockopt(self->socket->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, &size);
    }
    tunes(self, event);
}

static void
play_tuning(void)
{
    client.hook = tunes;
    accepted[0].hook = look_at_options;
    stage_serve(
        (struct tr_server_options){.socket = {.no_delay = true, .keep_alive = true, .keep_alive_delay_ms = 1000}});
    stage_connect(&client);
    assert_int_equal(tr_socket_set_no_delay(client.socket, true), TR_OK);
    assert_int_equal(tr_socket_set_keep_alive(client.socket, true, 5000), TR_OK);
    end_when_both_are_closed();
}

static void
options_can_be_set_at_any_time(void **state)
{
    (void)state;
    stage_play(1, play_tuning);
    assert_string_equal(client.log, "connect ready end close");
    assert_string_equal(accepted[0].log, "accepted end close");
    assert_int_not_equal(no_delay, 0);
    assert_int_not_equal(keep_alive, 0);
    assert_int_equal(idle_seconds, 1);
}

/* What is asked for before there is a connection holds when there is one. */

static void
expect_delay(tr_socket *socket, uint64_t delay_ms, int seconds)
{
    assert_int_equal(tr_socket_set_keep_alive(socket, true, delay_ms), TR_OK);
    assert_int_not_equal(option_of(socket->fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(option_of(socket->fd, IPPROTO_TCP, TCP_KEEPIDLE), seconds);
}

static void
finds_what_was_asked_for(struct endpoint *self, const char *event)
{
    if (!is(event, "connect"))
        return;
    assert_int_equal(option_of(self->socket->fd, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_not_equal(option_of(self->socket->fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(option_of(self->socket->fd, IPPROTO_TCP, TCP_KEEPIDLE), 5);
    expect_delay(self->socket, 1001, 2);
    expect_delay(self->socket, 0, 2); /* as it was */
    expect_delay(self->socket, 32767000, 32767);
    assert_int_equal(tr_socket_set_keep_alive(self->socket, true, 32767001), TR_EBADLIMIT);
    assert_int_equal(tr_socket_set_keep_alive(self->socket, false, 0), TR_OK);
    assert_int_equal(option_of(self->socket->fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(tr_socket_set_no_delay(self->socket, true), TR_OK);
    assert_int_not_equal(option_of(self->socket->fd, IPPROTO_TCP, TCP_NODELAY), 0);
    tr_socket_destroy(self->socket, TR_OK);
    assert_true(tr_socket_pending(self->socket)); /* as in Node */
    assert_int_equal(tr_socket_set_keep_alive(self->socket, true, 0), TR_EDESTROYED);
    assert_int_equal(tr_socket_set_no_delay(self->socket, true), TR_EDESTROYED);
}

static void
play_asked_before(void)
{
    client.hook = finds_what_was_asked_for;
    stage_serve((struct tr_server_options){0});
    stage_connect_as(&client, (struct tr_socket_options){.timeout_ms = INT32_MAX}, (struct tr_connect_options){0});
    assert_int_equal(tr_socket_set_no_delay(client.socket, true), TR_OK);
    assert_int_equal(tr_socket_set_no_delay(client.socket, false), TR_OK);
    assert_int_equal(tr_socket_set_keep_alive(client.socket, true, 4001), TR_OK); /* rounded up */
    assert_int_equal(tr_socket_set_timeout(client.socket, INT32_MAX), TR_OK);
    assert_int_equal(tr_socket_set_timeout(client.socket, (uint64_t)INT32_MAX + 1), TR_EBADLIMIT);
    end_when_both_are_closed();
}

static void
what_is_asked_for_before_connect_holds_then(void **state)
{
    (void)state;
    stage_play(1, play_asked_before);
    assert_string_equal(client.log, "connect ready close");
}

/* Misuse. */

static void
play_bad_arguments(void)
{
    char long_host[300];
    memset(long_host, 'a', sizeof(long_host));
    long_host[299] = '\0';
    struct tr_connect_options good = {.host = "127.0.0.1", .port = 1};
    tr_socket *socket;
    assert_int_equal(tr_connect(NULL, NULL, &good, &socket), TR_EINVAL);
    assert_int_equal(tr_connect(director, NULL, NULL, &socket), TR_EINVAL);

    static const char *const bad_hosts[] = {"", "a b", "a\nb", "\x7f", "\t"};
    for (size_t i = 0; i < sizeof(bad_hosts) / sizeof(bad_hosts[0]); i++) {
        struct tr_connect_options options = {.host = bad_hosts[i], .port = 1};
        assert_int_equal(tr_connect(director, NULL, &options, &socket), TR_EBADHOST);
    }
    struct tr_connect_options too_long = {.host = long_host, .port = 1};
    assert_int_equal(tr_connect(director, NULL, &too_long, &socket), TR_EBADHOST);
    struct tr_connect_options no_port = {.host = "127.0.0.1"};
    assert_int_equal(tr_connect(director, NULL, &no_port, &socket), TR_EMISSING);
    struct tr_connect_options bad_local = {.port = 1, .local_address = "localhost"};
    assert_int_equal(tr_connect(director, NULL, &bad_local, &socket), TR_EBADADDRESS);
    struct tr_connect_options bad_family = {.port = 1, .family = TR_FAMILY_UNIX};
    assert_int_equal(tr_connect(director, NULL, &bad_family, &socket), TR_EINVAL);
    struct tr_connect_options bad_timeout = {.port = 1, .timeout_ms = UINT64_MAX};
    assert_int_equal(tr_connect(director, NULL, &bad_timeout, &socket), TR_EBADLIMIT);

    assert_int_equal(tr_socket_write(NULL, "x", 1), TR_EINVAL);
    assert_int_equal(tr_socket_end(NULL), TR_EINVAL);
    assert_int_equal(tr_socket_set_timeout(NULL, 1), TR_EINVAL);
    assert_int_equal(tr_socket_set_no_delay(NULL, true), TR_EINVAL);
    assert_int_equal(tr_socket_set_keep_alive(NULL, true, 0), TR_EINVAL);
    tr_socket_destroy(NULL, TR_OK);
    tr_socket_pause(NULL);
    tr_socket_resume(NULL);
    assert_true(tr_socket_destroyed(NULL));

    stage_connect(&client);
    assert_int_equal(tr_socket_write(client.socket, NULL, 1), TR_EINVAL);
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
wrong_arguments_are_refused_by_name(void **state)
{
    (void)state;
    play_refusal(play_bad_arguments);
    assert_string_equal(client.log, "ECONNREFUSED close!");
}

static void
misuses_after_close(struct endpoint *self, const char *event)
{
    if (!is(event, "close"))
        return;
    assert_int_equal(say(self->socket, "x"), TR_EDESTROYED);
    assert_int_equal(write_told(self->socket, tr_slice_constant("x", 1), "late"), TR_EDESTROYED);
    assert_int_equal(tr_socket_end(self->socket), TR_EDESTROYED);
    tr_socket_pause(self->socket);
    tr_socket_resume(self->socket);
    tr_socket_destroy(self->socket, TR_EIO);
    assert_int_equal(tr_socket_set_timeout(self->socket, 1), TR_OK);
}

static void
play_misuse_after_close(void)
{
    client.hook = misuses_after_close;
    accepted[0].hook = ends_at_once;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
nothing_harms_in_the_close_callback(void **state)
{
    (void)state;
    stage_play(1, play_misuse_after_close);
    assert_string_equal(client.log, "connect ready end close late:EPIPE");
}

/* Destroys in whatever event the test says. */
static const char *fatal_event;

static void
destroys_in_event(struct endpoint *self, const char *event)
{
    if (is(event, "connect") || is(event, "accepted"))
        say(self->socket, "hi");
    if (is(event, fatal_event)) {
        tr_socket_destroy(self->socket, TR_OK);
        tr_socket_destroy(self->socket, TR_EIO);
    }
}

static void
play_destroy_in_event(void)
{
    client.hook = accepted[0].hook = destroys_in_event;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    stage_settled(end_client, NULL);
    end_when_both_are_closed();
}

static unsigned
count(const char *text, const char *word)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word))
        n++;
    return n;
}

static void
a_socket_may_be_destroyed_in_any_event_and_closes_once(void **state)
{
    static const char *const events[] = {"connect", "ready", "accepted", "data", "end", "close"};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        cast_reset(state);
        fatal_event = events[i];
        stage_play(1, play_destroy_in_event);
        assert_int_equal(count(client.log, "close"), 1);
        assert_int_equal(count(accepted[0].log, "close"), 1);
    }
}

static bool
accepted_is_closed(void)
{
    return accepted[0].closed;
}

static void
end_of_play(void *argument)
{
    (void)argument;
    stage_end();
}

/* Kills its actor in the connect event. */
static void
dies_in_connect(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        assert_int_equal(tr_stop(director, tr_socket_ref(self->socket), TR_STOP_KILL), TR_OK);
    if (is(event, "accepted"))
        stage_settled_when(accepted_is_closed, end_of_play, NULL);
}

static void
play_killed_in_connect(void)
{
    client.hook = accepted[0].hook = dies_in_connect;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
}

static void
a_killed_socket_gives_no_event_any_more(void **state)
{
    (void)state;
    stage_play(1, play_killed_in_connect);
    assert_string_equal(client.log, "connect");
    assert_string_equal(accepted[0].log, "accepted end close");
}

/* An error of the user's own keeps its number. */
static void
destroys_with_a_number(struct endpoint *self, const char *event)
{
    if (is(event, "connect"))
        tr_socket_destroy(self->socket, (tr_status)-65536);
}

static void
play_destroy_with_a_number(void)
{
    client.hook = destroys_with_a_number;
    stage_serve((struct tr_server_options){0});
    stage_connect(&client);
    end_when_both_are_closed();
}

static void
an_error_of_the_users_keeps_its_number(void **state)
{
    (void)state;
    stage_play(1, play_destroy_with_a_number);
    assert_int_equal(client.error, -65536);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_echo_has_the_events_in_their_order, cast_reset),
        cmocka_unit_test_setup(the_end_callback_can_still_write, cast_reset),
        cmocka_unit_test_setup(a_half_open_socket_ends_when_the_user_says_so, cast_reset),
        cmocka_unit_test_setup(a_refused_connection_has_an_error_directly_before_close, cast_reset),
        cmocka_unit_test_setup(a_name_is_looked_up_and_an_address_is_not, cast_reset),
        cmocka_unit_test_setup(a_name_that_nobody_knows_fails_after_its_lookup_event, cast_reset),
        cmocka_unit_test_setup(a_socket_can_be_destroyed_before_it_is_connected, cast_reset),
        cmocka_unit_test_setup(destroying_with_an_error_tells_it_before_close, cast_reset),
        cmocka_unit_test_setup(a_reset_by_the_peer_is_an_error, cast_reset),
        cmocka_unit_test_setup(write_callbacks_come_in_order_after_the_calls_have_returned, cast_reset),
        cmocka_unit_test_setup(small_writes_before_connect_go_out_before_ready_without_a_drain, cast_reset),
        cmocka_unit_test_setup(a_large_write_before_connect_is_queued_and_drains, cast_reset),
        cmocka_unit_test_setup(a_write_that_waits_drains_once_before_its_callback, cast_reset),
        cmocka_unit_test_setup(thousands_of_queued_slices_arrive_in_order_before_the_end, cast_reset),
        cmocka_unit_test_setup(lost_writes_are_called_back_in_order_before_close, cast_reset),
        cmocka_unit_test_setup(a_write_after_the_end_is_called_back_then_an_error_then_close, cast_reset),
        cmocka_unit_test_setup(a_write_after_the_peer_ended_both_sides_is_a_broken_pipe, cast_reset),
        cmocka_unit_test_setup(a_paused_socket_gives_no_data_before_resume_has_returned, cast_reset),
        cmocka_unit_test_setup(a_connection_paused_from_the_start_gets_everything_later, cast_reset),
        cmocka_unit_test_setup(held_data_outlives_its_event_and_its_runtime, cast_reset),
        cmocka_unit_test_setup(a_timeout_comes_once_for_each_idle_period, cast_reset),
        cmocka_unit_test_setup(the_timeout_option_covers_connecting, cast_reset),
        cmocka_unit_test_setup(both_addresses_are_known_while_connected, cast_reset),
        cmocka_unit_test_setup(options_can_be_set_at_any_time, cast_reset),
        cmocka_unit_test_setup(what_is_asked_for_before_connect_holds_then, cast_reset),
        cmocka_unit_test_setup(wrong_arguments_are_refused_by_name, cast_reset),
        cmocka_unit_test_setup(nothing_harms_in_the_close_callback, cast_reset),
        cmocka_unit_test_setup(a_socket_may_be_destroyed_in_any_event_and_closes_once, cast_reset),
        cmocka_unit_test_setup(the_exit_of_its_actor_destroys_a_socket, cast_reset),
        cmocka_unit_test_setup(a_killed_socket_gives_no_event_any_more, cast_reset),
        cmocka_unit_test_setup(an_error_of_the_users_keeps_its_number, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
