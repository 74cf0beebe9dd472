#include "helpers.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/activation.h>
#include <troupe/net/server.h>

/*
 * Each test runs this program again as a child with an environment and descriptors of its own, and reads what it
 * prints. The child's part comes first.
 */

/* The child: what was it handed? */

static bool
is_closed_on_exec(int fd)
{
    return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

static void
tell(void)
{
    unsigned count = tr_activation_count();
    printf("%u", count);
    for (unsigned i = 0; i <= count; i++) {
        int fd;
        const char *name;
        tr_status status = tr_activation_fd(i, &fd, &name);
        if (status == TR_OK)
            printf(" %d=%s%s", fd, name, is_closed_on_exec(fd) ? "" : "!");
        else
            printf(" %s", tr_status_code(status));
    }
    bool clean = getenv("LISTEN_PID") == NULL && getenv("LISTEN_FDS") == NULL && getenv("LISTEN_FDNAMES") == NULL;
    printf(" %s", clean && tr_activation_count() == count ? "clean" : "dirty");
}

static void
tell_by_name(const char *name)
{
    int fd;
    tr_status status = tr_activation_fd_named(name, &fd);
    if (status == TR_OK)
        printf("%d", fd);
    else
        printf("%s", tr_status_code(status));
}

static void
tell_wrong_arguments(void)
{
    int fd;
    printf("%d %d %d", tr_activation_fd(0, NULL, NULL) == TR_EINVAL, tr_activation_fd_named(NULL, &fd) == TR_EINVAL,
           tr_activation_fd_named("x", NULL) == TR_EINVAL);
}

static void
say_hi(tr_socket *socket)
{
    tr_socket_end_with(socket, tr_slice_constant("hi", 2));
}

/* Serves on the descriptor that it was handed, until its standard input ends. */
static void
serve(void)
{
    struct tr_server_options options = {.connection = say_hi};
    struct tr_listen_options listen_options = {.from_fd = true};
    struct tr_runtime *runtime;
    char byte;
    if (tr_activation_fd_named("web", &listen_options.fd) != TR_OK ||
        tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &runtime) != TR_OK)
        exit(1);
    if (tr_runtime_listen(runtime, &options, &listen_options, NULL, NULL) != TR_OK)
        exit(1);
    while (read(0, &byte, 1) > 0) {
    }
    tr_runtime_stop(runtime, TESTS_LIMIT_MS, NULL);
}

static int
child(const char *part, const char *argument)
{
    if (strcmp(part, "tell") == 0)
        tell();
    else if (strcmp(part, "name") == 0)
        tell_by_name(argument);
    else if (strcmp(part, "wrong") == 0)
        tell_wrong_arguments();
    else
        serve();
    return 0;
}

/* The parent. */

#define FOR_CHILD "the child's" /* LISTEN_PID is the child's own */

struct handing {
    const char *pid, *fds, *names; /* NULL: not set */
    const char *part, *argument;
    int first, second; /* what the child gets as 3 and 4; -1: nothing */
};

static void
set(const char *name, const char *value)
{
    if (value != NULL)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void
place(int fd, int as)
{
    if (fd < 0)
        close(as);
    else
        dup2(fd, as);
}

static void
become_child(const struct handing *handing, int in, int out)
{
    char pid[24];
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    set("LISTEN_PID", handing->pid != NULL && strcmp(handing->pid, FOR_CHILD) == 0 ? pid : handing->pid);
    set("LISTEN_FDS", handing->fds);
    set("LISTEN_FDNAMES", handing->names);
    dup2(in, 0);
    dup2(out, 1);
    place(handing->first, 3);
    place(handing->second, 4);
    for (int fd = 5; fd < 64; fd++)
        close(fd);
    execl("/proc/self/exe", "child", handing->part, handing->argument, (char *)NULL);
    _exit(127);
}

/* Starts a child; *in is its standard input and *out what it prints. */
static pid_t
start(const struct handing *handing, int *in, int *out)
{
    int input[2], output[2];
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    fflush(stdout);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        /* Out of the way of 3 and 4. */
        struct handing moved = *handing;
        moved.first = handing->first >= 0 ? fcntl(handing->first, F_DUPFD, 64) : -1;
        moved.second = handing->second >= 0 ? fcntl(handing->second, F_DUPFD, 64) : -1;
        become_child(&moved, fcntl(input[0], F_DUPFD, 64), fcntl(output[1], F_DUPFD, 64));
    }
    close(input[0]);
    close(output[1]);
    *in = input[1];
    *out = output[0];
    return pid;
}

static const char *
run(const struct handing *handing)
{
    static char text[512];
    size_t used = 0;
    int in, out;
    pid_t pid = start(handing, &in, &out);
    close(in);
    for (ssize_t more; used < sizeof(text) - 1 && (more = read(out, text + used, sizeof(text) - 1 - used)) > 0;)
        used += (size_t)more;
    text[used] = '\0';
    close(out);
    assert_true(tests_child_succeeds(pid));
    return text;
}

static int
any_fd(void)
{
    static int fd = -1;
    if (fd < 0)
        fd = open("/dev/null", O_RDWR);
    return fd;
}

static void
expect(const char *pid, const char *fds, const char *names, const char *answer)
{
    struct handing handing = {.pid = pid, .fds = fds, .names = names, .part = "tell", .argument = ""};
    handing.first = handing.second = any_fd();
    assert_string_equal(run(&handing), answer);
}

static void
descriptors_come_with_their_names_and_the_environment_is_cleaned(void **state)
{
    (void)state;
    expect(FOR_CHILD, "2", "web:admin", "2 3=web 4=admin ENOENT clean");
    expect(FOR_CHILD, "1", "web", "1 3=web ENOENT clean");
}

static void
what_has_no_name_is_unknown(void **state)
{
    (void)state;
    expect(FOR_CHILD, "2", NULL, "2 3=unknown 4=unknown ENOENT clean");
    expect(FOR_CHILD, "2", "web", "2 3=web 4=unknown ENOENT clean");
    expect(FOR_CHILD, "2", ":admin", "2 3=unknown 4=admin ENOENT clean");
    expect(FOR_CHILD, "2", "", "2 3=unknown 4=unknown ENOENT clean");
    expect(FOR_CHILD, "1", "web:too:many", "1 3=web ENOENT clean");
}

static void
descriptors_of_another_process_are_none(void **state)
{
    (void)state;
    expect("1", "2", "web:admin", "0 ENOENT clean");
    expect(NULL, "2", NULL, "0 ENOENT clean");
    expect(NULL, NULL, NULL, "0 ENOENT clean");
}

static void
an_environment_that_does_not_read_as_it_should_is_none(void **state)
{
    (void)state;
    static const char *const numbers[] = {"",      "-1", "2x", " 2", "+2", "0x2", "1.5", "99999999999999999999",
                                          "70000", "0"};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        expect(FOR_CHILD, numbers[i], NULL, "0 ENOENT clean");
        expect(numbers[i], "2", NULL, "0 ENOENT clean");
    }
    expect(FOR_CHILD, NULL, "web", "0 ENOENT clean");
}

static void
a_descriptor_that_was_closed_is_ebadf(void **state)
{
    (void)state;
    struct handing handing = {
        .pid = FOR_CHILD, .fds = "2", .part = "tell", .argument = "", .first = any_fd(), .second = -1};
    assert_string_equal(run(&handing), "2 3=unknown EBADF ENOENT clean");
}

static void
a_descriptor_is_found_by_its_name(void **state)
{
    (void)state;
    struct handing handing = {.pid = FOR_CHILD, .fds = "2", .names = "web:admin", .part = "name"};
    handing.first = handing.second = any_fd();
    handing.argument = "admin";
    assert_string_equal(run(&handing), "4");
    handing.argument = "web";
    assert_string_equal(run(&handing), "3");
    handing.names = "web:web";
    assert_string_equal(run(&handing), "3"); /* the first of that name */
    handing.names = "web:admin";
    handing.argument = "adm";
    assert_string_equal(run(&handing), "ENOENT");
    handing.argument = "";
    assert_string_equal(run(&handing), "ENOENT");
}

static void
wrong_arguments_are_refused_by_name(void **state)
{
    (void)state;
    struct handing handing = {
        .pid = FOR_CHILD, .fds = "1", .part = "wrong", .argument = "", .first = any_fd(), .second = -1};
    assert_string_equal(run(&handing), "1 1 1");
}

static void
a_server_listens_on_what_it_was_handed(void **state)
{
    (void)state;
    uint16_t port;
    int listener = tests_peer_listen(&port), in, out;
    char word[2];
    struct handing handing = {.pid = FOR_CHILD, .fds = "2", .names = "other:web", .part = "serve", .argument = ""};
    handing.first = any_fd();
    handing.second = listener;
    pid_t pid = start(&handing, &in, &out);
    int peer = tests_peer_connect(port); /* waits in the backlog until the child is there */
    assert_true(peer >= 0);
    close(listener);
    assert_int_equal(tests_peer_receive(peer, word, 2), 2);
    assert_memory_equal(word, "hi", 2);
    assert_true(tests_peer_at_end(peer));
    close(peer);
    close(in);
    close(out);
    assert_true(tests_child_succeeds(pid));
}

int
main(int count, char **arguments)
{
    if (count == 3)
        return child(arguments[1], arguments[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_come_with_their_names_and_the_environment_is_cleaned),
        cmocka_unit_test(what_has_no_name_is_unknown),
        cmocka_unit_test(descriptors_of_another_process_are_none),
        cmocka_unit_test(an_environment_that_does_not_read_as_it_should_is_none),
        cmocka_unit_test(a_descriptor_that_was_closed_is_ebadf),
        cmocka_unit_test(a_descriptor_is_found_by_its_name),
        cmocka_unit_test(wrong_arguments_are_refused_by_name),
        cmocka_unit_test(a_server_listens_on_what_it_was_handed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
