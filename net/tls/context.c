/*
 * Contexts: options in, OpenSSL's context out, which nobody changes any more.
 *
 * Everything is set before the context is given out. From then on all threads read it, and what OpenSSL itself counts
 * or caches in it has locks of its own. So a server gets a new certificate by another context: connections keep the one
 * with which they began.
 *
 * A connection holds the context with which it began, since tickets and the table of names are asked for there; and,
 * if it was switched for a name, the other as well. The holds are ours and not OpenSSL's own, since what we keep beside
 * OpenSSL's context must live as long.
 *
 * OpenSSL is started without its function for the end of the process: a worker that is still in a handshake then would
 * find it gone.
 */
#include "context.h"

#include "gcm_provider.h"
#include "identity.h"
#include "refusal.h"
#include "start.h"
#include "suites.h"
#include "term.h"
#include "tickets.h"
#include "trust.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/refcount.h>
#include <uv.h>

#define LIFETIME_MOST_S 604800u /* RFC 8446, section 4.6.1 */

#define SETTINGS                                                                                                       \
    (SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |    \
     SSL_OP_IGNORE_UNEXPECTED_EOF)
#define MODES                                                                                                          \
    (SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS |                  \
     SSL_MODE_AUTO_RETRY)

/* Where a connection that was switched notes the context with which it began, and one that refuses its peer for whose
 * certificates. */
static int first_index = -1, refused_index = -1;
static uv_once_t started = UV_ONCE_INIT;

static void
free_refused(void *connection, void *chain, CRYPTO_EX_DATA *data, int index, long value, void *pointer)
{
    (void)connection, (void)data, (void)index, (void)value, (void)pointer;
    sk_X509_pop_free(chain, X509_free);
}

static void
start(void)
{
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL) == 1) {
        first_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
        refused_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_refused);
    }
    ERR_clear_error();
}

bool
tri_openssl_start(void)
{
    uv_once(&started, start);
    return first_index >= 0 && refused_index >= 0;
}

bool
tr_tls_supported(void)
{
    return true;
}

/* Making. */

static tr_status
add_identities(tr_tls_context *context, const struct tr_tls_context_options *options, struct tr_tls_refusal *refusal)
{
    tr_status status = TR_OK;
    if (options->serves && options->identity_count == 0)
        return tri_refuse(refusal, TR_ETLSNOKEY, "a server must have an identity");
    if (options->identities == NULL && options->identity_count > 0)
        return tri_refuse(refusal, TR_EINVAL, "identities is NULL");
    for (unsigned i = 0; i < options->identity_count && status == TR_OK; i++)
        status = tri_identity_add(context->ssl, &options->identities[i], i, refusal);
    return status;
}

static tr_status
set_policy(tr_tls_context *context, const struct tr_tls_context_options *options, struct tri_policy *policy,
           struct tr_tls_refusal *refusal)
{
    tr_status status = add_identities(context, options, refusal);
    if (status != TR_OK)
        return status;
    if (options->identity_count > 0 && SSL_CTX_set_current_cert(context->ssl, SSL_CERT_SET_FIRST) == 1)
        tri_policy_add_names(policy, SSL_CTX_get0_certificate(context->ssl));
    status = tri_trust_init(context, options, policy, refusal);
    if (status == TR_OK && !tri_policy_end(policy, context->policy))
        status = tri_refuse_openssl(refusal, TR_ENOMEM, "%s", tr_status_text(TR_ENOMEM));
    return status;
}

static tr_status
add_policy(tr_tls_context *context, const struct tr_tls_context_options *options, struct tr_tls_refusal *refusal)
{
    struct tri_policy policy;
    tr_status status = tri_policy_init(&policy) ? set_policy(context, options, &policy, refusal)
                                                : tri_refuse_openssl(refusal, TR_ENOMEM, "%s", "policy");
    tri_policy_fini(&policy);
    return status;
}

static tr_status
add_tickets(tr_tls_context *context, const struct tr_tls_context_options *options, struct tr_tls_refusal *refusal)
{
    tr_status status = TR_OK;
    if (options->tickets != NULL)
        context->tickets = tr_tls_tickets_hold(options->tickets);
    else
        status = tr_tls_tickets_new(NULL, 0, 0, &context->tickets);
    if (status != TR_OK)
        return tri_refuse(refusal, status, "tickets: %s", tr_status_text(status));
    tri_tickets_use(context->ssl);
    return TR_OK;
}

/* OpenSSL 3.0 keeps one session less than it is told. */
static tr_status
set_resumption(tr_tls_context *context, const struct tr_tls_context_options *options, struct tr_tls_refusal *refusal)
{
    SSL_CTX *ssl = context->ssl;
    if (options->session_lifetime_s > LIFETIME_MOST_S)
        return tri_refuse(refusal, TR_EBADLIMIT, "session_lifetime_s is above 604800");
    if (!options->serves && options->tickets != NULL)
        return tri_refuse(refusal, TR_EINVAL, "tickets are of a server");
    SSL_CTX_set_session_cache_mode(ssl, options->serves ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
    SSL_CTX_sess_set_cache_size(ssl, 1L + (options->session_cache > 0 ? options->session_cache : TR_TLS_SESSION_CACHE));
    SSL_CTX_set_timeout(ssl, (long)(options->session_lifetime_s > 0 ? options->session_lifetime_s : TR_TLS_SESSION_S));
    if (!options->serves)
        return TR_OK;
    tri_term_use(ssl);
    if (!options->no_tickets)
        return add_tickets(context, options, refusal);
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
    return TR_OK;
}

static tr_status
set_all(tr_tls_context *context, const struct tr_tls_context_options *options, struct tr_tls_refusal *refusal)
{
    SSL_CTX_set_options(context->ssl, SETTINGS);
    SSL_CTX_set_mode(context->ssl, MODES);
    SSL_CTX_clear_options(context->ssl, SSL_OP_ENABLE_KTLS);
    context->seals = tri_gcm_is_taken();
    tr_status status = tri_suites_init(context, options, refusal);
    if (status == TR_OK)
        status = add_policy(context, options, refusal);
    if (status == TR_OK)
        status = tri_protocols_init(context, options, refusal);
    if (status == TR_OK)
        status = tri_host_names_init(context, options, refusal);
    if (status == TR_OK)
        status = set_resumption(context, options, refusal);
    if (status == TR_OK && options->key_log != NULL)
        status = tri_key_log_init(&context->key_log, context->ssl, options->key_log, refusal);
    return status;
}

static void
free_context(tr_tls_context *context)
{
    SSL_CTX_free(context->ssl);
    tri_host_names_fini(&context->names);
    tri_protocols_fini(&context->protocols);
    tri_key_log_fini(&context->key_log);
    tr_tls_tickets_release(context->tickets);
    free(context->suites);
    free(context->groups);
    free(context);
}

static tr_tls_context *
make_context(bool serves)
{
    void *memory;
    if (!tri_openssl_start() || posix_memalign(&memory, alignof(tr_tls_context), sizeof(tr_tls_context)) != 0)
        return NULL;
    tr_tls_context *context = memset(memory, 0, sizeof(tr_tls_context));
    context->holds = 1;
    context->serves = serves;
    context->ssl = SSL_CTX_new_ex(NULL, tri_gcm_wish(), TLS_method());
    if (context->ssl != NULL && SSL_CTX_set_app_data(context->ssl, context) == 1)
        return context;
    free_context(context);
    return NULL;
}

static tr_status
make(const struct tr_tls_context_options *options, struct tr_tls_refusal *refusal, tr_tls_context **out)
{
    tr_tls_context *context = make_context(options->serves);
    if (context == NULL)
        return tri_refuse_openssl(refusal, TR_ENOMEM, "%s", tr_status_text(TR_ENOMEM));
    tr_status status = set_all(context, options, refusal);
    ERR_clear_error();
    if (status != TR_OK) {
        free_context(context);
        return status;
    }
    *refusal = (struct tr_tls_refusal){0}; /* what was passed over is no reason */
    *out = context;
    return TR_OK;
}

tr_status
tr_tls_context_new(const struct tr_tls_context_options *options, struct tr_tls_refusal *refusal, tr_tls_context **out)
{
    struct tr_tls_refusal unwanted;
    if (options == NULL || out == NULL)
        return TR_EINVAL;
    if (refusal == NULL)
        refusal = &unwanted;
    *refusal = (struct tr_tls_refusal){0};
    ERR_clear_error(); /* what others have left is not taken for a reason of ours */
    return make(options, refusal, out);
}

tr_tls_context *
tr_tls_context_hold(tr_tls_context *context)
{
    if (context != NULL)
        tri_refcount_hold(&context->holds);
    return context;
}

void
tr_tls_context_release(tr_tls_context *context)
{
    if (context != NULL && tri_refcount_release(&context->holds))
        free_context(context);
}

/* Connections. */

tr_tls_context *
tri_context_of(const SSL_CTX *ssl)
{
    return SSL_CTX_get_app_data(ssl);
}

SSL *
tri_context_connection(tr_tls_context *context, bool serves)
{
    SSL *connection = SSL_new(context->ssl);
    if (connection == NULL) {
        ERR_clear_error();
        return NULL;
    }
    if (serves)
        SSL_set_accept_state(connection);
    else
        SSL_set_connect_state(connection);
    tr_tls_context_hold(context);
    return connection;
}

tr_tls_context *
tri_context_first(const SSL *connection)
{
    tr_tls_context *first = SSL_get_ex_data(connection, first_index);
    return first != NULL ? first : tri_context_of(SSL_get_SSL_CTX(connection));
}

STACK_OF(X509) * tri_context_refused(const SSL *connection)
{
    return SSL_get_ex_data(connection, refused_index);
}

void
tri_context_note_refused(SSL *connection, STACK_OF(X509) * chain)
{
    if (SSL_set_ex_data(connection, refused_index, chain) != 1)
        sk_X509_pop_free(chain, X509_free);
}

void
tri_context_connection_free(SSL *connection)
{
    if (connection == NULL)
        return;
    tr_tls_context *first = tri_context_first(connection), *shown = tri_context_of(SSL_get_SSL_CTX(connection));
    SSL_free(connection);
    tr_tls_context_release(first);
    if (shown != first)
        tr_tls_context_release(shown);
}

/* What OpenSSL does not bring over with a context, but copies into a connection when that is made. */
static bool
bring_over(SSL *connection, const tr_tls_context *context)
{
    SSL_set_verify(connection, tri_trust_mode(context), NULL);
    SSL_set_verify_depth(connection, (int)context->depth);
    return SSL_set_min_proto_version(connection, context->lowest) == 1 &&
           SSL_set_max_proto_version(connection, context->highest) == 1 &&
           SSL_set_ciphersuites(connection, context->suites != NULL ? context->suites : TRI_SUITES) == 1 &&
           SSL_set1_groups_list(connection, context->groups != NULL ? context->groups : TRI_GROUPS) == 1;
}

bool
tri_context_switch(SSL *connection, tr_tls_context *context)
{
    tr_tls_context *first = tri_context_first(connection), *before = tri_context_of(SSL_get_SSL_CTX(connection));
    if (context == before)
        return true;
    if (SSL_set_ex_data(connection, first_index, first) != 1 || SSL_set_SSL_CTX(connection, context->ssl) == NULL)
        return false;
    if (context != first)
        tr_tls_context_hold(context);
    if (before != first)
        tr_tls_context_release(before);
    return bring_over(connection, context);
}
