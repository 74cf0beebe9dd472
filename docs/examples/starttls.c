/*
 * A server of lines, as mail servers are, that becomes secure in mid-stream when the client asks for it.
 *
 *   starttls PORT CERTIFICATES KEY
 *
 * STARTTLS begins the handshake, QUIT ends, and any other line is answered with whether it came protected. set_secure.c
 * is a client.
 */
#include <stdio.h>
#include <string.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

static tr_tls_context *context;

/* A line that has not come whole. */
struct talk {
    char line[80];
    size_t size;
};

static void
say(tr_socket *socket, const char *text)
{
    if (tr_socket_write(socket, text, strlen(text)) < TR_OK)
        tr_socket_destroy(socket, TR_OK);
}

/* The answer goes in clear, since it was written before. What the client has sent behind its command belongs to the
 * handshake: if it is anything else, such as commands that somebody has put there, the handshake fails. */
static void
start_tls(tr_socket *socket, tr_slice behind)
{
    struct tr_tls_options tls = {.context = context, .received = behind};
    say(socket, "220 begin\r\n");
    tr_status status = tr_socket_set_secure(socket, &tls);
    if (status != TR_OK)
        tr_socket_destroy(socket, status);
}

static void
obey(tr_socket *socket, const char *line, tr_slice behind)
{
    if (strcmp(line, "STARTTLS") == 0 && !tr_socket_secure(socket))
        start_tls(socket, behind);
    else if (strcmp(line, "QUIT") == 0)
        tr_socket_end(socket);
    else
        say(socket, tr_socket_secure(socket) ? "250 protected\r\n" : "250 in clear\r\n");
}

/* false: the rest of the data is not for lines any more. */
static bool
take(tr_socket *socket, struct talk *talk, char letter, tr_slice behind)
{
    if (letter != '\n') {
        if (letter != '\r' && talk->size < sizeof(talk->line) - 1)
            talk->line[talk->size++] = letter;
        return true;
    }
    talk->line[talk->size] = '\0';
    talk->size = 0;
    bool starts_tls = strcmp(talk->line, "STARTTLS") == 0;
    obey(socket, talk->line, behind);
    return !starts_tls;
}

static void
on_data(tr_socket *socket, tr_slice data)
{
    struct talk *talk = tr_socket_state(socket);
    for (size_t i = 0; i < data.size; i++)
        if (!take(socket, talk, data.data[i], tr_slice_part(data, i + 1, data.size - i - 1)))
            return;
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    (void)socket;
    fprintf(stderr, "starttls: %s: %s\n", error->call, error->code);
}

static void
on_connection(tr_socket *socket)
{
    say(socket, "220 hello\r\n");
}

static tr_tls_context *
make_context(const char *certificates, const char *key)
{
    struct tr_tls_identity identity = {.chain.file = certificates, .key.file = key};
    struct tr_tls_context_options options = {.serves = true, .identities = &identity, .identity_count = 1};
    struct tr_tls_refusal why;
    tr_tls_context *made = NULL;
    if (tr_tls_context_new(&options, &why, &made) != TR_OK)
        fprintf(stderr, "starttls: %s\n", why.text);
    return made;
}

int
main(int argc, char **argv)
{
    static const struct tr_socket_events events = {.data = on_data, .error = on_error};
    struct tr_server_options server = {.connection = on_connection,
                                       .socket = {.events = &events, .state_size = sizeof(struct talk)}};
    struct tr_listen_options listen = {.any_port = true};
    struct tr_address at;
    tr_runtime *runtime = NULL;
    context = argc > 3 ? make_context(argv[2], argv[3]) : NULL;
    if (context == NULL)
        return 1;
    tr_status status = tr_port_parse(argv[1], &listen.port);
    if (status == TR_OK)
        status = tr_runtime_start(NULL, &runtime);
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    if (status == TR_OK) {
        fprintf(stderr, "starttls: listening on port %u\n", at.port);
        tr_runtime_wait(runtime); /* until Ctrl-C, or SIGTERM */
    } else {
        fprintf(stderr, "starttls: %s\n", tr_status_text(status));
    }
    bool stopped = tr_runtime_stop(runtime, 2000, NULL) == TR_OK;
    tr_tls_context_release(context);
    return stopped && status == TR_OK ? 0 : 1;
}
