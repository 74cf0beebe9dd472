/*
 * troupe-tls-load: a client for echo servers over TLS, that says how fast they answer, or how fast they shake hands.
 *
 * One thread, one epoll, N connections, in one of three ways:
 *   echo     each connection sends a message, waits until all of it has come back, compares it, and sends the next
 *   full     each connection shakes hands, has one byte echoed, so that the server's side is over, too, and is closed;
 *            then it is made anew
 *   resumed  the same, with the session that the very first connection was given
 *
 * The server's processor time is what a comparison needs beside the rate, since a client has as much to do as a server,
 * and with handshakes more: with --pid it is read from the kernel, in nanoseconds, at the beginning and at the end.
 * Nothing is verified but the bytes: whether the server may be believed costs the client alone.
 *
 * An error makes the exit status 1.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)
#define EVENTS 256
#define SOURCES 200u /* addresses that the ports of a run are spread over */

enum way { ECHOES, FULL, RESUMED };

struct options {
    struct sockaddr_in server;
    enum way way;
    unsigned connections, seconds;
    size_t size; /* bytes of a message */
    int version; /* 0: any */
    const char *pid;
};

struct client {
    SSL *ssl;
    int fd;
    bool waits_for_room, secure;
    size_t sent, received;
};

static struct options options = {.connections = 50, .seconds = 3, .size = 64};
static SSL_CTX *context;
static SSL_SESSION *session; /* the newest that came */
static struct client *clients;
static char *message, *answer;
static int epoll;
static unsigned secure_count;
static bool counts;
static uint64_t done, resumed, errors;

static _Noreturn void
die(const char *what, const char *why)
{
    fprintf(stderr, "troupe-tls-load: %s: %s\n", what, why);
    exit(2);
}

static uint64_t
now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* Nanoseconds for which the threads of the server have run. */
static uint64_t
server_time(void)
{
    char path[300];
    uint64_t sum = 0;
    if (options.pid == NULL)
        return 0;
    snprintf(path, sizeof(path), "/proc/%s/task", options.pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        die(path, strerror(errno));
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        unsigned long long ran = 0;
        snprintf(path, sizeof(path), "/proc/%s/task/%s/schedstat", options.pid, task->d_name);
        FILE *file = task->d_name[0] != '.' ? fopen(path, "r") : NULL;
        if (file == NULL)
            continue;
        if (fscanf(file, "%llu", &ran) == 1)
            sum += ran;
        fclose(file);
    }
    closedir(tasks);
    return sum;
}

/* ---- one connection ---- */

static void
watch(struct client *client, int operation)
{
    struct epoll_event event = {.events = client->waits_for_room ? EPOLLIN | EPOLLOUT : EPOLLIN,
                                .data = {.ptr = client}};
    if (epoll_ctl(epoll, operation, client->fd, &event) != 0)
        die("epoll_ctl", strerror(errno));
}

static void
client_open(struct client *client)
{
    static unsigned opened;
    const int on = 1;
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + opened++ % SOURCES);
    *client = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .ssl = SSL_new(context)};
    if (client->fd < 0 || client->ssl == NULL)
        die("socket", strerror(errno));
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(client->fd, (const struct sockaddr *)&source, sizeof(source)) != 0 ||
        connect(client->fd, (const struct sockaddr *)&options.server, sizeof(options.server)) != 0)
        die("connect", strerror(errno));
    BIO *bio = BIO_new_socket(client->fd, BIO_NOCLOSE);
    BIO_socket_nbio(client->fd, 1);
    SSL_set_bio(client->ssl, bio, bio);
    SSL_set_connect_state(client->ssl);
    if (options.way == RESUMED && session != NULL)
        SSL_set_session(client->ssl, session);
    watch(client, EPOLL_CTL_ADD);
}

/* The server sees the end of it; the session stays good. */
static void
client_close(struct client *client)
{
    SSL_shutdown(client->ssl);
    SSL_free(client->ssl);
    close(client->fd);
    client->ssl = NULL;
    ERR_clear_error();
}

/* false: it waits, or has failed. */
static bool
goes_on(struct client *client, int result)
{
    int why = result == 1 ? SSL_ERROR_NONE : SSL_get_error(client->ssl, result);
    bool waits_for_room = why == SSL_ERROR_WANT_WRITE;
    if (why != SSL_ERROR_NONE && why != SSL_ERROR_WANT_READ && !waits_for_room) {
        if (errors++ < 5)
            ERR_print_errors_fp(stderr);
        client_close(client);
        return false;
    }
    if (waits_for_room != client->waits_for_room) {
        client->waits_for_room = waits_for_room;
        watch(client, EPOLL_CTL_MOD);
    }
    return why == SSL_ERROR_NONE;
}

static bool
client_send(struct client *client)
{
    while (client->sent < options.size) {
        size_t part;
        if (!goes_on(client, SSL_write_ex(client->ssl, message + client->sent, options.size - client->sent, &part)))
            return false;
        client->sent += part;
    }
    return true;
}

static bool
client_receive(struct client *client)
{
    while (client->received < options.size) {
        size_t part;
        if (!goes_on(client, SSL_read_ex(client->ssl, answer, options.size - client->received, &part)))
            return false;
        if (memcmp(answer, message + client->received, part) != 0)
            errors++;
        client->received += part;
    }
    return true;
}

/* All came back. */
static void
client_finish(struct client *client)
{
    done += counts;
    resumed += counts && SSL_session_reused(client->ssl);
    client->sent = client->received = 0;
    if (options.way == ECHOES)
        return;
    client_close(client);
    client_open(client);
}

static void
client_go_on(struct client *client)
{
    while (client->ssl != NULL) {
        if (!client->secure && !goes_on(client, SSL_do_handshake(client->ssl)))
            return;
        secure_count += !client->secure;
        client->secure = true;
        if (!client_send(client) || !client_receive(client))
            return;
        client_finish(client);
    }
}

/* ---- the whole ---- */

static void
handle_events(void)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll, events, EVENTS, 100);
    for (int i = 0; i < count; i++)
        client_go_on(events[i].data.ptr);
}

static void
report(uint64_t elapsed, uint64_t spent)
{
    static const char *const ways[] = {[ECHOES] = "echo", [FULL] = "full", [RESUMED] = "resumed"};
    double count = done > 0 ? (double)done : 1;
    printf("way %s\nconnections %u\n", ways[options.way], options.connections);
    if (options.way == ECHOES)
        printf("message_bytes %zu\n", options.size);
    printf("count %llu\nresumed %llu\n", (unsigned long long)done, (unsigned long long)resumed);
    printf("per_second %.0f\n", count * 1e9 / (double)elapsed);
    if (options.pid != NULL)
        printf("server_ns_each %.0f\nserver_share %.3f\n", (double)spent / count, (double)spent / (double)elapsed);
    printf("errors %llu\n", (unsigned long long)errors);
}

static void
begin(struct client *client)
{
    client_open(client);
    client_go_on(client);
}

/* Until all are secure nothing counts. */
static void
drive(void)
{
    if (options.way == RESUMED)
        for (begin(&clients[0]); session == NULL && errors == 0;)
            handle_events();
    for (unsigned i = options.way == RESUMED; i < options.connections; i++)
        begin(&clients[i]);
    while (secure_count < options.connections && errors == 0)
        handle_events();
    counts = true;
    uint64_t began = now(), spent = server_time();
    while (now() - began < options.seconds * SECOND && errors == 0)
        handle_events();
    uint64_t ended = now();
    report(ended - began, server_time() - spent);
}

static int
on_session(SSL *ssl, SSL_SESSION *offered)
{
    (void)ssl;
    if (session != NULL)
        return 0;
    session = offered;
    return 1; /* ours */
}

static void
init(void)
{
    uint64_t seed = 88172645463325252u; /* xorshift64: any number but 0 will do */
    context = SSL_CTX_new(TLS_client_method());
    clients = calloc(options.connections, sizeof(*clients));
    message = malloc(options.size);
    answer = malloc(options.size);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (context == NULL || clients == NULL || message == NULL || answer == NULL || epoll < 0)
        die("memory", strerror(ENOMEM));
    for (size_t i = 0; i < options.size; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        message[i] = (char)seed;
    }
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    if (options.version != 0)
        SSL_CTX_set_max_proto_version(context, options.version);
}

/* ---- the command line ---- */

static const char usage[] =
    "usage: troupe-tls-load --port P [--way echo|full|resumed] [--connections 50] [--size 64] [--seconds 3]\n"
    "                       [--version 1.2] [--pid SERVER]\n"
    "Drives an echo server over TLS and prints how fast it is. Exit status: 0, all answers were right; 1, some were "
    "not;\n"
    "2, it could not be driven.\n";

static unsigned
number(const char *text, const char *what, unsigned long max)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value == 0 || value > max)
        die(what, "is no number, or out of range");
    return (unsigned)value;
}

static enum way
way_of(const char *word)
{
    if (strcmp(word, "echo") == 0)
        return ECHOES;
    if (strcmp(word, "full") != 0 && strcmp(word, "resumed") != 0)
        die("--way", "is echo, full or resumed");
    options.size = 1;
    return strcmp(word, "full") == 0 ? FULL : RESUMED;
}

static void
parse(int argc, char **argv)
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},    {"way", required_argument, NULL, 'w'},
        {"size", required_argument, NULL, 's'},    {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 't'}, {"version", required_argument, NULL, 'v'},
        {"pid", required_argument, NULL, 'i'},     {NULL, 0, NULL, 0},
    };
    int option;
    options.server.sin_family = AF_INET;
    options.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'p': options.server.sin_port = htons((uint16_t)number(optarg, "--port", 65535)); break;
        case 'w': options.way = way_of(optarg); break;
        case 's': options.size = number(optarg, "--size", 16ul << 20); break;
        case 'c': options.connections = number(optarg, "--connections", 100000); break;
        case 't': options.seconds = number(optarg, "--seconds", 3600); break;
        case 'v': options.version = strcmp(optarg, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION; break;
        case 'i': options.pid = optarg; break;
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (optind == argc && options.server.sin_port != 0)
        return;
    fputs(usage, stderr);
    exit(2);
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
    parse(argc, argv);
    raise_descriptor_limit();
    init();
    drive();
    return errors == 0 ? 0 : 1;
}
