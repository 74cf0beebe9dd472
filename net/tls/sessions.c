/*
 * Sessions: what a client keeps of a connection, to begin another one with.
 *
 * Whoever resumes does not look at a certificate again: the server's was good when the session was made, for the one
 * who was expected then, by those who were believed. So a session is bound to all of that by one digest, that of the
 * context (policy.h) and whom the connection expects, which OpenSSL keeps in the session, in its bytes as well. One of
 * another digest is passed over, and so the ticket of one host is never shown to another.
 *
 * What a program holds is a copy that no connection has, and each connection gets one of its own. So a session can be
 * given to any number of connections on any threads, and what becomes of these, such as an alert after which OpenSSL
 * does not resume, changes nothing in it.
 *
 * A session that was made long ago, or whose certificate has expired since, is passed over as well; and so is one of
 * 1.2 whose cipher is none of ours any more, which servers would take for a fault of the client's.
 */
#include "sessions.h"
#include "connection.h"
#include "context.h"
#include "start.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/clock.h>

/* A program's session is OpenSSL's, with one of its holds. */
static SSL_SESSION *
inside(const tr_tls_session *session)
{
    return (SSL_SESSION *)session;
}

static tr_tls_session *
outside(SSL_SESSION *session)
{
    return (tr_tls_session *)session;
}

/* What it is bound to. */

static bool
is_bound_to(const SSL_SESSION *session, const unsigned char bond[TRI_POLICY_BYTES])
{
    unsigned size;
    const unsigned char *is = SSL_SESSION_get0_id_context(session, &size);
    return size == TRI_POLICY_BYTES && memcmp(is, bond, TRI_POLICY_BYTES) == 0;
}

/* What may be resumed. */

/* In 1.3 the server says for how long (RFC 8446, section 4.6.1), and OpenSSL notes that apart. */
static bool
is_young(const SSL_SESSION *session)
{
    long age_s = (long)(tri_clock_ns(CLOCK_REALTIME) / TRI_CLOCK_NS) - SSL_SESSION_get_time(session);
    bool is_new = SSL_SESSION_get_protocol_version(session) == TLS1_3_VERSION;
    return age_s < (is_new ? (long)SSL_SESSION_get_ticket_lifetime_hint(session) : SSL_SESSION_get_timeout(session));
}

static bool
has_good_dates(SSL_SESSION *session)
{
    X509 *peer = SSL_SESSION_get0_peer(session);
    return peer == NULL || X509_cmp_current_time(X509_get0_notAfter(peer)) > 0;
}

/* In 1.3 a session belongs to no cipher, only to its hash. */
static bool
has_cipher(SSL *connection, const SSL_SESSION *session)
{
    const SSL_CIPHER *cipher = SSL_SESSION_get0_cipher(session);
    if (SSL_SESSION_get_protocol_version(session) != TLS1_2_VERSION)
        return true;
    STACK_OF(SSL_CIPHER) *ours = SSL_get1_supported_ciphers(connection);
    bool found = sk_SSL_CIPHER_find(ours, (SSL_CIPHER *)cipher) >= 0;
    sk_SSL_CIPHER_free(ours);
    return found;
}

static bool
offer(SSL *connection, SSL_SESSION *session)
{
    SSL_SESSION *copy = SSL_SESSION_dup(session);
    bool done = copy != NULL && SSL_set_session(connection, copy) == 1;
    SSL_SESSION_free(copy);
    return done;
}

bool
tri_sessions_begin(SSL *connection, const struct tri_tls_wish *wish)
{
    unsigned char bond[TRI_POLICY_BYTES];
    SSL_SESSION *session = inside(wish->session);
    if (!tri_policy_bond(wish->context->policy, wish->server_name, wish->any_name, bond) ||
        SSL_set_session_id_context(connection, bond, sizeof(bond)) != 1)
        return false;
    bool resumes = session != NULL && is_bound_to(session, bond) && is_young(session) && has_good_dates(session) &&
                   has_cipher(connection, session);
    return !resumes || offer(connection, session);
}

/* Of a connection. */

tr_status
tri_tls_session(const struct tri_record_layer *layer, tr_tls_session **out)
{
    const struct tri_tls *tls = (const struct tri_tls *)layer;
    SSL_SESSION *session = SSL_get_session(tls->ssl);
    if (SSL_is_server(tls->ssl) || session == NULL || SSL_SESSION_is_resumable(session) != 1)
        return TR_ENOENT;
    SSL_SESSION *copy = SSL_SESSION_dup(session);
    if (copy == NULL) {
        ERR_clear_error();
        return TR_ENOMEM;
    }
    *out = outside(copy);
    return TR_OK;
}

/* Their bytes. */

struct secret {
    size_t size;
    unsigned char bytes[];
};

static void
wipe(void *bytes)
{
    struct secret *secret = (struct secret *)((char *)bytes - offsetof(struct secret, bytes));
    OPENSSL_cleanse(secret->bytes, secret->size);
    free(secret);
}

tr_status
tr_tls_session_bytes(const tr_tls_session *session, tr_slice *out)
{
    if (session == NULL || out == NULL)
        return TR_EINVAL;
    int size = i2d_SSL_SESSION(inside(session), NULL);
    struct secret *secret = size <= 0 ? NULL : malloc(sizeof(*secret) + (size_t)size);
    ERR_clear_error();
    if (secret == NULL)
        return TR_ENOMEM;
    secret->size = (size_t)size;
    unsigned char *at = secret->bytes;
    if (i2d_SSL_SESSION(inside(session), &at) == size &&
        tr_slice_adopt(secret->bytes, secret->size, wipe, out) == TR_OK)
        return TR_OK;
    ERR_clear_error();
    wipe(secret->bytes);
    return TR_ENOMEM;
}

static bool
is_whole(const SSL_SESSION *session)
{
    int version = SSL_SESSION_get_protocol_version(session);
    return (version == TLS1_2_VERSION || version == TLS1_3_VERSION) && SSL_SESSION_is_resumable(session) == 1 &&
           SSL_SESSION_get0_cipher(session) != NULL;
}

tr_status
tr_tls_session_from(const void *bytes, size_t size, tr_tls_session **out)
{
    const unsigned char *at = bytes;
    if (bytes == NULL || out == NULL)
        return TR_EINVAL;
    if (size > INT_MAX)
        return TR_EBADSESSION;
    if (!tri_openssl_start())
        return TR_ENOMEM;
    ERR_clear_error();
    SSL_SESSION *session = d2i_SSL_SESSION(NULL, &at, (long)size);
    bool lacks_memory = ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE; /* the others follow from it */
    ERR_clear_error();
    if (session != NULL && at == (const unsigned char *)bytes + size && is_whole(session)) {
        *out = outside(session);
        return TR_OK;
    }
    SSL_SESSION_free(session);
    return lacks_memory ? TR_ENOMEM : TR_EBADSESSION;
}

/* Their life. */

tr_tls_session *
tr_tls_session_hold(tr_tls_session *session)
{
    if (session != NULL)
        SSL_SESSION_up_ref(inside(session));
    return session;
}

void
tr_tls_session_release(tr_tls_session *session)
{
    SSL_SESSION_free(inside(session));
}
