/*
 * An owner that forgets to answer an event.
 */
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/remote.h>
#include <unistd.h>

static int peers[2][2];
static char path[256];

static tr_status
adopt_two(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    struct tr_socket_options options = {.owner = {.actor = tr_self(self), .credit = 1}};
    for (int i = 0; i < 2; i++) {
        tr_socket *socket;
        socketpair(AF_UNIX, SOCK_STREAM, 0, peers[i]);
        tr_status status = tr_socket_adopt(self, peers[i][0], TR_READABLE | TR_WRITABLE, &options, &socket);
        if (status != TR_OK)
            return status;
    }
    return TR_OK;
}

/* Both sockets' first events are never answered. */
static void
forget(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state, (void)message;
}

#define LINE_BYTES 512

/* The lines that name a socket: at most two are kept. */
static size_t
read_lines(char lines[2][LINE_BYTES])
{
    size_t count = 0;
    char line[LINE_BYTES];
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strstr(line, "to answer an event with tr_remote_credit(), and is not read") != NULL && count++ < 2)
            memcpy(lines[count - 1], line, sizeof(line));
    if (file != NULL)
        fclose(file);
    return count;
}

static bool
are_named(void *count)
{
    char lines[2][LINE_BYTES];
    return read_lines(lines) >= *(size_t *)count;
}

/* Between "socket" and "has waited". */
static void
cut_to_name(char *line)
{
    char *end = strstr(line, " has waited");
    assert_non_null(end);
    *end = '\0';
}

static void
a_socket_that_waits_for_its_owner_for_longer_than_the_watchdog_is_named_once(void **state)
{
    (void)state;
    static const struct tr_behavior forgetful = {.name = "forgetful", .init = adopt_two, .receive = forget};
    char directory[200], lines[2][LINE_BYTES];
    tr_runtime *runtime;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/stderr", directory);
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    assert_non_null(freopen(path, "w", stderr));

    struct tr_runtime_options options = {.workers = 1, .watchdog_ms = 20};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    assert_int_equal(tr_runtime_spawn(runtime, &forgetful, NULL, NULL), TR_OK);
    assert_int_equal(write(peers[0][1], "a", 1), 1);
    bool one = tests_wait_until(are_named, &(size_t){1}, TESTS_LIMIT_MS);
    assert_int_equal(write(peers[1][1], "b", 1), 1);
    bool both = tests_wait_until(are_named, &(size_t){2}, TESTS_LIMIT_MS); /* one could be named again by then */
    tr_runtime_stop(runtime, 0, NULL);

    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_true(one && both);
    assert_int_equal(read_lines(lines), 2);
    cut_to_name(lines[0]);
    cut_to_name(lines[1]);
    assert_string_not_equal(lines[0], lines[1]);
    for (int i = 0; i < 2; i++)
        close(peers[i][1]);
    tests_directory_remove(directory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_that_waits_for_its_owner_for_longer_than_the_watchdog_is_named_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
