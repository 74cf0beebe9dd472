/*
 * Connections that wait for their PROXY header: how they count, what ends them, what they cost, and how they begin.
 */
#include "entrance_play.h"
#include "fds.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <linux/sockios.h>
#include <troupe/actors/send.h>
#include <troupe/ipaddr/block_list.h>
#include <troupe/net/remote.h>

/* Waiting. */

static void
who_waits_is_one_of_the_connections(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        door_serve((struct tr_server_options){.max_connections = 2, .proxy.timeout_ms = INT32_MAX}, workers);
        int first = door_connect(), second = door_connect();
        door_await_connections(2);
        door_must_turn_away(door_connect());
        door_tell(LOOK);
        assert_int_equal(door_refusals.over_limit, 1);
        door_send(first, LINE, sizeof(LINE) - 1);
        door_must_receive(first, SAYS_LINE);
        door_tell(LOOK);
        assert_int_equal(door_connections, 2);
        door_must_turn_away(door_connect());
        close(second);
        door_await_connections(1);
        second = door_connect();
        door_send(second, BINARY, sizeof(BINARY) - 1);
        door_must_receive(second, SAYS_BINARY);
        close(first);
        close(second);
        door_stop();
    }
}

static void
an_address_counts_where_it_connects_from_not_what_it_says(void **state)
{
    (void)state;
    door_serve((struct tr_server_options){.max_per_address = 1, .proxy.timeout_ms = INT32_MAX}, 2);
    int first = door_connect();
    door_await_connections(1);
    door_must_turn_away(door_connect());
    door_send(first, LINE, sizeof(LINE) - 1);
    door_must_receive(first, SAYS_LINE);
    door_must_turn_away(door_connect());
    door_tell(LOOK);
    assert_int_equal(door_refusals.over_address, 2);
    close(first);
    door_await_connections(0);
    int bad = door_connect(); /* a place that a refused header had is free again */
    door_send(bad, "x", 1);
    door_must_turn_away(bad);
    door_await_connections(0);
    door_stop();

    tr_block_list *list;
    assert_int_equal(tr_block_list_new(&list), TR_OK);
    assert_int_equal(tr_block_list_add_text(list, "192.0.2.1"), TR_OK);
    assert_int_equal(tr_block_list_freeze(list), TR_OK);
    door_serve((struct tr_server_options){.block_list = list}, 1);
    door_must_let_in(LINE, sizeof(LINE) - 1, SAYS_LINE);
    door_stop();
    tr_block_list_release(list);
}

static void
the_close_event_waits_for_who_waits(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        door_serve((struct tr_server_options){.keep = true}, workers);
        int first = door_connect(), second = door_connect();
        door_await_connections(2);
        door_tell(CLOSE);
        door_send(first, LINE, sizeof(LINE) - 1); /* it is served all the same */
        door_must_receive(first, SAYS_LINE);
        close(first);
        door_await_connections(1);
        door_tell(LOOK);
        assert_int_equal(ck_pr_load_uint(&door_closed), 0);
        close(second);
        door_await_count(&door_closed, 1);
        door_stop();
    }
}

static void
the_end_of_the_runtime_closes_who_waits_at_once(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        door_serve((struct tr_server_options){.proxy.timeout_ms = INT32_MAX}, workers);
        int fds[4];
        for (int i = 0; i < 4; i++) {
            fds[i] = door_connect();
            if (i >= 2)
                door_send(fds[i], BINARY, 20);
        }
        door_await_connections(4);
        door_stop();
        assert_int_equal(door_closed, 1);
        assert_int_equal(door_served, 0);
        for (int i = 0; i < 4; i++)
            door_must_turn_away(fds[i]);
    }
}

static void
who_waits_outlives_a_server_that_is_killed(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        door_serve((struct tr_server_options){.proxy.timeout_ms = INT32_MAX}, workers);
        int first = door_connect(), second = door_connect();
        door_await_connections(2);
        assert_int_equal(tr_runtime_stop_actor(door_runtime, door_server, TR_STOP_KILL), TR_OK);
        door_send(first, LINE, sizeof(LINE) - 1);
        door_must_receive(first, SAYS_LINE);
        door_stop();
        door_must_turn_away(second);
        close(first);
    }
}

static void
who_waits_keeps_the_program_running(void **state)
{
    (void)state;
    door_serve((struct tr_server_options){.proxy.timeout_ms = 200}, 1);
    uint64_t begin = tests_now_ns();
    int fd = door_connect();
    door_await_connections(1);
    door_tell(CLOSE);
    tr_runtime_wait_idle(door_runtime);
    assert_true(tests_now_ns() - begin >= 200 * UINT64_C(1000000));
    door_must_turn_away(fd);
    door_stop();
}

/* What it costs. */

#define MANY 1000

/* Both ends are this process's. Where it may not have so many descriptors, it is as many as fit. */
static int
as_many_as_fit(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit.rlim_max >= 2 * MANY + 100 ? MANY : (int)(limit.rlim_max - 100) / 2;
}

static void
a_thousand_that_say_nothing_cost_little(void **state)
{
    (void)state;
    static int fds[MANY];
    int many = as_many_as_fit();
    for (size_t say = 0; say <= 16; say += 8) { /* bytes of a header: none, a part that tells nothing, its length */
        door_serve((struct tr_server_options){.proxy.timeout_ms = INT32_MAX}, 2);
        door_must_let_in(LINE, sizeof(LINE) - 1, SAYS_LINE);
        door_await_connections(0);
        size_t before = tests_allocated();
        for (int i = 0; i < many; i++) {
            fds[i] = door_connect();
            door_send(fds[i], SIGNATURE "\x21\x31\x0f\xf0", say);
        }
        door_await_connections((uint32_t)many);
        size_t each = (tests_allocated() - before) / (size_t)many;
        if (each > (say < 16 ? 1536 : 4096 + 1536))
            fail_msg("%zu bytes each, having sent %zu", each, say);
        assert_true(tests_cpu_ms_in(500) < 250); /* nobody looks at what has been read */
        for (int i = 0; i < many; i++)
            close(fds[i]);
        door_await_refused((uint64_t)many);
        door_stop();
    }
}

/*
 * Connections come and go over two workers, with headers that are good, bad, cut off or missing, in pieces. Provokes:
 * ends of those that wait, on both workers, that cross with new connections and with what the server is asked.
 */

#define AT_ONCE 20
#define ROUNDS 20u

enum { GOOD, BAD, CUT, NONE, KINDS };

static void
begin_header(int fd, unsigned kind, size_t part)
{
    if (kind == BAD)
        door_send(fd, "PROXY TCP4 x\r\n", 14);
    else if (kind != NONE)
        door_send(fd, BINARY, part);
}

static void
each_is_served_or_refused_once_while_connections_come_and_go(void **state)
{
    (void)state;
    unsigned seed = 5, kinds[KINDS] = {0};
    door_serve((struct tr_server_options){0}, 2);
    for (unsigned round = 0; round < ROUNDS * tests_stress(); round++) {
        int fds[AT_ONCE];
        unsigned kind[AT_ONCE];
        size_t part[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++) {
            kind[i] = (unsigned)rand_r(&seed) % KINDS;
            part[i] = 1 + (size_t)rand_r(&seed) % (sizeof(BINARY) - 2);
            kinds[kind[i]]++;
            fds[i] = door_connect();
            begin_header(fds[i], kind[i], part[i]);
        }
        door_tell(LOOK);
        for (int i = 0; i < AT_ONCE; i++) {
            if (kind[i] == GOOD) {
                door_send(fds[i], &BINARY[part[i]], sizeof(BINARY) - 1 - part[i]);
                door_must_receive(fds[i], SAYS_BINARY);
            }
            close(fds[i]);
        }
    }
    door_await_refused(kinds[BAD] + kinds[CUT] + kinds[NONE]);
    door_await_connections(0);
    assert_int_equal(ck_pr_load_uint(&door_served), kinds[GOOD]);
    assert_int_equal(door_refusals.lost, 0);
    door_stop();
}

/* How it begins. */

static void
begins_paused(tr_socket *socket)
{
    if (tr_socket_bytes_read(socket) != 0 || tr_parent(tr_socket_actor(socket)) == TR_NOBODY)
        abort();
    door_say(socket);
}

static void
echo_after_all(tr_socket *socket, tr_message *message)
{
    if (message->tag == 1)
        tr_socket_resume(socket);
}

static tr_ref paused;

static void
remembers_itself(tr_socket *socket)
{
    __atomic_store_n(&paused, tr_socket_ref(socket), __ATOMIC_SEQ_CST);
    begins_paused(socket);
}

static void
a_connection_that_begins_paused_reads_nothing_after_the_header(void **state)
{
    static const struct tr_socket_events events = {
        .data = door_echo, .close = door_count_end, .message = echo_after_all};
    (void)state;
    door_serve_path(
        (struct tr_server_options){.pause_on_connect = true, .connection = remembers_itself, .socket.events = &events});
    int fd = door_connect_path(), left = 0;
    door_send(fd, LINE "hello", sizeof(LINE) + 4);
    door_must_receive(fd, SAYS_LINE);
    door_tell(LOOK);
    assert_int_equal(ioctl(fd, SIOCOUTQ, &left), 0);
    assert_true(left > 0); /* nobody has read it */
    tr_message message = tr_message_signal(1);
    assert_int_equal(tr_runtime_send(door_runtime, __atomic_load_n(&paused, __ATOMIC_SEQ_CST), &message), TR_OK);
    door_must_receive(fd, "hello");
    close(fd);
    door_stop_path();
}

/* Descriptors that came; the test's thread reads the pipe behind each. */
static void
answers_fd(tr_socket *socket, int fd)
{
    if (write(fd, "F", 1) != 1)
        abort();
    close(fd);
    tr_socket_write(socket, "fd ", 3);
}

static void
descriptors_that_come_with_a_header_are_closed_and_later_ones_are_given(void **state)
{
    static const struct tr_socket_events events = {.data = door_echo, .fd = answers_fd, .close = door_count_end};
    (void)state;
    int with_header[2], with_data[2];
    char byte = 0;
    assert_int_equal(pipe(with_header), 0);
    assert_int_equal(pipe(with_data), 0);
    door_serve_path((struct tr_server_options){.socket = {.events = &events, .receive_fds = true}});
    int fd = door_connect_path();
    send_fds(fd, with_header[1], 1, LINE);
    send_fds(fd, with_data[1], 1, "hello");
    close(with_header[1]);
    close(with_data[1]);
    door_must_receive(fd, SAYS_LINE "fd hello");
    assert_int_equal(read(with_header[0], &byte, 1), 0);
    assert_int_equal(read(with_data[0], &byte, 1), 1);
    assert_int_equal(byte, 'F');
    close(with_header[0]);
    close(with_data[0]);
    close(fd);
    door_stop_path();
}

/* A connection that is over becomes one that connects. */

static int listener;
static uint16_t listener_port;

static void
connects(tr_socket *socket, bool had_error)
{
    struct tr_connect_options options = {.host = "127.0.0.1", .port = listener_port};
    if (tr_socket_proxy(socket) == NULL) { /* of the second life */
        ck_pr_inc_uint(&door_ended);
        return;
    }
    (void)had_error;
    if (tr_socket_connect(socket, &options) != TR_OK || tr_socket_proxy(socket) != NULL)
        abort();
}

static void
a_header_belongs_to_one_connection(void **state)
{
    static const struct tr_socket_events events = {.data = door_echo, .close = connects};
    (void)state;
    listener = tests_peer_listen(&listener_port);
    assert_true(listener >= 0);
    door_serve((struct tr_server_options){.socket.events = &events}, 1);
    int fd = door_connect();
    door_send(fd, LINE, sizeof(LINE) - 1);
    door_must_receive(fd, SAYS_LINE);
    close(fd);
    fd = tests_peer_accept(listener);
    assert_true(fd >= 0);
    close(fd);
    close(listener);
    door_await_count(&door_ended, 1);
    door_stop();
}

/* An owner learns from the socket's info. */

enum { INFO = 7 };

static struct tr_socket_info info;
static unsigned informed;

static void
owner_receive(tr_actor *self, void *state, tr_message *message)
{
    enum tr_event event;
    (void)state;
    if (message->tag == INFO) {
        memcpy(&info, tr_message_data(message), sizeof(info));
        __atomic_store_n(&informed, 1, __ATOMIC_RELEASE);
        return;
    }
    if (!tr_event_of(message, &event))
        return;
    if (event == TR_EVENT_CONNECTION)
        tr_remote_socket_info(self, message->from, INFO, 0);
    tr_remote_credit(self, message->from, 1);
}

static bool
is_informed(void *argument)
{
    (void)argument;
    return __atomic_load_n(&informed, __ATOMIC_ACQUIRE) != 0;
}

static void
an_owner_is_told_of_a_connection_after_its_header_and_can_ask(void **state)
{
    static const struct tr_behavior owner = {.name = "owner", .receive = owner_receive};
    (void)state;
    tr_ref ref;
    informed = 0;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 2}, &door_runtime), TR_OK);
    assert_int_equal(tr_runtime_spawn(door_runtime, &owner, NULL, &ref), TR_OK);
    door_serve((struct tr_server_options){.socket.owner.actor = ref, .proxy.timeout_ms = INT32_MAX}, 2);
    int fd = door_connect();
    door_await_connections(1);
    assert_false(is_informed(NULL));
    door_send(fd, LINE, sizeof(LINE) - 1);
    assert_true(tests_wait_until(is_informed, NULL, TESTS_LIMIT_MS));
    assert_int_equal(info.proxy_version, 1);
    assert_string_equal(info.proxy_source.text, "192.0.2.1");
    assert_int_equal(info.proxy_source.port, 1000);
    assert_string_equal(info.proxy_destination.text, "192.0.2.2");
    assert_string_equal(info.remote.text, "127.0.0.1");
    close(fd);
    door_stop();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_is_one_of_the_connections),
        cmocka_unit_test(an_address_counts_where_it_connects_from_not_what_it_says),
        cmocka_unit_test(the_close_event_waits_for_who_waits),
        cmocka_unit_test(the_end_of_the_runtime_closes_who_waits_at_once),
        cmocka_unit_test(who_waits_outlives_a_server_that_is_killed),
        cmocka_unit_test(who_waits_keeps_the_program_running),
        cmocka_unit_test(a_thousand_that_say_nothing_cost_little),
        cmocka_unit_test(each_is_served_or_refused_once_while_connections_come_and_go),
        cmocka_unit_test(a_connection_that_begins_paused_reads_nothing_after_the_header),
        cmocka_unit_test(descriptors_that_come_with_a_header_are_closed_and_later_ones_are_given),
        cmocka_unit_test(a_header_belongs_to_one_connection),
        cmocka_unit_test(an_owner_is_told_of_a_connection_after_its_header_and_can_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
