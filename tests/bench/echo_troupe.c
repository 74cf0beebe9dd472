/*
 * echo-troupe: the echo server that is compared with others.
 *
 *   echo-troupe --port P --workers N [--speak echo|http] [--pinning adaptive|always|never] [--timeout MS [--others K]]
 *               [--tls FILE.pem]
 *
 * Echoes on 127.0.0.1:P, or answers each HTTP request with the same page, for load generators that speak nothing else;
 * with an idle timeout on every connection if one is given, and K more sockets that wait for theirs without a
 * connection, since descriptors are few; over TLS
 * with --tls, where the file has the chain of certificates, and the key. Prints "ready" when it listens, and on SIGTERM
 * or SIGINT "accepted K0 K1 ...", the connections that each worker got.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>
#include <troupe/net/tls.h>

#define BACKLOG 4096
#define STOP_MS 1000u
#define NOT_SUPPORTED 77

/* Written by its worker, read when that has ended. */
struct share {
    alignas(128) uint64_t accepted;
};

static struct share shares[TR_WORKERS_MAX];

static void
on_connection(tr_socket *socket)
{
    shares[tr_ref_worker(tr_socket_ref(socket))].accepted++;
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    if (tr_socket_write_slice(socket, data) == TR_QUEUED)
        tr_socket_pause(socket); /* the peer reads slowly: read no more until it caught up */
}

/* A request ends with an empty line; how much of its "\r\n\r\n" has come is the connection's state. */
static void
on_request(tr_socket *socket, tr_slice data)
{
    static const char end[] = "\r\n\r\n";
    static const char page[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!";
    unsigned *matched = tr_socket_state(socket);
    for (size_t i = 0; i < data.size; i++) {
        char c = ((const char *)data.data)[i];
        *matched = c == end[*matched] ? *matched + 1 : c == end[0];
        if (*matched < sizeof(end) - 1)
            continue;
        *matched = 0;
        if (tr_socket_write_slice(socket, tr_slice_constant(page, sizeof(page) - 1)) == TR_QUEUED)
            tr_socket_pause(socket);
    }
}

static void
must(const char *what, tr_status status)
{
    if (status == TR_OK)
        return;
    fprintf(stderr, "echo-troupe: %s: %s\n", what, tr_status_text(status));
    exit(1);
}

/* Sockets with a timeout and nothing else. */

struct others {
    unsigned count;
    uint64_t timeout_ms;
};

static tr_status
spawn_others(tr_actor *self, void *state, const void *argument)
{
    const struct others *others = argument;
    (void)state;
    for (unsigned i = 0; i < others->count; i++) {
        tr_socket *socket;
        must("spawn", tr_socket_spawn(self, NULL, &socket));
        must("timeout", tr_socket_set_timeout(socket, others->timeout_ms));
    }
    return TR_OK;
}

static void
ignore(tr_actor *self, void *state, tr_message *message)
{
    (void)self, (void)state, (void)message;
}

/* false: it speaks nothing of that name. */
static bool
read_speech(const char *word, struct tr_socket_options *out)
{
    static const struct tr_socket_events http = {.data = on_request, .drain = tr_socket_resume};
    if (strcmp(word, "http") != 0)
        return strcmp(word, "echo") == 0;
    out->events = &http;
    out->state_size = sizeof(unsigned);
    return true;
}

/* false: there is no such pinning. */
static bool
read_pinning(const char *word, enum tr_pinning *out)
{
    static const char *const words[] = {
        [TR_PINNING_ADAPTIVE] = "adaptive", [TR_PINNING_ALWAYS] = "always", [TR_PINNING_NEVER] = "never"};
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(word, words[i]) == 0) {
            *out = (enum tr_pinning)i;
            return true;
        }
    return false;
}

/* false: there is no such way of accepting. */
static bool
read_accept(const char *word, enum tr_accept_mode *out)
{
    static const char *const words[] = {
        [TR_ACCEPT_HANDOFF] = "handoff", [TR_ACCEPT_SHARED_FD] = "shared_fd", [TR_ACCEPT_REUSEPORT] = "reuseport"};
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(word, words[i]) == 0) {
            *out = (enum tr_accept_mode)i;
            return true;
        }
    return false;
}

/* false: the file says who nobody can be. */
static bool
read_identity(const char *file, tr_tls_context **out)
{
    struct tr_tls_identity identity = {.chain.file = file};
    struct tr_tls_context_options context = {.serves = true, .identities = &identity, .identity_count = 1};
    struct tr_tls_refusal why;
    if (tr_tls_context_new(&context, &why, out) == TR_OK)
        return true;
    fprintf(stderr, "echo-troupe: %s\n", why.text);
    return false;
}

static void
print_shares(unsigned workers)
{
    printf("accepted");
    for (unsigned i = 0; i < workers; i++)
        printf(" %" PRIu64, shares[i].accepted);
    printf("\n");
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
    static const struct tr_socket_events echo = {.data = on_data, .drain = tr_socket_resume};
    struct tr_server_options server = {.connection = on_connection, .socket = {.events = &echo, .no_delay = true}};
    struct tr_listen_options listen = {.host = "127.0.0.1", .backlog = BACKLOG};
    struct tr_runtime_options options = {.workers = 1};
    struct others others = {.count = 0};
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 < argc && strcmp(argv[i], "--port") == 0)
            listen.port = (uint16_t)atoi(argv[i + 1]);
        else if (i + 1 < argc && strcmp(argv[i], "--workers") == 0)
            options.workers = (unsigned)atoi(argv[i + 1]);
        else if (i + 1 < argc && strcmp(argv[i], "--speak") == 0 && read_speech(argv[i + 1], &server.socket))
            continue;
        else if (i + 1 < argc && strcmp(argv[i], "--pinning") == 0 && read_pinning(argv[i + 1], &options.pinning))
            continue;
        else if (i + 1 < argc && strcmp(argv[i], "--accept") == 0 && read_accept(argv[i + 1], &listen.accept))
            continue;
        else if (i + 1 < argc && strcmp(argv[i], "--tls") == 0 && read_identity(argv[i + 1], &server.tls.context))
            continue;
        else if (i + 1 < argc && strcmp(argv[i], "--timeout") == 0)
            server.socket.timeout_ms = others.timeout_ms = (uint64_t)atoll(argv[i + 1]);
        else if (i + 1 < argc && strcmp(argv[i], "--others") == 0)
            others.count = (unsigned)atoi(argv[i + 1]);
        else
            return NOT_SUPPORTED;
    }

    /* Also for the moment between "ready" and the wait. */
    sigset_t end;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigaddset(&end, SIGINT);
    pthread_sigmask(SIG_BLOCK, &end, NULL);

    raise_descriptor_limit();
    tr_runtime *runtime;
    must("start", tr_runtime_start(&options, &runtime));
    static const struct tr_behavior parent = {.name = "others", .init = spawn_others, .receive = ignore};
    must("others", tr_runtime_spawn(runtime, &parent, &(struct tr_spawn_options){.argument = &others}, NULL));
    must("listen", tr_runtime_listen(runtime, &server, &listen, NULL, NULL));
    tr_tls_context_release(server.tls.context); /* the server holds it */
    printf("ready\n");
    fflush(stdout);
    tr_runtime_wait(runtime);

    unsigned workers = tr_runtime_workers(runtime);
    tr_runtime_stop(runtime, STOP_MS, NULL);
    print_shares(workers);
    return 0;
}
