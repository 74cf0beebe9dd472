/*
 * What a socket writes and reads: the order of callbacks, drains, pauses, and data that is held.
 */
#include "cast.h"
#include "socket_echo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BIG (8u << 20) /* more than the kernel takes at once */

/* Writing. */

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
