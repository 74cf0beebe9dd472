#include "unix_paths.h"

#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

tr_runtime *paths_runtime;
char paths_directory[80];
static atomic_uint closes;
const char *watched_path;
bool existed_at_close;

bool
path_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

int
paths_set_up(void **state)
{
    (void)state;
    closes = 0;
    watched_path = NULL;
    existed_at_close = false;
    bool ready = tests_directory_make(paths_directory, sizeof(paths_directory)) &&
                 tr_runtime_start(&(struct tr_runtime_options){.workers = 1}, &paths_runtime) == TR_OK;
    return ready ? 0 : -1;
}

int
paths_tear_down(void **state)
{
    (void)state;
    tr_status status = paths_runtime != NULL ? tr_runtime_stop(paths_runtime, TESTS_LIMIT_MS, NULL) : TR_OK;
    paths_runtime = NULL;
    tests_directory_remove(paths_directory);
    return status == TR_OK && !path_exists(paths_directory) ? 0 : -1;
}

const char *
path_in_directory(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", paths_directory, name);
    return path;
}

static void
say_hi(tr_socket *socket)
{
    tr_socket_end_with(socket, tr_slice_constant(tr_socket_data(socket), 2));
}

static void
on_close(tr_server *server)
{
    (void)server;
    existed_at_close = watched_path != NULL && path_exists(watched_path);
    closes++; /* last: it also hands over what was seen */
}

tr_status
serve_at(const struct tr_listen_options *listen, tr_ref *out, struct tr_address *bound)
{
    static const struct tr_server_events events = {.close = on_close};
    struct tr_server_options options = {.connection = say_hi, .events = &events, .data = "hi"};
    return tr_runtime_listen(paths_runtime, &options, listen, out, bound);
}

tr_status
serve_path(const char *path)
{
    return serve_at(&(struct tr_listen_options){.path = path}, NULL, NULL);
}

static bool
have_closed(void *argument)
{
    return closes >= *(unsigned *)argument;
}

void
stop_server(tr_ref server, enum tr_stop_mode how)
{
    unsigned wanted = closes + 1;
    assert_int_equal(tr_runtime_stop_actor(paths_runtime, server, how), TR_OK);
    assert_true(tests_wait_until(have_closed, &wanted, TESTS_LIMIT_MS));
}

struct sockaddr_un
address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    assert_true(length < sizeof(address.sun_path));
    memcpy(address.sun_path, path, length + 1);
    return address;
}

int
bind_plain(const char *path, int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = address_of(path);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

int
listen_plain(const char *path)
{
    int fd = bind_plain(path, SOCK_STREAM);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

bool
says_hi_at(const struct sockaddr_un *address, socklen_t size)
{
    char word[3] = "";
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct timeval limit = {.tv_sec = TESTS_LIMIT_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    bool said = connect(fd, (const struct sockaddr *)address, size) == 0 && tests_peer_receive(fd, word, 2) == 2 &&
                strcmp(word, "hi") == 0 && tests_peer_at_end(fd);
    close(fd);
    return said;
}

bool
says_hi(const char *path)
{
    struct sockaddr_un address = address_of(path);
    return says_hi_at(&address, sizeof(address));
}

ino_t
inode_of(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 ? status.st_ino : 0;
}
