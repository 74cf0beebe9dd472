/*
 * Trust: CAs, revocation lists, and what becomes of a peer's certificate.
 *
 * All that is believed is read when the context is made. OpenSSL would look into directories during handshakes, file by
 * file, on the worker whose turn it is; and the context would change while others use it.
 *
 * The chain is verified by OpenSSL up to the first fault. With REQUEST the handshake goes on then, and the fault stays
 * as the result of the verification: OpenSSL's own way, a callback at each fault, leaves the last there.
 */
#include "trust.h"
#include "pem.h"
#include "refusal.h"
#include "term.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <troupe/core/status_from.h>
#include <troupe/ipaddr/ip.h>
#include <uv.h>

#define PATH_BYTES 4096u
#define CALLED_BYTES 32u
#define DEPTH_MOST 100u
#define HASH_LENGTH 8u /* of a name that `openssl rehash` gives: 8 digits, a dot, a number */

struct believed {
    SSL_CTX *ssl;
    X509_STORE *store;
    struct tri_policy *policy;
    bool is_named; /* to clients */
    unsigned count;
};

/* Certificates and lists. */

static tr_status
add_ca(struct believed *believed, X509 *certificate, const struct tri_pem_body *body)
{
    tri_policy_add(believed->policy, "ca", body->der, (size_t)body->size);
    believed->count++;
    return X509_STORE_add_cert(believed->store, certificate) == 1 &&
                   (!believed->is_named || SSL_CTX_add_client_CA(believed->ssl, certificate) == 1)
               ? TR_OK
               : TR_ENOMEM;
}

static tr_status
take_ca(const struct tri_pem_place *place, const struct tri_pem_body *body, void *data, struct tr_tls_refusal *refusal)
{
    const unsigned char *der = body->der;
    X509 *certificate = d2i_X509(NULL, &der, body->size);
    if (certificate == NULL)
        return tri_refuse_openssl(refusal, TR_ENOTPEM, "%s, line %u: not a certificate", place->name, place->line);
    tr_status status = add_ca(data, certificate, body);
    X509_free(certificate);
    return status == TR_OK ? TR_OK : tri_refuse_openssl(refusal, status, "%s, line %u", place->name, place->line);
}

static tr_status
take_crl(const struct tri_pem_place *place, const struct tri_pem_body *body, void *data, struct tr_tls_refusal *refusal)
{
    const struct believed *believed = data;
    const unsigned char *der = body->der;
    X509_CRL *list = d2i_X509_CRL(NULL, &der, body->size);
    if (list == NULL)
        return tri_refuse_openssl(refusal, TR_ENOTPEM, "%s, line %u: not a revocation list", place->name, place->line);
    tri_policy_add(believed->policy, "crl", body->der, (size_t)body->size);
    int done = X509_STORE_add_crl(believed->store, list);
    X509_CRL_free(list);
    return done == 1 ? TR_OK : tri_refuse_openssl(refusal, TR_ENOMEM, "%s, line %u", place->name, place->line);
}

/* Adds all of these, of one kind; `option` is what they are called. */
static tr_status
take_each(const struct tr_pem *pems, unsigned count, const char *option, const struct tri_pem_wanted *wanted,
          struct tr_tls_refusal *refusal)
{
    tr_status status = TR_OK;
    if (pems == NULL && count > 0)
        return tri_refuse(refusal, TR_EINVAL, "%s is NULL", option);
    for (unsigned i = 0; i < count && status == TR_OK; i++) {
        char called[CALLED_BYTES];
        snprintf(called, sizeof(called), "%s[%u]", option, i);
        status = tri_pem_take(&pems[i], called, wanted, refusal);
    }
    return status;
}

static tr_status
take_file(struct believed *believed, const char *path, struct tr_tls_refusal *refusal)
{
    struct tri_pem_wanted wanted = {"CERTIFICATE", "certificate", take_ca, believed};
    return tri_pem_take(&(struct tr_pem){.file = path}, path, &wanted, refusal);
}

/* Directories. */

static bool
is_hashed(const char *name)
{
    return strspn(name, "0123456789abcdef") == HASH_LENGTH && name[HASH_LENGTH] == '.' &&
           name[HASH_LENGTH + 1] != '\0' &&
           name[HASH_LENGTH + 1 + strspn(name + HASH_LENGTH + 1, "0123456789")] == '\0';
}

static bool
ends_with(const char *name, const char *end)
{
    size_t size = strlen(name), least = strlen(end);
    return size > least && strcmp(name + size - least, end) == 0;
}

/* A link that leads nowhere is no mistake: that is how a CA is taken out. */
static tr_status
take_entry(struct believed *believed, const char *directory, const char *name, struct tr_tls_refusal *refusal)
{
    char path[PATH_BYTES];
    if (!is_hashed(name) && !ends_with(name, ".pem") && !ends_with(name, ".crt"))
        return TR_OK;
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
        return tri_refuse(refusal, TR_ENAMETOOLONG, "%s/%s: %s", directory, name, tr_status_text(TR_ENAMETOOLONG));
    tr_status status = take_file(believed, path, refusal);
    return status == TR_ENOENT ? TR_OK : status;
}

static tr_status
take_directory(struct believed *believed, const char *directory, struct tr_tls_refusal *refusal)
{
    uv_fs_t request;
    uv_dirent_t entry;
    unsigned before = believed->count;
    int error = uv_fs_scandir(NULL, &request, directory, 0, NULL); /* in the order of their names */
    tr_status status = tri_status_from_uv(error);
    if (status != TR_OK)
        tri_refuse(refusal, status, "%s: %s", directory, tr_status_text(status));
    while (status == TR_OK && uv_fs_scandir_next(&request, &entry) == 0)
        status = take_entry(believed, directory, entry.name, refusal);
    uv_fs_req_cleanup(&request);
    if (status == TR_OK && believed->count == before)
        status = tri_refuse(refusal, TR_ENOENT, "%s: there are no certificates in it", directory);
    return status;
}

/* The system's. */

/* What the environment says, as OpenSSL's own programs take it, or where OpenSSL was built to look. */
static const char *
place_of(const char *variable, const char *built_in, char room[PATH_BYTES])
{
    size_t size = PATH_BYTES;
    return uv_os_getenv(variable, room, &size) == 0 && room[0] != '\0' ? room : built_in;
}

/* A bundle, or else a directory. What is broken there is not the program's fault; that there is nothing, it must know.
 */
static tr_status
take_system(struct believed *believed, struct tr_tls_refusal *refusal)
{
    char file_room[PATH_BYTES], directory_room[PATH_BYTES];
    struct tr_tls_refusal passed_over = {0};
    const char *file = place_of(X509_get_default_cert_file_env(), X509_get_default_cert_file(), file_room);
    const char *directory = place_of(X509_get_default_cert_dir_env(), X509_get_default_cert_dir(), directory_room);
    unsigned before = believed->count;
    if (take_file(believed, file, &passed_over) == TR_ENOMEM)
        return tri_refuse(refusal, TR_ENOMEM, "%s", passed_over.text);
    if (believed->count == before && take_directory(believed, directory, &passed_over) == TR_ENOMEM)
        return tri_refuse(refusal, TR_ENOMEM, "%s", passed_over.text);
    if (believed->count > before)
        return TR_OK;
    return tri_refuse(refusal, TR_ENOENT, "there are no CAs of the system's, neither in %s nor in %s", file, directory);
}

/* All of them. */

static bool
has_own(const struct tr_tls_context_options *options)
{
    return options->ca_count > 0 || options->ca_directory != NULL;
}

static bool
wants_system(const tr_tls_context *context, const struct tr_tls_context_options *options)
{
    return context->verify != TR_TLS_VERIFY_NONE && (options->system_ca || (!options->serves && !has_own(options)));
}

static tr_status
take_cas(const tr_tls_context *context, const struct tr_tls_context_options *options, struct believed *believed,
         struct tr_tls_refusal *refusal)
{
    struct tri_pem_wanted wanted = {"CERTIFICATE", "certificate", take_ca, believed};
    believed->is_named = options->serves;
    tr_status status = take_each(options->ca, options->ca_count, "ca", &wanted, refusal);
    believed->is_named = false;
    if (status == TR_OK && options->ca_directory != NULL)
        status = take_directory(believed, options->ca_directory, refusal);
    if (status == TR_OK && wants_system(context, options))
        status = take_system(believed, refusal);
    return status;
}

static tr_status
take_crls(const struct tr_tls_context_options *options, struct believed *believed, struct tr_tls_refusal *refusal)
{
    struct tri_pem_wanted wanted = {"X509 CRL", "revocation list", take_crl, believed};
    unsigned long flags = X509_V_FLAG_CRL_CHECK | (options->crl_whole_chain ? X509_V_FLAG_CRL_CHECK_ALL : 0);
    tr_status status = take_each(options->crl, options->crl_count, "crl", &wanted, refusal);
    if (status == TR_OK && options->crl_count > 0 && !X509_STORE_set_flags(believed->store, flags))
        status = tri_refuse_openssl(refusal, TR_ENOMEM, "crl");
    return status;
}

/* Verification. */

/* As OpenSSL's own way has it for a certificate that came alone, and so Node: the second fault, which says more. */
static void
name_fault(X509_STORE_CTX *chain)
{
    int error = X509_STORE_CTX_get_error(chain);
    if (error == X509_V_OK)
        X509_STORE_CTX_set_error(chain, X509_V_ERR_UNSPECIFIED); /* no memory, for example: that is not good */
    else if (error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY &&
             sk_X509_num(X509_STORE_CTX_get0_chain(chain)) == 1)
        X509_STORE_CTX_set_error(chain, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE);
}

/* OpenSSL forgets what it refuses. */
static void
keep_refused(X509_STORE_CTX *chain)
{
    SSL *connection = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    STACK_OF(X509) *shown = X509_chain_up_ref(X509_STORE_CTX_get0_untrusted(chain)); /* the peer's own first */
    if (shown != NULL)
        tri_context_note_refused(connection, shown);
}

static bool
begin_term(X509_STORE_CTX *chain)
{
    SSL *connection = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    return !SSL_is_server(connection) || tri_term_begin(connection, X509_STORE_CTX_get0_cert(chain));
}

static int
on_verify(X509_STORE_CTX *chain, void *data)
{
    const tr_tls_context *context = data;
    bool is_good = X509_verify_cert(chain) == 1;
    if (is_good && !begin_term(chain)) {
        X509_STORE_CTX_set_error(chain, X509_V_ERR_OUT_OF_MEM);
        is_good = false;
    }
    if (!is_good)
        name_fault(chain);
    if (!is_good && context->verify == TR_TLS_VERIFY_REQUIRE)
        keep_refused(chain);
    return is_good || context->verify == TR_TLS_VERIFY_REQUEST;
}

static enum tr_tls_verify
verify_of(const struct tr_tls_context_options *options)
{
    if (options->verify != TR_TLS_VERIFY_DEFAULT)
        return options->verify;
    if (!options->serves)
        return TR_TLS_VERIFY_REQUIRE;
    return has_own(options) || options->system_ca ? TR_TLS_VERIFY_REQUEST : TR_TLS_VERIFY_NONE;
}

static tr_status
check(const struct tr_tls_context_options *options, struct tr_tls_refusal *refusal)
{
    if ((unsigned)options->verify > TR_TLS_VERIFY_REQUIRE)
        return tri_refuse(refusal, TR_EINVAL, "verify is none of enum tr_tls_verify");
    if (options->depth > DEPTH_MOST)
        return tri_refuse(refusal, TR_EBADLIMIT, "depth is above 100");
    if (options->serves && options->verify == TR_TLS_VERIFY_REQUIRE && !has_own(options) && !options->system_ca)
        return tri_refuse(refusal, TR_EINVAL, "a server that requires certificates must be given CAs");
    return TR_OK;
}

static void
add_policy(struct tri_policy *policy, const tr_tls_context *context, const struct tr_tls_context_options *options)
{
    tri_policy_add(policy, "verify", &context->verify, sizeof(context->verify));
    tri_policy_add(policy, "depth", &context->depth, sizeof(context->depth));
    tri_policy_add(policy, "whole", &options->crl_whole_chain, sizeof(options->crl_whole_chain));
}

tr_status
tri_trust_init(tr_tls_context *context, const struct tr_tls_context_options *options, struct tri_policy *policy,
               struct tr_tls_refusal *refusal)
{
    struct believed believed = {context->ssl, SSL_CTX_get_cert_store(context->ssl), policy, false, 0};
    tr_status status = check(options, refusal);
    if (status != TR_OK)
        return status;
    context->verify = verify_of(options);
    context->depth = options->depth > 0 ? options->depth : TR_TLS_DEPTH;
    add_policy(policy, context, options);
    SSL_CTX_set_verify(context->ssl, tri_trust_mode(context), NULL);
    SSL_CTX_set_verify_depth(context->ssl, (int)context->depth);
    SSL_CTX_set_cert_verify_callback(context->ssl, on_verify, context);
    status = take_cas(context, options, &believed, refusal);
    return status == TR_OK ? take_crls(options, &believed, refusal) : status;
}

int
tri_trust_mode(const tr_tls_context *context)
{
    switch (context->verify) {
    case TR_TLS_VERIFY_REQUEST: return SSL_VERIFY_PEER;
    case TR_TLS_VERIFY_REQUIRE: return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    default: return SSL_VERIFY_NONE;
    }
}

/* Names. */

static bool
expect_name(SSL *connection, const char *host)
{
    SSL_set_hostflags(connection, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(connection, host) == 1 && SSL_set_tlsext_host_name(connection, host) == 1;
}

bool
tri_trust_expect(SSL *connection, const char *host)
{
    bool done = tr_is_ip(host) != 0 ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), host) == 1
                                    : host[0] != '\0' && expect_name(connection, host);
    ERR_clear_error();
    return done;
}
