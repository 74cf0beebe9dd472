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

/* Answers whatever is not the first socket's; that one's first event is forgotten. */
static void
forget(tr_actor *self, void *state, tr_message *message)
{
    tr_ref *forgotten = state;
    if (*forgotten == TR_NOBODY)
        *forgotten = message->from;
    if (*forgotten != message->from)
        tr_remote_credit(self, message->from, 1);
}

static size_t
lines_with(const char *text)
{
    size_t count = 0;
    char line[512];
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        count += strstr(line, text) != NULL;
    if (file != NULL)
        fclose(file);
    return count;
}

static bool
is_named(void *argument)
{
    (void)argument;
    return lines_with("to answer an event with tr_remote_credit(), and is not read") > 0;
}

static void
a_socket_that_waits_for_its_owner_for_longer_than_the_watchdog_is_named_once(void **state)
{
    (void)state;
    static const struct tr_behavior forgetful = {
        .name = "forgetful", .init = adopt_two, .receive = forget, .state_size = sizeof(tr_ref)};
    char directory[200];
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
    bool named = tests_wait_until(is_named, NULL, TESTS_LIMIT_MS);
    assert_int_equal(write(peers[1][1], "b", 1), 1);
    tr_runtime_stop(runtime, 0, NULL);

    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_true(named);
    assert_int_equal(lines_with("tr_remote_credit()"), 1);
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
