/*
 * A message behind the handshake that comes in parts, while the other end writes, renews its keys, or ends: OpenSSL
 * writes nothing before it has all of such a message.
 */
#include "cast.h"
#include "connection.h"
#include "layer_play.h"
#include "parted_peer.h"
#include "socket_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LITTLE_ROOM 4608
#define MORE_THAN_IT_HOLDS 17000u

static struct parted_peer parted;
static struct layer_end end;
static tr_tls_context *calling;

static tr_tls_context *
make_client(void)
{
    struct tr_tls_context_options options = tls_client("ca");
    options.identities = tls_identity("client");
    options.identity_count = 1;
    options.lowest = TR_TLS_1_3;
    return tls_make(&options);
}

/* The layer alone. */

/* Both ends are secure, and the ticket is held. room: SO_SNDBUF; 0: the system's. */
static void
begin(int room)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    if (room > 0)
        assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    calling = make_client();
    parted_begin(&parted, fds[1]);
    layer_begin_end(&end, &(struct tri_tls_wish){.context = calling, .server_name = "server.example"}, fds[0]);
    while (end.layer->state != TRI_LAYER_OPEN || !parted_has_ticket(&parted)) {
        if (end.layer->state != TRI_LAYER_OPEN && end.layer->kind->advance(end.layer, end.fd) == TRI_LAYER_DONE)
            end.layer->state = TRI_LAYER_OPEN;
        parted_work(&parted);
    }
}

/* And its first record was read. */
static void
begin_amid(void)
{
    begin(0);
    parted_send_record(&parted);
    layer_read(&end, 1000);
    assert_true(end.last == -EAGAIN && end.got_size == 0);
}

static void
end_amid(void)
{
    layer_end_end(&end);
    close(parted.fd);
    parted_end(&parted);
    tr_tls_context_release(calling);
}

static ssize_t
write_word(const char *word)
{
    ssize_t taken = end.layer->kind->write_record(end.layer, end.fd, word, strlen(word));
    parted_work(&parted);
    return taken;
}

static void
a_write_in_the_middle_of_a_message_takes_nothing_and_goes_when_the_rest_was_read(void **state)
{
    (void)state;
    begin_amid();
    assert_int_equal(write_word("nothing of this"), 0);
    assert_true(end.layer->amid);
    parted_send(&parted, 7); /* a part of a record */
    layer_read(&end, 1000);
    assert_int_equal(write_word("nor of this"), 0);
    assert_true(end.layer->amid);
    parted_send_all(&parted);
    layer_read(&end, 1000);
    assert_false(end.layer->amid);
    assert_int_equal(write_word("word"), 4);
    assert_string_equal(parted.got, "word");
    end_amid();
}

static void
a_write_reads_the_rest_itself_and_what_came_behind_it_is_inside(void **state)
{
    (void)state;
    begin_amid();
    assert_int_equal(write_word("nothing"), 0);
    parted_say(&parted, "behind");
    parted_send_all(&parted);
    end.layer->inner = 0;
    assert_int_equal(write_word("word"), 4);
    assert_true(!end.layer->amid && end.layer->inner);
    assert_string_equal(parted.got, "word");
    layer_read(&end, 1000);
    assert_string_equal(end.first, "behind");
    end_amid();
}

/* Writes until the kernel has a record in part. Gives the bytes of those before it. */
static size_t
close_window(void)
{
    static char record[1000];
    size_t written = 0;
    while (layer_write(&end, record, sizeof(record)) > 0)
        written += sizeof(record);
    return written;
}

static void
open_window(size_t written)
{
    static char other_memory[1000];
    while (end.layer->committed > 0) {
        parted_work(&parted);
        assert_true(layer_write(&end, other_memory, sizeof(other_memory)) >= 0);
    }
    parted_work(&parted);
    assert_int_equal(parted.got_size, written + sizeof(other_memory));
}

static void
a_ticket_is_read_although_the_window_is_closed(void **state)
{
    tr_tls_session *session;
    (void)state;
    begin(LITTLE_ROOM);
    size_t written = close_window();
    parted_send_all(&parted);
    layer_read(&end, 1000);
    assert_int_equal(end.last, -EAGAIN);
    assert_int_equal(tri_tls_session(end.layer, &session), TR_OK);
    tr_tls_session_release(session);
    open_window(written);
    end_amid();
}

static void
a_record_that_is_half_in_the_kernel_goes_on_although_half_a_message_has_come(void **state)
{
    (void)state;
    begin(LITTLE_ROOM);
    size_t written = close_window();
    parted_send_record(&parted);
    layer_read(&end, 1000);
    open_window(written);
    assert_false(end.layer->amid);
    parted_send_all(&parted);
    end_amid();
}

static void
keys_are_not_renewed_in_the_middle_of_a_message(void **state)
{
    (void)state;
    begin_amid();
    assert_int_equal(tri_tls_update_keys(end.layer, true), TR_EAGAIN);
    parted_send_all(&parted);
    layer_read(&end, 1000);
    assert_int_equal(tri_tls_update_keys(end.layer, true), TR_OK);
    assert_true(layer_push(&end));
    assert_int_equal(write_word("word"), 4);
    assert_string_equal(parted.got, "word");
    end_amid();
}

static void
goodbye_waits_for_the_rest_of_a_message(void **state)
{
    (void)state;
    begin_amid();
    assert_int_equal(end.layer->kind->goodbye(end.layer, end.fd), 0);
    assert_true(end.layer->amid);
    parted_send_all(&parted);
    assert_int_equal(end.layer->kind->goodbye(end.layer, end.fd), 1);
    assert_false(end.layer->amid);
    parted_work(&parted);
    assert_true(parted.ended);
    end_amid();
}

static void
after_goodbye_not_even_an_alert_is_sent(void **state)
{
    char byte;
    (void)state;
    begin(0);
    assert_int_equal(end.layer->kind->goodbye(end.layer, end.fd), 1);
    parted_work(&parted);
    assert_true(parted.ended);
    assert_int_equal(write(parted.fd, "\x17\x03\x03\0\x20no record, this, by no means......", 37), 37);
    layer_read(&end, 1000);
    assert_int_equal(end.last, TRI_LAYER_BROKEN);
    assert_int_equal(read(parted.fd, &byte, 1), -1);
    end_amid();
}

static void
a_peer_that_ends_in_the_middle_of_a_message_cannot_be_written_to_nor_waited_for(void **state)
{
    (void)state;
    begin_amid();
    assert_int_equal(shutdown(parted.fd, SHUT_WR), 0);
    layer_read(&end, 1000);
    assert_true(end.last == 0 && !end.layer->whole);
    assert_int_equal(write_word("word"), TRI_LAYER_BROKEN);
    assert_false(end.layer->amid);
    end_amid();
    begin_amid();
    assert_int_equal(shutdown(parted.fd, SHUT_WR), 0);
    layer_read(&end, 1000);
    assert_int_equal(end.layer->kind->goodbye(end.layer, end.fd), 1);
    end_amid();
}

/* Sockets. */

static bool paused, ends, at_once, full;
static void (*then)(void *argument); /* when both are secure, and the ticket is held */

static void send_half(void *argument);

static int
reset(void **state)
{
    paused = ends = at_once = full = false;
    then = send_half;
    return cast_reset(state);
}

static int
leave(void **state)
{
    return tls_leaves_no_errors(state);
}

static bool
ticket_is_there(void)
{
    parted_work(&parted);
    return tr_socket_secure(client.socket) && parted_has_ticket(&parted);
}

static bool
all_was_said(void)
{
    parted_work(&parted);
    return parted.got_size == strlen("wordanother") && (!ends || parted.ended);
}

static bool
has_data(void)
{
    parted_work(&parted);
    return client.bytes == strlen("behind") + (full ? MORE_THAN_IT_HOLDS : 0);
}

static void
close_both(void *argument)
{
    (void)argument;
    close(parted.fd);
    parted_end(&parted);
    if (client.socket != NULL)
        tr_socket_destroy(client.socket, TR_OK);
    end_when_closed();
}

static void
resume_and_look(void *argument)
{
    (void)argument;
    assert_int_equal(client.bytes, paused ? 0 : strlen("behind"));
    tr_socket_resume(client.socket);
    stage_when(has_data, close_both, NULL);
}

static void
send_the_rest(void *argument)
{
    (void)argument;
    parted_work(&parted);
    assert_int_equal(parted.got_size, 0);
    assert_false(client.closed);
    assert_int_equal(client.socket->polled & (UV_READABLE | UV_WRITABLE), UV_READABLE); /* room is there */
    parted_say(&parted, "behind");
    parted_send_all(&parted);
    stage_settled_when(all_was_said, resume_and_look, NULL);
}

static void
write_amid(void *argument)
{
    (void)argument;
    if (at_once) {
        parted_say(&parted, "behind");
        parted_send_all(&parted);
    }
    assert_true(say(client.socket, "word") >= TR_OK);
    assert_true(say(client.socket, "another") >= TR_OK);
    if (ends)
        tr_socket_end(client.socket);
    if (at_once)
        stage_settled_when(all_was_said, resume_and_look, NULL);
    else
        stage_settled(send_the_rest, NULL);
}

static void
send_half(void *argument)
{
    (void)argument;
    if (paused)
        tr_socket_pause(client.socket);
    if (full)
        parted_send_much_and_half_a_ticket(&parted, MORE_THAN_IT_HOLDS);
    else
        parted_send_record(&parted);
    stage_settled(write_amid, NULL);
}

static void
play_amid(void)
{
    int fds[2];
    struct tr_tls_options tls = {.context = calling, .server_name = "server.example"};
    stage_pair(AF_UNIX, fds);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    parted_begin(&parted, fds[1]);
    stage_adopt_as(&client, fds[0], (struct tr_socket_options){.events = &endpoint_events, .allow_half_open = true});
    assert_int_equal(tr_socket_set_secure(client.socket, &tls), TR_OK);
    stage_settled_when(ticket_is_there, then, NULL);
}

static void
play(void)
{
    calling = make_client();
    stage_play(1, play_amid);
    tr_tls_context_release(calling);
    assert_string_equal(parted.got, "wordanother");
}

static void
what_a_socket_writes_in_the_middle_of_a_message_waits_for_its_rest_and_comes_in_order(void **state)
{
    (void)state;
    play();
    assert_string_equal(client.log, "secure data:behind drain close");
}

static void
a_paused_socket_reads_the_rest_for_what_it_writes_and_no_more_is_data(void **state)
{
    (void)state;
    paused = true;
    play();
    assert_string_equal(client.log, "secure drain data:behind close");
}

static void
a_paused_socket_that_holds_all_it_may_reads_the_rest_for_what_it_writes(void **state)
{
    (void)state;
    paused = full = true;
    play();
    assert_int_equal(client.bytes, MORE_THAN_IT_HOLDS + strlen("behind"));
}

/* Within the write, which is made by another actor, so that nothing more wakes the socket. */
static void
what_a_write_has_read_behind_the_rest_is_data_at_once(void **state)
{
    (void)state;
    at_once = true;
    play();
    assert_string_equal(client.log, "secure data:behind close");
}

static void
a_socket_that_ends_in_the_middle_of_a_message_says_goodbye_when_the_rest_has_come(void **state)
{
    (void)state;
    ends = true;
    play();
    assert_true(parted.ended);
    paused = true;
    reset(state);
    ends = paused = true;
    play();
    assert_true(parted.ended);
}

/* Keys. */

static bool
new_keys_have_come(void)
{
    struct pollfd came = {.fd = parted.fd, .events = POLLIN};
    return poll(&came, 1, 0) == 1;
}

static void
renew_keys(void *argument)
{
    (void)argument;
    parted_work(&parted);
    assert_int_equal(tr_socket_update_keys(client.socket, false), TR_OK);
    stage_when(new_keys_have_come, close_both, NULL);
}

static void
new_keys_are_sent_although_nothing_is_written(void **state)
{
    (void)state;
    then = renew_keys;
    calling = make_client();
    stage_play(1, play_amid);
    tr_tls_context_release(calling);
    assert_string_equal(client.log, "secure close");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LAYER_TEST(a_write_in_the_middle_of_a_message_takes_nothing_and_goes_when_the_rest_was_read),
        LAYER_TEST(a_write_reads_the_rest_itself_and_what_came_behind_it_is_inside),
        LAYER_TEST(a_ticket_is_read_although_the_window_is_closed),
        LAYER_TEST(a_record_that_is_half_in_the_kernel_goes_on_although_half_a_message_has_come),
        LAYER_TEST(keys_are_not_renewed_in_the_middle_of_a_message),
        LAYER_TEST(goodbye_waits_for_the_rest_of_a_message),
        LAYER_TEST(after_goodbye_not_even_an_alert_is_sent),
        LAYER_TEST(a_peer_that_ends_in_the_middle_of_a_message_cannot_be_written_to_nor_waited_for),
#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, leave)
        TEST(what_a_socket_writes_in_the_middle_of_a_message_waits_for_its_rest_and_comes_in_order),
        TEST(a_paused_socket_reads_the_rest_for_what_it_writes_and_no_more_is_data),
        TEST(a_paused_socket_that_holds_all_it_may_reads_the_rest_for_what_it_writes),
        TEST(what_a_write_has_read_behind_the_rest_is_data_at_once),
        TEST(new_keys_are_sent_although_nothing_is_written),
        TEST(a_socket_that_ends_in_the_middle_of_a_message_says_goodbye_when_the_rest_has_come),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
