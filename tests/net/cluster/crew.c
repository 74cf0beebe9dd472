#include "crew.h"

#include "crew_stage.h"
#include "helpers.h"

#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct crew_stage crew_stage;

/* Lines. */

bool
crew_is_ready(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, (int)TESTS_LIMIT_MS) == 1;
}

void
crew_say(int fd, const char *format, va_list arguments)
{
    char line[512];
    int size = vsnprintf(line, sizeof(line), format, arguments);
    ssize_t sent = send(fd, line, (size_t)size, MSG_NOSIGNAL);
    (void)sent; /* the test has ended */
}

/* The parent. */

__attribute__((format(printf, 1, 2))) static void
say_word(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    crew_say(crew_stage.words, format, arguments);
    va_end(arguments);
}

static void
on_started(tr_cluster *cluster, unsigned number, int pid, void *data)
{
    (void)data;
    say_word("started %u%s", number, tr_cluster_pid(cluster, number) == pid ? "" : "?");
}

static void
on_ended(tr_cluster *cluster, unsigned number, const struct tr_cluster_end *end, void *data)
{
    (void)data;
    if (end->signal != 0)
        say_word("ended %u signal %d", number, end->signal);
    else
        say_word("ended %u status %d%s", number, end->status, end->asked ? " asked" : "");
    (void)cluster;
}

static void
on_given_up(tr_cluster *cluster, unsigned number, void *data)
{
    (void)cluster, (void)data;
    say_word("given up %u", number);
}

static void
on_parent_message(tr_cluster *cluster, unsigned from, const void *bytes, size_t size, int fd, void *data)
{
    char text[128] = "";
    (void)data;
    memcpy(text, bytes, size < sizeof(text) ? size : sizeof(text) - 1);
    if (strcmp(text, "stop") == 0)
        tr_cluster_stop(cluster);
    else if (strcmp(text, "restart") == 0)
        tr_cluster_restart(cluster);
    else if (strcmp(text, "fds") == 0)
        say_word("fds %d", tests_open_fds());
    else if (strncmp(text, "echo ", 5) == 0)
        say_word("echo %s", tr_status_code(tr_cluster_send(cluster, from, text + 5, size - 5, fd)));
    else
        say_word("message %u %s%s %zu", from, text, fd >= 0 ? " fd" : "", size);
    if (fd >= 0)
        close(fd);
}

static const struct tr_cluster_events cluster_events = {
    .started = on_started, .ended = on_ended, .given_up = on_given_up, .message = on_parent_message};

static void
be_parent(struct tr_cluster_options options)
{
    options.child = crew_be_child;
    options.events = &cluster_events;
    int before = tests_open_fds();
    tr_status status = tr_cluster_run(&options);
    say_word("over %s %d", tr_status_code(status), tests_open_fds() - before);
    exit(0);
}

/* The test. */

void
crew_start(struct crew *crew, struct tr_cluster_options options)
{
    int pair[2], ends[CREW_MOST];
    crew->count = options.children;
    assert_true(crew->count > 0 && crew->count <= CREW_MOST);
    for (unsigned i = 0; i < crew->count; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        crew->orders[i] = pair[0];
        ends[i] = crew_stage.orders[i] = pair[1];
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    crew->words = pair[0];
    crew_stage.words = pair[1];
    fflush(NULL);
    crew->process = fork();
    assert_true(crew->process >= 0);
    if (crew->process == 0) {
        for (unsigned i = 0; i < crew->count; i++)
            close(crew->orders[i]);
        close(crew->words);
        be_parent(options);
    }
    for (unsigned i = 0; i < crew->count; i++)
        close(ends[i]);
    close(pair[1]);
    for (unsigned i = 0; i < crew->count; i++) {
        char word[32];
        snprintf(word, sizeof(word), "started %u", i);
        assert_string_equal(crew_word(crew), word);
    }
}

void
crew_tell(struct crew *crew, unsigned child, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    crew_say(crew->orders[child], format, arguments);
    va_end(arguments);
}

const char *
crew_answer(struct crew *crew, unsigned child)
{
    assert_true(crew_is_ready(crew->orders[child]));
    ssize_t size = recv(crew->orders[child], crew->answer, sizeof(crew->answer) - 1, 0);
    assert_true(size >= 0);
    crew->answer[size] = '\0';
    return crew->answer;
}

const char *
crew_ask(struct crew *crew, unsigned child, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    crew_say(crew->orders[child], format, arguments);
    va_end(arguments);
    return crew_answer(crew, child);
}

const char *
crew_word(struct crew *crew)
{
    assert_true(crew_is_ready(crew->words));
    ssize_t size = recv(crew->words, crew->word, sizeof(crew->word) - 1, 0);
    assert_true(size >= 0);
    crew->word[size] = '\0';
    return crew->word;
}

void
crew_await(struct crew *crew, const char *word)
{
    while (strcmp(crew_word(crew), word) != 0)
        assert_string_not_equal(crew->word, "");
}

uint16_t
crew_listen(struct crew *crew, unsigned child)
{
    unsigned port = 0;
    const char *text = crew_ask(crew, child, "listen a 127.0.0.1 0");
    if (sscanf(text, "ok %u", &port) != 1)
        fail_msg("child %u does not listen: %s", child, text);
    return (uint16_t)port;
}

int
crew_child(struct crew *crew, unsigned child)
{
    return atoi(crew_ask(crew, child, "who"));
}

static bool
is_thread_stopped(const char *process, const char *thread)
{
    char path[400], state = 0;
    snprintf(path, sizeof(path), "/proc/%s/task/%s/stat", process, thread);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return true; /* it has ended */
    int found = fscanf(file, "%*d (%*[^)]) %c", &state);
    fclose(file);
    return found == 1 && state == 'T';
}

static bool
is_stopped(void *process)
{
    char number[16], path[32];
    bool all = true;
    snprintf(number, sizeof(number), "%d", *(int *)process);
    snprintf(path, sizeof(path), "/proc/%s/task", number);
    DIR *threads = opendir(path);
    for (struct dirent *thread; all && threads != NULL && (thread = readdir(threads)) != NULL;)
        all = thread->d_name[0] == '.' || is_thread_stopped(number, thread->d_name);
    if (threads != NULL)
        closedir(threads);
    return all;
}

int
crew_freeze(struct crew *crew, unsigned child)
{
    int process = crew_child(crew, child);
    assert_int_equal(kill(process, SIGSTOP), 0);
    assert_true(tests_wait_until(is_stopped, &process, TESTS_LIMIT_MS));
    return process;
}

bool
crew_read_line(int fd, char *line, size_t size)
{
    size_t used = 0;
    while (used + 1 < size && crew_is_ready(fd) && recv(fd, line + used, 1, 0) == 1)
        if (line[used++] == '\n') {
            line[used - 1] = '\0';
            return true;
        }
    line[used] = '\0';
    return false;
}

int
crew_connect(uint16_t port, unsigned *child, int *process)
{
    char line[64];
    unsigned number;
    int pid, fd = tests_peer_connect(port);
    assert_true(fd >= 0);
    assert_true(crew_read_line(fd, line, sizeof(line)));
    assert_int_equal(sscanf(line, "%u %d", &number, &pid), 2);
    if (child != NULL)
        *child = number;
    if (process != NULL)
        *process = pid;
    return fd;
}

bool
crew_is_refused(void *port)
{
    int fd = tests_peer_connect(*(uint16_t *)port);
    if (fd >= 0)
        close(fd);
    return fd < 0;
}

bool
crew_is_alive(int fd)
{
    char text[4] = "";
    return tests_peer_send(fd, "pin", 3) && tests_peer_receive(fd, text, 3) == 3 && strcmp(text, "pin") == 0;
}

void
crew_await_end(struct crew *crew, const char *code)
{
    char word[64];
    int status;
    snprintf(word, sizeof(word), "over %s 0", code);
    while (strncmp(crew_word(crew), "over", 4) != 0)
        assert_string_not_equal(crew->word, "");
    assert_string_equal(crew->word, word);
    assert_int_equal(waitpid(crew->process, &status, 0), crew->process);
    assert_int_equal(status, 0);
    for (unsigned i = 0; i < crew->count; i++)
        if (crew->orders[i] >= 0)
            close(crew->orders[i]);
    close(crew->words);
}

void
crew_end(struct crew *crew, const char *code)
{
    for (unsigned i = 0; i < crew->count; i++) {
        close(crew->orders[i]);
        crew->orders[i] = -1;
    }
    crew_await_end(crew, code);
}
