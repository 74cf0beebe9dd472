/*
 * troupe-pipe-load: sends bytes through proxies and says how fast they go through, and what that costs.
 *
 *   troupe-pipe-load [--mb 256] [--connections 1] [--rounds 5] [--cpu C] [--load-cpu C] -- PROXY... [-- PROXY...]
 *
 * Starts each PROXY command with "--port P --to Q" added, on CPU --cpu (default 0; -1: any). In each round every proxy
 * has its turn: the connections together carry so many MB from this process through the proxy back to this process,
 * which runs on CPU --load-cpu (default 1) and counts what arrives. Prints, per proxy, the medians over the rounds of
 * MB per second and of milliseconds of the proxy's CPU time per 100 MB, and the ratio to the last proxy, median of the
 * rounds' ratios. The bytes that arrive are compared with those sent in one piece of every 16, so that looking costs
 * little.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIECE (256u * 1024)
#define PATTERN (PIECE + 65521u) /* a prime more: what is sent at a place depends on the place */
#define PROXIES 4
#define ROUNDS 64
#define CONNECTIONS 64
#define LIMIT_S 60
#define MB 1000000.0

struct proxy {
    char **command;
    const char *name;
    pid_t pid;
    uint16_t port;
    double speed[ROUNDS], cost[ROUNDS];
};

struct stream {
    int source, sink;
    uint64_t sent, received;
};

struct bench {
    uint64_t bytes; /* of one connection */
    int connections, rounds, cpu, load_cpu, proxies;
    struct proxy proxy[PROXIES];
    int listener;
    uint16_t sink_port;
    char *pattern, *buffer;
};

static _Noreturn void
die(const char *what)
{
    fprintf(stderr, "troupe-pipe-load: %s: %s\n", what, errno != 0 ? strerror(errno) : "no");
    exit(2);
}

static double
seconds(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void
pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (cpu >= 0)
        sched_setaffinity(0, sizeof(set), &set); /* a machine with fewer CPUs: where it may */
}

static struct sockaddr_in
loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int
listen_somewhere(uint16_t *port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, CONNECTIONS) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        die("listen");
    *port = ntohs(address.sin_port);
    return fd;
}

/* Proxies. */

static uint16_t
free_port(void)
{
    uint16_t port;
    close(listen_somewhere(&port));
    return port;
}

static void
run_proxy(const struct bench *bench, const struct proxy *proxy, int output)
{
    char *arguments[64], port[16], to[16];
    int n = 0;
    for (; proxy->command[n] != NULL && strcmp(proxy->command[n], "--") != 0 && n < 58; n++)
        arguments[n] = proxy->command[n];
    snprintf(port, sizeof(port), "%u", proxy->port);
    snprintf(to, sizeof(to), "%u", bench->sink_port);
    char *added[] = {"--port", port, "--to", to, NULL};
    memcpy(arguments + n, added, sizeof(added));
    pin(bench->cpu);
    dup2(output, STDOUT_FILENO);
    execv(arguments[0], arguments);
    _exit(127);
}

static void
start_proxy(const struct bench *bench, struct proxy *proxy)
{
    int output[2];
    char word[6];
    proxy->port = free_port();
    if (pipe(output) != 0)
        die("pipe");
    proxy->pid = fork();
    if (proxy->pid < 0)
        die("fork");
    if (proxy->pid == 0)
        run_proxy(bench, proxy, output[1]);
    close(output[1]);
    if (read(output[0], word, sizeof(word)) != sizeof(word) || memcmp(word, "ready\n", 6) != 0)
        die(proxy->command[0]);
    close(output[0]);
}

static double
cpu_seconds(const struct proxy *proxy)
{
    clockid_t clock;
    return clock_getcpuclockid(proxy->pid, &clock) == 0 ? seconds(clock) : 0;
}

/* One turn. */

static void
open_stream(const struct bench *bench, const struct proxy *proxy, struct stream *stream)
{
    struct sockaddr_in address = loopback(proxy->port);
    *stream = (struct stream){.source = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (stream->source < 0 || connect(stream->source, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("connect");
    stream->sink = accept(bench->listener, NULL, NULL);
    if (stream->sink < 0)
        die("accept");
    fcntl(stream->source, F_SETFL, O_NONBLOCK);
    fcntl(stream->sink, F_SETFL, O_NONBLOCK);
}

static const char *
piece_at(const struct bench *bench, uint64_t place)
{
    return bench->pattern + place % 65521u;
}

static void
send_some(const struct bench *bench, struct stream *stream)
{
    uint64_t left = bench->bytes - stream->sent;
    size_t size = left < PIECE ? (size_t)left : PIECE;
    ssize_t sent = size > 0 ? send(stream->source, piece_at(bench, stream->sent), size, MSG_NOSIGNAL) : 0;
    if (sent < 0 && errno != EAGAIN)
        die("send");
    stream->sent += sent > 0 ? (uint64_t)sent : 0;
    if (sent > 0 && stream->sent == bench->bytes)
        shutdown(stream->source, SHUT_WR);
}

/* The pattern's bytes go round every 65521: so any piece can be looked at alone. */
static bool
is_right(const struct bench *bench, uint64_t place, size_t size)
{
    return memcmp(bench->buffer, piece_at(bench, place), size < PIECE ? size : PIECE) == 0;
}

static void
receive_some(const struct bench *bench, struct stream *stream)
{
    static unsigned looked;
    ssize_t received = recv(stream->sink, bench->buffer, PIECE, 0);
    if (received < 0 && errno != EAGAIN)
        die("recv");
    if (received == 0 && stream->received < bench->bytes) {
        errno = 0;
        die("the proxy ended too early: all the bytes");
    }
    if (received > 0 && looked++ % 16 == 0 && !is_right(bench, stream->received, (size_t)received)) {
        errno = 0;
        die("other bytes came out than went in: the same bytes");
    }
    stream->received += received > 0 ? (uint64_t)received : 0;
}

static void
carry(const struct bench *bench, struct stream *streams)
{
    struct pollfd wanted[2 * CONNECTIONS];
    int finished = 0;
    while (finished < bench->connections) {
        finished = 0;
        for (int i = 0; i < bench->connections; i++) {
            struct stream *stream = &streams[i];
            bool sends = stream->sent < bench->bytes, receives = stream->received < bench->bytes;
            wanted[2 * i] = (struct pollfd){.fd = sends ? stream->source : -1, .events = POLLOUT};
            wanted[2 * i + 1] = (struct pollfd){.fd = receives ? stream->sink : -1, .events = POLLIN};
            finished += !receives;
        }
        if (finished < bench->connections && poll(wanted, (nfds_t)(2 * bench->connections), LIMIT_S * 1000) <= 0)
            die("waiting");
        for (int i = 0; i < bench->connections; i++) {
            if (wanted[2 * i + 1].revents != 0)
                receive_some(bench, &streams[i]);
            if (wanted[2 * i].revents != 0)
                send_some(bench, &streams[i]);
        }
    }
}

static void
take_turn(const struct bench *bench, struct proxy *proxy, int round)
{
    struct stream streams[CONNECTIONS];
    for (int i = 0; i < bench->connections; i++)
        open_stream(bench, proxy, &streams[i]);
    double cpu = cpu_seconds(proxy), began = seconds(CLOCK_MONOTONIC);
    carry(bench, streams);
    double total = (double)bench->bytes * bench->connections / MB;
    proxy->speed[round] = total / (seconds(CLOCK_MONOTONIC) - began);
    proxy->cost[round] = (cpu_seconds(proxy) - cpu) * 1000 / (total / 100);
    for (int i = 0; i < bench->connections; i++) {
        close(streams[i].source);
        close(streams[i].sink);
    }
}

/* Medians. */

static int
compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double
median(const double *values, int n)
{
    double sorted[ROUNDS];
    memcpy(sorted, values, (size_t)n * sizeof(*values));
    qsort(sorted, (size_t)n, sizeof(*sorted), compare);
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

static void
report(const struct bench *bench)
{
    const struct proxy *last = &bench->proxy[bench->proxies - 1];
    printf("%-24s %10s %16s %12s %12s\n", "proxy", "MB/s", "CPU ms/100 MB", "speed ratio", "CPU ratio");
    for (int i = 0; i < bench->proxies; i++) {
        const struct proxy *proxy = &bench->proxy[i];
        double speeds[ROUNDS], costs[ROUNDS];
        for (int round = 0; round < bench->rounds; round++) {
            speeds[round] = proxy->speed[round] / last->speed[round];
            costs[round] = proxy->cost[round] / last->cost[round];
        }
        printf("%-24s %10.0f %16.2f %12.3f %12.3f\n", proxy->name, median(proxy->speed, bench->rounds),
               median(proxy->cost, bench->rounds), median(speeds, bench->rounds), median(costs, bench->rounds));
    }
}

/* The command line. */

static const char usage[] = "usage: troupe-pipe-load [--mb 256] [--connections 1] [--rounds 5] [--cpu 0] [--load-cpu "
                            "1] -- PROXY... [-- PROXY...]\n";

static int
parse(int argc, char **argv, struct bench *bench)
{
    static const char *const names[] = {"--mb", "--connections", "--rounds", "--cpu", "--load-cpu"};
    int values[] = {256, 1, 5, 0, 1}, i = 1;
    for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
        int known = 0;
        while (known < 5 && strcmp(argv[i], names[known]) != 0)
            known++;
        if (known == 5)
            return -1;
        values[known] = atoi(argv[i + 1]);
    }
    bench->connections = values[1];
    bench->rounds = values[2];
    bench->cpu = values[3];
    bench->load_cpu = values[4];
    bench->bytes = (uint64_t)values[0] * 1000000u / (unsigned)(values[1] > 0 ? values[1] : 1);
    bool sound = values[0] > 0 && values[1] > 0 && values[1] <= CONNECTIONS && values[2] > 0 && values[2] <= ROUNDS;
    for (; i < argc - 1 && bench->proxies < PROXIES; i++)
        if (strcmp(argv[i], "--") == 0)
            bench->proxy[bench->proxies++].command = &argv[i + 1];
    return sound && bench->proxies > 0 ? 0 : -1;
}

static void
fill_pattern(struct bench *bench)
{
    uint32_t seed = 2463534242u; /* xorshift32: any number but 0 will do */
    bench->pattern = malloc(PATTERN);
    bench->buffer = malloc(PIECE);
    if (bench->pattern == NULL || bench->buffer == NULL)
        die("memory");
    for (size_t i = 0; i < PATTERN; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        bench->pattern[i] = i < 65521u ? (char)seed : bench->pattern[i - 65521u];
    }
}

int
main(int argc, char **argv)
{
    static struct bench bench;
    if (parse(argc, argv, &bench) != 0) {
        fputs(usage, stderr);
        return 2;
    }
    fill_pattern(&bench);
    bench.listener = listen_somewhere(&bench.sink_port);
    for (int i = 0; i < bench.proxies; i++) {
        struct proxy *proxy = &bench.proxy[i];
        const char *slash = strrchr(proxy->command[0], '/');
        proxy->name = slash != NULL ? slash + 1 : proxy->command[0];
        start_proxy(&bench, proxy);
    }
    pin(bench.load_cpu);
    for (int round = 0; round < bench.rounds; round++)
        for (int i = 0; i < bench.proxies; i++)
            take_turn(&bench, &bench.proxy[(i + round) % bench.proxies], round);
    report(&bench);
    for (int i = 0; i < bench.proxies; i++) {
        kill(bench.proxy[i].pid, SIGTERM);
        waitpid(bench.proxy[i].pid, NULL, 0);
    }
    return 0;
}
