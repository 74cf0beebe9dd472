/*
 * What the children of a cluster listen on.
 */
#include "crew.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

static const enum tr_cluster_scheduling schedulings[] = {TR_CLUSTER_ROUND_ROBIN, TR_CLUSTER_LEAST_LOADED,
                                                         TR_CLUSTER_BY_KERNEL};

static void
start(struct crew *crew, unsigned children, enum tr_cluster_scheduling scheduling)
{
    crew_start(crew, (struct tr_cluster_options){.children = children, .scheduling = scheduling});
}

/* Whether somebody listens: the connection, if any, is answered. */
static bool
is_served(uint16_t port)
{
    char line[64];
    int fd = tests_peer_connect(port);
    if (fd < 0)
        return false;
    bool served = crew_read_line(fd, line, sizeof(line));
    close(fd);
    return served;
}

static void
children_have_one_port_for_port_0_and_another_for_the_second(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(schedulings) / sizeof(schedulings[0]); i++) {
        struct crew crew;
        start(&crew, 3, schedulings[i]);
        uint16_t port = crew_listen(&crew, 0), second = crew_listen(&crew, 0);
        assert_int_not_equal(port, second);
        for (unsigned child = 1; child < 3; child++) {
            assert_int_equal(crew_listen(&crew, child), port);
            assert_int_equal(crew_listen(&crew, child), second);
        }
        assert_true(is_served(port));
        assert_true(is_served(second));
        crew_end(&crew, "OK");
    }
}

static void
a_port_is_open_until_the_last_child_has_closed_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(schedulings) / sizeof(schedulings[0]); i++) {
        struct crew crew;
        start(&crew, 2, schedulings[i]);
        uint16_t port = crew_listen(&crew, 0);
        assert_int_equal(crew_listen(&crew, 1), port);
        assert_string_equal(crew_ask(&crew, 0, "close a"), "ok");
        for (int n = 0; n < 8; n++) {
            unsigned child;
            close(crew_connect(port, &child, NULL));
            assert_int_equal(child, 1);
        }
        assert_string_equal(crew_ask(&crew, 1, "close a"), "ok");
        assert_true(tests_wait_until(crew_is_refused, &port, TESTS_LIMIT_MS));
        char again[64];
        snprintf(again, sizeof(again), "ok %u", port);
        assert_string_equal(crew_ask(&crew, 1, "listen b 127.0.0.1 %u", port), again); /* with the port by name */
        assert_string_equal(crew_ask(&crew, 0, "listen b 127.0.0.1 %u", port), again);
        assert_true(is_served(port));
        crew_end(&crew, "OK");
    }
}

static void
who_wants_a_port_alone_gets_it_alone(void **state)
{
    struct crew crew;
    unsigned port;
    (void)state;
    start(&crew, 2, TR_CLUSTER_ROUND_ROBIN);
    assert_int_equal(sscanf(crew_ask(&crew, 0, "listen a 127.0.0.1 0 x"), "ok %u", &port), 1);
    assert_string_equal(crew_ask(&crew, 1, "listen a 127.0.0.1 %u x", port), "EADDRINUSE");
    assert_string_equal(crew_ask(&crew, 1, "listen a 127.0.0.1 %u", port), "EADDRINUSE");
    assert_string_equal(crew_ask(&crew, 0, "close a"), "ok");
    char ok[32];
    snprintf(ok, sizeof(ok), "ok %u", port);
    assert_string_equal(crew_ask(&crew, 1, "listen a 127.0.0.1 %u", port), ok);
    assert_string_equal(crew_ask(&crew, 0, "listen a 127.0.0.1 %u x", port), "EADDRINUSE"); /* the other order */
    assert_string_equal(crew_ask(&crew, 0, "listen a 127.0.0.1 %u", port), ok);
    crew_end(&crew, "OK");
}

static void
port_0_alone_is_a_port_of_its_own(void **state)
{
    struct crew crew;
    unsigned first, second;
    (void)state;
    start(&crew, 2, TR_CLUSTER_ROUND_ROBIN);
    assert_int_equal(sscanf(crew_ask(&crew, 0, "listen a 127.0.0.1 0 x"), "ok %u", &first), 1);
    assert_int_equal(sscanf(crew_ask(&crew, 1, "listen a 127.0.0.1 0 x"), "ok %u", &second), 1);
    assert_int_not_equal(first, second);
    crew_end(&crew, "OK");
}

static void
children_must_agree_on_what_they_share(void **state)
{
    struct crew crew;
    unsigned port;
    char directory[100];
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    start(&crew, 2, TR_CLUSTER_ROUND_ROBIN);
    assert_int_equal(sscanf(crew_ask(&crew, 0, "listen a ::1 0 b 5"), "ok %u", &port), 1);
    assert_string_equal(crew_ask(&crew, 1, "listen a ::1 %u b 6", port), "ERR_BACKLOG_DIFFERS");
    assert_string_equal(crew_ask(&crew, 1, "listen a ::1 %u b 5 6", port), "ERR_IPV6_ONLY_DIFFERS");
    assert_string_equal(crew_ask(&crew, 0, "listen p %s/s", directory), "ok 0");
    assert_string_equal(crew_ask(&crew, 1, "listen p %s/s w", directory), "ERR_RIGHTS_DIFFER");
    assert_string_equal(crew_ask(&crew, 1, "listen p %s/s", directory), "ok 0");
    crew_end(&crew, "OK");
    tests_directory_remove(directory);
}

static bool
exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

static bool
is_gone(void *path)
{
    return !exists(path);
}

static unsigned
child_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char line[64];
    unsigned child = 99;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_true(crew_read_line(fd, line, sizeof(line)));
    sscanf(line, "%u", &child);
    close(fd);
    return child;
}

static void
the_file_of_a_path_goes_with_the_last_child(void **state)
{
    struct crew crew;
    char directory[80], path[100];
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/s", directory);
    for (size_t i = 0; i < sizeof(schedulings) / sizeof(schedulings[0]); i++) {
        start(&crew, 2, schedulings[i]);
        assert_string_equal(crew_ask(&crew, 0, "listen a %s", path), "ok 0");
        assert_string_equal(crew_ask(&crew, 1, "listen a %s", path), "ok 0");
        assert_string_equal(crew_ask(&crew, 0, "close a"), "ok");
        assert_true(exists(path));
        assert_int_equal(child_at(path), 1);
        assert_string_equal(crew_ask(&crew, 1, "close a"), "ok");
        assert_true(tests_wait_until(is_gone, path, TESTS_LIMIT_MS));
        assert_string_equal(crew_ask(&crew, 1, "listen a %s", path), "ok 0");
        crew_end(&crew, "OK");
        assert_false(exists(path));
    }
    tests_directory_remove(directory);
}

static void
a_path_means_the_same_wherever_a_child_is(void **state)
{
    struct crew crew;
    char directory[80], path[100];
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/s", directory);
    start(&crew, 2, TR_CLUSTER_ROUND_ROBIN);
    assert_string_equal(crew_ask(&crew, 0, "cd %s", directory), "ok");
    assert_string_equal(crew_ask(&crew, 0, "listen a ./s"), "ok 0");
    assert_true(exists(path));
    assert_int_equal(child_at(path), 0);
    crew_end(&crew, "OK");
    tests_directory_remove(directory);
}

static void
what_listens_elsewhere_is_in_use(void **state)
{
    struct crew crew;
    uint16_t port;
    (void)state;
    int other = tests_peer_listen(&port);
    start(&crew, 1, TR_CLUSTER_ROUND_ROBIN);
    assert_string_equal(crew_ask(&crew, 0, "listen a 127.0.0.1 %u", port), "EADDRINUSE");
    assert_string_equal(crew_ask(&crew, 0, "listen a 1.2.3.4 0"), "EADDRNOTAVAIL");
    assert_string_equal(crew_ask(&crew, 0, "listen a /no/such/directory/s"), "EACCES");
    close(other);
    crew_end(&crew, "OK");
}

static void
end_at_once(tr_socket *socket)
{
    tr_socket_end(socket);
}

/* Gives a status, and the port. */
static tr_status
listen_in_a_runtime(uint16_t port, tr_runtime **runtime, struct tr_address *at)
{
    struct tr_runtime_options options = {.workers = 1, .pinning = TR_PINNING_NEVER};
    struct tr_server_options server = {.connection = end_at_once};
    struct tr_listen_options listen = {.host = "127.0.0.1", .port = port};
    tr_status status = tr_runtime_start(&options, runtime);
    return status == TR_OK ? tr_runtime_listen(*runtime, &server, &listen, NULL, at) : status;
}

/* What it forks is told the port on which the child listens. */
static int
fork_and_listen(tr_cluster_child *self, void *data)
{
    int told[2], status;
    uint16_t port;
    tr_runtime *runtime;
    struct tr_address at;
    (void)self, (void)data;
    if (pipe(told) != 0)
        return 1;
    pid_t process = fork();
    if (process == 0)
        _exit(read(told[0], &port, sizeof(port)) != sizeof(port) ||
              listen_in_a_runtime(port, &runtime, &at) != TR_EADDRINUSE ||
              tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL) != TR_OK);
    bool listens = listen_in_a_runtime(0, &runtime, &at) == TR_OK;
    bool has_told = listens && write(told[1], &at.port, sizeof(at.port)) == sizeof(at.port);
    close(told[0]);
    close(told[1]);
    bool ended = process > 0 && waitpid(process, &status, 0) == process && status == 0;
    return !has_told || !ended || tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL) != TR_OK;
}

static void
what_a_child_forks_listens_by_itself(void **state)
{
    struct tr_cluster_options options = {.child = fork_and_listen, .children = 1, .tries = 1};
    (void)state;
    assert_int_equal(tr_cluster_run(&options), TR_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_have_one_port_for_port_0_and_another_for_the_second),
        cmocka_unit_test(a_port_is_open_until_the_last_child_has_closed_it),
        cmocka_unit_test(who_wants_a_port_alone_gets_it_alone),
        cmocka_unit_test(port_0_alone_is_a_port_of_its_own),
        cmocka_unit_test(children_must_agree_on_what_they_share),
        cmocka_unit_test(the_file_of_a_path_goes_with_the_last_child),
        cmocka_unit_test(a_path_means_the_same_wherever_a_child_is),
        cmocka_unit_test(what_listens_elsewhere_is_in_use),
        cmocka_unit_test(what_a_child_forks_listens_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
