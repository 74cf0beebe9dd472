/*
 * A socket's owner: how many events one answer answers, and a socket that goes from one owner to another.
 */
#include "cast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <troupe/net/remote.h>
#include <unistd.h>

/* An owner that writes down what it gets and answers nothing by itself. */
struct owner {
    tr_actor *self;
    char log[256];
};

static struct owner first, second;
static tr_socket *owned;

static int
reset(void **state)
{
    (void)state;
    memset(&first, 0, sizeof(first));
    memset(&second, 0, sizeof(second));
    memset(&peer, 0, sizeof(peer));
    return 0;
}

static tr_status
begin(tr_actor *self, void *state, const void *argument)
{
    *(struct owner **)state = (struct owner *)argument;
    (*(struct owner **)state)->self = self;
    return TR_OK;
}

static void
write_down(tr_actor *self, void *state, tr_message *message)
{
    static const char *const names[TR_EVENTS] = {
        [TR_EVENT_CONNECT] = "connect", [TR_EVENT_READY] = "ready", [TR_EVENT_END] = "end",
        [TR_EVENT_ERROR] = "error",     [TR_EVENT_CLOSE] = "close",
    };
    (void)self;
    struct owner *owner = *(struct owner **)state;
    enum tr_event event;
    size_t used = strlen(owner->log);
    assert_true(tr_event_of(message, &event));
    const char *space = used > 0 ? " " : "";
    if (event == TR_EVENT_DATA) {
        tr_slice data = message->payload.slice;
        snprintf(owner->log + used, sizeof(owner->log) - used, "%s%.*s", space, (int)data.size,
                 (const char *)data.data);
    } else {
        assert_non_null(names[event]);
        snprintf(owner->log + used, sizeof(owner->log) - used, "%s%s", space, names[event]);
    }
}

static void
spawn_owner(struct owner *owner)
{
    static const struct tr_behavior behavior = {
        .name = "owner", .state_size = sizeof(struct owner *), .init = begin, .receive = write_down};
    assert_int_equal(tr_spawn(director, &behavior, &(struct tr_spawn_options){.argument = owner}, NULL), TR_OK);
}

static struct tr_owner
as_owner(const struct owner *owner, uint32_t credit)
{
    return (struct tr_owner){.actor = tr_self(owner->self), .credit = credit};
}

static void
destroy_and_end(void *argument)
{
    (void)argument;
    tr_socket_destroy(owned, TR_OK);
    stage_end();
}

/* Credit. */

static void
look_after_the_answer(void *argument)
{
    (void)argument;
    assert_string_equal(first.log, "a b c d e");
    destroy_and_end(NULL);
}

static void
answer_three(void *argument)
{
    (void)argument;
    assert_string_equal(first.log, "a b");
    assert_int_equal(tr_remote_credit(second.self, tr_socket_ref(owned), 3), TR_OK); /* not the owner: counts nothing */
    assert_int_equal(tr_remote_credit(first.self, tr_socket_ref(owned), 3), TR_OK);
    stage_settled(look_after_the_answer, NULL);
}

static void
play_answers(void)
{
    int fds[2];
    static const char *const records[] = {"a", "b", "c", "d", "e", "f"};
    spawn_owner(&first);
    spawn_owner(&second);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(write(fds[1], records[i], 1), 1);
    struct tr_socket_options options = {.owner = as_owner(&first, 2)};
    assert_int_equal(tr_socket_adopt(director, fds[0], TR_READABLE | TR_WRITABLE, &options, &owned), TR_OK);
    peer.fd = fds[1];
    stage_read(&peer);
    stage_settled(answer_three, NULL);
}

static void
one_answer_answers_as_many_events_as_it_says(void **state)
{
    (void)state;
    stage_play(1, play_answers);
}

/* Another owner. */

static void
look_for_close(void *argument)
{
    (void)argument;
    assert_string_equal(second.log, "close"); /* and the socket is gone with it */
    stage_end();
}

static void
look_for_ready(void *argument)
{
    (void)argument;
    assert_string_equal(second.log, "ready");
    destroy_and_end(NULL);
}

static void
hand_on_before_ready(void *argument)
{
    (void)argument;
    assert_string_equal(first.log, "connect");
    struct tr_owner owner = as_owner(&second, 4);
    assert_int_equal(tr_socket_set_owner(owned, &owner), TR_OK);
    stage_settled(look_for_ready, NULL);
}

static void
play_ready(void)
{
    spawn_owner(&first);
    spawn_owner(&second);
    stage_serve((struct tr_server_options){0});
    struct tr_socket_options options = {.owner = as_owner(&first, 1)};
    struct tr_connect_options to = {.host = "127.0.0.1", .port = stage_port};
    assert_int_equal(tr_connect(director, &options, &to, &owned), TR_OK);
    stage_settled(hand_on_before_ready, NULL);
}

static void
what_waited_for_the_old_owner_goes_to_the_new_one_at_once(void **state)
{
    (void)state;
    stage_play(1, play_ready);
}

static bool
the_peer_has_ended(void)
{
    return peer.ended;
}

static void
hand_on_after_the_end(void *argument)
{
    (void)argument;
    assert_string_equal(first.log, "a end");
    assert_false(peer.ended);
    struct tr_owner owner = as_owner(&second, 4);
    assert_int_equal(tr_socket_set_owner(owned, &owner), TR_OK);
    stage_settled_when(the_peer_has_ended, look_for_close, NULL);
}

static void
play_end(void)
{
    int fds[2];
    spawn_owner(&first);
    spawn_owner(&second);
    stage_pair(AF_UNIX, fds);
    struct tr_socket_options options = {.owner = as_owner(&first, 4)};
    assert_int_equal(tr_socket_adopt(director, fds[0], TR_READABLE | TR_WRITABLE, &options, &owned), TR_OK);
    assert_int_equal(write(fds[1], "a", 1), 1);
    shutdown(fds[1], SHUT_WR);
    peer.fd = fds[1];
    stage_read(&peer);
    stage_settled(hand_on_after_the_end, NULL);
}

static void
our_end_that_waited_for_the_old_owners_answers_comes_when_there_is_another(void **state)
{
    (void)state;
    stage_play(1, play_end);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_answer_answers_as_many_events_as_it_says, reset),
        cmocka_unit_test_setup(what_waited_for_the_old_owner_goes_to_the_new_one_at_once, reset),
        cmocka_unit_test_setup(our_end_that_waited_for_the_old_owners_answers_comes_when_there_is_another, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
