/*
 * Attempts to connect: one address after the other, with a race and without; what is reported, and cancelling.
 */
#include "attempt_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>

#include "helpers.h"

#define SOON_MS 30u

static void
keep_silent(struct silent *silent, struct sockaddr_storage *out)
{
    silent->listener = refuse(AF_INET, out);
    assert_int_equal(listen(silent->listener, 0), 0);
    for (int i = 0; i < FILLERS; i++) {
        silent->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(silent->fillers[i], (struct sockaddr *)out, sizeof(struct sockaddr_in));
    }
}

/* One address. */

static void
a_connected_descriptor_does_not_block_and_carries_bytes(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    int listener = listen_there(AF_INET, &peer);
    start_attempt(f, &peer, 1, 0);
    expect_connected(f, &peer);
    assert_true(fcntl(f->result.fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(f->result.fd, F_GETFD) & FD_CLOEXEC);
    int accepted = tests_peer_accept(listener);
    char byte = 0;
    assert_true(tests_peer_send(f->result.fd, "x", 1));
    assert_int_equal(tests_peer_receive(accepted, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(accepted);
    close(listener);
}

static void
a_refusal_is_the_error(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    int fd = refuse(AF_INET, &peer);
    start_attempt(f, &peer, 1, 0);
    expect_failed(f, UV_ECONNREFUSED, "connect", &peer);
    close(fd);
}

static void
without_a_race_the_next_address_is_tried_when_the_one_before_has_failed(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peers[3];
    int first = refuse(AF_INET, &peers[0]), second = refuse(AF_INET, &peers[1]);
    int listener = listen_there(AF_INET, &peers[2]);
    start_attempt(f, peers, 3, 0);
    expect_connected(f, &peers[2]);
    close(first);
    close(second);
    close(listener);
}

static void
an_address_of_no_known_family_is_an_error_and_not_a_fault(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer = {.ss_family = AF_MAX};
    start_attempt(f, &peer, 1, 0);
    expect_failed(f, UV_EAFNOSUPPORT, "connect", &peer);
}

static void
without_descriptors_the_attempt_fails(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    int listener = listen_there(AF_INET, &peer);
    struct rlimit before, nothing;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    nothing = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &nothing), 0);
    start_attempt(f, &peer, 1, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    expect_failed(f, UV_EMFILE, "connect", &peer);
    close(listener);
}

/* Races. */

static void
families_take_turns_beginning_with_the_first(void **state)
{
    (void)state;
    static const struct {
        const char *families;
        unsigned order[8];
    } table[] = {
        {"", {0}},
        {"4", {0}},
        {"6644", {0, 2, 1, 3}},
        {"4466", {0, 2, 1, 3}},
        {"6664", {0, 3, 1, 2}},
        {"64444", {0, 1, 2, 3, 4}},
        {"464646", {0, 1, 2, 3, 4, 5}},
        {"44446666", {0, 4, 1, 5, 2, 6, 3, 7}},
    };
    for (size_t row = 0; row < sizeof(table) / sizeof(table[0]); row++) {
        struct sockaddr_storage peers[8];
        unsigned order[8] = {0}, count = (unsigned)strlen(table[row].families);
        for (unsigned i = 0; i < count; i++)
            peers[i] = loopback_at(table[row].families[i] == '4' ? AF_INET : AF_INET6, 1);
        tri_attempts_order(peers, count, order);
        assert_memory_equal(order, table[row].order, count * sizeof(order[0]));
    }
}

static void
race(struct fixture *f, int refusing_family, int good_family)
{
    struct sockaddr_storage peers[2];
    int refusing = refuse(refusing_family, &peers[0]), listener = listen_there(good_family, &peers[1]);
    start_attempt(f, peers, 2, NEVER_MS);
    expect_connected(f, &peers[1]);
    close(refusing);
    close(listener);
}

static void
the_delay_before_the_next_address_begins_with_the_attempt_and_not_with_the_turn(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peers[2];
    struct silent silent;
    keep_silent(&silent, &peers[0]);
    int listener = listen_there(AF_INET, &peers[1]);
    tests_hold(SOON_MS + 20);
    uint64_t began_ns = tests_now_ns();
    start_attempt(f, peers, 2, SOON_MS);
    expect_connected(f, &peers[1]);
    assert_true(tests_now_ns() - began_ns >= SOON_MS * UINT64_C(1000000));
    end_silence(&silent);
    close(listener);
}

static void
after_a_refusal_the_next_address_is_tried_at_once(void **state)
{
    race(*state, AF_INET, AF_INET);
}

static void
ipv4_is_tried_when_ipv6_refuses(void **state)
{
    race(*state, AF_INET6, AF_INET);
}

static void
ipv6_is_tried_when_ipv4_refuses(void **state)
{
    race(*state, AF_INET, AF_INET6);
}

static void
the_first_address_wins_if_it_answers(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peers[2];
    int first = listen_there(AF_INET, &peers[0]), second = listen_there(AF_INET, &peers[1]);
    start_attempt(f, peers, 2, NEVER_MS);
    expect_connected(f, &peers[0]);
    close(first);
    close(second);
}

static void
an_address_that_never_answers_is_overtaken_after_the_delay(void **state)
{
    struct fixture *f = *state;
    struct silent silent;
    struct sockaddr_storage peers[2];
    keep_silent(&silent, &peers[0]);
    int listener = listen_there(AF_INET, &peers[1]);
    uint64_t began_ms = uv_now(&f->loop);
    start_attempt(f, peers, 2, SOON_MS);
    expect_connected(f, &peers[1]);
    assert_true(uv_now(&f->loop) - began_ms >= SOON_MS);
    close(listener);
    end_silence(&silent);
}

static void
without_a_race_an_address_that_never_answers_is_waited_for(void **state)
{
    struct fixture *f = *state;
    struct silent silent;
    struct sockaddr_storage peers[2];
    keep_silent(&silent, &peers[0]);
    int listener = listen_there(AF_INET, &peers[1]);
    start_attempt(f, peers, 2, 0);
    assert_int_equal(f->timers.count, 0); /* which alone could begin the next */
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->calls, 0);
    fcntl(listener, F_SETFL, O_NONBLOCK);
    assert_int_equal(accept(listener, NULL, NULL), -1);
    tri_attempts_cancel(f->attempts);
    close(listener);
    end_silence(&silent);
}

static void
a_local_port_is_bound_in_both_families(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peers[2];
    int refusing = refuse(AF_INET6, &peers[0]), listener = listen_there(AF_INET, &peers[1]);
    expect_connected_from_port(f, peers, 2);
    close(refusing);
    close(listener);
}

/* The first is answered when the system asks a second time, after a second. */
static void
an_attempt_that_was_overtaken_may_still_win(void **state)
{
    struct fixture *f = *state;
    struct silent silents[2];
    struct sockaddr_storage peers[2];
    for (int i = 0; i < 2; i++)
        keep_silent(&silents[i], &peers[i]);
    start_attempt(f, peers, 2, SOON_MS);
    while (f->timers.count > 0)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(f->calls, 0);
    break_silence(&silents[0]);
    expect_connected(f, &peers[0]);
    close(silents[0].listener);
    end_silence(&silents[1]);
}

static void
a_refusal_after_the_delay_begins_the_next_at_once(void **state)
{
    struct fixture *f = *state;
    struct silent silent;
    struct sockaddr_storage peers[3];
    keep_silent(&silent, &peers[0]);
    int refusing = refuse(AF_INET, &peers[1]), listener = listen_there(AF_INET, &peers[2]);
    start_attempt(f, peers, 3, SOON_MS);
    expect_connected(f, &peers[2]);
    close(refusing);
    close(listener);
    end_silence(&silent);
}

static void
if_all_fail_the_error_is_that_of_the_first(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peers[3];
    int second = refuse(AF_INET, &peers[1]), third = refuse(AF_INET, &peers[2]);
    peers[0] = unix_address("/nowhere/at-all", sizeof("/nowhere/at-all"));
    start_attempt(f, peers, 3, NEVER_MS);
    expect_failed(f, UV_ENOENT, "connect", &peers[0]);

    f->calls = 0;
    start_attempt(f, &peers[1], 2, NEVER_MS);
    expect_failed(f, UV_ECONNREFUSED, "connect", &peers[1]);
    close(second);
    close(third);
}

/* done. */

struct user {
    uv_tcp_t tcp;
    int opened;
};

static void
open_in_libuv(void *argument, const struct tri_attempts_result *result)
{
    struct fixture *f = argument;
    struct user *user = f->loop.data;
    f->calls++;
    assert_int_equal(uv_tcp_init(&f->loop, &user->tcp), 0);
    user->opened = uv_tcp_open(&user->tcp, result->fd);
    uv_close((uv_handle_t *)&user->tcp, NULL);
}

static void
done_may_give_the_descriptor_to_the_same_loop(void **state)
{
    struct fixture *f = *state;
    struct user user = {.opened = 1};
    struct sockaddr_storage peer;
    int listener = listen_there(AF_INET, &peer);
    f->loop.data = &user;
    start_with(f, &(struct tri_attempts_options){.peers = &peer, .count = 1}, open_in_libuv);
    await_done(f);
    f->result.fd = -1; /* libuv has it */
    assert_int_equal(user.opened, 0);
    while (uv_run(&f->loop, UV_RUN_NOWAIT) != 0) {
    }
    close(listener);
}

static void
try_again(void *argument, const struct tri_attempts_result *result)
{
    struct fixture *f = argument;
    assert_int_equal(result->error, UV_ECONNREFUSED);
    struct tri_attempts_options options = {.peers = f->loop.data, .count = 1};
    f->inside_start = true;
    assert_int_equal(tri_attempts_start(&f->loop, &f->timers, &options, note_result, f, &f->attempts), TR_OK);
    f->inside_start = false;
}

static void
done_may_begin_anew(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage bad, good;
    int refusing = refuse(AF_INET, &bad), listener = listen_there(AF_INET, &good);
    f->loop.data = &good;
    start_with(f, &(struct tri_attempts_options){.peers = &bad, .count = 1}, try_again);
    expect_connected(f, &good);
    close(refusing);
    close(listener);
}

/* Cancelling. After it attempt_tear_down() runs the loop to its end and looks at what is left. */

static void
cancel(struct fixture *f)
{
    tri_attempts_cancel(f->attempts);
    assert_int_equal(f->timers.count, 0);
    for (int i = 0; i < 3; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->calls, 0);
}

static void
cancel_while_the_only_attempt_waits(void **state)
{
    struct fixture *f = *state;
    struct silent silent;
    struct sockaddr_storage peer;
    keep_silent(&silent, &peer);
    start_attempt(f, &peer, 1, 0);
    cancel(f);
    end_silence(&silent);
}

static void
cancel_when_the_connection_is_made_and_not_reported(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peers[2];
    struct place place = make_place();
    int listener = listen_unix(place.path, strlen(place.path) + 1, 8, &peers[0]);
    peers[1] = unix_address("/nowhere/at-all", sizeof("/nowhere/at-all"));
    start_attempt(f, peers, 1, 0);
    cancel(f);
    start_attempt(f, &peers[1], 1, 0); /* failed and not reported */
    cancel(f);
    close(listener);
    tests_directory_remove(place.directory);
}

static void
cancel_between_two_attempts_and_with_both_under_way(void **state)
{
    struct fixture *f = *state;
    struct silent silents[2];
    struct sockaddr_storage peers[2];
    for (int i = 0; i < 2; i++)
        keep_silent(&silents[i], &peers[i]);
    start_attempt(f, peers, 2, NEVER_MS);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    cancel(f);

    start_attempt(f, peers, 2, SOON_MS);
    while (f->timers.count > 0)
        uv_run(&f->loop, UV_RUN_ONCE);
    cancel(f);
    for (int i = 0; i < 2; i++)
        end_silence(&silents[i]);
}

static void
cancel_after_a_refusal_while_the_next_attempt_waits(void **state)
{
    struct fixture *f = *state;
    struct silent silent;
    struct sockaddr_storage peers[3];
    int refusing = refuse(AF_INET, &peers[0]), listener = listen_there(AF_INET, &peers[2]);
    keep_silent(&silent, &peers[1]);
    start_attempt(f, peers, 3, NEVER_MS);
    for (int i = 0; i < 3; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    cancel(f);
    tri_attempts_cancel(NULL);
    close(refusing);
    close(listener);
    end_silence(&silent);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, attempt_set_up, attempt_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_connected_descriptor_does_not_block_and_carries_bytes),
        TEST(a_refusal_is_the_error),
        TEST(without_a_race_the_next_address_is_tried_when_the_one_before_has_failed),
        TEST(an_address_of_no_known_family_is_an_error_and_not_a_fault),
        TEST(without_descriptors_the_attempt_fails),
        TEST(families_take_turns_beginning_with_the_first),
        TEST(the_delay_before_the_next_address_begins_with_the_attempt_and_not_with_the_turn),
        TEST(after_a_refusal_the_next_address_is_tried_at_once),
        TEST(ipv4_is_tried_when_ipv6_refuses),
        TEST(ipv6_is_tried_when_ipv4_refuses),
        TEST(the_first_address_wins_if_it_answers),
        TEST(an_address_that_never_answers_is_overtaken_after_the_delay),
        TEST(without_a_race_an_address_that_never_answers_is_waited_for),
        TEST(a_local_port_is_bound_in_both_families),
        TEST(an_attempt_that_was_overtaken_may_still_win),
        TEST(a_refusal_after_the_delay_begins_the_next_at_once),
        TEST(if_all_fail_the_error_is_that_of_the_first),
        TEST(done_may_give_the_descriptor_to_the_same_loop),
        TEST(done_may_begin_anew),
        TEST(cancel_while_the_only_attempt_waits),
        TEST(cancel_when_the_connection_is_made_and_not_reported),
        TEST(cancel_between_two_attempts_and_with_both_under_way),
        TEST(cancel_after_a_refusal_while_the_next_attempt_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
