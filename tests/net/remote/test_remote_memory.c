/*
 * Operations of remote.h for which the socket finds no memory: it would not do what was asked, so it is destroyed with
 * TR_ENOMEM. Where an answer was asked for, that tells.
 */
#include "fault.h"
#include "helpers.h"
#include "play.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/remote.h>

static struct endpoint client, second;
static int peer, second_peer;
static tr_status (*order)(tr_ref socket);

static void
closes_peers(struct endpoint *self, const char *event)
{
    (void)self;
    if (strcmp(event, "close") != 0)
        return;
    fault_clear();
    close(peer);
    close(second_peer);
    if (second.socket != NULL)
        tr_socket_destroy(second.socket, TR_OK);
    stage_end_when_closed((struct endpoint *[]){&client, &second}, 2);
}

static void
open_one(struct endpoint *endpoint, int *fd)
{
    int fds[2];
    stage_pair(AF_UNIX, fds);
    *fd = fds[1];
    stage_adopt(endpoint, fds[0]);
}

/* The order itself has its memory; the next that is asked for is not there, and nobody but the socket asks for any. */
static void
give_order(void *argument)
{
    (void)argument;
    assert_int_equal(order(tr_socket_ref(client.socket)), TR_OK);
    fault_plan(FAULT_MEMORY, 1, 1, ENOMEM);
}

static void
play(void)
{
    client.hook = closes_peers;
    open_one(&client, &peer);
    open_one(&second, &second_peer);
    stage_settled(give_order, NULL);
}

static void
check_that_it_destroys(tr_status (*what)(tr_ref socket))
{
    memset(&client, 0, sizeof(client));
    memset(&second, 0, sizeof(second));
    order = what;
    stage_play(1, play);
    assert_int_equal(client.error, TR_ENOMEM);
    assert_string_equal(client.log, "ENOMEM close!");
}

static tr_status
set_encoding(tr_ref socket)
{
    return tr_remote_set_encoding(director, socket, TR_ENCODING_UTF8);
}

static tr_status
set_timeout(tr_ref socket)
{
    return tr_remote_set_timeout(director, socket, TESTS_LIMIT_MS);
}

static tr_status
set_keep_alive(tr_ref socket)
{
    return tr_remote_set_keep_alive(director, socket, true, 1000);
}

static tr_status
set_owner(tr_ref socket)
{
    struct tr_owner owner = {.actor = tr_self(director)};
    return tr_remote_set_owner(director, socket, &owner);
}

static tr_status
begin_pipe(tr_ref socket)
{
    struct tr_pipe_options pipe = {.keep_open = true};
    return tr_remote_pipe(director, socket, tr_socket_ref(second.socket), &pipe);
}

static void
without_memory_for_an_encoding_the_socket_is_destroyed(void **state)
{
    (void)state;
    check_that_it_destroys(set_encoding);
}

static void
without_memory_for_a_timeout_the_socket_is_destroyed(void **state)
{
    (void)state;
    check_that_it_destroys(set_timeout);
}

static void
without_memory_for_keep_alive_the_socket_is_destroyed(void **state)
{
    (void)state;
    check_that_it_destroys(set_keep_alive);
}

static void
without_memory_for_an_owner_the_socket_is_destroyed(void **state)
{
    (void)state;
    check_that_it_destroys(set_owner);
}

static void
without_memory_for_a_pipe_its_first_socket_is_destroyed(void **state)
{
    (void)state;
    check_that_it_destroys(begin_pipe);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_for_an_encoding_the_socket_is_destroyed),
        cmocka_unit_test(without_memory_for_a_timeout_the_socket_is_destroyed),
        cmocka_unit_test(without_memory_for_keep_alive_the_socket_is_destroyed),
        cmocka_unit_test(without_memory_for_an_owner_the_socket_is_destroyed),
        cmocka_unit_test(without_memory_for_a_pipe_its_first_socket_is_destroyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
