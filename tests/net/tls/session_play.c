#include "session_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

/* Of the block that is done for each.*/
enum tr_tls_version session_version;

tr_tls_context *
session_context(struct tr_tls_context_options options)
{
    options.lowest = options.highest = session_version;
    return tls_make(&options);
}

SSL_SESSION *
session_inside(const tr_tls_session *session)
{
    return (SSL_SESSION *)session;
}

static bool
shows(const struct layer_duo *duo, const tr_tls_session *session)
{
    static char hello[65536];
    const unsigned char *ticket, *id;
    size_t size;
    unsigned id_size;
    ssize_t got = recv(duo->server.fd, hello, sizeof(hello), MSG_PEEK);
    assert_true(got > 100);
    SSL_SESSION_get0_ticket(session_inside(session), &ticket, &size);
    id = SSL_SESSION_get_id(session_inside(session), &id_size);
    return (size > 0 && memmem(hello, (size_t)got, ticket, size) != NULL) ||
           (size == 0 && memmem(hello, (size_t)got, id, id_size) != NULL);
}

void
session_begin(struct layer_duo *duo, struct meeting *meeting, tr_tls_context *client, tr_tls_context *server)
{
    int fds[2];
    const char *host = meeting->host == NULL ? "server.example" : meeting->host[0] == '\0' ? NULL : meeting->host;
    struct tri_tls_wish calls = {
        .context = client, .server_name = host, .any_name = meeting->any_name, .session = meeting->session};
    struct tri_tls_wish serves = {.context = server, .serves = true};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    layer_begin_end(&duo->client, &calls, fds[0]);
    layer_begin_end(&duo->server, &serves, fds[1]);
    assert_int_equal(duo->client.layer->kind->advance(duo->client.layer, fds[0]), TRI_LAYER_WANTS_BYTES);
    meeting->offered = meeting->session != NULL && shows(duo, meeting->session);
}

static void
look_at_peer(const struct layer_end *end, char fingerprint[96], unsigned *chain)
{
    struct tr_peer *peer;
    if (tri_tls_peer(end->layer, &peer) != TR_OK)
        return;
    strcpy(fingerprint, peer->chain[0].fingerprint256);
    *chain = peer->count;
    tr_peer_free(peer);
}

static void
look(const struct layer_duo *duo, struct meeting *meeting)
{
    struct tr_tls_info info[2];
    const char *code;
    unsigned of_client;
    tri_tls_info(duo->client.layer, &info[0]);
    tri_tls_info(duo->server.layer, &info[1]);
    assert_int_equal(info[0].resumed, info[1].resumed);
    meeting->resumed = info[0].resumed;
    meeting->result = tri_tls_verify_result(duo->client.layer, &code);
    meeting->of_client = tri_tls_verify_result(duo->server.layer, &code);
    look_at_peer(&duo->client, meeting->fingerprint[0], &meeting->chain);
    look_at_peer(&duo->server, meeting->fingerprint[1], &of_client);
}

tr_tls_session *
session_meet(struct meeting *meeting, tr_tls_context *client, tr_tls_context *server)
{
    struct layer_duo duo;
    tr_tls_session *next = NULL;
    session_begin(&duo, meeting, client, server);
    assert_true(layer_shake(&duo));
    layer_carry(&duo.server, &duo.client, 4, 4);
    layer_carry(&duo.client, &duo.server, 4, 4);
    look(&duo, meeting);
    tr_status status = tri_tls_session(duo.client.layer, &next);
    assert_true(status == TR_OK || (status == TR_ENOENT && next == NULL));
    assert_int_equal(tri_tls_session(duo.server.layer, &next), TR_ENOENT);
    layer_end(&duo);
    return next;
}

tr_tls_session *
session_of(tr_tls_context *client, tr_tls_context *server)
{
    struct meeting first = {0};
    tr_tls_session *session = session_meet(&first, client, server);
    assert_true(session != NULL && !first.resumed);
    return session;
}

bool
session_resumes_as(struct meeting meeting, tr_tls_context *client, tr_tls_context *server, bool offered)
{
    tr_tls_session_release(session_meet(&meeting, client, server));
    assert_int_equal(meeting.offered, offered);
    return meeting.resumed;
}

bool
session_resumes(const tr_tls_session *session, tr_tls_context *client, tr_tls_context *server)
{
    return session_resumes_as((struct meeting){.session = session}, client, server, true);
}
