/*
 * Floods against a secure server: many at once who say nothing, half of it, too much or something else. Whoever means
 * well is served meanwhile, each bad one is counted, and memory is afterwards what it was.
 */
#include "foe.h"
#include "helpers.h"
#include "tls_gate.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <malloc.h>

#define HELLO_BYTES 4096u
#define SLOW 150u
#define MS 3000u /* of a handshake: enough for a good one on a machine with much to do */

/* Each has said so much of its hello. */
static void
open_slow(struct caller *slow, unsigned count)
{
    char hello[HELLO_BYTES];
    for (unsigned i = 0; i < count; i++) {
        caller_open(&slow[i], gate_calling, NULL);
        size_t size = caller_hello(&slow[i], hello, sizeof(hello));
        assert_true(tests_peer_send(slow[i].fd, hello, i % size));
    }
}

static void
close_slow(struct caller *slow, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        caller_close(&slow[i]);
}

/* They are far above the number that may be under way, so they have all seats until their time is over. */
static void
slow_handshakes_end_by_their_time_and_then_who_means_well_has_its_turn(void **state)
{
    static struct caller slow[SLOW];
    struct caller early, late;
    (void)state;
    gate_serve((struct tr_server_options){.tls.handshake_timeout_ms = MS, .tls.handshakes = 4}, 2);
    caller_open(&early, gate_calling, NULL);
    caller_must_echo(&early);
    open_slow(slow, SLOW);
    gate_await_handshakes(8);
    assert_true(caller_echoes(&early));
    gate_await_connections(1);
    assert_true(caller_echoes(&early));
    caller_open(&late, gate_calling, NULL);
    caller_must_echo(&late);
    gate_tell(GATE_LOOK, 0);
    assert_int_equal(gate_refusals.bad_tls, SLOW);
    close_slow(slow, SLOW);
    caller_close(&early);
    caller_close(&late);
    gate_await_connections(0);
    gate_stop();
}

/* What is no handshake, and what never becomes one. */

static const struct {
    const char *bytes;
    size_t size;
    unsigned times;
} bad[] = {
    {"GET / HTTP/1.1\r\n\r\n", 18, 1},
    {"\x16\x03\x03\0\0", 5, 100},           /* empty messages */
    {"\x15\x03\x03\0\x02\x01\x5a", 7, 100}, /* warnings */
    {"\x14\x03\x03\0\x01\x01", 6, 100},     /* changes of cipher */
    {"\x16\x03\x01\xff\xff\x01", 6, 1},     /* a record above the limit */
    {"\x16\x03\x01\0\x04\x01\xff\xff\xff", 9, 1},
    {"\0\0\0\0\0\0\0\0", 8, 1},
};

#define BAD (sizeof(bad) / sizeof(bad[0]))

static void
send_bad(size_t which)
{
    int fd = gate_connect();
    for (unsigned i = 0; i < bad[which].times; i++)
        if (send(fd, bad[which].bytes, bad[which].size, MSG_NOSIGNAL) < 0)
            break; /* it has been answered already */
    shutdown(fd, SHUT_WR);
    char rest[1024];
    while (tests_peer_receive(fd, rest, sizeof(rest)) == (long)sizeof(rest))
        continue;
    close(fd);
}

static void
each_of_many_bad_beginnings_is_counted_and_nobody_else_disturbed(void **state)
{
    struct caller early;
    (void)state;
    gate_serve((struct tr_server_options){.tls.handshakes = 2}, 2);
    caller_open(&early, gate_calling, NULL);
    caller_must_echo(&early);
    for (unsigned round = 0; round < 20; round++)
        for (size_t i = 0; i < BAD; i++)
            send_bad(i);
    assert_true(caller_echoes(&early));
    gate_await_connections(1);
    gate_tell(GATE_LOOK, 0);
    assert_int_equal(gate_refusals.bad_tls, 20 * BAD);
    caller_close(&early);
    gate_await_connections(0);
    gate_stop();
}

/* Handshakes that are good, and no more. */

static void
come_and_go(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct caller caller;
        caller_open(&caller, gate_calling, NULL);
        assert_true(caller_shake(&caller));
        caller_close(&caller);
    }
    gate_await_connections(0);
}

static void
clients_that_shake_hands_and_go_leave_no_memory_behind(void **state)
{
    (void)state;
    gate_serve((struct tr_server_options){0}, 2);
    come_and_go(200); /* until OpenSSL's tables have their size */
    size_t before = mallinfo2().uordblks;
    come_and_go(400);
    size_t after = mallinfo2().uordblks;
    if (after > before + 100000)
        fail_msg("%zu bytes, and then %zu", before, after);
    gate_stop();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(slow_handshakes_end_by_their_time_and_then_who_means_well_has_its_turn),
        TLS_TEST(each_of_many_bad_beginnings_is_counted_and_nobody_else_disturbed),
        TLS_TEST(clients_that_shake_hands_and_go_leave_no_memory_behind),
    };
    return cmocka_run_group_tests(tests, gate_setup, gate_teardown);
}
