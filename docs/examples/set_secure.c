/*
 * What the v0.2 document says of security, as a client of starttls.c:
 *
 *     stream.addListener('data', ...)      the server's answer to STARTTLS
 *     stream.setSecure(credentials)        with CA certificates in them
 *     stream.addListener('secure', function () {
 *         if (!stream.verifyPeer()) ...
 *         stream.getPeerCertificate()      subject, issuer, valid_from, valid_to
 *     })
 *
 *   set-secure PORT AUTHORITIES [HOST]        by default localhost
 *
 * As in the document the program looks itself (TR_TLS_VERIFY_REQUEST). By default nobody needs to: a peer that is not
 * the one is an error.
 */
#include <stdio.h>
#include <string.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/socket.h>
#include <troupe/net/tls.h>

static tr_tls_context *credentials;
static const char *host = "localhost";
static bool failed; /* the worker's; read when that has ended */

static void
say(tr_socket *socket, const char *line)
{
    if (tr_socket_write(socket, line, strlen(line)) < TR_OK)
        tr_socket_destroy(socket, TR_OK);
}

static void
set_secure(tr_socket *socket)
{
    struct tr_tls_options tls = {.context = credentials, .server_name = host};
    tr_status status = tr_socket_set_secure(socket, &tls);
    if (status != TR_OK)
        tr_socket_destroy(socket, status);
}

static void
print_name(const char *what, const struct tr_certificate_entry *entries, unsigned count)
{
    printf("%s:", what);
    for (unsigned i = 0; i < count; i++)
        printf(" %s=%s", entries[i].name, entries[i].value);
    printf("\n");
}

static void
print_certificate(tr_socket *socket)
{
    struct tr_peer *peer;
    if (tr_socket_peer(socket, &peer) != TR_OK)
        return;
    const struct tr_certificate *certificate = &peer->chain[0];
    print_name("subject", certificate->subject, certificate->subject_count);
    print_name("issuer", certificate->issuer, certificate->issuer_count);
    printf("valid_from: %s\nvalid_to: %s\n", certificate->valid_from, certificate->valid_to);
    tr_peer_free(peer);
}

/* Nothing has been sent yet that is to be protected. */
static void
on_secure(tr_socket *socket)
{
    const char *why;
    print_certificate(socket);
    if (tr_socket_verify_peer(socket)) {
        printf("the peer is the one\n");
        say(socket, "a secret\r\n");
        return;
    }
    tr_socket_verify_result(socket, &why);
    printf("the peer is not the one: %s\n", why);
    tr_socket_destroy(socket, TR_EUNTRUSTED);
}

/* Each answer of the server's is short enough to come at once. */
static void
on_data(tr_socket *socket, tr_slice data)
{
    printf("%.*s", (int)data.size, data.data);
    if (tr_socket_secure(socket))
        say(socket, "QUIT\r\n");
    else if (data.size >= 9 && memcmp(data.data, "220 hello", 9) == 0)
        say(socket, "STARTTLS\r\n");
    else
        set_secure(socket);
}

static void
on_error(tr_socket *socket, const struct tr_error *error)
{
    (void)socket;
    fprintf(stderr, "set-secure: %s: %s\n", error->call, error->code);
    failed = true;
}

static tr_tls_context *
make_credentials(const char *authorities)
{
    struct tr_pem ca = {.file = authorities};
    struct tr_tls_context_options options = {.ca = &ca, .ca_count = 1, .verify = TR_TLS_VERIFY_REQUEST};
    struct tr_tls_refusal why;
    tr_tls_context *context = NULL;
    if (tr_tls_context_new(&options, &why, &context) != TR_OK)
        fprintf(stderr, "set-secure: %s\n", why.text);
    return context;
}

int
main(int argc, char **argv)
{
    static const struct tr_socket_events events = {.secure = on_secure, .data = on_data, .error = on_error};
    struct tr_runtime_options options = {.workers = 1};
    struct tr_socket_options socket = {.events = &events};
    struct tr_connect_options connect = {.connect_timeout_ms = 5000};
    tr_runtime *runtime = NULL;
    credentials = argc > 2 ? make_credentials(argv[2]) : NULL;
    if (credentials == NULL)
        return 1;
    host = argc > 3 ? argv[3] : host;
    tr_status status = tr_port_parse(argv[1], &connect.port);
    if (status == TR_OK)
        status = tr_runtime_start(&options, &runtime);
    if (status == TR_OK)
        status = tr_runtime_connect(runtime, &socket, &connect, NULL);
    if (status == TR_OK)
        tr_runtime_wait_idle(runtime);
    else
        fprintf(stderr, "set-secure: %s\n", tr_status_text(status));
    bool stopped = tr_runtime_stop(runtime, 2000, NULL) == TR_OK;
    tr_tls_context_release(credentials);
    return stopped && status == TR_OK && !failed ? 0 : 1;
}
