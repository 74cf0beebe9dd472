/*
 * Every refusal of a write, times every call that takes a callback: it is called exactly once, unless the call returned
 * one of the three statuses that socket.h names.
 */
#include "cast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SLICE tr_slice_constant("sixteen bytes...", 16)

static int peer_fd, file_fd;

/* The calls. */

enum call { WRITE_THEN, END_THEN, WRITE_FILE, WRITE_FD, CALLS };

static const char *const call_names[CALLS] = {"write_then", "end_then", "write_file", "write_fd"};

static unsigned told;
static tr_status told_with;

static void
done(tr_socket *socket, void *argument, tr_status status)
{
    (void)socket;
    (void)argument;
    told++;
    told_with = status;
}

static int given_fd; /* what write_file and write_fd are called with */

static tr_status
call(enum call which, tr_slice slice)
{
    switch (which) {
    case WRITE_THEN: return tr_socket_write_then(client.socket, slice, done, NULL);
    case END_THEN: return tr_socket_end_then(client.socket, slice, done, NULL);
    case WRITE_FILE: return tr_socket_write_file(client.socket, given_fd, 0, 0, done, NULL);
    default: return tr_socket_write_fd(client.socket, slice, given_fd, done, NULL);
    }
}

/* The states in which they are refused. */

struct situation {
    const char *name;
    void (*set_up)(void);
    tr_status expected[CALLS]; /* what the call returns; TR_QUEUED: it is taken, or not of interest */
};

static tr_status
adopt(int fd, struct tr_socket_options options)
{
    options.events = &endpoint_events;
    options.data = &client;
    options.keep = true;
    return tr_socket_adopt(director, fd, TR_READABLE | TR_WRITABLE, &options, &client.socket);
}

static void
adopt_one(int family, struct tr_socket_options options)
{
    int fds[2];
    stage_pair(family, fds);
    peer_fd = fds[1];
    assert_int_equal(adopt(fds[0], options), TR_OK);
}

static void
destroyed(void)
{
    adopt_one(AF_UNIX, (struct tr_socket_options){0});
    tr_socket_destroy(client.socket, TR_OK);
}

static void
destroyed_with_an_error(void)
{
    adopt_one(AF_UNIX, (struct tr_socket_options){0});
    tr_socket_destroy(client.socket, TR_EIO);
}

static void
ended(void)
{
    adopt_one(AF_UNIX, (struct tr_socket_options){0});
    assert_int_equal(tr_socket_end(client.socket), TR_OK);
}

static void
never_connected(void)
{
    struct tr_socket_options options = {.events = &endpoint_events, .data = &client, .keep = true};
    assert_int_equal(tr_socket_spawn(director, &options, &client.socket), TR_OK);
}

static void
peer_gone(void)
{
    adopt_one(AF_UNIX, (struct tr_socket_options){0});
    close(peer_fd);
    peer_fd = -1;
}

static void
limit_reached(void)
{
    adopt_one(AF_UNIX, (struct tr_socket_options){.write_limit = 1});
    while (tr_socket_write_slice(client.socket, pattern(1u << 20)) != TR_QUEUED)
        continue;
}

static void
not_open(void)
{
    adopt_one(AF_UNIX, (struct tr_socket_options){0});
    given_fd = 4000; /* not open */
}

static void
not_a_file(void)
{
    adopt_one(AF_INET, (struct tr_socket_options){0});
    given_fd = peer_fd;
}

static void
no_descriptors(void)
{
    adopt_one(AF_UNIX, (struct tr_socket_options){0});
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 3; /* those that are open stay so */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void
eight_bytes_only(void)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_int_equal(adopt(fd, (struct tr_socket_options){0}), TR_OK);
}

/* A value that no row has. */
#define ANY TR_QUEUED

static const struct situation situations[] = {
    {"destroyed", destroyed, {TR_EDESTROYED, TR_EDESTROYED, TR_EDESTROYED, TR_EDESTROYED}},
    {"destroyed with an error", destroyed_with_an_error, {TR_EDESTROYED, TR_EDESTROYED, TR_EDESTROYED, TR_EDESTROYED}},
    {"ended", ended, {TR_EWRITEAFTEREND, TR_EWRITEAFTEREND, TR_EWRITEAFTEREND, TR_EWRITEAFTEREND}},
    {"never connected", never_connected, {TR_ESOCKETCLOSED, TR_ESOCKETCLOSED, TR_ESOCKETCLOSED, TR_ESOCKETCLOSED}},
    {"peer gone", peer_gone, {TR_EPIPE, TR_EPIPE, TR_EPIPE, TR_EPIPE}},
    {"limit reached", limit_reached, {TR_EQUEUELIMIT, TR_EQUEUELIMIT, ANY, TR_EQUEUELIMIT}},
    {"a descriptor that is not open", not_open, {ANY, ANY, TR_EBADF, TR_EBADF}},
    {"no file, no unix socket", not_a_file, {ANY, ANY, TR_EBADFD, TR_EBADHANDLE}},
    {"no descriptors left", no_descriptors, {ANY, ANY, TR_EMFILE, TR_EMFILE}},
    {"a descriptor that takes 8 bytes", eight_bytes_only, {TR_EINVAL, TR_EINVAL, ANY, TR_EBADHANDLE}},
};

static const struct situation *situation;
static enum call called;
static tr_status answer;

static void
play_refusal(void)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    given_fd = file_fd;
    situation->set_up();
    answer = call(called, SLICE);
    assert_int_equal(told, 0); /* never within the call */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    tr_socket_destroy(client.socket, TR_OK);
    if (peer_fd >= 0)
        close(peer_fd);
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static bool
is_untold(tr_status status)
{
    return status == TR_EINVAL || status == TR_EQUEUELIMIT || status == TR_ENOMEM;
}

static void
every_refusal_is_told_once_but_for_three(void **state)
{
    (void)state;
    char name[] = "/tmp/refusals.XXXXXX";
    file_fd = mkstemp(name);
    unlink(name);
    assert_int_equal(ftruncate(file_fd, 16), 0);
    for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++)
        for (called = 0; called < CALLS; called++) {
            situation = &situations[i];
            if (situation->expected[called] == ANY)
                continue;
            memset(&client, 0, sizeof(client));
            peer_fd = -1;
            told = 0;
            stage_play(1, play_refusal);
            if (answer != situation->expected[called])
                fail_msg("%s, %s: returned %s", situation->name, call_names[called], tr_status_code(answer));
            if (told != (is_untold(answer) ? 0u : 1u))
                fail_msg("%s, %s: told %u times", situation->name, call_names[called], told);
            if (told == 1 && told_with >= TR_OK)
                fail_msg("%s, %s: told success", situation->name, call_names[called]);
        }
    close(file_fd);
}

/* What has not happened may be tried again. */
static void
play_second_try(void)
{
    no_descriptors();
    given_fd = file_fd;
    answer = call(WRITE_FD, SLICE);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max < 1024 ? limit.rlim_max : 1024;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(answer, TR_EMFILE);
    assert_int_equal(call(WRITE_FD, SLICE), TR_OK);
    tr_socket_end(client.socket);
    close(peer_fd);
    struct endpoint *one[] = {&client};
    stage_end_when_closed(one, 1);
}

static void
a_write_that_was_refused_for_lack_of_descriptors_leaves_the_socket_as_it_was(void **state)
{
    (void)state;
    memset(&client, 0, sizeof(client));
    told = 0;
    file_fd = STDERR_FILENO;
    stage_play(1, play_second_try);
    assert_int_equal(told, 2);
    assert_int_equal(told_with, TR_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_is_told_once_but_for_three),
        cmocka_unit_test(a_write_that_was_refused_for_lack_of_descriptors_leaves_the_socket_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
