/*
 * troupe-load: a client for echo servers that says how fast they answer and whether they answer rightly.
 *
 * One thread, one epoll, N connections. Each connection sends a message, waits until all of it has come back, compares
 * it, notes the time and sends the next: a closed loop, so at most N messages are under way. What a connection sends is
 * a piece of one random pattern that depends on the connection and on how many it has sent, so that bytes which went to
 * the wrong connection, came twice or got lost are found.
 *
 * When the time is over nothing new is sent; what is still under way gets two seconds to come back. Whatever does not,
 * and every connection that breaks, is an error, and an error makes the exit status 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PATTERN_OFFSETS 65521u /* a prime: connections and rounds that are near each other get different pieces */
#define SECOND UINT64_C(1000000000)
#define GRACE (2 * SECOND) /* for the answers that are under way when the time is over */
#define EVENTS 256
#define CONNECTIONS_PER_SOURCE 20000u

/* Latencies in ns, 32 buckets for each power of two: the error is at most 3 %. */
#define FINE_BITS 5
#define BUCKETS (64u << FINE_BITS)

struct options {
    struct sockaddr_in server;
    unsigned connections, seconds;
    size_t size; /* bytes of a message */
};

struct client {
    int fd; /* -1: broken */
    unsigned number;
    bool waits_to_send;
    uint32_t round;      /* messages begun */
    const char *message; /* the one under way, NULL: none is */
    size_t sent, received;
    uint64_t began; /* ns */
};

struct load {
    struct options options;
    char *pattern, *answer; /* PATTERN_OFFSETS + size bytes; size bytes */
    struct client *clients;
    int epoll;
    unsigned under_way;
    bool over; /* no new messages */
    uint64_t round_trips, errors;
    uint64_t histogram[BUCKETS];
};

static _Noreturn void
die(const char *what, const char *why)
{
    fprintf(stderr, "troupe-load: %s: %s\n", what, why);
    exit(2);
}

static void *
allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        die("memory", strerror(ENOMEM));
    return memory;
}

static uint64_t
now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* ---- latencies ---- */

static unsigned
bucket_of(uint64_t ns)
{
    if (ns < (1u << FINE_BITS))
        return (unsigned)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - FINE_BITS;
    return ((shift + 1) << FINE_BITS) + (unsigned)((ns >> shift) & ((1u << FINE_BITS) - 1));
}

static uint64_t
bucket_middle(unsigned bucket)
{
    if (bucket < (1u << FINE_BITS))
        return bucket;
    unsigned shift = (bucket >> FINE_BITS) - 1;
    uint64_t low = (uint64_t)((bucket & ((1u << FINE_BITS) - 1)) | (1u << FINE_BITS)) << shift;
    return low + ((UINT64_C(1) << shift) >> 1);
}

static double
percentile_us(const struct load *load, double share)
{
    uint64_t rank = (uint64_t)(share * (double)load->round_trips), seen = 0;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        seen += load->histogram[bucket];
        if (seen > rank)
            return (double)bucket_middle(bucket) / 1000.0;
    }
    return 0;
}

/* ---- one connection ---- */

static void
watch(struct load *load, struct client *client, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = client}};
    if (epoll_ctl(load->epoll, operation, client->fd, &event) != 0)
        die("epoll_ctl", strerror(errno));
}

static void
client_fail(struct load *load, struct client *client, const char *why)
{
    if (load->errors++ < 5)
        fprintf(stderr, "troupe-load: connection %u: %s\n", client->number, why);
    if (client->message != NULL)
        load->under_way--;
    client->message = NULL;
    close(client->fd);
    client->fd = -1;
}

static void
client_send(struct load *load, struct client *client)
{
    size_t left = load->options.size - client->sent;
    ssize_t n = send(client->fd, client->message + client->sent, left, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        client_fail(load, client, strerror(errno));
        return;
    }
    client->sent += n > 0 ? (size_t)n : 0;
    bool waits = client->sent < load->options.size;
    if (waits != client->waits_to_send)
        watch(load, client, EPOLL_CTL_MOD, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
    client->waits_to_send = waits;
}

static void
client_begin(struct load *load, struct client *client)
{
    client->message = load->pattern + (client->number * 8191u + client->round++) % PATTERN_OFFSETS;
    client->sent = client->received = 0;
    client->began = now();
    load->under_way++;
    client_send(load, client);
}

static void
client_finish(struct load *load, struct client *client)
{
    load->histogram[bucket_of(now() - client->began)]++;
    load->round_trips++;
    load->under_way--;
    client->message = NULL;
    if (!load->over)
        client_begin(load, client);
}

static void
client_receive(struct load *load, struct client *client)
{
    ssize_t n = recv(client->fd, load->answer, load->options.size, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        client_fail(load, client, n == 0 ? "the server hung up" : strerror(errno));
    else if (client->message == NULL || (size_t)n > client->sent - client->received)
        client_fail(load, client, "more came back than was sent");
    else if (memcmp(load->answer, client->message + client->received, (size_t)n) != 0)
        client_fail(load, client, "other bytes came back than were sent");
    else if ((client->received += (size_t)n) == load->options.size)
        client_finish(load, client);
}

/* An address has ports for so many connections to one server; to a server on loopback others connect from 127.0.0.2
 * on. */
static void
choose_source(const struct load *load, const struct client *client)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    unsigned block = client->number / CONNECTIONS_PER_SOURCE;
    if (block == 0 || ntohl(load->options.server.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
        return;
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + block);
    if (bind(client->fd, (const struct sockaddr *)&source, sizeof(source)) != 0)
        die("bind", strerror(errno));
}

static void
client_connect(struct load *load, struct client *client)
{
    const struct timeval limit = {.tv_sec = 5};
    const int on = 1;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        die("socket", strerror(errno));
    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* limits connect() too */
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    choose_source(load, client);
    if (connect(client->fd, (const struct sockaddr *)&load->options.server, sizeof(load->options.server)) != 0)
        die("connect", strerror(errno));
    if (fcntl(client->fd, F_SETFL, O_NONBLOCK) != 0)
        die("fcntl", strerror(errno));
    watch(load, client, EPOLL_CTL_ADD, EPOLLIN);
}

/* ---- the whole ---- */

static void
handle_events(struct load *load, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(load->epoll, events, EVENTS, timeout_ms);
    for (int i = 0; i < count; i++) {
        struct client *client = events[i].data.ptr;
        if (client->waits_to_send && (events[i].events & EPOLLOUT) != 0)
            client_send(load, client);
        if (client->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
            client_receive(load, client);
    }
}

static void
show_progress(const struct load *load, uint64_t elapsed)
{
    static uint64_t shown;
    if (!isatty(STDERR_FILENO) || elapsed < shown + SECOND / 5)
        return;
    shown = elapsed;
    fprintf(stderr, "\r%5.1f of %u s, %u connections, %.0f round trips/s   ", (double)elapsed / (double)SECOND,
            load->options.seconds, load->options.connections, (double)load->round_trips * 1e9 / (double)elapsed);
}

static void
report(const struct load *load, uint64_t round_trips, uint64_t elapsed)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    printf("connections %u\n", load->options.connections);
    printf("message_bytes %zu\n", load->options.size);
    printf("round_trips %llu\n", (unsigned long long)round_trips);
    printf("round_trips_per_second %.0f\n", (double)round_trips * 1e9 / (double)elapsed);
    printf("latency_p50_us %.1f\n", percentile_us(load, 0.50));
    printf("latency_p99_us %.1f\n", percentile_us(load, 0.99));
    printf("errors %llu\n", (unsigned long long)load->errors);
}

static void
drive(struct load *load)
{
    for (unsigned i = 0; i < load->options.connections; i++)
        client_connect(load, &load->clients[i]);
    uint64_t began = now();
    for (unsigned i = 0; i < load->options.connections; i++)
        client_begin(load, &load->clients[i]);

    uint64_t elapsed;
    do {
        handle_events(load, 10);
        elapsed = now() - began;
        show_progress(load, elapsed);
    } while (elapsed < load->options.seconds * SECOND && load->under_way > 0);
    uint64_t round_trips = load->round_trips;
    load->over = true;
    while (load->under_way > 0 && now() - began < elapsed + GRACE)
        handle_events(load, 10);
    load->errors += load->under_way;
    report(load, round_trips, elapsed);
}

static void
load_init(struct load *load)
{
    uint64_t seed = 88172645463325252u; /* xorshift64: any number but 0 will do */
    load->pattern = allocate(PATTERN_OFFSETS + load->options.size, 1);
    load->answer = allocate(load->options.size, 1);
    load->clients = allocate(load->options.connections, sizeof(*load->clients));
    for (size_t i = 0; i < PATTERN_OFFSETS + load->options.size; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        load->pattern[i] = (char)seed;
    }
    for (unsigned i = 0; i < load->options.connections; i++)
        load->clients[i].number = i;
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll < 0)
        die("epoll_create1", strerror(errno));
}

static void
load_fini(struct load *load)
{
    for (unsigned i = 0; i < load->options.connections; i++) {
        if (load->clients[i].fd >= 0)
            close(load->clients[i].fd);
    }
    close(load->epoll);
    free(load->clients);
    free(load->answer);
    free(load->pattern);
}

/* ---- the command line ---- */

static const char usage[] =
    "usage: troupe-load --port P [--host 127.0.0.1] [--connections 300] [--size 64] [--seconds 3]\n"
    "Drives an echo server and prints how fast it answers. Exit status: 0, all answers were right; 1, some were not;\n"
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

static struct options
parse(int argc, char **argv)
{
    static const struct option known[] = {
        {"host", required_argument, NULL, 'h'},
        {"port", required_argument, NULL, 'p'},
        {"size", required_argument, NULL, 's'},
        {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 't'},
        {"help", no_argument, NULL, '?'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.connections = 300, .seconds = 3, .size = 64};
    options.server.sin_family = AF_INET;
    options.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'h':
            if (inet_pton(AF_INET, optarg, &options.server.sin_addr) != 1)
                die(optarg, "is no IPv4 address");
            break;
        case 'p': options.server.sin_port = htons((uint16_t)number(optarg, "--port", 65535)); break;
        case 's': options.size = number(optarg, "--size", 16ul << 20); break;
        case 'c': options.connections = number(optarg, "--connections", 1000000); break;
        case 't': options.seconds = number(optarg, "--seconds", 3600); break;
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (optind != argc || options.server.sin_port == 0) {
        fputs(usage, stderr);
        exit(2);
    }
    return options;
}

/* Hundreds of connections need descriptors: as many as the system lets us have. */
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
    static struct load load;
    load.options = parse(argc, argv);
    raise_descriptor_limit();
    load_init(&load);
    drive(&load);
    load_fini(&load);
    return load.errors == 0 ? 0 : 1;
}
