/*
 * A program for peers of other makes that speak TLS: what happens to its sockets goes to standard output, a line for
 * each event.
 *
 *   tls-peer serve DIRECTORY [WORD=VALUE...]   prints "port N"; echoes, and says "goodbye" when the other side has
 *                                              ended; each connection is on another worker. Until its input ends
 *   tls-peer page DIRECTORY [WORD=VALUE...]    the same, but answers each request of HTTP with a page
 *   tls-peer call DIRECTORY port=N [...]       connects, and prints what happens. Until it is closed
 *
 * The directory is that of certificates.sh; the key of NAME_chain.pem is NAME.key. Words, of which none is needed but a
 * server's identity:
 *
 *   identity=NAME,...  who it is            lowest=1.2 highest=1.3         versions
 *   ca=NAME            whom it believes     alpn=NAME,...                  protocols
 *   verify=none|request|require             names=NAME,...                 of a server: contexts for NAME.example
 *   name=HOST          of a client: whom it expects                        tickets=no   of a server: sessions by ids
 *   send=FILE, out=FILE  of a client: what it sends, after which it ends; and where that goes which comes
 *   session=FILE         of a client: what it begins with, if it is there, and keeps
 *   keys=both            new keys for both sides are asked for with each data
 *
 * A line is "NUMBER EVENT...": the numbers count the connections of a server, 0 is the server, or a client.
 */
#include <ck_pr.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>
#include <troupe/net/tls.h>
#include <unistd.h>

#define LIST 8u

struct list {
    const char *words[LIST];
    unsigned count;
};

static const char *directory;
static struct {
    struct list identities, alpn, names;
    const char *ca, *name;
    const char *send, *out, *session;
    enum tr_tls_verify verify;
    enum tr_tls_version lowest, highest;
    bool without_tickets, updates_keys;
    uint16_t port;
} wish;

static tr_runtime *runtime;
static unsigned connections;
static int out = -1;

static void
must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "tls-peer: %s\n", what);
    exit(2);
}

/* What happens. */

/* One write for a line: workers print at the same time. */
static void
say(unsigned number, const char *event, const char *more)
{
    char line[1024];
    int size = snprintf(line, sizeof(line), "%u %s%s%s\n", number, event, more[0] != '\0' ? " " : "", more);
    must(write(STDOUT_FILENO, line, (size_t)size) == size, "nobody listens");
}

static unsigned
number_of(const tr_socket *socket)
{
    return (unsigned)(uintptr_t)tr_socket_data(socket);
}

static void
say_what_it_is(tr_socket *socket)
{
    struct tr_tls_info info;
    struct tr_peer *peer = NULL;
    char more[900];
    must(tr_socket_tls_info(socket, &info) == TR_OK, "a secure socket without info");
    (void)tr_socket_peer(socket, &peer);
    snprintf(more, sizeof(more), "%s %s alpn=%s name=%s %s peer=%s worker=%u",
             info.version == TR_TLS_1_3 ? "1.3" : "1.2", info.cipher, info.alpn, info.server_name,
             info.resumed ? "resumed" : "full", peer != NULL ? peer->chain[0].subject[0].value : "",
             tr_ref_worker(tr_socket_ref(socket)));
    say(number_of(socket), "secure", more);
    const char *code;
    if (peer != NULL && tr_socket_verify_result(socket, &code) != TR_OK)
        say(number_of(socket), "unverified", code);
    tr_peer_free(peer);
}

static void
on_connection(tr_socket *socket)
{
    tr_socket_set_data(socket, (void *)(uintptr_t)(ck_pr_faa_uint(&connections, 1) + 1));
    say_what_it_is(socket);
}

static void
send_file(tr_socket *socket, const char *path)
{
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && fstat(fd, &stat) == 0, path);
    must(tr_socket_write_file(socket, fd, 0, (uint64_t)stat.st_size, NULL, NULL) >= TR_OK, "the file is not sent");
    close(fd);
    tr_socket_end(socket);
}

static void
on_secure(tr_socket *socket)
{
    say_what_it_is(socket);
    if (wish.send != NULL)
        send_file(socket, wish.send);
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    if (wish.updates_keys)
        (void)tr_socket_update_keys(socket, true); /* one may be half sent */
    if (wish.port != 0)
        must(out < 0 || write(out, data.data, data.size) == (ssize_t)data.size, "what comes is not kept");
    else if (tr_socket_write_slice(socket, data) == TR_QUEUED)
        tr_socket_pause(socket);
}

/* 1.3 has it behind the handshake. */
static void
keep_session(tr_socket *socket)
{
    tr_tls_session *session = NULL;
    tr_slice bytes;
    FILE *file = fopen(wish.session, "wb");
    must(file != NULL && tr_socket_tls_session(socket, &session) == TR_OK, "there is no session to keep");
    must(tr_tls_session_bytes(session, &bytes) == TR_OK, "no bytes of a session");
    must(fwrite(bytes.data, 1, bytes.size, file) == bytes.size && fclose(file) == 0, wish.session);
    tr_slice_release(bytes);
    tr_tls_session_release(session);
}

static tr_tls_session *
kept_session(void)
{
    static char bytes[65536];
    tr_tls_session *session = NULL;
    FILE *file = wish.session != NULL ? fopen(wish.session, "rb") : NULL;
    if (file == NULL)
        return NULL;
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    must(tr_tls_session_from(bytes, size, &session) == TR_OK, "what was kept is no session");
    return session;
}

static void
on_end(tr_socket *socket)
{
    say(number_of(socket), "end", tr_socket_truncated(socket) ? "truncated" : "");
    if (wish.session != NULL)
        keep_session(socket);
    if (wish.port == 0)
        tr_socket_write(socket, "goodbye", 7);
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    say(number_of(socket), "error", error->code);
}

static void
on_close(tr_socket *socket, bool had_error)
{
    say(number_of(socket), had_error ? "close!" : "close", "");
    if (tr_socket_server(socket) == TR_NOBODY)
        tr_runtime_quit(runtime);
}

static const struct tr_socket_events events = {
    .secure = on_secure,
    .data = on_data,
    .end = on_end,
    .drain = tr_socket_resume,
    .error = on_error,
    .close = on_close,
};

static void
on_handshake_failed(tr_server *server, const struct tr_handshake_failure *failure)
{
    (void)server;
    say(0, "failed", failure->error.code);
}

static const struct tr_server_events server_events = {.handshake_failed = on_handshake_failed};

/* The header of a request comes as one piece from whoever means well. */
static void
on_request(tr_socket *socket, tr_slice data)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 52\r\n"
                                 "Connection: close\r\n\r\n"
                                 "<!DOCTYPE html><title>ours</title><p>read by a peer\n";
    if (data.size >= 4 && memcmp((const char *)data.data + data.size - 4, "\r\n\r\n", 4) == 0)
        tr_socket_end_with(socket, tr_slice_constant(answer, sizeof(answer) - 1));
}

static const struct tr_socket_events pages = {.data = on_request, .error = on_error, .close = on_close};

/* Contexts. */

static const char *
file_of(const char *name, const char *end)
{
    static char paths[4 * LIST][512];
    static unsigned next;
    char *path = paths[next++ % (4 * LIST)];
    snprintf(path, sizeof(paths[0]), "%s/%s.%s", directory, name, end);
    return path;
}

static struct tr_tls_identity
identity_of(const char *name)
{
    const char *chain = strstr(name, "_chain");
    if (chain != NULL) {
        char leaf[64];
        snprintf(leaf, sizeof(leaf), "%.*s", (int)(chain - name), name);
        return (struct tr_tls_identity){.chain.file = file_of(name, "pem"), .key.file = file_of(leaf, "key")};
    }
    return (struct tr_tls_identity){.chain.file = file_of(name, "pem"), .key.file = file_of(name, "key")};
}

static tr_tls_context *
make(const struct tr_tls_context_options *options)
{
    struct tr_tls_refusal refusal;
    tr_tls_context *context = NULL;
    must(tr_tls_context_new(options, &refusal, &context) == TR_OK, refusal.text);
    return context;
}

/* One that serves NAME.example. */
static tr_tls_context *
make_named(const char *name)
{
    struct tr_tls_identity identity = identity_of(name);
    return make(&(struct tr_tls_context_options){.serves = true, .identities = &identity, .identity_count = 1});
}

static tr_tls_context *
make_context(bool serves)
{
    struct tr_tls_identity identities[LIST];
    struct tr_tls_name names[LIST];
    char patterns[LIST][64];
    struct tr_pem ca = {.file = wish.ca != NULL ? file_of(wish.ca, "pem") : NULL};
    for (unsigned i = 0; i < wish.identities.count; i++)
        identities[i] = identity_of(wish.identities.words[i]);
    for (unsigned i = 0; i < wish.names.count; i++) {
        snprintf(patterns[i], sizeof(patterns[i]), "%s.example", wish.names.words[i]);
        names[i] = (struct tr_tls_name){.pattern = patterns[i], .context = make_named(wish.names.words[i])};
    }
    tr_tls_context *context = make(&(struct tr_tls_context_options){
        .serves = serves,
        .identities = identities,
        .identity_count = wish.identities.count,
        .ca = &ca,
        .ca_count = wish.ca != NULL,
        .verify = wish.verify,
        .lowest = wish.lowest,
        .highest = wish.highest,
        .alpn = wish.alpn.words,
        .alpn_count = wish.alpn.count,
        .names = names,
        .name_count = wish.names.count,
        .no_tickets = wish.without_tickets,
    });
    for (unsigned i = 0; i < wish.names.count; i++)
        tr_tls_context_release(names[i].context);
    return context;
}

/* What it does. */

static tr_status
serve(const struct tr_socket_events *what)
{
    struct tr_server_options server = {.connection = on_connection,
                                       .socket.events = what,
                                       .events = &server_events,
                                       .balance = tr_balance_round_robin};
    struct tr_listen_options listen = {.host = "127.0.0.1"};
    struct tr_address at;
    server.tls.context = make_context(true);
    tr_status status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    tr_tls_context_release(server.tls.context);
    if (status != TR_OK)
        return status;
    printf("port %u\n", at.port);
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return TR_OK;
}

static tr_status
call(void)
{
    struct tr_tls_options tls = {.context = make_context(false), .server_name = wish.name, .session = kept_session()};
    struct tr_socket_options socket = {.events = &events};
    struct tr_connect_options options = {.host = "127.0.0.1", .port = wish.port, .tls = &tls};
    if (wish.out != NULL)
        out = open(wish.out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    tr_status status = tr_runtime_connect(runtime, &socket, &options, NULL);
    tr_tls_context_release(tls.context);
    tr_tls_session_release(tls.session);
    if (status == TR_OK)
        tr_runtime_wait(runtime);
    return status;
}

/* The command line. */

static void
split(char *text, struct list *list)
{
    for (char *word = strtok(text, ","); word != NULL; word = strtok(NULL, ",")) {
        must(list->count < LIST, "a list is too long");
        list->words[list->count++] = word;
    }
}

static enum tr_tls_version
version_of(const char *text)
{
    return strcmp(text, "1.2") == 0 ? TR_TLS_1_2 : TR_TLS_1_3;
}

static enum tr_tls_verify
verify_of(const char *text)
{
    if (strcmp(text, "none") == 0)
        return TR_TLS_VERIFY_NONE;
    return strcmp(text, "request") == 0 ? TR_TLS_VERIFY_REQUEST : TR_TLS_VERIFY_REQUIRE;
}

static void
take_word(char *word)
{
    char *value = strchr(word, '=');
    must(value != NULL, word);
    *value++ = '\0';
    if (strcmp(word, "identity") == 0)
        split(value, &wish.identities);
    else if (strcmp(word, "alpn") == 0)
        split(value, &wish.alpn);
    else if (strcmp(word, "names") == 0)
        split(value, &wish.names);
    else if (strcmp(word, "ca") == 0)
        wish.ca = value;
    else if (strcmp(word, "verify") == 0)
        wish.verify = verify_of(value);
    else if (strcmp(word, "lowest") == 0)
        wish.lowest = version_of(value);
    else if (strcmp(word, "highest") == 0)
        wish.highest = version_of(value);
    else if (strcmp(word, "tickets") == 0)
        wish.without_tickets = true;
    else if (strcmp(word, "keys") == 0)
        wish.updates_keys = true;
    else if (strcmp(word, "name") == 0)
        wish.name = value;
    else if (strcmp(word, "send") == 0)
        wish.send = value;
    else if (strcmp(word, "session") == 0)
        wish.session = value;
    else if (strcmp(word, "out") == 0)
        wish.out = value;
    else if (strcmp(word, "port") == 0)
        wish.port = (uint16_t)atoi(value);
    else
        must(false, word);
}

int
main(int argc, char **argv)
{
    struct tr_runtime_options options = {.workers = 2};
    must(argc >= 3, "what is it to do, and where are the certificates?");
    directory = argv[2];
    for (int i = 3; i < argc; i++)
        take_word(argv[i]);
    tr_status status = tr_runtime_start(&options, &runtime);
    if (status == TR_OK && strcmp(argv[1], "call") == 0)
        status = call();
    else if (status == TR_OK)
        status = serve(strcmp(argv[1], "page") == 0 ? &pages : &events);
    tr_status stopped = tr_runtime_stop(runtime, 60000, NULL);
    return status == TR_OK && stopped == TR_OK ? 0 : 1;
}
