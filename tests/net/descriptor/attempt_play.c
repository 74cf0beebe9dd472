#include "attempt_play.h"

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
#include <sys/un.h>
#include <unistd.h>

#include "helpers.h"

struct sockaddr_storage
loopback_at(int family, uint16_t port)
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

uint16_t
port_of(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET ? ((const struct sockaddr_in *)address)->sin_port
                                               : ((const struct sockaddr_in6 *)address)->sin6_port);
}

struct sockaddr_storage
name_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return address;
}

int
refuse(int family, struct sockaddr_storage *out)
{
    int one = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        skip();
    *out = loopback_at(family, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    if (bind(fd, (struct sockaddr *)out, sizeof(*out)) != 0) {
        close(fd); /* no IPv6 here */
        skip();
    }
    *out = name_of(fd);
    return fd;
}

int
listen_there(int family, struct sockaddr_storage *out)
{
    int fd = refuse(family, out);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

void
break_silence(struct silent *silent)
{
    for (int i = 0; i < FILLERS; i++)
        close(silent->fillers[i]);
    fcntl(silent->listener, F_SETFL, O_NONBLOCK);
    for (int fd; (fd = accept(silent->listener, NULL, NULL)) >= 0;)
        close(fd);
}

void
end_silence(struct silent *silent)
{
    break_silence(silent);
    close(silent->listener);
}

int
attempt_set_up(void **state)
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

int
attempt_tear_down(void **state)
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

void
note_result(void *argument, const struct tri_attempts_result *result)
{
    struct fixture *f = argument;
    assert_false(f->inside_start);
    assert_true((result->fd >= 0) == (result->error == 0));
    f->calls++;
    f->result = *result;
    f->peer = *result->peer;
}

void
start_with(struct fixture *f, const struct tri_attempts_options *options, tri_attempts_done *done)
{
    f->inside_start = true;
    assert_int_equal(tri_attempts_start(&f->loop, &f->timers, options, done, f, &f->attempts), TR_OK);
    f->inside_start = false;
    assert_int_equal(f->calls, 0);
}

void
start_attempt(struct fixture *f, const struct sockaddr_storage *peers, unsigned count, unsigned delay_ms)
{
    start_with(f, &(struct tri_attempts_options){.peers = peers, .count = count, .delay_ms = delay_ms}, note_result);
}

void
await_done(struct fixture *f)
{
    while (f->calls == 0)
        uv_run(&f->loop, UV_RUN_ONCE);
}

void
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

void
expect_failed(struct fixture *f, int error, const char *call, const struct sockaddr_storage *peer)
{
    await_done(f);
    assert_int_equal(f->result.error, error);
    assert_string_equal(f->result.in_bind ? "bind" : "connect", call);
    assert_memory_equal(&f->peer, peer, sizeof(*peer));
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
    struct sockaddr_storage six = loopback_at(AF_INET6, port_of(four));
    setsockopt(fds[1], SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    return bind(fds[1], (struct sockaddr *)&six, sizeof(six)) == 0;
}

void
expect_connected_from_port(struct fixture *f, const struct sockaddr_storage *peers, unsigned count)
{
    struct sockaddr_storage local;
    f->result.error = UV_EADDRINUSE;
    for (unsigned i = 0; i < PORTS_TRIED && f->result.error == UV_EADDRINUSE; i++) {
        int reserved[2];
        f->calls = 0;
        if (reserve_in_both(&local, reserved)) {
            start_with(f, &(struct tri_attempts_options){.peers = peers, .count = count, .local_port = port_of(&local)},
                       note_result);
            await_done(f);
        }
        close(reserved[0]);
        close(reserved[1]);
    }
    expect_connected(f, &peers[count - 1]);
    struct sockaddr_storage near = name_of(f->result.fd);
    assert_int_equal(port_of(&near), port_of(&local));
}

struct sockaddr_storage
unix_address(const char *name, size_t size)
{
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    assert_true(size <= sizeof(((struct sockaddr_un *)0)->sun_path));
    memcpy(((struct sockaddr_un *)&address)->sun_path, name, size);
    return address;
}

int
listen_unix(const char *name, size_t size, int backlog, struct sockaddr_storage *out)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *out = unix_address(name, size);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    assert_int_equal(bind(fd, (struct sockaddr *)out, length), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

struct place
make_place(void)
{
    struct place place;
    assert_true(tests_directory_make(place.directory, sizeof(place.directory)));
    snprintf(place.path, sizeof(place.path), "%s/s", place.directory);
    return place;
}
