/*
 * The order of what is due, and of callbacks: net/socket/steps.c, net/stream/callbacks.c. Scenarios play most of it.
 */
#include "cast.h"
#include "helpers.h"
#include "writer_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MORE_THAN_ONE_READ 120000u

static void
answers_the_first(struct endpoint *self, const char *event)
{
    static const char name[] = "answer";
    if (is(event, "data") && self->bytes <= 65536)
        assert_int_equal(write_named(text_slice("a"), name), TR_OK);
}

static void
play_two_reads(void)
{
    client.hook = answers_the_first;
    open_writer(AF_UNIX);
    assert_int_equal(write(peer.fd, pattern(MORE_THAN_ONE_READ).data, MORE_THAN_ONE_READ), MORE_THAN_ONE_READ);
    shutdown(peer.fd, SHUT_WR);
    stage_read(&peer);
    end_when_done();
}

static void
what_a_read_makes_due_comes_before_the_next_read(void **state)
{
    (void)state;
    stage_play(1, play_two_reads);
    assert_string_equal(client.log, "data answer:OK data end close");
    assert_int_equal(client.bytes, MORE_THAN_ONE_READ);
}

static bool
client_closed(void)
{
    return client.closed;
}

static void
play_end_and_broken_pipe(void)
{
    open_writer(AF_UNIX);
    assert_int_equal(write_named(pattern(BIG), "big"), TR_QUEUED);
    assert_true(tests_peer_send(peer.fd, "x", 1));
    shutdown(peer.fd, SHUT_RDWR); /* both are seen in one wake */
    stage_when(client_closed, read_late, NULL);
    end_when_done();
}

static void
what_a_read_makes_due_comes_before_writing_goes_on(void **state)
{
    (void)state;
    stage_play(1, play_end_and_broken_pipe);
    assert_string_equal(client.log, "data:x end big:EPIPE EPIPE close!");
}

/* A socket to which others send all the time does not wait for ever with what is due. */

#define MESSAGES_AT_MOST 5000000u

static unsigned messages;
static bool is_told;

static void
tells(tr_socket *socket, void *argument, tr_status status)
{
    note_written(socket, argument, status);
    is_told = true;
}

static void
send_to_itself(tr_socket *socket)
{
    tr_message next = tr_message_signal(1);
    assert_int_equal(tr_send(tr_socket_actor(socket), tr_socket_ref(socket), &next), TR_OK);
}

static void
goes_on_sending(tr_socket *socket, tr_message *message)
{
    (void)message;
    if (messages++ == 0)
        assert_int_equal(tr_socket_write_then(socket, text_slice("a"), tells, "a"), TR_OK);
    if (!is_told && messages < MESSAGES_AT_MOST)
        send_to_itself(socket);
    else
        tr_socket_end(socket);
}

static void
play_busy_mailbox(void)
{
    static struct tr_socket_events events;
    events = endpoint_events;
    events.message = goes_on_sending;
    messages = 0;
    is_told = false;
    open_writer_as(AF_UNIX, (struct tr_socket_options){.events = &events});
    send_to_itself(client.socket);
    stage_read(&peer);
    end_when_done();
}

static void
what_is_due_waits_for_messages_but_not_without_an_end(void **state)
{
    (void)state;
    stage_play(1, play_busy_mailbox);
    assert_string_equal(client.log, "a:OK end close");
    assert_in_range(messages, 2, MESSAGES_AT_MOST - 1);
}

/* A handler that does a list of things at once: each letter is one. */
static const char *script;

static void
do_script(void)
{
    static const char *const names[] = {"1", "2", "3", "4", "5"};
    for (unsigned i = 0; script[i] != '\0'; i++) {
        void *name = (void *)(uintptr_t)names[i];
        switch (script[i]) {
        case 'w': tr_socket_write_then(client.socket, text_slice("x"), note_written, name); break;
        case 'W': tr_socket_write(client.socket, "x", 1); break;
        case 'e': tr_socket_end_then(client.socket, nothing(), note_written, name); break;
        case 'x': tr_socket_end_then(client.socket, text_slice("x"), note_written, name); break;
        case 'n': tr_socket_end_then(client.socket, text_slice(""), note_written, name); break;
        case 'E': tr_socket_end(client.socket); break;
        case 'd': tr_socket_destroy(client.socket, TR_OK); break;
        case 'r': tr_socket_reset(client.socket); break;
        default: tr_socket_destroy(client.socket, TR_EIO); break;
        }
    }
}

static void
play_script_on_open(void)
{
    open_writer(AF_UNIX);
    do_script();
    stage_read(&peer);
    end_when_done();
}

static void
play_script_on_broken(void)
{
    open_writer(AF_UNIX);
    close(peer.fd);
    peer.ended = true;
    do_script();
    assert_int_equal(tr_socket_bytes_written(client.socket), 1); /* the first was offered, others are not */
    end_when_done();
}

static void
play_script_on_new(void)
{
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client};
    peer.ended = true;
    assert_int_equal(tr_socket_spawn(director, &options, &client.socket), TR_OK);
    do_script();
    end_when_done();
}

#define WAE "ERR_STREAM_WRITE_AFTER_END"
#define GONE "ERR_STREAM_DESTROYED"
#define CLOSED "ERR_SOCKET_CLOSED"

/* As Node 20 plays them. */
static const struct {
    void (*play)(void);
    const char *script, *log;
} orders[] = {
    {play_script_on_open, "wew", "1:OK 2:" WAE " 3:" WAE " " WAE " close!"},
    {play_script_on_open, "Eww", "2:" WAE " " WAE " 3:" WAE " close!"},
    {play_script_on_open, "ex", "1:" WAE " " WAE " 2:" WAE " close!"},
    {play_script_on_open, "eD", "1:EIO EIO close!"},
    {play_script_on_open, "ed", "1:" GONE " close"},
    {play_script_on_open, "wDwe", "1:OK EIO 3:" GONE " 4:" GONE " close!"},
    {play_script_on_open, "dEw", "3:" WAE " close"},
    {play_script_on_open, "DEw", "EIO 3:" GONE " close!"},
    {play_script_on_open, "Wew", "3:" WAE " 2:" WAE " " WAE " close!"},
    {play_script_on_open, "wWew", "1:OK 3:" WAE " 4:" WAE " " WAE " close!"},
    {play_script_on_open, "wdw", "1:OK 3:" GONE " close"},
    {play_script_on_open, "EeD", "2:EIO EIO close!"},
    {play_script_on_open, "Wed", "2:" GONE " close"},
    {play_script_on_open, "wedw", "1:OK 2:" GONE " 4:" WAE " close"},
    {play_script_on_open, "En", WAE " 2:" WAE " close!"},
    {play_script_on_broken, "w", "1:EPIPE EPIPE close!"},
    {play_script_on_broken, "ww", "1:EPIPE 2:EPIPE EPIPE close!"},
    {play_script_on_broken, "wd", "1:EPIPE close"},
    {play_script_on_broken, "wD", "1:EPIPE EIO close!"},
    {play_script_on_broken, "weD", "1:EPIPE 2:EPIPE EIO close!"},
    {play_script_on_broken, "wr", "1:EPIPE close"},
    {play_script_on_new, "ww", "1:" CLOSED " 2:" CLOSED " " CLOSED " close!"},
    {play_script_on_new, "wew", "1:" CLOSED " 3:" CLOSED " 2:" CLOSED " " CLOSED " close!"},
    {play_script_on_new, "xw", "2:" CLOSED " 1:" CLOSED " " CLOSED " close!"},
    {play_script_on_new, "eww", "2:" WAE " 1:" WAE " " WAE " close! 3:" WAE},
    {play_script_on_new, "eD", "1:EIO EIO close!"},
    {play_script_on_new, "Dw", "EIO close! 2:" GONE},
    {play_script_on_new, "Ddw", "EIO close! 3:" GONE},
    {play_script_on_new, "wEw", "1:" CLOSED " 3:" CLOSED " " CLOSED " close!"},
    {play_script_on_new, "exw", "1:" WAE " " WAE " close! 2:" WAE " 3:" WAE},
    {play_script_on_new, "dew", "close 2:" GONE " 3:" WAE}, /* Node never calls 2 */
};

static void
callbacks_of_one_handler_come_in_nodes_order(void **state)
{
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        cast_reset(state);
        script = orders[i].script;
        stage_play(1, orders[i].play);
        assert_string_equal(client.log, orders[i].log);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_a_read_makes_due_comes_before_the_next_read, cast_reset),
        cmocka_unit_test_setup(what_a_read_makes_due_comes_before_writing_goes_on, cast_reset),
        cmocka_unit_test_setup(what_is_due_waits_for_messages_but_not_without_an_end, cast_reset),
        cmocka_unit_test_setup(callbacks_of_one_handler_come_in_nodes_order, cast_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
