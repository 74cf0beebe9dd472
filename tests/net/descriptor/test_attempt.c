#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "attempt.h"
#include "helpers.h"

#define NEVER_MS 600000u /* a test that waits for it is stopped by ctest */
#define SOON_MS 30u
#define FILLERS 16

/* Peers. Each returns a descriptor that keeps the address as it is, and the address. */

static struct sockaddr_storage
loopback(int family, uint16_t port)
{
    struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
    if (family == AF_INET) {
        ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ((struct sockaddr_in *)&address)->sin_port = htons(port);
    } else {
        ((struct sockaddr_in6 *)&address)->sin6_addr = in6addr_loopback;
        ((struct sockaddr_in6 *)&address)->sin6_port = htons(port);
    }
    return address;
}

static uint16_t
port_of(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET ? ((const struct sockaddr_in *)address)->sin_port
                                               : ((const struct sockaddr_in6 *)address)->sin6_port);
}

static struct sockaddr_storage
name_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return address;
}

/* Bound and not listening: it refuses, and nobody else gets the port. */
static int
refuse(int family, struct sockaddr_storage *out)
{
    int one = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        skip();
    *out = loopback(family, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    if (bind(fd, (struct sockaddr *)out, sizeof(*out)) != 0) {
        close(fd); /* no IPv6 here */
        skip();
    }
    *out = name_of(fd);
    return fd;
}

static int
listen_there(int family, struct sockaddr_storage *out)
{
    int fd = refuse(family, out);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

/* A listener with no room in its queue: the system drops what asks for a connection. */
struct silent {
    int listener;
    int fillers[FILLERS];
};

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

/* From now on it takes who asks, or asks again. */
static void
break_silence(struct silent *silent)
{
    for (int i = 0; i < FILLERS; i++)
        close(silent->fillers[i]);
    fcntl(silent->listener, F_SETFL, O_NONBLOCK);
    for (int fd; (fd = accept(silent->listener, NULL, NULL)) >= 0;)
        close(fd);
}

static void
end_silence(struct silent *silent)
{
    break_silence(silent);
    close(silent->listener);
}

/* The stage. */

struct fixture {
    uv_loop_t loop;
    struct tri_timers timers;
    int fds;
    bool inside_start;

    tri_attempts *attempts;
    unsigned calls;
    struct tri_attempts_result result;
    struct sockaddr_storage peer;
};

static int
open_fixture(void **state)
{
    static bool warm;
    struct fixture *f = calloc(1, sizeof(*f));
    if (!warm) { /* libuv opens descriptors for the whole process with its first loop and keeps them */
        assert_int_equal(uv_loop_init(&f->loop), 0);
        assert_int_equal(uv_loop_close(&f->loop), 0);
        warm = true;
    }
    f->fds = tests_open_fds();
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(tri_timers_open(&f->timers, &f->loop), TR_OK);
    *state = f;
    return 0;
}

/* Nothing is left: no handle, so the loop can be closed; no memory, or LeakSanitizer finds it; no descriptor. */
static int
close_fixture(void **state)
{
    struct fixture *f = *state;
    unsigned calls = f->calls;
    if (f->calls > 0 && f->result.fd >= 0)
        close(f->result.fd);
    assert_int_equal(f->timers.count, 0);
    tri_timers_close(&f->timers);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(f->calls, calls);
    assert_int_equal(tests_open_fds(), f->fds);
    free(f);
    return 0;
}

static void
note(void *argument, const struct tri_attempts_result *result)
{
    struct fixture *f = argument;
    assert_false(f->inside_start);
    assert_true((result->fd >= 0) == (result->error == 0));
    f->calls++;
    f->result = *result;
    f->peer = *result->peer;
}

static void
start_with(struct fixture *f, const struct tri_attempts_options *options, tri_attempts_done *done)
{
    f->inside_start = true;
    assert_int_equal(tri_attempts_start(&f->loop, &f->timers, options, done, f, &f->attempts), TR_OK);
    f->inside_start = false;
    assert_int_equal(f->calls, 0);
}

static void
start(struct fixture *f, const struct sockaddr_storage *peers, unsigned count, unsigned delay_ms)
{
    start_with(f, &(struct tri_attempts_options){.peers = peers, .count = count, .delay_ms = delay_ms}, note);
}

static void
await_done(struct fixture *f)
{
    while (f->calls == 0)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static void
expect_connected(struct fixture *f, const struct sockaddr_storage *peer)
{
    await_done(f);
    assert_int_equal(f->result.error, 0);
    assert_memory_equal(&f->peer, peer, sizeof(*peer));
    struct sockaddr_storage far = {0};
    socklen_t size = sizeof(far);
    assert_int_equal(getpeername(f->result.fd, (struct sockaddr *)&far, &size), 0);
    if (peer->ss_family != AF_UNIX)
        assert_memory_equal(&far, peer, sizeof(far));
}

static void
expect_failed(struct fixture *f, int error, const char *call, const struct sockaddr_storage *peer)
{
    await_done(f);
    assert_int_equal(f->result.error, error);
    assert_string_equal(f->result.in_bind ? "bind" : "connect", call);
    assert_memory_equal(&f->peer, peer, sizeof(*peer));
}

/* One address. */

static void
a_connected_descriptor_does_not_block_and_carries_bytes(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    int listener = listen_there(AF_INET, &peer);
    start(f, &peer, 1, 0);
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
    start(f, &peer, 1, 0);
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
    start(f, peers, 3, 0);
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
    start(f, &peer, 1, 0);
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
    start(f, &peer, 1, 0);
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
            peers[i] = loopback(table[row].families[i] == '4' ? AF_INET : AF_INET6, 1);
        tri_attempts_order(peers, count, order);
        assert_memory_equal(order, table[row].order, count * sizeof(order[0]));
    }
}

static void
race(struct fixture *f, int refusing_family, int good_family)
{
    struct sockaddr_storage peers[2];
    int refusing = refuse(refusing_family, &peers[0]), listener = listen_there(good_family, &peers[1]);
    start(f, peers, 2, NEVER_MS);
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
    start(f, peers, 2, SOON_MS);
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
    start(f, peers, 2, NEVER_MS);
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
    start(f, peers, 2, SOON_MS);
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
    start(f, peers, 2, 0);
    assert_int_equal(f->timers.count, 0); /* which alone could begin the next */
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->calls, 0);
    fcntl(listener, F_SETFL, O_NONBLOCK);
    assert_int_equal(accept(listener, NULL, NULL), -1);
    tri_attempts_cancel(f->attempts);
    close(listener);
    end_silence(&silent);
}

/* Ports belong to the machine: another program may have one, or take it between two calls. */
#define PORTS_TRIED 16

/* Keeps a port of both loopback addresses. false: another program has it in one of them. */
static bool
reserve_in_both(struct sockaddr_storage *four, int fds[2])
{
    static const int one = 1;
    fds[0] = refuse(AF_INET, four);
    fds[1] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage six = loopback(AF_INET6, port_of(four));
    setsockopt(fds[1], SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    return bind(fds[1], (struct sockaddr *)&six, sizeof(six)) == 0;
}

/* Of these peers the last is reached, from a port that was asked for. */
static void
expect_connected_from_port(struct fixture *f, const struct sockaddr_storage *peers, unsigned count)
{
    struct sockaddr_storage local;
    f->result.error = UV_EADDRINUSE;
    for (unsigned i = 0; i < PORTS_TRIED && f->result.error == UV_EADDRINUSE; i++) {
        int reserved[2];
        f->calls = 0;
        if (reserve_in_both(&local, reserved)) {
            start_with(f, &(struct tri_attempts_options){.peers = peers, .count = count, .local_port = port_of(&local)},
                       note);
            await_done(f);
        }
        close(reserved[0]);
        close(reserved[1]);
    }
    expect_connected(f, &peers[count - 1]);
    struct sockaddr_storage near = name_of(f->result.fd);
    assert_int_equal(port_of(&near), port_of(&local));
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
    start(f, peers, 2, SOON_MS);
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
    start(f, peers, 3, SOON_MS);
    expect_connected(f, &peers[2]);
    close(refusing);
    close(listener);
    end_silence(&silent);
}

static struct sockaddr_storage
unix_address(const char *name, size_t size)
{
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    assert_true(size <= sizeof(((struct sockaddr_un *)0)->sun_path));
    memcpy(((struct sockaddr_un *)&address)->sun_path, name, size);
    return address;
}

static void
if_all_fail_the_error_is_that_of_the_first(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peers[3];
    int second = refuse(AF_INET, &peers[1]), third = refuse(AF_INET, &peers[2]);
    peers[0] = unix_address("/nowhere/at-all", sizeof("/nowhere/at-all"));
    start(f, peers, 3, NEVER_MS);
    expect_failed(f, UV_ENOENT, "connect", &peers[0]);

    f->calls = 0;
    start(f, &peers[1], 2, NEVER_MS);
    expect_failed(f, UV_ECONNREFUSED, "connect", &peers[1]);
    close(second);
    close(third);
}

/* The local end. */

static void
start_from(struct fixture *f, const struct sockaddr_storage *local, const struct sockaddr_storage *peers,
           unsigned count, unsigned delay_ms)
{
    start_with(f, &(struct tri_attempts_options){.peers = peers, .count = count, .local = local, .delay_ms = delay_ms},
               note);
}

static void
a_local_port_is_bound(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer, local;
    int listener = listen_there(AF_INET, &peer), reserved = refuse(AF_INET, &local);
    start_from(f, &local, &peer, 1, 0);
    expect_connected(f, &peer);
    struct sockaddr_storage near = name_of(f->result.fd);
    assert_int_equal(port_of(&near), port_of(&local));
    close(reserved);
    close(listener);
}

static void
a_local_port_is_bound_for_a_peer_of_ipv6_too(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    int listener = listen_there(AF_INET6, &peer);
    expect_connected_from_port(f, &peer, 1);
    close(listener);
}

/* Our side has ended first: the system remembers the connection, and its port, for a minute. */
static void
a_local_port_is_not_refused_after_its_last_connection(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peers[2], local = loopback(AF_INET, 0);
    int listeners[2] = {listen_there(AF_INET, &peers[0]), listen_there(AF_INET, &peers[1])};
    start_from(f, &local, &peers[0], 1, 0);
    expect_connected(f, &peers[0]);
    local = name_of(f->result.fd);
    int accepted = tests_peer_accept(listeners[0]);
    close(f->result.fd);
    assert_true(tests_peer_at_end(accepted));
    close(accepted);
    f->calls = 0;
    start_from(f, &local, &peers[1], 1, 0);
    expect_connected(f, &peers[1]);
    close(listeners[0]);
    close(listeners[1]);
}

static void
local_port_in_use(struct fixture *f, int family)
{
    struct sockaddr_storage peer, local;
    int listener = listen_there(family, &peer), other = listen_there(family, &local);
    start_from(f, &local, &peer, 1, 0);
    expect_failed(f, UV_EADDRINUSE, "bind", &peer);
    close(other);
    close(listener);
}

static void
a_local_port_on_which_somebody_listens_is_in_use(void **state)
{
    local_port_in_use(*state, AF_INET);
}

static void
a_local_port_on_which_somebody_listens_is_in_use_with_ipv6(void **state)
{
    local_port_in_use(*state, AF_INET6);
}

static void
with_a_local_address_only_its_family_is_tried(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peers[2], local = loopback(AF_INET, 0);
    int six = listen_there(AF_INET6, &peers[0]), four = listen_there(AF_INET, &peers[1]);
    for (unsigned race = 0; race < 2; race++) {
        f->calls = 0;
        start_from(f, &local, peers, 2, race ? NEVER_MS : 0);
        expect_connected(f, &peers[1]);
        close(f->result.fd);
    }

    f->calls = 0;
    start_from(f, &local, peers, 1, NEVER_MS);
    expect_failed(f, UV_EINVAL, "bind", &peers[0]);
    close(six);
    close(four);
}

static void
met_itself(struct fixture *f, int family)
{
    struct sockaddr_storage itself;
    int reserved = refuse(family, &itself);
    start_from(f, &itself, &itself, 1, 0);
    expect_failed(f, UV_ECONNREFUSED, "connect", &itself);
    close(reserved);
}

static void
a_connection_with_itself_is_a_refusal(void **state)
{
    met_itself(*state, AF_INET);
}

static void
a_connection_with_itself_is_a_refusal_with_ipv6(void **state)
{
    met_itself(*state, AF_INET6);
}

/* Unix sockets. */

static int
listen_unix(const char *name, size_t size, int backlog, struct sockaddr_storage *out)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *out = unix_address(name, size);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    assert_int_equal(bind(fd, (struct sockaddr *)out, length), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

struct place {
    char directory[64];
    char path[80];
};

static struct place
make_place(void)
{
    struct place place;
    assert_true(tests_directory_make(place.directory, sizeof(place.directory)));
    snprintf(place.path, sizeof(place.path), "%s/s", place.directory);
    return place;
}

static void
a_unix_socket_is_connected_later_too(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    struct place place = make_place();
    int listener = listen_unix(place.path, strlen(place.path) + 1, 8, &peer);
    start(f, &peer, 1, 0);
    expect_connected(f, &peer);
    close(listener);
    tests_directory_remove(place.directory);
}

static void
an_abstract_name_is_connected(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    char name[64] = "";
    int size = 1 + snprintf(name + 1, sizeof(name) - 1, "troupe-test-attempt-%ld", (long)getpid());
    int listener = listen_unix(name, (size_t)size, 8, &peer);
    start(f, &peer, 1, 0);
    expect_connected(f, &peer);
    close(listener);
}

/* One that fills its room. */
static void
the_longest_abstract_name_is_connected(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
    memset(name, 'n', sizeof(name));
    name[0] = '\0';
    int used = snprintf(name + 1, sizeof(name) - 1, "troupe-test-attempt-%ld", (long)getpid());
    name[1 + used] = '-';
    int listener = listen_unix(name, sizeof(name), 8, &peer);
    start(f, &peer, 1, 0);
    expect_connected(f, &peer);
    close(listener);
}

static void
a_path_where_nobody_listens_fails_later(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    struct place place = make_place();
    int listener = listen_unix(place.path, strlen(place.path) + 1, 8, &peer);
    close(listener);
    start(f, &peer, 1, 0);
    expect_failed(f, UV_ECONNREFUSED, "connect", &peer);
    tests_directory_remove(place.directory);
}

static void
a_unix_listener_with_a_full_queue_is_eagain(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_storage peer;
    struct place place = make_place();
    struct silent silent = {.listener = listen_unix(place.path, strlen(place.path) + 1, 0, &peer)};
    for (int i = 0; i < FILLERS; i++) {
        silent.fillers[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(silent.fillers[i], (struct sockaddr *)&peer, sizeof(struct sockaddr_un));
    }
    start(f, &peer, 1, 0);
    expect_failed(f, UV_EAGAIN, "connect", &peer);
    end_silence(&silent);
    tests_directory_remove(place.directory);
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
    assert_int_equal(tri_attempts_start(&f->loop, &f->timers, &options, note, f, &f->attempts), TR_OK);
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

/* Cancelling. After it close_fixture() runs the loop to its end and looks at what is left. */

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
    start(f, &peer, 1, 0);
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
    start(f, peers, 1, 0);
    cancel(f);
    start(f, &peers[1], 1, 0); /* failed and not reported */
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
    start(f, peers, 2, NEVER_MS);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    cancel(f);

    start(f, peers, 2, SOON_MS);
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
    start(f, peers, 3, NEVER_MS);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
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
        TEST(a_local_port_is_bound),
        TEST(a_local_port_is_bound_for_a_peer_of_ipv6_too),
        TEST(a_local_port_is_not_refused_after_its_last_connection),
        TEST(a_local_port_on_which_somebody_listens_is_in_use),
        TEST(a_local_port_on_which_somebody_listens_is_in_use_with_ipv6),
        TEST(with_a_local_address_only_its_family_is_tried),
        TEST(a_connection_with_itself_is_a_refusal),
        TEST(a_connection_with_itself_is_a_refusal_with_ipv6),
        TEST(a_unix_socket_is_connected_later_too),
        TEST(an_abstract_name_is_connected),
        TEST(the_longest_abstract_name_is_connected),
        TEST(a_path_where_nobody_listens_fails_later),
        TEST(a_unix_listener_with_a_full_queue_is_eagain),
        TEST(done_may_give_the_descriptor_to_the_same_loop),
        TEST(done_may_begin_anew),
        TEST(cancel_while_the_only_attempt_waits),
        TEST(cancel_when_the_connection_is_made_and_not_reported),
        TEST(cancel_between_two_attempts_and_with_both_under_way),
        TEST(cancel_after_a_refusal_while_the_next_attempt_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
