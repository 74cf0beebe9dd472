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

/* What the library says goes to a file. */

static char directory[200];
static int saved_stderr;

static tr_runtime *
begin_with(const struct tr_behavior *behavior, int watchdog_ms)
{
    tr_runtime *runtime;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/stderr", directory);
    fflush(stderr);
    saved_stderr = dup(STDERR_FILENO);
    assert_non_null(freopen(path, "w", stderr));
    struct tr_runtime_options options = {.workers = 1, .watchdog_ms = watchdog_ms};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    assert_int_equal(tr_runtime_spawn(runtime, behavior, NULL, NULL), TR_OK);
    return runtime;
}

static void
end(tr_runtime *runtime)
{
    tr_runtime_stop(runtime, 0, NULL);
    fflush(stderr);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
}

static void
a_socket_that_waits_for_its_owner_for_longer_than_the_watchdog_is_named_once(void **state)
{
    (void)state;
    static const struct tr_behavior forgetful = {.name = "forgetful", .init = adopt_two, .receive = forget};
    char lines[2][LINE_BYTES];
    tr_runtime *runtime = begin_with(&forgetful, 20);
    assert_int_equal(write(peers[0][1], "a", 1), 1);
    bool one = tests_wait_until(are_named, &(size_t){1}, TESTS_LIMIT_MS);
    assert_int_equal(write(peers[1][1], "b", 1), 1);
    bool both = tests_wait_until(are_named, &(size_t){2}, TESTS_LIMIT_MS); /* one could be named again by then */
    end(runtime);

    assert_true(one && both);
    assert_int_equal(read_lines(lines), 2);
    cut_to_name(lines[0]);
    cut_to_name(lines[1]);
    assert_string_not_equal(lines[0], lines[1]);
    for (int i = 0; i < 2; i++)
        close(peers[i][1]);
    tests_directory_remove(directory);
}

/* Of many that wait at once one is named in the watchdog's time: whenever one looks, there are no more lines than that
 * time has passed. */

enum { MANY = 6, PATIENCE_MS = 100 };

static int many_peers[MANY][2];
static uint64_t many_began_ns;
static bool too_many;

static tr_status
adopt_many(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    struct tr_socket_options options = {.owner = {.actor = tr_self(self), .credit = 1}};
    for (int i = 0; i < MANY; i++) {
        tr_socket *socket;
        socketpair(AF_UNIX, SOCK_STREAM, 0, many_peers[i]);
        tr_status status = tr_socket_adopt(self, many_peers[i][0], TR_READABLE | TR_WRITABLE, &options, &socket);
        if (status != TR_OK || write(many_peers[i][1], "a", 1) != 1)
            return status != TR_OK ? status : TR_EIO;
    }
    return TR_OK;
}

static bool
three_are_named(void *argument)
{
    char lines[2][LINE_BYTES];
    (void)argument;
    size_t count = read_lines(lines);
    uint64_t passed_ms = (tests_now_ns() - many_began_ns) / 1000000;
    too_many |= count > passed_ms / PATIENCE_MS;
    return count >= 3;
}

static void
of_many_that_wait_one_is_named_in_the_watchdogs_time(void **state)
{
    (void)state;
    static const struct tr_behavior forgetful = {.name = "forgetful", .init = adopt_many, .receive = forget};
    too_many = false;
    many_began_ns = tests_now_ns();
    tr_runtime *runtime = begin_with(&forgetful, PATIENCE_MS);
    bool three = tests_wait_until(three_are_named, NULL, TESTS_LIMIT_MS);
    end(runtime);
    assert_true(three && !too_many);
    for (int i = 0; i < MANY; i++)
        close(many_peers[i][1]);
    tests_directory_remove(directory);
}

static char names[2][TR_REF_TEXT_SIZE];

/* The peer of the first has ended, and its own side need not: it waits for nothing, although its owner is silent. */
static tr_status
adopt_half_open(tr_actor *self, void *state, const void *argument)
{
    (void)state, (void)argument;
    for (int i = 0; i < 2; i++) {
        struct tr_owner owner = {.actor = tr_self(self), .credit = i == 0 ? 8 : 1};
        struct tr_socket_options options = {.owner = owner, .allow_half_open = i == 0};
        tr_socket *socket;
        socketpair(AF_UNIX, SOCK_STREAM, 0, peers[i]);
        tr_status status = tr_socket_adopt(self, peers[i][0], TR_READABLE | TR_WRITABLE, &options, &socket);
        if (status != TR_OK)
            return status;
        tr_ref_text(tr_socket_ref(socket), names[i]);
    }
    return TR_OK;
}

static unsigned heard;

static void
hear(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state, (void)message;
    __atomic_add_fetch(&heard, 1, __ATOMIC_SEQ_CST);
}

static bool
has_heard(void *argument)
{
    (void)argument;
    return __atomic_load_n(&heard, __ATOMIC_SEQ_CST) > 0;
}

static void
a_half_open_socket_whose_peer_has_ended_waits_for_no_answer(void **state)
{
    (void)state;
    static const struct tr_behavior silent = {.name = "silent", .init = adopt_half_open, .receive = hear};
    char lines[2][LINE_BYTES];
    tr_runtime *runtime = begin_with(&silent, 20);
    assert_int_equal(shutdown(peers[0][1], SHUT_WR), 0);
    bool told = tests_wait_until(has_heard, NULL, TESTS_LIMIT_MS);
    assert_int_equal(write(peers[1][1], "b", 1), 1);
    bool one = tests_wait_until(are_named, &(size_t){1}, TESTS_LIMIT_MS); /* the first would have been before */
    end(runtime);
    assert_true(told && one);
    assert_int_equal(read_lines(lines), 1);
    cut_to_name(lines[0]);
    assert_non_null(strstr(lines[0], names[1]));
    assert_null(strstr(lines[0], names[0]));
    for (int i = 0; i < 2; i++)
        close(peers[i][1]);
    tests_directory_remove(directory);
}

static tr_ref told_by, told_owner;

static void
hear_by_whom(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->from != TR_NOBODY)
        told_by = message->from;
    told_owner = tr_self(self);
    __atomic_add_fetch(&heard, 1, __ATOMIC_SEQ_CST);
}

static bool
has_heard_again(void *argument)
{
    (void)argument;
    return __atomic_load_n(&heard, __ATOMIC_SEQ_CST) > 1;
}

/* A socket that is asked to stop looks after its owner at once, and how long it has waited: that is over when what
 * is sent afterwards has arrived. */
static void
without_a_watchdog_nobody_is_named(void **state)
{
    (void)state;
    static const struct tr_behavior silent = {.name = "silent", .init = adopt_two, .receive = hear_by_whom};
    char lines[2][LINE_BYTES];
    __atomic_store_n(&heard, 0, __ATOMIC_SEQ_CST);
    tr_runtime *runtime = begin_with(&silent, -1);
    assert_int_equal(write(peers[0][1], "a", 1), 1);
    bool told = tests_wait_until(has_heard, NULL, TESTS_LIMIT_MS);
    tr_message next = tr_message_signal(1);
    assert_int_equal(tr_runtime_stop_actor(runtime, told_by, TR_STOP_DRAIN), TR_OK);
    assert_int_equal(tr_runtime_send(runtime, told_owner, &next), TR_OK);
    told = told && tests_wait_until(has_heard_again, NULL, TESTS_LIMIT_MS);
    end(runtime);
    assert_true(told);
    assert_int_equal(read_lines(lines), 0);
    for (int i = 0; i < 2; i++)
        close(peers[i][1]);
    tests_directory_remove(directory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_that_waits_for_its_owner_for_longer_than_the_watchdog_is_named_once),
        cmocka_unit_test(of_many_that_wait_one_is_named_in_the_watchdogs_time),
        cmocka_unit_test(a_half_open_socket_whose_peer_has_ended_waits_for_no_answer),
        cmocka_unit_test(without_a_watchdog_nobody_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
