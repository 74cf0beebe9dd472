/*
 * What a secure socket puts on the wire, and when: seen by a tap between its two ends.
 */
#include "cast.h"
#include "fds.h"
#include "helpers.h"
#include "tap.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/tls.h>

#define MUCH (4u << 20)
#define EXTRA 24u /* of a record of AES-GCM in 1.2, behind its header */

static struct tr_socket_options of_client, of_answerer;
static void (*script)(void);

static int
reset(void **state)
{
    of_client = of_answerer = (struct tr_socket_options){0};
    return tap_reset(state);
}

static void
open_and_play(void)
{
    tap_open(of_client, of_answerer);
    if (script != NULL)
        script();
    tap_end_when_closed();
}

static void
play(void (*more)(void))
{
    script = more;
    tap_make_contexts();
    stage_play(1, open_and_play);
    tap_release_contexts();
}

/* Records. */

static void
writes_corked(struct endpoint *self, const char *event)
{
    if (!is(event, "secure"))
        return;
    tr_socket_cork(self->socket);
    assert_true(say(self->socket, "one,") >= TR_OK);
    assert_true(say(self->socket, "two,") >= TR_OK);
    assert_true(say(self->socket, "three") >= TR_OK);
    assert_true(tr_socket_uncork(self->socket) >= TR_OK);
    tr_socket_end(self->socket);
}

static void
what_is_corked_is_one_record_on_the_wire(void **state)
{
    (void)state;
    client.hook = writes_corked;
    play(NULL);
    assert_string_equal(answerer.log, "secure data:one,two,three end close");
    assert_string_equal(tap_up.order, "HCHDA.");
    assert_int_equal(tap_up.data_records, 1);
}

static size_t record_with_data;

static void
writes_without_cork(struct endpoint *self, const char *event)
{
    if (!is(event, "secure"))
        return;
    assert_true(say(self->socket, "one") >= TR_OK); /* in the bracket of `secure` all that is written waits for it */
}

static void
notes_record(struct endpoint *self, const char *event)
{
    if (!is(event, "data"))
        return;
    record_with_data = tap_up.last_record;
    tr_socket_end(self->socket);
}

static void
a_record_costs_its_header_a_counter_and_a_tag(void **state)
{
    (void)state;
    client.hook = writes_without_cork;
    answerer.hook = notes_record;
    play(NULL);
    assert_int_equal(record_with_data, strlen("one") + EXTRA);
}

/* Ends. */

static void
ends_when_secure(struct endpoint *self, const char *event)
{
    if (is(event, "secure"))
        assert_int_equal(tr_socket_end_with(self->socket, text_slice("bye")), TR_OK);
}

static bool was_cut;

static void
looks_at_end(struct endpoint *self, const char *event)
{
    if (is(event, "end"))
        was_cut = tr_socket_truncated(self->socket);
}

static void
an_end_is_close_notify_and_then_fin(void **state)
{
    (void)state;
    was_cut = true;
    client.hook = ends_when_secure;
    answerer.hook = looks_at_end;
    play(NULL);
    assert_string_equal(tap_up.order, "HCHDA.");
    assert_string_equal(tap_down.order, "HCHA.");
    assert_string_equal(answerer.log, "secure data:bye end close");
    assert_false(was_cut);
}

static void
answers_after_the_end(struct endpoint *self, const char *event)
{
    if (is(event, "end"))
        assert_int_equal(tr_socket_end_with(self->socket, text_slice("answer")), TR_OK);
}

static void
a_half_open_side_still_writes_after_the_close_notify_of_the_other(void **state)
{
    (void)state;
    of_answerer.allow_half_open = true;
    client.hook = ends_when_secure;
    answerer.hook = answers_after_the_end;
    play(NULL);
    assert_string_equal(answerer.log, "secure data:bye end close");
    assert_string_equal(client.log, "secure data:answer end close");
    assert_string_equal(tap_down.order, "HCHDA.");
}

static void
so_it_is_when_the_server_ends_first(void **state)
{
    (void)state;
    of_client.allow_half_open = true;
    answerer.hook = ends_when_secure;
    client.hook = answers_after_the_end;
    play(NULL);
    assert_string_equal(client.log, "secure data:bye end close");
    assert_string_equal(answerer.log, "secure data:answer end close");
    assert_string_equal(tap_up.order, "HCHDA.");
}

static void
destroys_when_written(tr_socket *socket, void *argument, tr_status status)
{
    (void)argument;
    assert_int_equal(status, TR_OK);
    tr_socket_destroy(socket, TR_OK);
}

static void
is_destroyed_when_it_has_written(struct endpoint *self, const char *event)
{
    if (is(event, "secure"))
        assert_true(tr_socket_write_then(self->socket, text_slice("word"), destroys_when_written, NULL) >= TR_OK);
}

static void
a_socket_that_is_destroyed_sends_no_close_notify_which_the_peer_can_tell(void **state)
{
    was_cut = false;
    client.hook = is_destroyed_when_it_has_written;
    answerer.hook = looks_at_end;
    play(NULL);
    assert_string_equal(tap_up.order, "HCHD.");
    assert_string_equal(answerer.log, "secure data:word end close");
    assert_true(was_cut);
    reset(state);
    tap_serving.truncation_fails = true;
    client.hook = is_destroyed_when_it_has_written;
    play(NULL);
    assert_string_equal(answerer.log, "secure data:word ERR_TLS_TRUNCATED close!");
    assert_int_equal(answerer.error, TR_ETRUNCATED);
}

/* Back-pressure. */

static tr_status answer_of_write;

static void
writes_much(struct endpoint *self, const char *event)
{
    if (!is(event, "secure"))
        return;
    tap_up.stands = true;
    answer_of_write = tr_socket_write_then(self->socket, pattern(MUCH), note_written, "w");
}

static bool
has_written_what_there_is_room_for(void)
{
    return strstr(client.log, "secure") != NULL && client.socket != NULL && tr_socket_buffered(client.socket) > 0;
}

static void
lets_go(void *argument)
{
    (void)argument;
    assert_null(strstr(client.log, "drain"));
    assert_null(strstr(client.log, "w:OK"));
    assert_true(tr_socket_buffered(client.socket) > 0 && tr_socket_buffered(client.socket) < MUCH);
    tap_up.stands = false;
}

static void
ends_after_much(struct endpoint *self, const char *event)
{
    if (is(event, "data") && self->bytes == MUCH)
        tr_socket_end(self->socket);
}

static void
play_much(void)
{
    stage_settled_when(has_written_what_there_is_room_for, lets_go, NULL);
}

static void
a_write_that_the_kernel_has_no_room_for_waits_and_drain_and_its_callback_come_when_it_has_gone(void **state)
{
    (void)state;
    client.hook = writes_much;
    answerer.hook = ends_after_much;
    play(play_much);
    assert_int_equal(answer_of_write, TR_QUEUED);
    assert_string_equal(client.log, "secure drain w:OK end close");
    assert_int_equal(answerer.bytes, MUCH);
    assert_true(answerer.sum == pattern_sum(MUCH));
}

/* Limits. */

static void
writes_beyond_its_limit(struct endpoint *self, const char *event)
{
    if (!is(event, "secure"))
        return;
    tap_up.stands = true;
    assert_int_equal(tr_socket_write_slice(self->socket, pattern(MUCH)), TR_QUEUED);
    assert_int_equal(tr_socket_write_slice(self->socket, pattern(60000)), TR_EQUEUELIMIT);
}

static void
a_write_limit_counts_plain_bytes_and_what_it_refuses_is_not_sent(void **state)
{
    (void)state;
    of_client.write_limit = 50000;
    client.hook = writes_beyond_its_limit;
    answerer.hook = ends_after_much;
    play(play_much);
    assert_int_equal(answerer.bytes, MUCH);
    assert_true(answerer.sum == pattern_sum(MUCH));
}

static bool
is_secure(void)
{
    return strstr(answerer.log, "secure") != NULL;
}

static void
stands_still(void *argument)
{
    (void)argument;
    tap_up.stands = true;
}

static void
lets_all_go(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "close"))
        tap_up.stands = false;
}

static void
play_silent(void)
{
    stage_when(is_secure, stands_still, NULL);
}

static void
a_peer_that_sends_no_plain_byte_is_too_slow_whatever_its_handshake_has_moved(void **state)
{
    (void)state;
    of_answerer.first_byte_timeout_ms = 30;
    answerer.hook = lets_all_go;
    play(play_silent);
    assert_string_equal(answerer.log, "secure ERR_PEER_TOO_SLOW close!");
}

/* Counters. */

static uint64_t plain_read, plain_written;
static struct tr_tls_info seen_by_client;

static void
counts(struct endpoint *self, const char *event)
{
    if (!is(event, "end"))
        return;
    plain_read = tr_socket_bytes_read(self->socket);
    plain_written = tr_socket_bytes_written(self->socket);
    assert_int_equal(tr_socket_tls_info(self->socket, &seen_by_client), TR_OK);
}

static void
says_and_counts(struct endpoint *self, const char *event)
{
    ends_when_secure(self, event);
    counts(self, event);
}

static void
counters_are_of_the_plain_text_and_those_of_the_wire_are_what_passed_there(void **state)
{
    (void)state;
    of_answerer.allow_half_open = true;
    client.hook = says_and_counts;
    answerer.hook = answers_after_the_end;
    play(NULL);
    assert_int_equal(plain_written, strlen("bye"));
    assert_int_equal(plain_read, strlen("answer"));
    assert_int_equal(seen_by_client.wire_written, tap_up.bytes);
    assert_int_equal(seen_by_client.wire_read, tap_down.bytes);
}

/* Idle. */

static void
gives_up_when_idle(struct endpoint *self, const char *event)
{
    if (is(event, "timeout"))
        tr_socket_destroy(self->socket, TR_OK);
}

static void
play_standing(void)
{
    tap_down.stands = true;
}

static void
lets_the_rest_go(struct endpoint *self, const char *event)
{
    (void)self;
    if (is(event, "close"))
        tap_down.stands = false;
}

static void
idle_then_gone(struct endpoint *self, const char *event)
{
    gives_up_when_idle(self, event);
    lets_the_rest_go(self, event);
}

static void
a_handshake_that_does_not_move_is_idle(void **state)
{
    (void)state;
    of_client.timeout_ms = 30;
    client.hook = idle_then_gone;
    play(play_standing);
    assert_string_equal(client.log, "timeout close");
    assert_null(strstr(answerer.log, "secure"));
}

/* Files. */

static int file = -1;

static void
writes_file(struct endpoint *self, const char *event)
{
    if (!is(event, "secure"))
        return;
    assert_true(tr_socket_write_file(self->socket, file, 0, MUCH, note_written, "f") >= TR_OK);
    assert_true(say(self->socket, "") >= TR_OK);
    tr_socket_end(self->socket);
}

static void
make_file(size_t size)
{
    file = file_new();
    assert_int_equal(write(file, pattern(MUCH).data, size), size);
}

static void
a_file_goes_in_records_and_arrives_whole(void **state)
{
    (void)state;
    make_file(MUCH);
    client.hook = writes_file;
    play(NULL);
    close(file);
    assert_string_equal(client.log, "secure f:OK end close");
    assert_int_equal(answerer.bytes, MUCH);
    assert_true(answerer.sum == pattern_sum(MUCH));
    assert_int_equal(tap_up.data_records, MUCH / 16384);
}

static void
a_file_that_is_shorter_than_was_said_destroys_the_socket_and_the_peer_is_told_of_a_loss(void **state)
{
    (void)state;
    was_cut = false;
    make_file(MUCH - 100000);
    client.hook = writes_file;
    answerer.hook = looks_at_end;
    play(NULL);
    close(file);
    assert_true(client.error < 0);
    assert_non_null(strstr(client.log, "close!"));
    assert_true(answerer.bytes < MUCH);
    assert_true(was_cut || answerer.error < 0);
    assert_null(strchr(tap_up.order, 'A'));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, tls_leaves_no_errors)
        TEST(what_is_corked_is_one_record_on_the_wire),
        TEST(a_record_costs_its_header_a_counter_and_a_tag),
        TEST(an_end_is_close_notify_and_then_fin),
        TEST(a_half_open_side_still_writes_after_the_close_notify_of_the_other),
        TEST(so_it_is_when_the_server_ends_first),
        TEST(a_socket_that_is_destroyed_sends_no_close_notify_which_the_peer_can_tell),
        TEST(a_write_that_the_kernel_has_no_room_for_waits_and_drain_and_its_callback_come_when_it_has_gone),
        TEST(a_write_limit_counts_plain_bytes_and_what_it_refuses_is_not_sent),
        TEST(a_peer_that_sends_no_plain_byte_is_too_slow_whatever_its_handshake_has_moved),
        TEST(counters_are_of_the_plain_text_and_those_of_the_wire_are_what_passed_there),
        TEST(a_handshake_that_does_not_move_is_idle),
        TEST(a_file_goes_in_records_and_arrives_whole),
        TEST(a_file_that_is_shorter_than_was_said_destroys_the_socket_and_the_peer_is_told_of_a_loss),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
