/*
 * A socket with a layer when memory is short: what cannot be is refused and changes nothing, and what is under way
 * cannot be refused any more.
 */
#include "cast.h"
#include "fault.h"
#include "helpers.h"
#include "reading_play.h"
#include "secure_play.h"
#include "writer_play.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int
end(void **state)
{
    fault_clear();
    return expect_no_toys(state);
}

/* Becoming secure. */

static unsigned refused;

/* Fails with the first call for memory, with the second, ... until there is none that fails. */
static void
begin_without_memory(void *argument)
{
    (void)argument;
    tr_status status = TR_ENOMEM;
    for (refused = 0; status == TR_ENOMEM; refused += status == TR_ENOMEM) {
        struct toy *toy = toy_new(true);
        fault_plan(FAULT_MEMORY, refused + 1, 1, ENOMEM);
        status = tri_secure_begin(client.socket, &toy->layer, &(struct tri_secure_options){.handshake_ms = 100000});
        fault_clear();
        if (status == TR_OK)
            break;
        assert_null(tri_socket_layer(client.socket));
        assert_null(toy->layer.shake);
        assert_int_equal(client.socket->extra->held.bytes, 4); /* they are data still */
        toy->layer.kind->free(&toy->layer);
    }
    assert_int_equal(status, TR_OK);
    assert_int_equal(client.socket->extra->held.bytes, 0);
    assert_int_equal(toy_of(client.socket)->early_size, 4);
    stage_settled(cast_end, NULL);
}

static void
play_begin(void)
{
    open_narrow_as((struct tr_socket_options){0});
    tr_socket_pause(client.socket);
    write_named(pattern(BIG), "big"); /* so that there is a barrier */
    assert_true(tests_peer_send(peer.fd, "HELL", 4));
    stage_settled(begin_without_memory, NULL);
}

static void
without_memory_a_socket_stays_plain_and_keeps_what_it_has(void **state)
{
    (void)state;
    stage_play(1, play_begin);
    assert_true(refused >= 3); /* the barrier, the handshake's own, the bytes */
}

/* Writing. */

static struct toy *ours;
static void (*writes)(void);

static void
write_now(void *argument)
{
    (void)argument;
    ours = toy_of(client.socket);
    ours->stands = true;
    fault_plan(FAULT_MEMORY, 1, 1000, ENOMEM);
    writes();
    fault_clear();
    ours->stands = false;
    tr_socket_end(client.socket);
}

static void
play_pair(void)
{
    toy_pair(AF_UNIX, &client, (struct tr_socket_options){0}, &other, (struct tr_socket_options){0});
    stage_when(both_are_secure, write_now, NULL);
    end_when_pair_is_closed();
}

static void
write_what_must_wait(void)
{
    assert_int_equal(tr_socket_write_slice(client.socket, pattern(10)), TR_ENOMEM);
    assert_int_equal(ours->pending, 10);
    assert_true(tr_socket_destroyed(client.socket));
}

/* Half of a record may have left by then. */
static void
a_record_that_cannot_wait_for_lack_of_memory_destroys_the_socket(void **state)
{
    (void)state;
    writes = write_what_must_wait;
    stage_play(1, play_pair);
    assert_string_equal(client.log, "secure ENOMEM close!");
    assert_string_equal(client.call, "write");
    assert_int_equal(other.bytes, 0);
}

static void
write_with_callback(void)
{
    assert_int_equal(write_named(pattern(10), "named"), TR_ENOMEM);
    assert_int_equal(ours->pending, 0);
    assert_false(tr_socket_destroyed(client.socket));
}

static void
a_write_whose_callback_could_not_be_called_becomes_no_record(void **state)
{
    (void)state;
    writes = write_with_callback;
    stage_play(1, play_pair);
    assert_string_equal(client.log, "secure end close");
    assert_string_equal(other.log, "secure end close");
}

static void
end_without_memory(void)
{
    assert_int_equal(tr_socket_end(client.socket), TR_OK);
}

static void
saying_goodbye_needs_no_memory(void **state)
{
    (void)state;
    writes = end_without_memory;
    stage_play(1, play_pair);
    assert_string_equal(client.log, "secure end close");
    assert_string_equal(other.log, "secure end close");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, secure_reset, end)
        TEST(without_memory_a_socket_stays_plain_and_keeps_what_it_has),
        TEST(a_record_that_cannot_wait_for_lack_of_memory_destroys_the_socket),
        TEST(a_write_whose_callback_could_not_be_called_becomes_no_record),
        TEST(saying_goodbye_needs_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
