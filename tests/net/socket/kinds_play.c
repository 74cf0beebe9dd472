#include "kinds_play.h"

#include "cast.h"
#include "helpers.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/net_tstamp.h>

int ours, theirs, duplicate;
char heard[64];

/* Kinds: each makes two ends. */

static void
make_tcp4(void)
{
    int fds[2];
    stage_pair(AF_INET, fds);
    ours = fds[0];
    theirs = fds[1];
}

static void
make_tcp6(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    ours = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(ours, (struct sockaddr *)&address, size), 0);
    theirs = accept(listener, NULL, NULL);
    close(listener);
}

static void
make_pair(int type)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
    ours = fds[0];
    theirs = fds[1];
}

static void
make_unix(void)
{
    make_pair(SOCK_STREAM);
}

static void
make_records(void)
{
    make_pair(SOCK_SEQPACKET);
}

static void
make_pipe(int end)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    ours = fds[end];
    theirs = fds[1 - end];
}

static void
make_pipe_to_read(void)
{
    make_pipe(0);
}

static void
make_pipe_to_write(void)
{
    make_pipe(1);
}

static void
make_fifo(void)
{
    char directory[128], name[160];
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(name, sizeof(name), "%s/fifo", directory);
    assert_int_equal(mkfifo(name, 0600), 0);
    ours = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    theirs = open(name, O_WRONLY | O_CLOEXEC);
    tests_directory_remove(directory);
}

static void
make_terminal(void)
{
    struct termios raw;
    ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(ours >= 0 && grantpt(ours) == 0 && unlockpt(ours) == 0);
    theirs = open(ptsname(ours), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_int_equal(tcgetattr(theirs, &raw), 0);
    cfmakeraw(&raw);
    assert_int_equal(tcsetattr(theirs, TCSANOW, &raw), 0);
}

const struct kind kinds[8] = {
    {"TCP over IPv4", make_tcp4, 3, true, "data:in end close", NULL},
    {"TCP over IPv6", make_tcp6, 3, true, "data:in end close", NULL},
    {"unix stream", make_unix, 3, false, "data:in end close", "EPIPE"},
    {"unix records", make_records, 3, false, "data:in end close", "EPIPE"},
    {"pipe, reading", make_pipe_to_read, TR_READABLE, false, "data:in end close", NULL},
    {"pipe, writing", make_pipe_to_write, TR_WRITABLE, false, NULL, "EPIPE"},
    {"FIFO, reading", make_fifo, TR_READABLE, false, "data:in end close", NULL},
    {"terminal", make_terminal, 3, false, "data:in EIO close!", NULL}, /* the system's word for a hang-up */
};

const struct kind *kind;

void
adopt_kind(struct tr_socket_options options)
{
    kind->make();
    assert_true(ours >= 0 && theirs >= 0);
    options.events = &endpoint_events;
    options.data = &client;
    assert_int_equal(tr_socket_adopt(director, ours, kind->sides, &options, &client.socket), TR_OK);
}

void
play_kind(const struct kind *which, void (*script)(void))
{
    kind = which;
    client = (struct endpoint){.hook = client.hook};
    heard[0] = '\0';
    stage_play(1, script);
    client.hook = NULL;
}
