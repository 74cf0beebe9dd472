/*
 * echo-uv-tls: an echo server over TLS, written by hand on libuv and OpenSSL, as one who knows both would.
 *
 *   echo-uv-tls --port P --workers N --tls FILE.pem
 *
 * The file has the chain of certificates, and the key. It is what echo-troupe --tls is measured against, so it has the
 * same options of OpenSSL, and all that can be had by knowing it well: the descriptor is polled, and OpenSSL reads and
 * writes it through a BIO of two system calls, so that no byte is copied that OpenSSL does not copy. A read that brings
 * less than there was room for has taken all, and then neither the system nor OpenSSL is asked again. What is read is
 * written at once; a connection that the kernel has no room for keeps the record and reads no more.
 *
 * Each worker is a thread with a loop and a listener of its own (SO_REUSEPORT), and they share the context alone. A
 * process of one thread would be a little faster, since malloc and the system's calls know of it; but only with one
 * worker.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define BACKLOG 4096
#define RECORD_BYTES 16384u
#define WORKERS_MAX 64
#define NOT_SUPPORTED 77

struct worker {
    uv_loop_t loop;
    uv_poll_t poll;
    int listener;
    uv_thread_t thread;
};

struct connection {
    uv_poll_t poll;
    SSL *ssl;
    int fd;
    int polled;  /* enum uv_poll_event */
    bool dry;    /* the last read took all that was there */
    char *kept;  /* what the kernel had no room for; NULL: nothing */
    size_t size; /* of that */
};

static SSL_CTX *context;
static BIO_METHOD *wire;

/* The wire. */

static int
on_read(BIO *bio, char *memory, int size)
{
    struct connection *connection = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t got = connection->dry ? -1 : read(connection->fd, memory, (size_t)size);
    if (got < 0 && (connection->dry || errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(bio);
    connection->dry = got < size;
    return (int)got;
}

static int
on_write(BIO *bio, const char *data, int size)
{
    const struct connection *connection = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t taken = write(connection->fd, data, (size_t)size);
    if (taken < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)taken;
}

static long
on_control(BIO *bio, int command, long value, void *pointer)
{
    (void)bio;
    (void)value;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* Connections. */

static void
on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    SSL_free(connection->ssl);
    close(connection->fd);
    free(connection->kept);
    free(connection);
}

static void
drop(struct connection *connection)
{
    ERR_clear_error();
    uv_close((uv_handle_t *)&connection->poll, on_closed);
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void
wait_for(struct connection *connection, int events)
{
    if (connection->polled != events)
        uv_poll_start(&connection->poll, events, on_ready);
    connection->polled = events;
}

/* The last call has not gone through: later, or never. */
static void
wait_or_drop(struct connection *connection)
{
    if (SSL_want_read(connection->ssl) && BIO_should_read(SSL_get_rbio(connection->ssl)))
        wait_for(connection, UV_READABLE);
    else if (SSL_want_write(connection->ssl) && BIO_should_write(SSL_get_wbio(connection->ssl)))
        wait_for(connection, UV_WRITABLE);
    else
        drop(connection);
}

/* false: it waits for room, or is gone. */
static bool
echo(struct connection *connection, const char *data, size_t size)
{
    size_t taken;
    if (SSL_write_ex(connection->ssl, data, size, &taken) == 1)
        return true;
    connection->kept = malloc(size);
    if (connection->kept != NULL)
        memcpy(connection->kept, data, size);
    connection->size = size;
    wait_or_drop(connection);
    return false;
}

static bool
echo_kept(struct connection *connection)
{
    size_t taken;
    if (SSL_write_ex(connection->ssl, connection->kept, connection->size, &taken) != 1) {
        wait_or_drop(connection);
        return false;
    }
    free(connection->kept);
    connection->kept = NULL;
    return true;
}

/* The handshake is a part of the first read. */
static void
on_ready(uv_poll_t *poll, int status, int events)
{
    static _Thread_local char data[RECORD_BYTES];
    struct connection *connection = poll->data;
    size_t size;
    (void)status; /* the calls meet an error themselves */
    (void)events;
    if (connection->kept != NULL && !echo_kept(connection))
        return;
    connection->dry = false;
    do {
        if (SSL_read_ex(connection->ssl, data, sizeof(data), &size) != 1) {
            wait_or_drop(connection);
            return;
        }
        if (!echo(connection, data, size))
            return;
    } while (!connection->dry || SSL_has_pending(connection->ssl));
    wait_for(connection, UV_READABLE);
}

static bool
open_tls(struct connection *connection)
{
    BIO *bio = BIO_new(wire);
    connection->ssl = SSL_new(context);
    if (bio == NULL || connection->ssl == NULL)
        return false;
    BIO_set_data(bio, connection);
    BIO_set_init(bio, 1);
    SSL_set_bio(connection->ssl, bio, bio);
    SSL_set_read_ahead(connection->ssl, 1);
    SSL_set_accept_state(connection->ssl);
    return true;
}

static void
adopt(uv_loop_t *loop, int fd)
{
    const int on = 1;
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL || !open_tls(connection))
        abort();
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connection->fd = fd;
    connection->poll.data = connection;
    if (uv_poll_init(loop, &connection->poll, fd) != 0)
        abort();
    wait_for(connection, UV_READABLE);
}

static void
on_connection(uv_poll_t *poll, int status, int events)
{
    const struct worker *worker = poll->data;
    int fd;
    (void)status;
    (void)events;
    while ((fd = accept4(worker->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        adopt(poll->loop, fd);
}

/* The whole. */

static void
must(const char *what, bool done)
{
    if (done)
        return;
    fprintf(stderr, "echo-uv-tls: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* As net/tls/context.c has it. */
static void
make_context(const char *file)
{
    context = SSL_CTX_new(TLS_server_method());
    must("context", context != NULL);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    must("suites", SSL_CTX_set_ciphersuites(
                       context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1);
    must("groups", SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"echo", 4);
    must(file, SSL_CTX_use_certificate_chain_file(context, file) == 1 &&
                   SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) == 1);
}

static void
make_wire(void)
{
    wire = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
    must("wire", wire != NULL && BIO_meth_set_read(wire, on_read) == 1 && BIO_meth_set_write(wire, on_write) == 1 &&
                     BIO_meth_set_ctrl(wire, on_control) == 1);
}

static int
listen_at(unsigned short port)
{
    const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must("socket", fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    must("bind", bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    must("listen", listen(fd, BACKLOG) == 0);
    return fd;
}

static void
run(void *argument)
{
    struct worker *worker = argument;
    uv_run(&worker->loop, UV_RUN_DEFAULT);
}

static void
start(struct worker *worker, unsigned short port)
{
    worker->listener = listen_at(port);
    worker->poll.data = worker;
    must("loop", uv_loop_init(&worker->loop) == 0 &&
                     uv_poll_init(&worker->loop, &worker->poll, worker->listener) == 0 &&
                     uv_poll_start(&worker->poll, UV_READABLE, on_connection) == 0);
    must("thread", uv_thread_create(&worker->thread, run, worker) == 0);
}

/* Connections need descriptors: as many as the system lets us have. */
static void
raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(int argc, char **argv)
{
    static struct worker workers[WORKERS_MAX];
    sigset_t end;
    int signal_number;
    if (argc != 7 || strcmp(argv[1], "--port") != 0 || strcmp(argv[3], "--workers") != 0 ||
        strcmp(argv[5], "--tls") != 0 || atoi(argv[4]) > WORKERS_MAX)
        return NOT_SUPPORTED;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &end, NULL);
    raise_descriptor_limit();
    make_context(argv[6]);
    make_wire();
    for (int i = 0; i < atoi(argv[4]); i++)
        start(&workers[i], (unsigned short)atoi(argv[2]));
    printf("ready\n");
    fflush(stdout);
    sigwait(&end, &signal_number);
    return 0;
}
