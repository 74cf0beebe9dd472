/*
 * Sockets that send a PROXY header when they connect: what their peer gets, and how the header counts. And what a proxy
 * says of a connection that it hands on.
 */
#include "hands.h"
#include "helpers.h"
#include "side.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <troupe/net/pipe.h>
#include <troupe/net/proxy.h>
#include <troupe/net/remote.h>
#include <troupe/net/server.h>

#define LINE "PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n"
#define BINARY "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x11\xc0\x00\x02\x01\xc0\x00\x02\x02\x03\xe8\x01\xbb\x02\x00\x02hi"

static const struct tr_proxy one = {
    .version = TR_PROXY_V1,
    .command = TR_PROXY_FORWARDS,
    .source = {TR_FAMILY_IPV4, 1000, "192.0.2.1"},
    .destination = {TR_FAMILY_IPV4, 443, "192.0.2.2"},
};

static struct tr_proxy
binary(void)
{
    struct tr_proxy proxy = one;
    proxy.version = TR_PROXY_V2;
    proxy.tlvs = "\x02\x00\x02hi";
    proxy.tlvs_size = 5;
    return proxy;
}

/* A socket that connects to the test's own listener; what is to be done with it in the same callback, and later. */
static struct side side;
static uint16_t port;
static int listener;
static struct tr_connect_options connecting;
static tr_status status;
static void (*before)(void);
static void (*after)(void);

static void
connect_side(tr_actor *self, void *argument)
{
    (void)argument;
    side.closed = false;
    if (side.options.events == NULL)
        side.options.events = &side_events;
    side.options.data = &side;
    assert_int_equal(tr_socket_spawn(self, &side.options, &side.socket), TR_OK);
    side.ref = tr_socket_ref(side.socket);
    if (before != NULL)
        before();
    connecting.port = port;
    connecting.host = "127.0.0.1";
    status = tr_socket_connect(side.socket, &connecting);
    if (after != NULL)
        after();
}

static void
open_stage(void)
{
    hands_open(2);
    listener = tests_peer_listen(&port);
    assert_true(listener >= 0);
    side = (struct side){.worker = 0};
    connecting = (struct tr_connect_options){0};
    before = after = NULL;
}

static void
must_receive(int fd, const void *bytes, size_t size)
{
    char got[70000];
    assert_int_equal(tests_peer_receive(fd, got, size), size);
    assert_memory_equal(got, bytes, size);
}

/* Connects; the peer gets this first. */
static int
must_send(const void *bytes, size_t size)
{
    on_worker(0, connect_side, NULL);
    assert_int_equal(status, TR_OK);
    int fd = tests_peer_accept(listener);
    assert_true(fd >= 0);
    must_receive(fd, bytes, size);
    return fd;
}

static void
close_stage(int fd)
{
    close(fd);
    await_closed(&side);
    close(listener);
    hands_close();
}

static void
both_versions_are_sent_without_another_write(void **state)
{
    struct tr_proxy two = binary();
    (void)state;
    open_stage();
    connecting.proxy = &one;
    close_stage(must_send(LINE, sizeof(LINE) - 1));
    open_stage();
    connecting.proxy = &two;
    close_stage(must_send(BINARY, sizeof(BINARY) - 1));
    open_stage();
    two = (struct tr_proxy){.version = TR_PROXY_V2};
    connecting.proxy = &two;
    close_stage(must_send("\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00", 16));
}

static tr_status answer;

static void
write_early(void)
{
    assert_int_equal(tr_socket_buffered(side.socket), sizeof(LINE) - 1);
    answer = tr_socket_write(side.socket, "early ", 6);
    assert_int_equal(tr_socket_bytes_written(side.socket), sizeof(LINE) - 1 + 6);
}

static void
write_at_connect(tr_socket *socket)
{
    tr_socket_write(socket, "connected", 9);
}

static void
all_that_is_written_comes_after_the_header(void **state)
{
    struct tr_socket_events events = side_events;
    (void)state;
    open_stage();
    events.connect = write_at_connect;
    side.options.events = &events;
    connecting.proxy = &one;
    after = write_early;
    int fd = must_send(LINE "early connected", sizeof(LINE) - 1 + 15);
    assert_int_equal(answer, TR_OK);
    close_stage(fd);
}

/* What the limit bounds is what the program writes: the header alone is above it. */
static void
write_twice(void)
{
    answer = tr_socket_write(side.socket, "x", 1);
}

static void
a_header_is_not_refused_for_a_limit_but_counts(void **state)
{
    (void)state;
    open_stage();
    side.options.write_limit = 4;
    connecting.proxy = &one;
    after = write_twice;
    int fd = must_send(LINE, sizeof(LINE) - 1);
    assert_int_equal(answer, TR_EQUEUELIMIT);
    close_stage(fd);
}

static void
end_early(void)
{
    assert_int_equal(tr_socket_end(side.socket), TR_OK);
}

static void
an_end_comes_after_the_header(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        open_stage();
        connecting.proxy = &one;
        before = i == 0 ? end_early : NULL;
        after = i == 1 ? end_early : NULL;
        int fd = must_send(LINE, sizeof(LINE) - 1);
        assert_true(tests_peer_at_end(fd));
        close_stage(fd);
    }
}

static void
write_after_end(void)
{
    answer = tr_socket_write(side.socket, "x", 1);
}

static void
after_an_end_before_connecting_nothing_can_be_written(void **state)
{
    (void)state;
    open_stage();
    connecting.proxy = &one;
    before = end_early;
    after = write_after_end;
    on_worker(0, connect_side, NULL);
    assert_int_equal(answer, TR_EWRITEAFTEREND);
    await_closed(&side);
    close(listener);
    hands_close();
}

static void
a_long_header_is_sent_whole(void **state)
{
    static unsigned char tlvs[65523];
    struct tr_proxy proxy = binary();
    char start[31];
    (void)state;
    memcpy(tlvs, "\x04\xff\xf0", 3);
    proxy.tlvs = tlvs;
    proxy.tlvs_size = sizeof(tlvs);
    open_stage();
    connecting.proxy = &proxy;
    memcpy(start, BINARY, 28);
    memcpy(start + 14, "\xff\xff", 2);
    memcpy(start + 28, tlvs, 3);
    int fd = must_send(start, sizeof(start));
    must_receive(fd, tlvs + 3, sizeof(tlvs) - 3);
    close_stage(fd);
}

/* Refusals leave the socket as it was: what is asked for last is done. */
static void
wrong_headers_are_refused_by_name_and_change_nothing(void **state)
{
    const struct {
        struct tr_proxy proxy;
        tr_status status;
    } rows[] = {
        {{.version = 0}, TR_EINVAL},
        {{.version = 1, .tlvs = "\x04\0", .tlvs_size = 3}, TR_EINVAL},
        {{.version = 2, .command = TR_PROXY_FORWARDS, .source = one.source}, TR_EBADADDRESS},
        {{.version = 2, .command = TR_PROXY_FORWARDS, .tlvs = "", .tlvs_size = SIZE_MAX}, TR_EBADLIMIT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        open_stage();
        connecting.proxy = &rows[i].proxy;
        on_worker(0, connect_side, NULL);
        assert_int_equal(status, rows[i].status);
        on_worker(0, destroy_side, &side);
        await_closed(&side);
        close(listener);
        hands_close();
    }
}

/* From afar everything is copied, before the call returns. */
static void
connect_from_afar(tr_actor *self, void *argument)
{
    char *tlvs = malloc(5);
    struct tr_proxy *proxy = malloc(sizeof(*proxy));
    struct tr_connect_options options = {.host = "127.0.0.1", .port = port, .proxy = proxy};
    struct tr_spawn_options there = {.placement = TR_PLACE_WORKER, .worker = 1};
    (void)argument;
    side.options = (struct tr_socket_options){.events = &side_events, .data = &side};
    memcpy(tlvs, "\x02\x00\x02hi", 5);
    *proxy = binary();
    proxy->tlvs = tlvs;
    assert_int_equal(tr_remote_socket(self, &side.options, &there, &side.ref), TR_OK);
    proxy->version = 9;
    assert_int_equal(tr_remote_connect(self, side.ref, &options), TR_EINVAL);
    proxy->version = 2;
    assert_int_equal(tr_remote_connect(self, side.ref, &options), TR_OK);
    memset(tlvs, 0, 5);
    memset(proxy, 0, sizeof(*proxy));
    free(tlvs);
    free(proxy);
    tr_remote_resume(self, side.ref);
}

static void
an_order_from_afar_takes_the_header_along(void **state)
{
    (void)state;
    open_stage();
    on_worker(0, connect_from_afar, NULL);
    int fd = tests_peer_accept(listener);
    must_receive(fd, BINARY, sizeof(BINARY) - 1);
    close_stage(fd);
}

static void
a_path_is_connected_to_with_a_header_too(void **state)
{
    char directory[80];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)state;
    open_stage();
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
    int at = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(at, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(at, 1), 0);
    connecting.path = address.sun_path;
    connecting.proxy = &one;
    on_worker(0, connect_side, NULL);
    int fd = tests_peer_accept(at);
    must_receive(fd, LINE, sizeof(LINE) - 1);
    close(at);
    close_stage(fd);
    tests_directory_remove(directory);
}

/* A new life. */

static unsigned lives;

static void
connects_again(tr_socket *socket, bool had_error)
{
    if (tr_socket_proxy(socket) != NULL) /* what it sends is not what it has received */
        abort();
    if (++lives == 3)
        note_close(socket, had_error);
    else if (tr_socket_connect(socket, &connecting) != TR_OK || tr_socket_bytes_written(socket) != sizeof(LINE) - 1)
        abort();
}

static void
each_connection_has_a_header_of_its_own(void **state)
{
    struct tr_socket_events events = side_events;
    (void)state;
    open_stage();
    events.close = connects_again;
    lives = 0;
    side.options.events = &events;
    connecting.proxy = &one;
    int fd = must_send(LINE, sizeof(LINE) - 1);
    for (int i = 0; i < 2; i++) {
        close(fd);
        fd = tests_peer_accept(listener);
        must_receive(fd, LINE, sizeof(LINE) - 1);
    }
    close_stage(fd);
}

/* Proxies. */

static uint16_t target_port;
static unsigned version;

static void
hand_on(tr_socket *socket)
{
    struct tr_proxy header;
    tr_socket *on;
    tr_proxy_for(socket, &header);
    header.version = version;
    struct tr_connect_options options = {.host = "127.0.0.1", .port = target_port, .proxy = &header};
    if (tr_connect(tr_socket_actor(socket), NULL, &options, &on) != TR_OK ||
        tr_socket_pipe(socket, tr_socket_ref(on), NULL) != TR_OK ||
        tr_socket_pipe(on, tr_socket_ref(socket), NULL) != TR_OK)
        abort();
}

/* A proxy before the listener. */
static tr_ref
open_proxy(unsigned versions)
{
    struct tr_server_options options = {.connection = hand_on, .proxy.versions = versions};
    struct tr_address bound;
    tr_ref proxy;
    open_stage();
    target_port = port;
    assert_int_equal(
        tr_runtime_listen(hands_runtime, &options, &(struct tr_listen_options){.host = "127.0.0.1"}, &proxy, &bound),
        TR_OK);
    port = bound.port;
    return proxy;
}

static void
close_proxy(tr_ref proxy)
{
    assert_int_equal(tr_runtime_stop_actor(hands_runtime, proxy, TR_STOP_DRAIN), TR_OK);
    close(listener);
    hands_close();
}

static void
a_header_that_came_is_handed_on_with_its_addresses(void **state)
{
    (void)state;
    for (version = 1; version <= 2; version++) {
        tr_ref proxy = open_proxy(TR_PROXY_V1 | TR_PROXY_V2);
        int client = tests_peer_connect(port), fd;
        assert_true(tests_peer_send(client, BINARY "hello", sizeof(BINARY) - 1 + 5));
        fd = tests_peer_accept(listener);
        if (version == 1)
            must_receive(fd, LINE "hello", sizeof(LINE) + 4);
        else /* without the TLVs, which are for the program to choose */
            must_receive(fd,
                         "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x03\xe8\x01\xbb"
                         "hello",
                         28 + 5);
        close(client);
        assert_true(tests_peer_at_end(fd));
        close(fd);
        close_proxy(proxy);
    }
}

static void
a_connection_without_one_is_handed_on_as_what_it_is(void **state)
{
    (void)state;
    for (unsigned versions = 0; versions <= TR_PROXY_V1;
         versions++) { /* without a header; with one that says nothing */
        struct sockaddr_in own;
        socklen_t size = sizeof(own);
        char line[128];
        version = 1;
        tr_ref proxy = open_proxy(versions);
        int client = tests_peer_connect(port);
        assert_int_equal(getsockname(client, (struct sockaddr *)&own, &size), 0);
        if (versions != 0)
            assert_true(tests_peer_send(client, "PROXY UNKNOWN\r\n", 15));
        snprintf(line, sizeof(line), "PROXY TCP4 127.0.0.1 127.0.0.1 %u %u\r\n", ntohs(own.sin_port), port);
        int fd = tests_peer_accept(listener);
        must_receive(fd, line, strlen(line));
        close(client);
        assert_true(tests_peer_at_end(fd));
        close(fd);
        close_proxy(proxy);
    }
}

static void
look_at_nothing(tr_actor *self, void *argument)
{
    struct tr_proxy header = one;
    tr_socket *socket;
    (void)argument;
    tr_proxy_for(NULL, &header);
    assert_int_equal(header.source.family, TR_FAMILY_NONE);
    assert_int_equal(tr_socket_spawn(self, NULL, &socket), TR_OK);
    assert_null(tr_socket_proxy(socket));
    header = one;
    tr_proxy_for(socket, &header);
    assert_int_equal(header.version, TR_PROXY_V2);
    assert_int_equal(header.command, TR_PROXY_FORWARDS);
    assert_int_equal(header.source.family, TR_FAMILY_NONE);
    assert_int_equal(header.destination.family, TR_FAMILY_NONE);
    tr_proxy_for(socket, NULL);
    assert_null(tr_socket_proxy(NULL));
    tr_socket_destroy(socket, TR_OK);
}

static void
who_is_not_connected_has_no_addresses(void **state)
{
    (void)state;
    hands_open(1);
    on_worker(0, look_at_nothing, NULL);
    hands_close();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_versions_are_sent_without_another_write),
        cmocka_unit_test(all_that_is_written_comes_after_the_header),
        cmocka_unit_test(a_header_is_not_refused_for_a_limit_but_counts),
        cmocka_unit_test(an_end_comes_after_the_header),
        cmocka_unit_test(after_an_end_before_connecting_nothing_can_be_written),
        cmocka_unit_test(a_long_header_is_sent_whole),
        cmocka_unit_test(wrong_headers_are_refused_by_name_and_change_nothing),
        cmocka_unit_test(an_order_from_afar_takes_the_header_along),
        cmocka_unit_test(a_path_is_connected_to_with_a_header_too),
        cmocka_unit_test(each_connection_has_a_header_of_its_own),
        cmocka_unit_test(a_header_that_came_is_handed_on_with_its_addresses),
        cmocka_unit_test(a_connection_without_one_is_handed_on_as_what_it_is),
        cmocka_unit_test(who_is_not_connected_has_no_addresses),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
