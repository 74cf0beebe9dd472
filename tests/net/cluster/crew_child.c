/*
 * What the children of a crew do.
 */
#include "crew.h"

#include "child_state.h"
#include "crew_stage.h"
#include "fds.h"
#include "helpers.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>
#include <unistd.h>

#define SERVERS 8
#define RAW_AT 3 /* no descriptor below is a channel's */

struct one_server {
    char name[32];
    tr_ref ref;
    unsigned closed; /* close events */
};

static struct {
    tr_cluster_child *self;
    tr_runtime *runtime;
    int orders;
    struct one_server servers[SERVERS];
    tr_ref receiver;
    int messages[2]; /* lines, from the receiver to the main thread */
} me;

__attribute__((format(printf, 1, 2))) static void
answer(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    crew_say(me.orders, format, arguments);
    va_end(arguments);
}

static void
give_away(tr_socket *socket, unsigned to)
{
    int fd;
    if (tr_socket_detach(socket, &fd) != TR_OK || tr_cluster_child_send(me.self, to, "given", 5, fd) != TR_OK)
        abort();
    close(fd);
    if (tr_socket_detach(socket, &fd) != TR_ENOTCONN)
        abort();
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    if (data.size >= 3 && memcmp(data.data, "die", 3) == 0)
        kill(getpid(), SIGKILL);
    if (data.size == 6 && memcmp(data.data, "give ", 5) == 0)
        give_away(socket, (unsigned)(((const char *)data.data)[5] - '0'));
    else
        tr_socket_write_slice(socket, data);
}

static void
on_connection(tr_socket *socket)
{
    char line[64];
    int size = snprintf(line, sizeof(line), "%u %d\n", tr_cluster_child_number(me.self), (int)getpid());
    tr_socket_write(socket, line, (size_t)size);
}

static void
on_close(tr_server *server)
{
    struct one_server *one = tr_server_data(server);
    __atomic_fetch_add(&one->closed, 1, __ATOMIC_RELEASE);
}

static void
on_server_message(tr_server *server, tr_message *message)
{
    (void)message;
    tr_server_close(server);
}

static const struct tr_socket_events socket_events = {.data = on_data, .drain = tr_socket_resume};
static const struct tr_server_events server_events = {.close = on_close, .message = on_server_message};

static struct one_server *
server_named(const char *name)
{
    for (size_t i = 0; i < SERVERS; i++)
        if (strcmp(me.servers[i].name, name) == 0)
            return &me.servers[i];
    return NULL;
}

static void
do_listen(char *order)
{
    struct one_server *one = server_named("");
    struct tr_server_options server = {
        .connection = on_connection, .socket = {.events = &socket_events}, .events = &server_events, .data = one};
    struct tr_listen_options listen = {0};
    struct tr_address at = {0};
    char *rest, *name = strtok_r(order, " ", &rest), *where = strtok_r(NULL, " ", &rest);
    if (where[0] == '/' || where[0] == '@' || where[0] == '.') {
        listen.path = where;
    } else {
        listen.host = where;
        listen.port = (uint16_t)atoi(strtok_r(NULL, " ", &rest));
    }
    for (char *word; (word = strtok_r(NULL, " ", &rest)) != NULL;)
        switch (word[0]) {
        case 'x': listen.exclusive = true; break;
        case 's': listen.unlink_stale = true; break;
        case 'w': listen.writable_all = true; break;
        case '6': listen.ipv6_only = true; break;
        case 'b': listen.backlog = atoi(strtok_r(NULL, " ", &rest)); break;
        default: abort();
        }
    tr_status status = tr_runtime_listen(me.runtime, &server, &listen, &one->ref, &at);
    if (status == TR_OK)
        snprintf(one->name, sizeof(one->name), "%s", name);
    if (status == TR_OK)
        answer("ok %u", at.port);
    else
        answer("%s", tr_status_code(status));
}

static bool
is_closed(void *one)
{
    return __atomic_load_n(&((struct one_server *)one)->closed, __ATOMIC_ACQUIRE) > 0;
}

static void
do_close(const char *name)
{
    struct one_server *one = server_named(name);
    tr_message message = tr_message_signal(1);
    if (one == NULL || tr_runtime_send(me.runtime, one->ref, &message) != TR_OK) {
        answer("no");
        return;
    }
    answer(tests_wait_until(is_closed, one, TESTS_LIMIT_MS) ? "ok" : "not closed");
    *one = (struct one_server){0};
}

/* Messages. */

static void
adopt(tr_actor *self, int fd, bool says_so)
{
    tr_socket *socket;
    struct tr_socket_options options = {.events = &socket_events};
    if (tr_socket_adopt(self, fd, TR_READABLE | TR_WRITABLE, &options, &socket) != TR_OK)
        close(fd);
    else if (says_so)
        on_connection(socket);
}

static void
on_message(tr_actor *self, void *state, tr_message *message)
{
    const struct tr_cluster_message *came = tr_message_data(message);
    char line[512], inside[128] = "";
    int size = came->from == TR_CLUSTER_PARENT ? snprintf(line, sizeof(line), "parent ")
                                               : snprintf(line, sizeof(line), "%u ", came->from);
    (void)state;
    size += snprintf(line + size, sizeof(line) - (size_t)size, "%.*s", (int)(came->size < 64 ? came->size : 64),
                     (const char *)came->bytes);
    int fd = strncmp(came->bytes, "leave", 5) != 0 ? tr_cluster_take_fd(message) : -1;
    bool is_given = strncmp(came->bytes, "given", 5) == 0;
    if (fd >= 0 && (is_given || strncmp(came->bytes, "adopt", 5) == 0)) {
        adopt(self, fd, is_given);
    } else if (fd >= 0) {
        ssize_t got = pread(fd, inside, sizeof(inside) - 1, 0);
        size += snprintf(line + size, sizeof(line) - (size_t)size, " fd:%s", got > 0 ? inside : "?");
        close(fd);
    }
    if (came->size > 64)
        size += snprintf(line + size, sizeof(line) - (size_t)size, " %zu", came->size);
    ssize_t sent = send(me.messages[1], line, (size_t)size, 0);
    (void)sent;
}

static const struct tr_behavior receiver = {.name = "receiver", .receive = on_message};

static void
do_take(void)
{
    struct tr_spawn_options options = {0};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, me.messages) != 0)
        abort();
    tr_status status = tr_runtime_spawn(me.runtime, &receiver, &options, &me.receiver);
    if (status == TR_OK)
        status = tr_cluster_child_deliver(me.self, me.runtime, me.receiver, 7);
    answer("%s", status == TR_OK ? "ok" : tr_status_code(status));
}

static void
do_message(void)
{
    char line[512];
    ssize_t size = crew_is_ready(me.messages[0]) ? recv(me.messages[0], line, sizeof(line) - 1, 0) : 0;
    line[size > 0 ? size : 0] = '\0';
    answer("%s", line);
}

static unsigned
number_of(const char *text)
{
    return strcmp(text, "parent") == 0 ? TR_CLUSTER_PARENT : (unsigned)atoi(text);
}

static void
do_send(char *order, bool with_file)
{
    char *text, *to = strtok_r(order, " ", &text);
    int fd = with_file ? file_new() : -1;
    if (fd >= 0 && write(fd, text, strlen(text)) < 0)
        abort();
    tr_status status = tr_cluster_child_send(me.self, number_of(to), text, strlen(text), fd);
    if (fd >= 0)
        close(fd);
    answer("%s", status == TR_OK ? "ok" : tr_status_code(status));
}

static void
do_fill(const char *to)
{
    static char bytes[TR_CLUSTER_MESSAGE_MAX];
    unsigned sent = 0;
    tr_status status;
    bytes[0] = 'F';
    while ((status = tr_cluster_child_send(me.self, number_of(to), bytes, sizeof(bytes), -1)) == TR_OK)
        sent++;
    answer("%u %s", sent, tr_status_code(status));
}

static void
do_lend(const char *to)
{
    int ends[2];
    char text[6] = {0};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        abort();
    tr_status status = tr_cluster_child_send(me.self, number_of(to), "adopt", 5, ends[0]);
    close(ends[0]);
    bool came_back = status == TR_OK && send(ends[1], "hello", 5, 0) == 5 && crew_is_ready(ends[1]) &&
                     recv(ends[1], text, 5, MSG_WAITALL) == 5 && strcmp(text, "hello") == 0;
    close(ends[1]);
    answer("%s", came_back ? "ok" : "lost");
}

/* Nonsense, over the channel of that number of those that the child has to its parent, found by what they are. */
static void
say_nonsense(int number, const char *bytes, size_t size, int fd)
{
    for (int channel = RAW_AT; channel < 64; channel++) {
        int type = 0;
        socklen_t length = sizeof(type);
        bool is_channel = getsockopt(channel, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET &&
                          channel != me.orders && channel != crew_stage.words;
        for (unsigned i = 0; i < CREW_MOST; i++)
            is_channel = is_channel && channel != crew_stage.orders[i];
        if (!is_channel || number-- > 0)
            continue;
        if (fd >= 0)
            send_fds(channel, fd, 2, "xx");
        else if (send(channel, bytes, size, MSG_NOSIGNAL) < 0)
            abort();
        return;
    }
}

static void
do_nonsense(char *order)
{
    char large[1024], *number, *kind = strtok_r(order, " ", &number);
    memset(large, 0x55, sizeof(large));
    if (strcmp(kind, "large") == 0)
        say_nonsense(atoi(number), large, sizeof(large), -1);
    else if (strcmp(kind, "fds") == 0)
        say_nonsense(atoi(number), NULL, 0, 0);
    else
        say_nonsense(atoi(number), "x", 1, -1);
}

/* What begins as a message does, but for one thing. */
static void
do_forge(const char *kind)
{
    struct tri_parcel_head head = {.word = TRI_PARCEL_MESSAGE, .peer = TR_CLUSTER_PARENT};
    if (strcmp(kind, "word") == 0)
        head.word++;
    else if (strcmp(kind, "peer") == 0)
        head.peer = tr_cluster_child_count(me.self);
    else if (strcmp(kind, "size") == 0)
        head.size = 1;
    else
        head.fds = 1; /* and none comes */
    if (send(tri_child.mail, &head, sizeof(head), MSG_NOSIGNAL) < 0)
        abort();
}

/* Numbered messages that fill the channels, each as soon as there is room for it. */
static void
do_flood(char *order)
{
    static char bytes[TR_CLUSTER_MESSAGE_MAX];
    char *count, *to = strtok_r(order, " ", &count);
    for (int i = 0; i < atoi(count); i++) {
        tr_status status;
        snprintf(bytes, sizeof(bytes), "%d", i);
        while ((status = tr_cluster_child_send(me.self, number_of(to), bytes, sizeof(bytes), -1)) == TR_EFULL)
            sched_yield();
        if (status != TR_OK)
            abort();
    }
    answer("ok");
}

static void
do_last_words(const char *count)
{
    for (int i = 0; i < atoi(count); i++)
        tr_cluster_child_send(me.self, TR_CLUSTER_PARENT, "word", 4, -1);
    kill(getpid(), SIGKILL);
}

static void
do_oversize(void)
{
    static char bytes[TR_CLUSTER_MESSAGE_MAX + 1];
    tr_status large = tr_cluster_child_send(me.self, 0, bytes, sizeof(bytes), -1),
              closed = tr_cluster_child_send(me.self, 0, "x", 1, 1000),
              negative = tr_cluster_child_send(me.self, 0, "x", 1, -2),
              largest = tr_cluster_child_send(me.self, 0, bytes, TR_CLUSTER_MESSAGE_MAX, -1);
    answer("%s %s %s %s", tr_status_code(large), tr_status_code(closed), tr_status_code(negative),
           largest == TR_OK ? "ok" : tr_status_code(largest));
}

/* Orders. */

/* The largest number of a descriptor, with all below in use: the gaps are filled with duplicates. */
static int
highest_fd(void)
{
    int highest = 0;
    for (int fd = 0; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            highest = fd;
    for (int fd = 0; fd < highest; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            dup2(highest, fd);
    return highest;
}

/* Descriptors beside those that are there. */
static void
do_limit(int more)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = (rlim_t)(highest_fd() + 1 + more);
    answer(setrlimit(RLIMIT_NOFILE, &limit) == 0 ? "ok" : "no");
}

static void
do_actors(void)
{
    struct tr_counters counters;
    tr_runtime_counters(me.runtime, &counters);
    answer("%u", (unsigned)counters.actors);
}

static int
end_with(int status)
{
    tr_runtime_stop(me.runtime, 2000, NULL);
    return status;
}

static void
do_wait(void)
{
    int result = tr_cluster_child_wait(me.self, me.runtime);
    answer("stopped %d", result);
}

static void
obey(const char *word, char *rest)
{
    if (strcmp(word, "listen") == 0)
        do_listen(rest);
    else if (strcmp(word, "close") == 0)
        do_close(rest);
    else if (strcmp(word, "who") == 0)
        answer("%d", (int)getpid());
    else if (strcmp(word, "fds") == 0)
        answer("%d", tests_open_fds());
    else if (strcmp(word, "limit") == 0)
        do_limit(atoi(rest));
    else if (strcmp(word, "actors") == 0)
        do_actors();
    else if (strcmp(word, "cd") == 0)
        answer(chdir(rest) == 0 ? "ok" : "no");
    else if (strcmp(word, "take") == 0)
        do_take();
    else if (strcmp(word, "message") == 0)
        do_message();
    else if (strcmp(word, "send") == 0)
        do_send(rest, false);
    else if (strcmp(word, "pass") == 0)
        do_send(rest, true);
    else if (strcmp(word, "fill") == 0)
        do_fill(rest);
    else if (strcmp(word, "lend") == 0)
        do_lend(rest);
    else if (strcmp(word, "die") == 0)
        kill(getpid(), SIGKILL);
    else if (strcmp(word, "forge") == 0)
        do_forge(rest);
    else if (strcmp(word, "flood") == 0)
        do_flood(rest);
    else if (strcmp(word, "words") == 0)
        do_last_words(rest);
    else if (strcmp(word, "oversize") == 0)
        do_oversize();
    else if (strcmp(word, "nonsense") == 0)
        do_nonsense(rest);
    else
        answer("what is %s?", word);
}

int
crew_be_child(tr_cluster_child *self, void *data)
{
    struct tr_runtime_options options = {.workers = 1, .pinning = TR_PINNING_NEVER};
    char order[512];
    ssize_t size;
    (void)data;
    me.self = self;
    me.orders = crew_stage.orders[tr_cluster_child_number(self)];
    if (tr_runtime_start(&options, &me.runtime) != TR_OK)
        return 1;
    while ((size = recv(me.orders, order, sizeof(order) - 1, 0)) > 0) {
        order[size] = '\0';
        char *rest = "", *word = strtok_r(order, " ", &rest);
        if (strcmp(word, "exit") == 0)
            return end_with(atoi(rest));
        if (strcmp(word, "hold") == 0) {
            answer("ok");
            for (;;)
                pause();
        }
        if (strcmp(word, "wait") == 0) {
            do_wait();
            return end_with(0);
        }
        obey(word, rest);
    }
    return end_with(0);
}
