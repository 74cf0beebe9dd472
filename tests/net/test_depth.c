/*
 * Depth: what a program's data can make deep - pipes in a row, callbacks that cause the next one, ends that end the
 * next - is done with a stack that does not grow with it.
 *
 * The workers' stacks are small (main), and everything is long enough to use one up if each link took a few frames.
 */
#include "hands.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/net/pipe.h>
#include <troupe/net/remote.h>
#include <troupe/net/server.h>
#include <troupe/net/socket.h>

#define SMALL_STACK (128u * 1024u)
#define LINKS 1500u  /* sockets in a row: two descriptors each */
#define MANY 100000u /* callbacks in a row */

static tr_socket *sockets[LINKS];
static tr_ref refs[LINKS];
static int peers[LINKS];
static unsigned ended; /* by the worker, read there */

static bool
all_ended(void *argument)
{
    return ended == *(const unsigned *)argument;
}

static void
await_ended(unsigned count)
{
    await_on_worker(0, all_ended, &count);
}

static tr_socket *
adopt(tr_actor *self, int fd, const struct tr_socket_events *events, void *data)
{
    struct tr_socket_options options = {.events = events, .data = data};
    tr_socket *socket;
    assert_int_equal(tr_socket_adopt(self, fd, TR_READABLE | TR_WRITABLE, &options, &socket), TR_OK);
    return socket;
}

/* Pipes in a row: whatever comes into one goes on to the next. */

static void
on_link_close(tr_socket *socket, bool had_error)
{
    (void)socket;
    (void)had_error;
    ended++;
}

/* As the owner of another socket: it answers. */
static void
on_link_message(tr_socket *socket, tr_message *message)
{
    (void)tr_remote_credit(tr_socket_actor(socket), message->from, 1); /* to one that is gone, too */
}

static const struct tr_socket_events link_events = {.close = on_link_close, .message = on_link_message};

static void
make_chain(tr_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < LINKS; i++) {
        int fds[2];
        hands_pair(fds);
        peers[i] = fds[1];
        sockets[i] = adopt(self, fds[0], &link_events, NULL);
        refs[i] = tr_socket_ref(sockets[i]);
    }
    for (unsigned i = 0; i + 1 < LINKS; i++)
        assert_int_equal(tr_socket_pipe(sockets[i], refs[i + 1], NULL), TR_OK);
}

static void
close_peers(void)
{
    for (unsigned i = 0; i < LINKS; i++)
        close(peers[i]);
}

static void
destroy_first(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
    tr_socket_destroy(sockets[0], TR_OK);
}

static void
destroy_last(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
    tr_socket_destroy(sockets[LINKS - 1], TR_EPIPE);
}

static void
break_chain(void (*how)(tr_actor *self, void *argument))
{
    ended = 0;
    hands_open(1);
    on_worker(0, make_chain, NULL);
    on_worker(0, how, NULL);
    await_ended(LINKS);
    close_peers();
    hands_close();
}

static void
a_long_row_of_pipes_ends_with_its_first_socket(void **state)
{
    (void)state;
    break_chain(destroy_first);
}

static void
a_long_row_of_pipes_ends_with_its_last_socket(void **state)
{
    (void)state;
    break_chain(destroy_last);
}

/* What one of them holds waits for the next, and all of them for the last: then it opens. */
static void
bytes_run_through_a_long_row_of_pipes_and_its_end_after_them(void **state)
{
    (void)state;
    char byte = 0;
    ended = 0;
    hands_open(1);
    on_worker(0, make_chain, NULL);
    for (unsigned i = 0; i < LINKS; i++)
        assert_int_equal(send(peers[i], "x", 1, MSG_NOSIGNAL), 1);
    for (unsigned i = 1; i < LINKS; i++)
        assert_true(tests_peer_receive(peers[i], &byte, 1) == 1 && byte == 'x');
    for (unsigned i = 0; i < LINKS; i++)
        shutdown(peers[i], SHUT_WR);
    await_ended(LINKS);
    close_peers();
    hands_close();
}

/* Callbacks of writes that write again. */

static int far_end;
static unsigned written;

static void write_next(tr_socket *socket, void *argument, tr_status status);

static void
write_one(tr_socket *socket)
{
    if (written++ < MANY)
        (void)tr_socket_write_then(socket, (tr_slice){.data = "", .size = 0}, write_next, NULL); /* is counted */
    else
        tr_socket_destroy(socket, TR_OK);
}

static void
write_next(tr_socket *socket, void *argument, tr_status status)
{
    (void)argument;
    (void)status;
    write_one(socket);
}

static void
begin_writing(tr_actor *self, void *argument)
{
    (void)argument;
    write_one(adopt(self, far_end, &link_events, NULL));
}

static void
open_writer(int fds[2])
{
    ended = written = 0;
    hands_open(1);
    hands_pair(fds);
    far_end = fds[0];
}

static void
a_callback_of_a_write_may_write_again_any_number_of_times(void **state)
{
    (void)state;
    int fds[2];
    open_writer(fds);
    on_worker(0, begin_writing, NULL);
    await_ended(1);
    close(fds[1]);
    hands_close();
    assert_true(written > MANY);
}

static unsigned refused;

static void
write_to_nowhere(tr_socket *socket, void *argument, tr_status status)
{
    assert_true(status < TR_OK);
    refused++;
    if (argument == NULL)
        (void)tr_socket_write_then(socket, (tr_slice){.data = "x", .size = 1}, write_to_nowhere, &refused);
}

static void
write_much_and_destroy(tr_actor *self, void *argument)
{
    (void)argument;
    tr_socket *socket = adopt(self, far_end, &link_events, NULL);
    tr_socket_cork(socket);
    for (unsigned i = 0; i < MANY; i++)
        assert_true(tr_socket_write_then(socket, (tr_slice){.data = "x", .size = 1}, write_to_nowhere, NULL) >= TR_OK);
    tr_socket_destroy(socket, TR_OK);
}

static bool
all_refused(void *argument)
{
    (void)argument;
    return ended == 1 && refused == 2 * MANY;
}

static void
many_writes_may_be_lost_at_once_whose_callbacks_write(void **state)
{
    (void)state;
    int fds[2];
    refused = 0;
    open_writer(fds);
    on_worker(0, write_much_and_destroy, NULL);
    await_on_worker(0, all_refused, NULL);
    close(fds[1]);
    hands_close();
}

/* Ends that end the next: sockets and servers, by every event that can. */

static void
destroy_next(tr_socket *socket, bool had_error)
{
    unsigned next = (unsigned)(uintptr_t)tr_socket_data(socket);
    (void)had_error;
    ended++;
    if (next < LINKS)
        tr_socket_destroy(sockets[next], TR_OK);
}

static const struct tr_socket_events domino_events = {.close = destroy_next};

static void
spawn_dominoes(tr_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < LINKS; i++) {
        struct tr_socket_options options = {.events = &domino_events, .data = (void *)(uintptr_t)(i + 1)};
        assert_int_equal(tr_socket_spawn(self, &options, &sockets[i]), TR_OK);
    }
    tr_socket_destroy(sockets[0], TR_OK);
}

static void
a_close_callback_may_destroy_the_next_socket_in_a_row_of_any_length(void **state)
{
    (void)state;
    ended = 0;
    hands_open(1);
    on_worker(0, spawn_dominoes, NULL);
    await_ended(LINKS);
    hands_close();
}

static void
end_next(tr_socket *socket)
{
    unsigned next = (unsigned)(uintptr_t)tr_socket_data(socket);
    if (next < LINKS)
        tr_socket_destroy(sockets[next], TR_EPIPE);
}

static void
end_next_with_error(tr_socket *socket, const struct tr_error *error)
{
    (void)error;
    end_next(socket);
}

static const struct tr_socket_events end_events = {
    .end = end_next, .error = end_next_with_error, .close = on_link_close};

static void
adopt_enders(tr_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < LINKS; i++) {
        int fds[2];
        hands_pair(fds);
        peers[i] = fds[1];
        sockets[i] = adopt(self, fds[0], &end_events, (void *)(uintptr_t)(i + 1));
        tr_socket_resume(sockets[i]);
    }
}

static void
an_end_may_destroy_the_next_socket_in_a_row_of_any_length(void **state)
{
    (void)state;
    ended = 0;
    hands_open(1);
    on_worker(0, adopt_enders, NULL);
    shutdown(peers[0], SHUT_WR);
    await_ended(LINKS);
    close_peers();
    hands_close();
}

static tr_server *servers[LINKS];
static tr_ref server_refs[LINKS];

static void
close_next(tr_server *server)
{
    unsigned next = (unsigned)(uintptr_t)tr_server_data(server);
    ended++;
    if (next < LINKS)
        (void)tr_server_close(servers[next]); /* TR_ENOTLISTENING, and the close event comes all the same */
}

static const struct tr_server_events server_domino = {.close = close_next};

static void
spawn_servers(tr_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < LINKS; i++) {
        struct tr_server_options options = {.events = &server_domino, .data = (void *)(uintptr_t)(i + 1)};
        assert_int_equal(tr_server_spawn(self, &options, &servers[i]), TR_OK);
        server_refs[i] = tr_server_ref(servers[i]);
    }
    (void)tr_server_close(servers[0]);
}

static void
a_close_callback_may_close_the_next_server_in_a_row_of_any_length(void **state)
{
    (void)state;
    ended = 0;
    hands_open(1);
    on_worker(0, spawn_servers, NULL);
    await_ended(LINKS);
    hands_close();
}

/* Owners in a row: each socket's owner is the next one, and all of them end with the last. */

static void
spawn_owners(tr_actor *self, void *argument)
{
    tr_ref owner = *(const tr_ref *)argument;
    for (unsigned i = 0; i < LINKS; i++) {
        struct tr_socket_options options = {.events = &link_events, .owner = {.actor = owner, .credit = 1}};
        assert_int_equal(tr_socket_spawn(self, &options, &sockets[i]), TR_OK);
        owner = tr_socket_ref(sockets[i]);
    }
    for (unsigned i = 0; i < LINKS; i++)
        tr_socket_destroy(sockets[i], TR_OK);
}

static void
answer(tr_actor *self, tr_message *message)
{
    (void)tr_remote_credit(self, message->from, 1); /* likewise */
}

static void
owners_may_be_in_a_row_of_any_length(void **state)
{
    (void)state;
    hands_open(1);
    hands_receive = answer;
    on_worker(0, spawn_owners, &hands[0]);
    hands_close(); /* nothing had to be killed */
}

/* Look-ups that are answered within the question, and connecting again in the close event. */

static unsigned lives;

static void
knows_nothing(tr_socket *socket, const char *host, enum tr_family family, void *data)
{
    struct tr_error error = {.status = TR_ENOTFOUND};
    (void)host;
    (void)family;
    (void)data;
    assert_int_equal(tr_socket_looked_up(socket, &error, NULL, 0), TR_OK);
}

static void
connect_again(tr_socket *socket, bool had_error)
{
    struct tr_connect_options options = {.host = "nowhere.invalid", .port = 1, .lookup = knows_nothing};
    (void)had_error;
    if (++lives < MANY / 10)
        assert_int_equal(tr_socket_connect(socket, &options), TR_OK);
    else
        ended++;
}

static const struct tr_socket_events undying = {.close = connect_again};

static void
spawn_undying(tr_actor *self, void *argument)
{
    struct tr_socket_options options = {.events = &undying};
    tr_socket *socket;
    (void)argument;
    assert_int_equal(tr_socket_spawn(self, &options, &socket), TR_OK);
    connect_again(socket, false);
}

static void
a_socket_may_be_connected_again_in_its_close_event_any_number_of_times(void **state)
{
    (void)state;
    ended = lives = 0;
    hands_open(1);
    on_worker(0, spawn_undying, NULL);
    await_ended(1);
    hands_close();
}

/* Slices that hold slices: what a socket lets go of lets go of the next. */

static unsigned opened;

static void
open_shell(void *address)
{
    const tr_slice *inner = address;
    opened++;
    if (inner->data != NULL)
        tr_slice_release(*inner);
}

static void
write_nested(tr_actor *self, void *argument)
{
    static tr_slice nest[LINKS];
    tr_slice outer = {0};
    (void)argument;
    for (unsigned i = 0; i < LINKS; i++) {
        nest[i] = outer;
        assert_int_equal(tr_slice_adopt(&nest[i], sizeof(nest[i]), open_shell, &outer), TR_OK);
    }
    tr_socket *socket = adopt(self, far_end, &link_events, NULL);
    tr_socket_cork(socket);
    assert_true(tr_socket_write_slice(socket, outer) >= TR_OK);
    tr_slice_release(outer);
    tr_socket_destroy(socket, TR_OK);
}

static void
what_a_write_holds_may_be_nested_to_any_depth(void **state)
{
    (void)state;
    int fds[2];
    opened = 0;
    open_writer(fds);
    on_worker(0, write_nested, NULL);
    await_ended(1);
    close(fds[1]);
    hands_close();
    assert_int_equal(opened, LINKS);
}

/* Stops that stop the next, in the callbacks of sockets that are asked to end. */

static void
stop_next(tr_socket *socket, bool had_error)
{
    unsigned next = (unsigned)(uintptr_t)tr_socket_data(socket);
    (void)had_error;
    ended++;
    if (next < LINKS)
        assert_int_equal(tr_stop(tr_socket_actor(socket), refs[next], (enum tr_stop_mode)(next % 2)), TR_OK);
}

static const struct tr_socket_events stopping_events = {.close = stop_next};

static void
spawn_stoppers(tr_actor *self, void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < LINKS; i++) {
        struct tr_socket_options options = {.events = &stopping_events, .data = (void *)(uintptr_t)(i + 1)};
        assert_int_equal(tr_socket_spawn(self, &options, &sockets[i]), TR_OK);
        refs[i] = tr_socket_ref(sockets[i]);
    }
    assert_int_equal(tr_stop(self, refs[0], TR_STOP_NOW), TR_OK);
}

static void
a_close_callback_may_stop_the_next_socket_in_a_row_of_any_length(void **state)
{
    (void)state;
    ended = 0;
    hands_open(1);
    on_worker(0, spawn_stoppers, NULL);
    await_ended(LINKS);
    hands_close();
}

/* libuv gives threads the stack that the limit says. */
static int
set_up(void **state)
{
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = SMALL_STACK;
    setrlimit(RLIMIT_STACK, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return hands_warm_up(state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_row_of_pipes_ends_with_its_first_socket),
        cmocka_unit_test(a_long_row_of_pipes_ends_with_its_last_socket),
        cmocka_unit_test(bytes_run_through_a_long_row_of_pipes_and_its_end_after_them),
        cmocka_unit_test(a_callback_of_a_write_may_write_again_any_number_of_times),
        cmocka_unit_test(many_writes_may_be_lost_at_once_whose_callbacks_write),
        cmocka_unit_test(a_close_callback_may_destroy_the_next_socket_in_a_row_of_any_length),
        cmocka_unit_test(an_end_may_destroy_the_next_socket_in_a_row_of_any_length),
        cmocka_unit_test(a_close_callback_may_close_the_next_server_in_a_row_of_any_length),
        cmocka_unit_test(owners_may_be_in_a_row_of_any_length),
        cmocka_unit_test(a_socket_may_be_connected_again_in_its_close_event_any_number_of_times),
        cmocka_unit_test(what_a_write_holds_may_be_nested_to_any_depth),
        cmocka_unit_test(a_close_callback_may_stop_the_next_socket_in_a_row_of_any_length),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
