/*
 * A page over HTTPS, for several hosts at one port: the name that a client asks for chooses the certificate.
 *
 *   https PORT HOST CERTIFICATES KEY [HOST CERTIFICATES KEY]...
 *
 * Who asks for another host, or for none, sees the first one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

#define HOSTS_MOST 16

static struct tr_tls_name hosts[HOSTS_MOST];
static unsigned host_count;

/* How much of the empty line that ends a request has come. */
struct visit {
    unsigned matched;
    bool answered;
};

static bool
request_is_whole(struct visit *visit, tr_slice data)
{
    static const char end[] = "\r\n\r\n";
    for (size_t i = 0; i < data.size && visit->matched < 4; i++)
        visit->matched = data.data[i] == end[visit->matched] ? visit->matched + 1 : data.data[i] == '\r';
    return visit->matched == 4;
}

/* A name that is none of ours is the client's word, and has no place in a page. */
static const char *
host_of(const struct tr_tls_info *info)
{
    for (unsigned i = 0; i < host_count; i++)
        if (strcmp(hosts[i].pattern, info->server_name) == 0)
            return hosts[i].pattern;
    return hosts[0].pattern;
}

static void
answer(tr_socket *socket)
{
    struct tr_tls_info info;
    char page[512], head[128];
    tr_socket_tls_info(socket, &info);
    int size =
        snprintf(page, sizeof(page), "<!DOCTYPE html><title>%s</title><p>This is %s, over TLS %s with %s%s.</p>\n",
                 host_of(&info), host_of(&info), info.version == TR_TLS_1_3 ? "1.3" : "1.2", info.cipher,
                 info.resumed ? ", resumed" : "");
    snprintf(head, sizeof(head),
             "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", size);
    tr_socket_cork(socket); /* head and page are one record */
    tr_socket_write(socket, head, strlen(head));
    tr_socket_write(socket, page, (size_t)size);
    tr_socket_uncork(socket);
    tr_socket_end(socket); /* close_notify, then FIN */
}

/* Whatever is asked for. */
static void
on_data(tr_socket *socket, tr_slice data)
{
    struct visit *visit = tr_socket_state(socket);
    if (visit->answered || !request_is_whole(visit, data))
        return;
    visit->answered = true;
    answer(socket);
}

static void
on_handshake_failed(tr_server *server, const struct tr_handshake_failure *failure)
{
    (void)server;
    fprintf(stderr, "https: %s, who asked for '%s': %s\n", failure->peer.text, failure->server_name,
            failure->error.code);
}

/* One host; `names`: the others, of the first. NULL: it cannot be, and why is said. */
static tr_tls_context *
make_host(const char *certificates, const char *key, const struct tr_tls_name *names, unsigned count)
{
    static const char *const protocols[] = {"http/1.1"};
    struct tr_tls_identity identity = {.chain.file = certificates, .key.file = key};
    struct tr_tls_context_options options = {.serves = true, .identities = &identity, .identity_count = 1};
    struct tr_tls_refusal why;
    tr_tls_context *context = NULL;
    options.alpn = protocols;
    options.alpn_count = 1;
    options.names = names;
    options.name_count = count;
    if (tr_tls_context_new(&options, &why, &context) != TR_OK)
        fprintf(stderr, "https: %s\n", why.text);
    return context;
}

/* From the last host to the first, which knows all others. */
static tr_tls_context *
make_hosts(char **words, unsigned count)
{
    host_count = count < HOSTS_MOST ? count : HOSTS_MOST;
    for (unsigned i = host_count; i-- > 0;) {
        bool is_first = i == 0;
        hosts[i].pattern = words[3 * i];
        hosts[i].context =
            make_host(words[3 * i + 1], words[3 * i + 2], is_first ? hosts + 1 : NULL, is_first ? host_count - 1 : 0);
        if (hosts[i].context == NULL)
            return NULL;
    }
    return hosts[0].context;
}

static void
release_hosts(void)
{
    for (unsigned i = 0; i < host_count; i++)
        tr_tls_context_release(hosts[i].context); /* who was never made is NULL */
}

int
main(int argc, char **argv)
{
    static const struct tr_socket_events events = {.data = on_data};
    static const struct tr_server_events server_events = {.handshake_failed = on_handshake_failed};
    struct tr_server_options server = {.socket = {.events = &events, .state_size = sizeof(struct visit)},
                                       .events = &server_events};
    struct tr_listen_options listen = {.any_port = true};
    struct tr_address at;
    tr_runtime *runtime = NULL;
    if (argc < 5 || argc % 3 != 2) {
        fprintf(stderr, "usage: https PORT HOST CERTIFICATES KEY [HOST CERTIFICATES KEY]...\n");
        return 1;
    }
    server.tls.context = make_hosts(argv + 2, (unsigned)(argc - 2) / 3);
    tr_status status = server.tls.context != NULL ? tr_port_parse(argv[1], &listen.port) : TR_ETLSNOKEY;
    if (status == TR_OK)
        status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    release_hosts(); /* the server holds the first, and that the others */
    if (status == TR_OK) {
        fprintf(stderr, "https: listening on port %u\n", at.port);
        tr_runtime_wait(runtime); /* until Ctrl-C, or SIGTERM */
    } else {
        fprintf(stderr, "https: %s\n", tr_status_text(status));
    }
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK ? 0 : 1;
}
