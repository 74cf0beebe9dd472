#include "entrance_play.h"

#include "helpers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <linux/sockios.h>
#include <troupe/actors/send.h>

/* A connection says what its header has said, then echoes. */

tr_runtime *door_runtime;
uint16_t door_port;
bool door_by_default;
tr_ref door_server;
unsigned door_served, door_ended, door_failed, door_closed;

void
door_say(tr_socket *socket)
{
    const struct tr_proxy *proxy = tr_socket_proxy(socket);
    struct tr_proxy_tlv tlv = {.value = ""};
    struct tr_address peer;
    char text[512];
    tr_socket_remote_address(socket, &peer);
    if (proxy == NULL || (peer.family == TR_FAMILY_IPV4 && strcmp(peer.text, "127.0.0.1") != 0))
        abort();
    bool has_name = tr_proxy_tlv_find(proxy, TR_PROXY_AUTHORITY, &tlv);
    int size = snprintf(text, sizeof(text), "%u:%d %d %s,%u %d %s,%u%s%.*s\n", proxy->version, proxy->command,
                        proxy->source.family, proxy->source.text, proxy->source.port, proxy->destination.family,
                        proxy->destination.text, proxy->destination.port, has_name ? " " : "", (int)tlv.size,
                        (const char *)tlv.value);
    ck_pr_inc_uint(&door_served);
    tr_socket_write(socket, text, (size_t)size);
}

void
door_echo(tr_socket *socket, tr_slice data)
{
    tr_socket_write_slice(socket, data);
}

void
door_count_end(tr_socket *socket, bool had_error)
{
    (void)had_error;
    if (tr_socket_proxy(socket) == NULL) /* it can be asked until the end */
        abort();
    ck_pr_inc_uint(&door_ended);
}

static const struct tr_socket_events socket_events = {.data = door_echo, .close = door_count_end};

static void
count_failure(tr_server *self, const struct tr_error *error)
{
    (void)self;
    (void)error;
    ck_pr_inc_uint(&door_failed);
}

static void
count_close(tr_server *self)
{
    (void)self;
    ck_pr_inc_uint(&door_closed);
}

/* What the server says of itself, on demand. */

struct tr_server_refusals door_refusals;
uint32_t door_connections;
static unsigned looked;

static void
look(tr_server *self, tr_message *message)
{
    if (message->tag == CLOSE)
        tr_server_close(self);
    tr_server_refusals(self, &door_refusals);
    door_connections = tr_server_connections(self);
    __atomic_fetch_add(&looked, 1, __ATOMIC_RELEASE);
}

static bool
has_looked(void *wanted)
{
    return __atomic_load_n(&looked, __ATOMIC_ACQUIRE) >= *(unsigned *)wanted;
}

void
door_tell(uint32_t tag)
{
    unsigned wanted = __atomic_load_n(&looked, __ATOMIC_ACQUIRE) + 1;
    tr_message message = tr_message_signal(tag);
    assert_int_equal(tr_runtime_send(door_runtime, door_server, &message), TR_OK);
    assert_true(tests_wait_until(has_looked, &wanted, TESTS_LIMIT_MS));
}

static bool
has_refused(void *count)
{
    door_tell(LOOK);
    return door_refusals.bad_proxy == *(uint64_t *)count;
}

void
door_await_refused(uint64_t count)
{
    assert_true(tests_wait_until(has_refused, &count, TESTS_LIMIT_MS));
}

static bool
has_connections(void *count)
{
    door_tell(LOOK);
    return door_connections == *(uint32_t *)count;
}

void
door_await_connections(uint32_t count)
{
    assert_true(tests_wait_until(has_connections, &count, TESTS_LIMIT_MS));
}

static bool
is_count(void *argument)
{
    const unsigned **pair = argument;
    return ck_pr_load_uint(pair[0]) == *pair[1];
}

void
door_await_count(const unsigned *counter, unsigned count)
{
    const unsigned *pair[2] = {counter, &count};
    assert_true(tests_wait_until(is_count, pair, TESTS_LIMIT_MS));
}

void
door_serve_at(struct tr_listen_options listen, struct tr_server_options options, unsigned workers)
{
    static const struct tr_server_events events = {.message = look, .error = count_failure, .close = count_close};
    struct tr_address bound;
    door_served = door_ended = door_failed = door_closed = 0;
    options.events = &events;
    if (options.socket.owner.actor == TR_NOBODY && options.connection == NULL)
        options.connection = door_say;
    if (options.socket.events == NULL)
        options.socket.events = &socket_events;
    if (options.proxy.timeout_ms == 0 && !door_by_default)
        options.proxy.timeout_ms = INT32_MAX;
    if (options.proxy.versions == 0)
        options.proxy.versions = BOTH;
    options.balance = tr_balance_round_robin;
    if (door_runtime == NULL)
        assert_int_equal(tr_runtime_start(&(struct tr_runtime_options){.workers = workers}, &door_runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(door_runtime, &options, &listen, &door_server, &bound), TR_OK);
    door_port = bound.port;
}

void
door_serve(struct tr_server_options options, unsigned workers)
{
    door_serve_at((struct tr_listen_options){.host = "127.0.0.1"}, options, workers);
}

void
door_stop(void)
{
    assert_int_equal(tr_runtime_stop(door_runtime, TESTS_LIMIT_MS, NULL), TR_OK);
    door_runtime = NULL;
    assert_int_equal(door_served, door_ended);
    assert_int_equal(door_failed, 0);
}

/* Peers. */

int
door_connect(void)
{
    int fd = tests_peer_connect(door_port);
    assert_true(fd >= 0);
    return fd;
}

void
door_send(int fd, const void *bytes, size_t size)
{
    assert_true(tests_peer_send(fd, bytes, size));
}

void
door_must_receive(int fd, const char *text)
{
    char got[512] = "";
    size_t size = strlen(text);
    long count = tests_peer_receive(fd, got, size);
    if (count != (long)size || memcmp(got, text, size) != 0)
        fail_msg("got '%s' in place of '%s'", got, text);
}

/* Closed without a word, be it with a reset. */
void
door_must_turn_away(int fd)
{
    char byte;
    assert_true(tests_peer_receive(fd, &byte, 1) <= 0);
    assert_false(recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN); /* it was not waited for in vain */
    close(fd);
}

void
door_must_let_in(const void *header, size_t size, const char *says)
{
    int fd = door_connect();
    door_send(fd, header, size);
    door_must_receive(fd, says);
    door_send(fd, "hello", 5);
    door_must_receive(fd, "hello");
    close(fd);
}

void
door_must_refuse(const void *bytes, size_t size)
{
    int fd = door_connect();
    door_send(fd, bytes, size);
    door_must_turn_away(fd);
}

/* Over a unix socket a peer can see what was read. */

static char directory[80];

int
door_connect_path(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = TESTS_LIMIT_MS / 1000};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

void
door_serve_path(struct tr_server_options options)
{
    char path[100];
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/s", directory);
    door_serve_at((struct tr_listen_options){.path = path}, options, 2);
}

void
door_stop_path(void)
{
    door_stop();
    tests_directory_remove(directory);
}

bool
door_has_read(void *fd)
{
    int left = 1;
    return ioctl(*(int *)fd, SIOCOUTQ, &left) == 0 && left == 0;
}
