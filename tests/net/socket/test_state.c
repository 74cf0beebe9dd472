/*
 * The memory that a socket has of its own: zero, aligned, there for every callback, and gone with the socket.
 */
#include "cast.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

#define BYTES 100u

static struct endpoint other;

static int
reset(void **state)
{
    (void)state;
    memset(&client, 0, sizeof(client));
    memset(&other, 0, sizeof(other));
    memset(accepted, 0, sizeof(accepted));
    return 0;
}

/* All bytes are this. */
static bool
holds(tr_socket *socket, unsigned char byte)
{
    const unsigned char *bytes = tr_socket_state(socket);
    for (unsigned i = 0; i < BYTES; i++)
        if (bytes[i] != byte)
            return false;
    return true;
}

static void
expect_fresh(tr_socket *socket)
{
    assert_non_null(tr_socket_state(socket));
    assert_int_equal((uintptr_t)tr_socket_state(socket) % alignof(max_align_t), 0);
    assert_true(holds(socket, 0));
}

static const struct tr_socket_options with_state = {.state_size = BYTES};

/* Accepted. */

static unsigned fresh;

/* Each connection writes its number over all of its state, and finds it in its last callback. */
static void
keeps_its_number(struct endpoint *self, const char *event)
{
    unsigned char number = (unsigned char)(self - accepted + 1);
    if (is(event, "accepted")) {
        expect_fresh(self->socket);
        memset(tr_socket_state(self->socket), number, BYTES);
        fresh++;
    }
    assert_true(holds(self->socket, number));
}

static void
ends(struct endpoint *self, const char *event)
{
    assert_null(tr_socket_state(self->socket)); /* it has not asked */
    if (is(event, "ready"))
        tr_socket_end(self->socket);
}

static void
play_accepted(void)
{
    fresh = 0;
    accepted[0].hook = accepted[1].hook = keeps_its_number;
    client.hook = other.hook = ends;
    stage_serve((struct tr_server_options){.socket = with_state});
    stage_connect(&client);
    stage_connect(&other);
    struct endpoint *all[] = {&client, &other, &accepted[0], &accepted[1]};
    stage_end_when_closed(all, 4);
}

static void
each_accepted_socket_has_zeroed_memory_of_its_own_until_its_last_callback(void **state)
{
    (void)state;
    stage_play(1, play_accepted);
    assert_int_equal(fresh, 2);
    assert_string_equal(accepted[0].log, "accepted end close");
}

/* The same memory twice: what a connection has left there, the next one does not see. */
static void
connects_again(struct endpoint *self, const char *event)
{
    if (is(event, "ready"))
        tr_socket_end(self->socket);
    if (is(event, "close") && self == &client)
        stage_connect(&other);
}

static void
play_one_after_the_other(void)
{
    fresh = 0;
    accepted[0].hook = accepted[1].hook = keeps_its_number;
    client.hook = other.hook = connects_again;
    stage_serve((struct tr_server_options){.socket = with_state});
    stage_connect(&client);
    struct endpoint *all[] = {&client, &other, &accepted[0], &accepted[1]};
    stage_end_when_closed(all, 4);
}

static void
a_later_connection_sees_nothing_of_an_earlier_one(void **state)
{
    (void)state;
    stage_play(1, play_one_after_the_other);
    assert_int_equal(fresh, 2);
}

/* Others. */

static unsigned lives;

static void
lives_twice(struct endpoint *self, const char *event)
{
    if (is(event, "ready"))
        tr_socket_end(self->socket);
    if (!is(event, "close"))
        return;
    assert_true(holds(self->socket, 7));
    struct tr_connect_options again = {.host = "127.0.0.1", .port = stage_port};
    if (++lives == 1)
        assert_int_equal(tr_socket_connect(self->socket, &again), TR_OK);
}

static void
play_lives(void)
{
    lives = 0;
    client.hook = lives_twice;
    stage_serve((struct tr_server_options){0});
    stage_connect_as(&client, (struct tr_socket_options){.state_size = BYTES}, (struct tr_connect_options){0});
    expect_fresh(client.socket);
    memset(tr_socket_state(client.socket), 7, BYTES);
    struct endpoint *all[] = {&accepted[0], &accepted[1]};
    stage_end_when_closed(all, 2);
}

static void
what_a_socket_has_in_its_memory_survives_connecting_again(void **state)
{
    (void)state;
    stage_play(1, play_lives);
    assert_int_equal(lives, 2);
}

static void
play_adopted(void)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    stage_adopt_as(&client, fds[0], with_state);
    expect_fresh(client.socket);
    close(fds[1]);
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
an_adopted_socket_has_its_memory_at_once(void **state)
{
    (void)state;
    stage_play(1, play_adopted);
}

static void
looks_and_ends(tr_socket *socket, tr_message *message)
{
    (void)message;
    expect_fresh(socket);
    tr_exit(tr_socket_actor(socket));
    stage_end();
}

static void
play_remote(void)
{
    static const struct tr_socket_events events = {.message = looks_and_ends};
    struct tr_socket_options options = {.events = &events, .state_size = BYTES};
    struct tr_spawn_options there = {.placement = TR_PLACE_WORKER, .worker = 1};
    tr_ref socket;
    assert_int_equal(tr_remote_socket(director, &options, &there, &socket), TR_OK);
    assert_int_equal(tr_tell(director, socket, 1, NULL, 0), TR_OK);
}

static void
a_socket_on_another_worker_has_its_memory_too(void **state)
{
    (void)state;
    stage_play(2, play_remote);
}

static void
play_too_large(void)
{
    struct tr_socket_options options = {.state_size = ((size_t)1 << 30) + 1};
    struct tr_server_options server = {.socket = options};
    struct tr_connect_options connect = {.port = 1};
    tr_socket *socket;
    tr_server *refused;
    tr_ref ref;
    assert_int_equal(tr_socket_spawn(director, &options, &socket), TR_EBADSTATE);
    assert_int_equal(tr_connect(director, &options, &connect, &socket), TR_EBADSTATE);
    assert_int_equal(tr_remote_socket(director, &options, NULL, &ref), TR_EBADSTATE);
    assert_int_equal(tr_server_spawn(director, &server, &refused), TR_EBADSTATE);
    assert_null(tr_socket_state(NULL));
    stage_end();
}

static void
more_than_a_gigabyte_is_refused(void **state)
{
    (void)state;
    stage_play(1, play_too_large);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_accepted_socket_has_zeroed_memory_of_its_own_until_its_last_callback, reset),
        cmocka_unit_test_setup(a_later_connection_sees_nothing_of_an_earlier_one, reset),
        cmocka_unit_test_setup(what_a_socket_has_in_its_memory_survives_connecting_again, reset),
        cmocka_unit_test_setup(an_adopted_socket_has_its_memory_at_once, reset),
        cmocka_unit_test_setup(a_socket_on_another_worker_has_its_memory_too, reset),
        cmocka_unit_test_setup(more_than_a_gigabyte_is_refused, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
