/*
 * Pipes, seen from the far ends: what goes through them, and how they are begun and taken apart.
 */
#include "hands.h"
#include "helpers.h"
#include "pipe_joints.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <poll.h>
#include <sys/socket.h>
#include <troupe/net/remote.h>
#include <unistd.h>

#define READ_BYTES 65536u

static void
unpipe_here(tr_actor *self, void *argument)
{
    struct side *side = argument;
    (void)self;
    tr_socket_unpipe(side->socket);
}

static void
assert_open(int fd)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    hands_settle();
    assert_int_equal(poll(&wanted, 1, 0), 0);
}

/* Echo. */

static void
echo(const struct place *place)
{
    struct side side = {.peer = -1};
    open_end(&side, place->first, place->transport);
    join(&side, &side, NULL);
    struct flow flow = {.from = side.peer, .to = side.peer, .stream = 1, .size = 6u << 20};
    carry(&flow, 1);
    shutdown(side.peer, SHUT_WR);
    assert_at_end(side.peer);
    await_closed_with(&side, "end close");
    close_peer(&side);
}

static void
a_socket_piped_to_itself_is_an_echo(void **state)
{
    (void)state;
    everywhere(echo);
}

/* A proxy. */

static void
proxy(const struct place *place)
{
    struct side client = {.options.allow_half_open = true}, server = {.options.allow_half_open = true};
    open_two(place, &client, &server);
    join(&client, &server, NULL);
    join(&server, &client, NULL);
    struct flow flows[] = {{.from = client.peer, .to = server.peer, .stream = 1, .size = 4u << 20},
                           {.from = server.peer, .to = client.peer, .stream = 2, .size = 4u << 20}};
    carry(flows, 2);
    shutdown(client.peer, SHUT_WR);
    assert_at_end(server.peer);
    flows[1].size += 1u << 20;
    carry(&flows[1], 1); /* the other direction goes on */
    shutdown(server.peer, SHUT_WR);
    assert_at_end(client.peer);
    await_closed_with(&client, "end close");
    await_closed_with(&server, "end close");
    close_peer(&client);
    close_peer(&server);
}

static void
two_sockets_piped_to_each_other_are_a_proxy(void **state)
{
    (void)state;
    everywhere(proxy);
}

/* Back-pressure. */

static void
slow_reader_of(const struct place *place, const struct tr_pipe_options *options, uint64_t window_bytes)
{
    struct side fast = {.peer = -1}, slow = {.peer = -1};
    open_two(place, &fast, &slow);
    join(&fast, &slow, options);
    struct flow flow = {.from = fast.peer, .to = slow.peer, .stream = 3, .size = 256u << 20};
    send_until_stuck(&flow, &slow);
    uint64_t buffered = look_at(&slow).buffered;
    assert_true(buffered > 0);
    assert_true(buffered <= window_bytes + READ_BYTES);
    flow.size = flow.sent; /* enough */
    carry(&flow, 1);
    assert_int_equal(look_at(&slow).buffered, 0);
    shutdown(fast.peer, SHUT_WR);
    assert_at_end(slow.peer);
    shutdown(slow.peer, SHUT_WR);
    await_closed_with(&fast, "end close");
    await_closed_with(&slow, "end close");
    close_peer(&fast);
    close_peer(&slow);
}

static void
slow_reader(const struct place *place)
{
    slow_reader_of(place, &(struct tr_pipe_options){.window_bytes = 100000}, 100000);
}

static void
slow_reader_by_default(const struct place *place)
{
    slow_reader_of(place, NULL, 262144);
}

static void
no_more_than_the_window_and_a_read_waits_for_a_slow_reader(void **state)
{
    (void)state;
    everywhere(slow_reader);
    everywhere(slow_reader_by_default);
}

/* Small parts that wait: each would bind a slab, if it were not copied. Its worker is busy with other reads
 * meanwhile. */
static void
small_parts(const struct place *place)
{
    struct side drip = {.peer = -1}, slow = {.peer = -1}, busy = {.peer = -1};
    open_two(place, &drip, &slow);
    open_end(&busy, place->first, place->transport);
    join(&drip, &slow, &(struct tr_pipe_options){.window_bytes = 2 * FITS_NOWHERE});
    join(&busy, &busy, NULL);
    struct flow flow = {.from = drip.peer, .to = slow.peer, .stream = 4, .size = FITS_NOWHERE};
    struct flow noise = {.from = busy.peer, .to = busy.peer, .stream = 5};
    while (flow.sent < flow.size)
        send_some(&flow);
    await_written(&slow, flow.sent);
    for (int i = 0; i < 100; i++) {
        flow.size += 1;
        assert_true(send_some(&flow));
        await_read(&drip, flow.sent);
        noise.size += 70000;
        carry(&noise, 1);
    }
    assert_true(look_at(&slow).buffered > 100);
    carry(&flow, 1);
    close_peer(&drip);
    close_peer(&slow);
    close_peer(&busy);
    await_closed_with(&drip, "end close");
    await_closed_with(&slow, "end close");
    await_closed_with(&busy, "end close");
}

static void
small_parts_wait_and_arrive(void **state)
{
    (void)state;
    everywhere(small_parts);
}

/* The second is kept open. */

static void
keep_open(const struct place *place)
{
    struct tr_pipe_options kept = {.keep_open = true};
    struct side first = {.peer = -1}, next = {.peer = -1}, second = {.options.allow_half_open = true};
    open_two(place, &first, &second);
    open_end(&next, place->first, place->transport);
    join(&first, &second, &kept);
    struct flow flow = {.from = first.peer, .to = second.peer, .stream = 6, .size = 1u << 20};
    carry(&flow, 1);
    shutdown(first.peer, SHUT_WR);
    await_closed_with(&first, "end close");
    assert_open(second.peer);
    join(&next, &second, NULL);
    flow.from = next.peer;
    flow.size += 1u << 20;
    carry(&flow, 1);
    shutdown(next.peer, SHUT_WR);
    assert_at_end(second.peer);
    shutdown(second.peer, SHUT_WR);
    await_closed_with(&second, "end close");
    close_peer(&first);
    close_peer(&next);
    close_peer(&second);
}

/* Its first is destroyed in the middle. */
static void
keep_open_after_a_broken_first(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1};
    open_two(place, &first, &second);
    join(&first, &second, &(struct tr_pipe_options){.keep_open = true});
    struct flow flow = {.from = first.peer, .to = second.peer, .stream = 1, .size = 100000};
    carry(&flow, 1);
    on_worker(first.worker, fail_here, &first);
    await_closed_with(&first, "EIO close!");
    assert_open(second.peer);
    close_peer(&first);
    close_peer(&second);
    await_closed_with(&second, "end close");
}

static void
a_second_that_is_kept_open_takes_from_one_after_the_other(void **state)
{
    (void)state;
    everywhere(keep_open);
    everywhere(keep_open_after_a_broken_first);
}

/* Unpiping. */

static bool
has_received(void *argument)
{
    struct side *side = argument;
    return __atomic_load_n(&side->received, __ATOMIC_SEQ_CST) == 1u << 20;
}

static void
unpipe(const struct place *place)
{
    struct side first = {.stream = 8}, second = {.peer = -1};
    open_two(place, &first, &second);
    join(&first, &second, NULL);
    struct flow flow = {.from = first.peer, .to = second.peer, .stream = 7, .size = 1u << 20};
    carry(&flow, 1);
    on_worker(first.worker, unpipe_here, &first);
    on_worker(first.worker, unpipe_here, &first); /* does nothing */
    struct flow rest = {.from = first.peer, .stream = 8, .size = 1u << 20};
    while (rest.sent < rest.size)
        send_some(&rest);
    assert_true(tests_wait_until(has_received, &first, TESTS_LIMIT_MS));
    shutdown(first.peer, SHUT_WR);
    await_closed_with(&first, "end close");
    assert_false(first.wrong);
    assert_open(second.peer);
    close_peer(&first);
    close_peer(&second);
    await_closed_with(&second, "end close");
}

static void
after_unpipe_data_is_an_event_again(void **state)
{
    (void)state;
    everywhere(unpipe);
}

/* To another one in the middle, while the window is full. */
static void
pipe_again(const struct place *place)
{
    struct side first = {.peer = -1}, second = {.peer = -1}, third = {.peer = -1};
    open_two(place, &first, &second);
    open_end(&third, 1 - place->second, place->transport);
    join(&first, &second, NULL);
    struct flow flow = {.from = first.peer, .to = second.peer, .stream = 9, .size = 256u << 20};
    send_until_stuck(&flow, &second);
    uint64_t went_to_second = look_at(&first).bytes_read;
    join(&first, &third, NULL);
    struct flow rest = flow;
    rest.to = third.peer;
    rest.received = went_to_second;
    rest.size = flow.sent + (4u << 20);
    flow.size = flow.sent = went_to_second;
    carry((struct flow[]){flow, rest}, 2);
    shutdown(first.peer, SHUT_WR);
    assert_at_end(third.peer);
    assert_open(second.peer);
    await_closed_with(&first, "end close");
    close_peer(&first);
    close_peer(&second);
    close_peer(&third);
    await_closed_with(&second, "end close");
    await_closed_with(&third, "end close");
}

static void
a_pipe_can_go_elsewhere_in_the_middle(void **state)
{
    (void)state;
    everywhere(pipe_again);
}

/* Connecting. */

static void
to_a_connecting_socket(const struct place *place)
{
    uint16_t port;
    int listener = tests_peer_listen(&port);
    struct side first = {.paused = true}, second = {.peer = -1, .worker = place->second, .fd = port};
    open_end(&first, place->first, place->transport);
    struct flow flow = {.from = first.peer, .stream = 1, .size = 2u << 20};
    while (send_some(&flow))
        ;
    on_worker(second.worker, connect_by_port, &second);
    join(&first, &second, NULL);
    flow.to = second.peer = tests_peer_accept(listener);
    close(listener);
    carry(&flow, 1);
    shutdown(first.peer, SHUT_WR);
    assert_at_end(second.peer);
    close_peer(&second);
    await_closed_with(&first, "end close");
    await_closed_with(&second, "end close");
    close_peer(&first);
}

static void
a_pipe_may_begin_before_the_second_is_connected(void **state)
{
    (void)state;
    everywhere(to_a_connecting_socket);
}

/* From a distance. */

static void
remote_pipe_here(tr_actor *self, void *argument)
{
    struct joint *joint = argument;
    joint->status = tr_remote_pipe(self, joint->from->ref, joint->to->ref, NULL);
}

/* Without a pipe the second has nothing to do with it. */
static void
remote_unpipe_and_destroy_here(tr_actor *self, void *argument)
{
    struct joint *joint = argument;
    joint->status = tr_remote_unpipe(self, joint->from->ref);
    assert_int_equal(tr_remote_destroy(self, joint->from->ref, TR_OK), TR_OK);
}

static void
remotely(const struct place *place)
{
    struct side first = {.paused = true}, second = {.peer = -1};
    open_two(place, &first, &second);
    struct joint joint = {.from = &first, .to = &second};
    on_worker(1 - place->first, remote_pipe_here, &joint);
    assert_int_equal(joint.status, TR_OK);
    struct flow flow = {.from = first.peer, .to = second.peer, .stream = 7, .size = 1u << 20};
    carry(&flow, 1);
    on_worker(1 - place->first, remote_unpipe_and_destroy_here, &joint);
    assert_int_equal(joint.status, TR_OK);
    await_closed_with(&first, "close");
    assert_open(second.peer);
    close_peer(&first);
    close_peer(&second);
    await_closed_with(&second, "end close");
}

static void
pipes_are_begun_and_ended_from_a_distance(void **state)
{
    (void)state;
    everywhere(remotely);
}

static void
misuse_here(tr_actor *self, void *argument)
{
    struct side *side = argument;
    (void)self;
    assert_int_equal(tr_socket_pipe(NULL, side->ref, NULL), TR_EINVAL);
    assert_int_equal(tr_socket_pipe(side->socket, TR_NOBODY, NULL), TR_EBADREF);
    assert_int_equal(tr_socket_pipe(side->socket, ~(tr_ref)0, NULL), TR_EBADREF);
    tr_socket_unpipe(NULL);
    tr_socket_destroy(side->socket, TR_OK);
    assert_int_equal(tr_socket_pipe(side->socket, side->ref, NULL), TR_EDESTROYED);
    tr_socket_unpipe(side->socket);
}

static void
wrong_arguments_are_refused_by_name(void **state)
{
    (void)state;
    struct side side = {.peer = -1};
    hands_open(WORKERS);
    open_end(&side, 0, UNIX);
    on_worker(0, misuse_here, &side);
    await_closed_with(&side, "close");
    close_peer(&side);
    hands_close();
}

/* Bytes of a character of which the rest has not come yet. */

static bool
has_one(void *argument)
{
    struct side *side = argument;
    return __atomic_load_n(&side->received, __ATOMIC_SEQ_CST) == 1;
}

static void
half_a_character(const struct place *place)
{
    char bytes[3] = "";
    struct side first = {.options.encoding = TR_ENCODING_UTF8}, second = {.peer = -1};
    open_two(place, &first, &second);
    assert_true(tests_peer_send(first.peer, "x\xc3", 2));
    await_read(&first, 2);
    assert_true(tests_wait_until(has_one, &first, TESTS_LIMIT_MS));
    join(&first, &second, NULL);
    assert_true(tests_peer_send(first.peer, "\xb6", 1));
    assert_int_equal(tests_peer_receive(second.peer, bytes, 2), 2);
    assert_string_equal(bytes, "\xc3\xb6");
    close_peer(&first);
    await_closed_with(&first, "end close");
    assert_at_end(second.peer);
    close_peer(&second);
    await_closed_with(&second, "end close");
}

static void
what_the_decoder_still_has_is_the_first_that_goes_through_the_pipe(void **state)
{
    (void)state;
    everywhere(half_a_character);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_piped_to_itself_is_an_echo),
        cmocka_unit_test(two_sockets_piped_to_each_other_are_a_proxy),
        cmocka_unit_test(no_more_than_the_window_and_a_read_waits_for_a_slow_reader),
        cmocka_unit_test(small_parts_wait_and_arrive),
        cmocka_unit_test(a_second_that_is_kept_open_takes_from_one_after_the_other),
        cmocka_unit_test(after_unpipe_data_is_an_event_again),
        cmocka_unit_test(a_pipe_can_go_elsewhere_in_the_middle),
        cmocka_unit_test(a_pipe_may_begin_before_the_second_is_connected),
        cmocka_unit_test(pipes_are_begun_and_ended_from_a_distance),
        cmocka_unit_test(wrong_arguments_are_refused_by_name),
        cmocka_unit_test(what_the_decoder_still_has_is_the_first_that_goes_through_the_pipe),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
