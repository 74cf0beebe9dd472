/*
 * What an idle secure connection costs: OpenSSL's own memory, and at most OURS_AT_MOST bytes beside it, the socket and
 * its actor included.
 *
 * The clients are a process of their own, which is made before anything else, so that all that is counted here is the
 * server's. OpenSSL's bytes are counted by replacing its functions for memory; the rest is what malloc has given beside
 * them. One connection more than those that are idle has a byte under way when the server measures, the last one each
 * time, so that what a worker needs for the connection at hand is there in both figures.
 * What malloc keeps for a thread after it was freed would count as well, so it is told to keep nothing.
 *
 * OpenSSL's own is what a server without this library would need: the same context, the descriptor by OpenSSL's BIO.
 */
#include "context.h"
#include "helpers.h"
#include "tls_play.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>
#include <unistd.h>

#define COUNT 400u
#define WARM 50u
#define OURS_AT_MOST 450.0
#define CHUNK 8u /* what malloc adds to what can be used */

/* OpenSSL's memory. */

static uint64_t openssl_bytes;

static void
count(void *memory, int sign)
{
    if (memory != NULL)
        __atomic_fetch_add(&openssl_bytes, (uint64_t)sign * (malloc_usable_size(memory) + CHUNK), __ATOMIC_RELAXED);
}

static void *
give(size_t size, const char *file, int line)
{
    void *memory = malloc(size);
    (void)file;
    (void)line;
    count(memory, 1);
    return memory;
}

static void
take(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    count(memory, -1);
    free(memory);
}

static void *
give_again(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    count(memory, -1);
    void *other = realloc(memory, size);
    count(other != NULL || size == 0 ? other : memory, 1);
    return other;
}

/* The clients: a port comes, and then so many connections are made and kept. */

struct order {
    uint16_t port;
    uint32_t count;
};

static void
must(bool holds)
{
    if (!holds)
        _exit(1);
}

static void
wait_for_nothing(int fd)
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void
connect_one(SSL_CTX *context, uint16_t port)
{
    char byte = 'x';
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    must(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    wait_for_nothing(fd);
    SSL *ssl = SSL_new(context);
    must(ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1);
    must(SSL_write(ssl, &byte, 1) == 1 && SSL_read(ssl, &byte, 1) == 1);
}

static void
be_clients(int orders)
{
    struct order order;
    while (read(orders, &order, sizeof(order)) == sizeof(order)) {
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        must(context != NULL);
        for (unsigned i = 0; i < order.count; i++)
            connect_one(context, order.port);
        SSL_CTX_free(context);
        must(write(orders, "!", 1) == 1);
    }
    _exit(0);
}

static int clients;

static int
start_clients(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        be_clients(ends[1]);
    }
    close(ends[1]);
    clients = ends[0];
    return pid > 0 ? 0 : -1;
}

static void
order(uint16_t port, uint32_t number)
{
    struct order order = {.port = port, .count = number};
    assert_int_equal(write(clients, &order, sizeof(order)), sizeof(order));
}

static void
wait_for_clients(void)
{
    char done;
    assert_int_equal(read(clients, &done, 1), 1);
}

/* Figures. */

struct figures {
    double openssl, all; /* bytes */
};

static struct figures
measure(void)
{
    return (struct figures){.openssl = (double)openssl_bytes, .all = (double)tests_allocated()};
}

static struct figures
each_of(struct figures before, struct figures after)
{
    return (struct figures){.openssl = (after.openssl - before.openssl) / COUNT,
                            .all = (after.all - before.all) / COUNT};
}

/* Ours. */

static struct figures measured; /* in the newest byte of any connection: on its worker, and read when that is idle */

static void
on_data(tr_socket *socket, tr_slice data)
{
    measured = measure();
    tr_socket_write_slice(socket, data);
}

static struct figures
measure_ours(tr_tls_context *context)
{
    static const struct tr_socket_events events = {.data = on_data};
    struct tr_runtime_options options = {.workers = 1};
    struct tr_server_options server = {.socket = {.events = &events, .no_delay = true}, .tls.context = context};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address at;
    tr_runtime *runtime;
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    assert_int_equal(tr_runtime_listen(runtime, &server, &listen, NULL, &at), TR_OK);
    order(at.port, WARM);
    wait_for_clients();
    struct figures before = measured;
    order(at.port, COUNT);
    wait_for_clients();
    struct figures each = each_of(before, measured);
    tr_runtime_stop(runtime, 0, NULL);
    return each;
}

/* OpenSSL's own. */

static SSL *
serve_one(SSL_CTX *context, int listener)
{
    char byte;
    int fd = accept(listener, NULL, NULL);
    SSL *ssl = SSL_new(context);
    assert_true(fd >= 0 && ssl != NULL && SSL_set_fd(ssl, fd) == 1);
    wait_for_nothing(fd);
    SSL_set_read_ahead(ssl, 1);
    assert_int_equal(SSL_accept(ssl), 1);
    assert_int_equal(SSL_read(ssl, &byte, 1), 1);
    measured = measure();
    assert_int_equal(SSL_write(ssl, &byte, 1), 1);
    return ssl;
}

static void
close_all(SSL **all, unsigned number)
{
    for (unsigned i = 0; i < number; i++) {
        close(SSL_get_fd(all[i]));
        SSL_free(all[i]);
    }
}

static struct figures
measure_openssl(SSL_CTX *context)
{
    static SSL *all[WARM + COUNT];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, WARM), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    order(ntohs(address.sin_port), WARM + COUNT);
    for (unsigned i = 0; i < WARM; i++)
        all[i] = serve_one(context, listener);
    struct figures before = measured;
    for (unsigned i = WARM; i < WARM + COUNT; i++)
        all[i] = serve_one(context, listener);
    wait_for_clients();
    close_all(all, WARM + COUNT);
    close(listener);
    return each_of(before, measured);
}

/* Either version: the figures of an idle connection, whose client has sent a byte and got it back. */
static void
compare(enum tr_tls_version version)
{
    struct tr_tls_context_options options = tls_server("server");
    options.highest = version;
    tr_tls_context *context = tls_make(&options);
    struct figures openssl = measure_openssl(context->ssl), ours = measure_ours(context);
    tr_tls_context_release(context);
    print_message("1.%d: OpenSSL's own %.0f; with ours %.0f, of which OpenSSL's %.0f: %.0f beyond\n", (int)version + 1,
                  openssl.openssl, ours.all, ours.openssl, ours.all - openssl.openssl);
    assert_true(ours.openssl > 1000);
    assert_true(ours.all - openssl.openssl <= OURS_AT_MOST);
}

static void
an_idle_connection_of_1_3_costs_little_beyond_what_openssl_needs(void **state)
{
    (void)state;
    compare(TR_TLS_1_3);
}

static void
an_idle_connection_of_1_2_costs_little_beyond_what_openssl_needs(void **state)
{
    (void)state;
    compare(TR_TLS_1_2);
}

int
main(int argc, char **argv)
{
    (void)argc;
    tests_without_malloc_caches(argv);
    const struct CMUnitTest tests[] = {
        TLS_TEST(an_idle_connection_of_1_3_costs_little_beyond_what_openssl_needs),
        TLS_TEST(an_idle_connection_of_1_2_costs_little_beyond_what_openssl_needs),
    };
    if (CRYPTO_set_mem_functions(give, give_again, take) != 1 || start_clients() != 0)
        return 1;
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
