#include "helpers.h"
#include "play.h"
#include "socket_state.h"
#include "stage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* Servers on descriptors, and on what other servers listen on. A connection tells by its word which server took it. */

static int
reset(void **state)
{
    (void)state;
    memset(accepted, 0, sizeof(accepted));
    return 0;
}

/* Descriptors. */

static int
bound_tcp(bool listens)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    if (listens)
        assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static struct sockaddr_un
in_directory(const char *directory, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/%.20s", directory, name);
    return address;
}

static uint16_t
port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static bool
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Servers that say their name. */

static tr_server *servers[4];
static unsigned closed;

static void
say_name(tr_socket *socket)
{
    tr_socket_end_with(socket, tr_slice_constant(tr_socket_data(socket), 1));
}

static void
count_close(tr_server *server)
{
    (void)server;
    closed++;
}

static const struct tr_server_events counted = {.close = count_close};

static tr_server *
spawn(unsigned i)
{
    static char *const names[] = {"0", "1", "2", "3"};
    struct tr_server_options options = {.connection = say_name, .data = names[i], .events = &counted};
    assert_int_equal(tr_server_spawn(director, &options, &servers[i]), TR_OK);
    return servers[i];
}

/* The director's worker is the one that runs this, so a client must not block: it connects, and looks later. */

static int client;
static char wanted;
static void (*after_word)(void);

static void
look_at_word(void *argument)
{
    char word;
    (void)argument;
    long got = recv(client, &word, 1, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
        stage_after(1, look_at_word, NULL);
        return;
    }
    close(client);
    assert_int_equal(got, 1);
    assert_int_equal(word, wanted);
    after_word();
}

static void
expect_word(int fd, char word, void (*then)(void))
{
    assert_true(fd >= 0);
    client = fd;
    wanted = word;
    after_word = then;
    look_at_word(NULL);
}

static int
connect_unix(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

/* from_fd. */

static bool listens_before;

static void
play_tcp_descriptor(void)
{
    int fd = bound_tcp(listens_before);
    struct tr_listen_options listen_options = {.from_fd = true, .fd = fd};
    struct tr_address address;
    assert_int_equal(tr_server_listen(spawn(0), &listen_options), TR_OK);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(tr_server_address(servers[0], &address), TR_OK);
    assert_int_equal(address.port, port_of(fd));
    assert_string_equal(address.text, "127.0.0.1");
    expect_word(tests_peer_connect(address.port), '0', stage_end);
}

static void
a_descriptor_that_is_bound_can_be_listened_on(void **state)
{
    (void)state;
    listens_before = false;
    stage_play(1, play_tcp_descriptor);
}

static void
a_descriptor_that_listens_already_can_be_listened_on(void **state)
{
    (void)state;
    listens_before = true;
    stage_play(2, play_tcp_descriptor);
}

static char directory[80];

static bool
is_one_closed(void)
{
    return closed == 1;
}

static void
check_path_stays(void *argument)
{
    struct sockaddr_un address = in_directory(directory, "s");
    struct stat status;
    (void)argument;
    assert_int_equal(closed, 1);
    assert_int_equal(lstat(address.sun_path, &status), 0);
    stage_end();
}

static void
close_first(void)
{
    closed = 0;
    assert_int_equal(tr_server_close(servers[0]), TR_OK);
    stage_settled_when(is_one_closed, check_path_stays, NULL);
}

static void
play_unix_descriptor(void)
{
    struct sockaddr_un address = in_directory(directory, "s");
    struct tr_address bound;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(tr_server_listen(spawn(0), &(struct tr_listen_options){.from_fd = true, .fd = fd}), TR_OK);
    assert_int_equal(tr_server_address(servers[0], &bound), TR_OK);
    assert_int_equal(bound.family, TR_FAMILY_UNIX);
    assert_string_equal(bound.text, address.sun_path);
    expect_word(connect_unix(&address), '0', close_first);
}

static void
the_path_of_a_descriptor_is_left_to_who_bound_it(void **state)
{
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    stage_play(1, play_unix_descriptor);
    tests_directory_remove(directory);
}

static tr_status
listen_on(int fd)
{
    return tr_server_listen(servers[0], &(struct tr_listen_options){.from_fd = true, .fd = fd});
}

static void
refuses(int fd, tr_status status)
{
    assert_int_equal(listen_on(fd), status);
    assert_true(is_open(fd));
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
    close(fd);
}

static void
play_wrong_descriptors(void)
{
    int ends[2], listener = bound_tcp(true), connected;
    spawn(0);
    assert_int_equal(listen_on(-1), TR_EBADF);
    int gone = dup(0);
    close(gone);
    assert_int_equal(listen_on(gone), TR_EBADF);
    assert_int_equal(pipe(ends), 0);
    refuses(ends[0], TR_EBADFD);
    refuses(ends[1], TR_EBADFD);
    refuses(open("/dev/null", O_RDONLY), TR_EBADFD);
    refuses(open("/proc/self/stat", O_RDONLY), TR_EBADFD);
    refuses(socket(AF_INET, SOCK_DGRAM, 0), TR_EBADFD);
    refuses(socket(AF_UNIX, SOCK_SEQPACKET, 0), TR_EBADFD);
    refuses(socket(AF_INET, SOCK_STREAM, 0), TR_EBADFD);
    refuses(socket(AF_INET6, SOCK_STREAM, 0), TR_EBADFD);
    refuses(socket(AF_UNIX, SOCK_STREAM, 0), TR_EBADFD);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    refuses(ends[0], TR_EBADFD);
    refuses(ends[1], TR_EBADFD);
    connected = tests_peer_connect(port_of(listener));
    refuses(accept(listener, NULL, NULL), TR_EBADFD);
    refuses(connected, TR_EBADFD);
    assert_false(tr_server_listening(servers[0]));
    assert_int_equal(listen_on(listener), TR_OK); /* it is as good as new */
    assert_int_equal(tr_server_listen(spawn(1), &(struct tr_listen_options){.from_fd = true, .fd = listener}),
                     TR_EEXIST);
    assert_int_equal(tr_server_pause(servers[0], 0), TR_OK);
    assert_int_equal(tr_server_listen(servers[1], &(struct tr_listen_options){.from_fd = true, .fd = listener}),
                     TR_EEXIST); /* though nobody looks at it */
    stage_end();
}

static void
what_is_no_bound_stream_socket_is_refused_and_left_alone(void **state)
{
    (void)state;
    stage_play(1, play_wrong_descriptors);
}

static void
from_outside_a_descriptor_is_taken_on_success_only(void **state)
{
    (void)state;
    tr_runtime *runtime;
    struct tr_server_options options = {.connection = say_name, .data = "0"};
    struct tr_address address;
    assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime), TR_OK);
    int fd = bound_tcp(false), other = socket(AF_INET, SOCK_STREAM, 0), before = tests_open_fds();
    struct tr_listen_options wrong = {.from_fd = true, .fd = fd, .backlog = -1};
    assert_int_equal(tr_runtime_listen(runtime, &options, &wrong, NULL, NULL), TR_EBADLIMIT);
    wrong = (struct tr_listen_options){.from_fd = true, .fd = other};
    assert_int_equal(tr_runtime_listen(runtime, &options, &wrong, NULL, NULL), TR_EBADFD);
    assert_true(is_open(other));

    /* The same port on all addresses: as long as neither listens it can be bound, then only one can listen. */
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port_of(fd))};
    int clash = socket(AF_INET6, SOCK_STREAM, 0), one = 1, zero = 0;
    setsockopt(clash, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(clash, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    assert_int_equal(bind(clash, (struct sockaddr *)&any, sizeof(any)), 0);

    struct tr_listen_options listen_options = {.from_fd = true, .fd = fd};
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen_options, NULL, &address), TR_OK);
    assert_int_equal(tests_open_fds(), before + 1); /* the duplicate in its place, and `clash` */
    int peer = tests_peer_connect(address.port);
    char word;
    assert_int_equal(tests_peer_receive(peer, &word, 1), 1);
    close(peer);
    listen_options.fd = clash;
    assert_int_equal(tr_runtime_listen(runtime, &options, &listen_options, NULL, NULL), TR_EADDRINUSE);
    assert_true(is_open(clash));
    assert_false(fcntl(clash, F_GETFL) & O_NONBLOCK); /* it is as it was */
    close(clash);
    close(other);
    assert_int_equal(tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL), TR_OK);
}

/* options.server. */

static tr_status
listen_with(unsigned i, const tr_server *other)
{
    return tr_server_listen(spawn(i), &(struct tr_listen_options){.server = other});
}

static bool
are_all_closed(void)
{
    return closed == 3;
}

static void
check_all_closed(void *argument)
{
    (void)argument;
    assert_int_equal(closed, 3);
    int fd = tests_peer_connect(stage_port);
    assert_int_equal(fd, -1); /* nobody is left */
    stage_end();
}

static const unsigned *order; /* in which three servers close */
static unsigned step;

static void
close_next(void)
{
    bool open[3] = {true, true, true};
    for (unsigned i = 0; i <= step; i++)
        open[order[i]] = false;
    tr_server_close(servers[order[step++]]);
    for (unsigned newest = 3; newest-- > 0;) {
        if (!open[newest])
            continue;
        expect_word(tests_peer_connect(stage_port), (char)('0' + newest), close_next);
        return;
    }
    stage_settled_when(are_all_closed, check_all_closed, NULL);
}

static void
play_chain(void)
{
    struct tr_address first, other;
    step = closed = 0;
    assert_int_equal(tr_server_listen(spawn(0), &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    assert_int_equal(listen_with(1, servers[0]), TR_OK);
    assert_int_equal(listen_with(2, servers[0]), TR_OK); /* an older one names the same */
    assert_int_equal(tr_server_address(servers[0], &first), TR_OK);
    assert_int_equal(tr_server_address(servers[2], &other), TR_OK);
    assert_memory_equal(&first, &other, sizeof(first));
    stage_port = first.port;
    expect_word(tests_peer_connect(stage_port), '2', close_next);
}

static void
the_newest_server_gets_the_connections_until_it_closes(void **state)
{
    (void)state;
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int i = 0; i < 6; i++) {
        order = orders[i];
        stage_play(1, play_chain);
    }
}

static struct sockaddr_un shared;

static bool
path_is_there(void)
{
    struct stat status;
    return lstat(shared.sun_path, &status) == 0;
}

static void
close_second(void)
{
    assert_int_equal(tr_server_close(servers[1]), TR_OK);
    assert_false(path_is_there());
    stage_end();
}

static void
close_binder(void)
{
    assert_int_equal(tr_server_close(servers[0]), TR_OK);
    assert_true(path_is_there());
    expect_word(connect_unix(&shared), '1', close_second);
}

static void
play_shared_path(void)
{
    shared = in_directory(directory, "s");
    assert_int_equal(tr_server_listen(spawn(0), &(struct tr_listen_options){.path = shared.sun_path}), TR_OK);
    assert_int_equal(listen_with(1, servers[0]), TR_OK);
    expect_word(connect_unix(&shared), '1', close_binder);
}

static void
a_shared_path_is_there_until_the_last_server_closes(void **state)
{
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    stage_play(1, play_shared_path);
    tests_directory_remove(directory);
}

static void
play_wrong_servers(void)
{
    spawn(0);
    spawn(1);
    assert_int_equal(tr_server_listen(servers[0], &(struct tr_listen_options){.server = servers[1]}), TR_ENOADDRESS);
    assert_int_equal(tr_server_listen(servers[0], &(struct tr_listen_options){.server = servers[0]}), TR_ENOADDRESS);
    assert_int_equal(tr_server_listen(servers[0], &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    assert_int_equal(tr_server_listen(servers[0], &(struct tr_listen_options){.server = servers[0]}),
                     TR_EALREADYLISTENING);
    stage_end();
}

/* A server of worker 1, for the director on worker 0. */

static tr_server *elsewhere;

static tr_status
listen_elsewhere(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    tr_server *server;
    assert_int_equal(tr_server_spawn(self, &(struct tr_server_options){0}, &server), TR_OK);
    assert_int_equal(tr_server_listen(server, &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    __atomic_store_n(&elsewhere, server, __ATOMIC_SEQ_CST);
    return TR_OK;
}

static bool
is_there(void)
{
    return __atomic_load_n(&elsewhere, __ATOMIC_SEQ_CST) != NULL;
}

static void
listen_on_what_is_elsewhere(void *argument)
{
    (void)argument;
    assert_int_equal(tr_server_listen(servers[0], &(struct tr_listen_options){.server = elsewhere}), TR_EINVAL);
    stage_end();
}

static void
play_elsewhere(void)
{
    static const struct tr_behavior neighbour = {.name = "neighbour", .init = listen_elsewhere, .receive = ignore};
    struct tr_spawn_options there = {.placement = TR_PLACE_WORKER, .worker = 1};
    spawn(0);
    assert_int_equal(tr_spawn(director, &neighbour, &there, NULL), TR_OK);
    stage_when(is_there, listen_on_what_is_elsewhere, NULL);
}

static void
a_server_of_another_worker_cannot_be_listened_on(void **state)
{
    (void)state;
    stage_play(2, play_elsewhere);
}

static void
only_a_server_that_listens_can_be_listened_on(void **state)
{
    (void)state;
    stage_play(1, play_wrong_servers);
}

/* The callback of a connection lets another server take over, in the middle of accepting. */

static void
hand_over(tr_socket *socket)
{
    say_name(socket);
    if (servers[1] == NULL)
        assert_int_equal(listen_with(1, servers[0]), TR_OK);
}

static int waiting[2];

static void
expect_second(void)
{
    expect_word(waiting[1], '1', stage_end);
}

static void
play_hand_over(void)
{
    struct tr_server_options options = {.connection = hand_over, .data = "0"};
    struct tr_address address;
    servers[1] = NULL;
    assert_int_equal(tr_server_spawn(director, &options, &servers[0]), TR_OK);
    assert_int_equal(tr_server_listen(servers[0], &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    assert_int_equal(tr_server_address(servers[0], &address), TR_OK);
    waiting[0] = tests_peer_connect(address.port); /* both wait before anything is accepted */
    waiting[1] = tests_peer_connect(address.port);
    expect_word(waiting[0], '0', expect_second);
}

static void
a_server_that_comes_while_another_accepts_gets_the_next_connection(void **state)
{
    (void)state;
    stage_play(1, play_hand_over);
}

/* The newest is paused: nobody accepts, until it goes. */

static void
close_paused(void *argument)
{
    char word;
    (void)argument;
    assert_int_equal(recv(waiting[0], &word, 1, MSG_DONTWAIT), -1);
    assert_int_equal(tr_server_close(servers[1]), TR_OK);
    expect_word(waiting[0], '0', stage_end);
}

static void
play_paused_newest(void)
{
    struct tr_address address;
    assert_int_equal(tr_server_listen(spawn(0), &(struct tr_listen_options){.host = "127.0.0.1"}), TR_OK);
    assert_int_equal(listen_with(1, servers[0]), TR_OK);
    assert_int_equal(tr_server_pause(servers[1], 0), TR_OK);
    assert_int_equal(tr_server_address(servers[1], &address), TR_OK);
    waiting[0] = tests_peer_connect(address.port);
    stage_settled(close_paused, NULL);
}

static void
what_waited_while_the_newest_was_paused_goes_to_the_next(void **state)
{
    (void)state;
    stage_play(1, play_paused_newest);
}

/* No delay: of each connection as its own server wants it, whatever it was listened on with. */

static const struct delays {
    const char *name;
    bool first; /* the server that listens */
    bool from_fd, fd_has;
    bool shared, last; /* another one listens on that */
    bool expected;
} delays[] = {
    {"none", false, .expected = false},
    {"of its own", true, .expected = true},
    {"of the older server", true, .shared = true, .last = false, .expected = false},
    {"of the newer server", false, .shared = true, .last = true, .expected = true},
    {"of both", true, .shared = true, .last = true, .expected = true},
    {"on a descriptor", true, .from_fd = true, .expected = true},
    {"on a descriptor that has it", true, .from_fd = true, .fd_has = true, .expected = true},
    {"of the descriptor alone", false, .from_fd = true, .fd_has = true, .expected = true},
    {"of the newer one on a descriptor", false, .from_fd = true, .shared = true, .last = true, .expected = true},
};

static const struct delays *delay;
static int met; /* 1 + what the connection had */

static void
look_at_delay(tr_socket *socket)
{
    int no_delay = -1;
    socklen_t size = sizeof(no_delay);
    getsockopt(socket->fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
    tr_socket_destroy(socket, TR_OK);
    __atomic_store_n(&met, 1 + (no_delay != 0), __ATOMIC_SEQ_CST);
}

static bool
is_met(void)
{
    return __atomic_load_n(&met, __ATOMIC_SEQ_CST) != 0;
}

static void
close_and_end(void *argument)
{
    (void)argument;
    close(client);
    stage_end();
}

static tr_server *
spawn_delaying(bool no_delay)
{
    struct tr_server_options options = {.connection = look_at_delay, .socket = {.no_delay = no_delay}};
    tr_server *server;
    assert_int_equal(tr_server_spawn(director, &options, &server), TR_OK);
    return server;
}

static void
play_delays(void)
{
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    int has = delay->fd_has;
    struct tr_address address;
    if (delay->from_fd) {
        listen = (struct tr_listen_options){.from_fd = true, .fd = bound_tcp(false)};
        setsockopt(listen.fd, IPPROTO_TCP, TCP_NODELAY, &has, sizeof(has));
    }
    tr_server *server = spawn_delaying(delay->first);
    assert_int_equal(tr_server_listen(server, &listen), TR_OK);
    if (delay->shared)
        assert_int_equal(tr_server_listen(spawn_delaying(delay->last), &(struct tr_listen_options){.server = server}),
                         TR_OK);
    assert_int_equal(tr_server_address(server, &address), TR_OK);
    met = 0;
    client = tests_peer_connect(address.port);
    assert_true(client >= 0);
    stage_when(is_met, close_and_end, NULL);
}

static void
each_connection_has_the_delay_that_its_own_server_wants(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(delays) / sizeof(delays[0]); i++) {
        delay = &delays[i / 2];
        stage_play(1 + i % 2, play_delays);
        if (met != 1 + delay->expected)
            fail_msg("%s: %d", delay->name, met - 1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_descriptor_that_is_bound_can_be_listened_on, reset),
        cmocka_unit_test_setup(a_descriptor_that_listens_already_can_be_listened_on, reset),
        cmocka_unit_test_setup(the_path_of_a_descriptor_is_left_to_who_bound_it, reset),
        cmocka_unit_test_setup(what_is_no_bound_stream_socket_is_refused_and_left_alone, reset),
        cmocka_unit_test(from_outside_a_descriptor_is_taken_on_success_only),
        cmocka_unit_test_setup(the_newest_server_gets_the_connections_until_it_closes, reset),
        cmocka_unit_test_setup(a_shared_path_is_there_until_the_last_server_closes, reset),
        cmocka_unit_test_setup(only_a_server_that_listens_can_be_listened_on, reset),
        cmocka_unit_test(a_server_of_another_worker_cannot_be_listened_on),
        cmocka_unit_test_setup(a_server_that_comes_while_another_accepts_gets_the_next_connection, reset),
        cmocka_unit_test_setup(what_waited_while_the_newest_was_paused_goes_to_the_next, reset),
        cmocka_unit_test(each_connection_has_the_delay_that_its_own_server_wants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
