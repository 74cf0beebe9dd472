/*
 * Identities: a chain of certificates, the key of the first, and whether they are fit to be shown.
 *
 * A peer would notice all that is wrong with them, one handshake after the other, in words that it alone sees. So they
 * are looked at here: dates, strength, and whether the key belongs to the certificate.
 *
 * Passphrases. OpenSSL's own way of asking leaves copies on the stack, and asks at the terminal where there is no
 * callback. So we ask, once, into a buffer of ours, and wipe that.
 */
#include "identity.h"
#include "pem.h"
#include "refusal.h"
#include "subject.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#define CALLED_BYTES 48u

/* Passphrases. */

struct asked {
    char text[TR_TLS_PASSPHRASE_BYTES];
    int size; /* -1: there is none */
};

static void
ask(const struct tr_tls_identity *identity, struct asked *asked)
{
    asked->size = -1;
    if (identity->passphrase != NULL)
        asked->size = identity->passphrase(asked->text, sizeof(asked->text), identity->passphrase_data);
    if (asked->size > (int)sizeof(asked->text))
        asked->size = -1;
}

static void
forget(struct asked *asked)
{
    OPENSSL_cleanse(asked, sizeof(*asked));
}

static int
tell(char *out, int room, int writes, void *data)
{
    const struct asked *asked = data;
    (void)writes;
    if (asked->size < 0 || asked->size > room)
        return -1;
    memcpy(out, asked->text, (size_t)asked->size);
    return asked->size;
}

/* Keys. */

/* PKCS #8 that is encrypted as a whole. */
static EVP_PKEY *
decrypt_pkcs8(const struct tri_pem_body *body, const struct asked *asked)
{
    const unsigned char *der = body->der;
    X509_SIG *sealed = d2i_X509_SIG(NULL, &der, body->size);
    PKCS8_PRIV_KEY_INFO *info = sealed == NULL ? NULL : PKCS8_decrypt(sealed, asked->text, asked->size);
    EVP_PKEY *key = info == NULL ? NULL : EVP_PKCS82PKEY(info);
    PKCS8_PRIV_KEY_INFO_free(info);
    X509_SIG_free(sealed);
    return key;
}

/* What was called PEM before: the header says how the bytes are encrypted. OpenSSL decrypts them where they are. */
static EVP_PKEY *
decrypt_old(struct tri_pem_body *body, struct asked *asked)
{
    EVP_CIPHER_INFO cipher;
    if (!PEM_get_EVP_CIPHER_INFO(body->header, &cipher) || !PEM_do_header(&cipher, body->der, &body->size, tell, asked))
        return NULL;
    const unsigned char *der = body->der;
    return d2i_AutoPrivateKey(NULL, &der, body->size);
}

static tr_status
refuse_passphrase(const struct tri_pem_place *place, bool was_asked, struct tr_tls_refusal *refusal)
{
    if (!was_asked)
        return tri_refuse(refusal, TR_EPASSPHRASE, "%s, line %u: the key is encrypted, and there is no passphrase",
                          place->name, place->line);
    return tri_refuse_openssl(refusal, TR_EPASSPHRASE, "%s, line %u: the passphrase does not decrypt the key",
                              place->name, place->line);
}

static tr_status
read_encrypted_key(const struct tri_pem_place *place, struct tri_pem_body *body, const struct tr_tls_identity *identity,
                   EVP_PKEY **key, struct tr_tls_refusal *refusal)
{
    struct asked asked;
    ask(identity, &asked);
    bool was_asked = asked.size >= 0;
    if (was_asked)
        *key = body->header[0] != '\0' ? decrypt_old(body, &asked) : decrypt_pkcs8(body, &asked);
    forget(&asked);
    return *key != NULL ? TR_OK : refuse_passphrase(place, was_asked, refusal);
}

static tr_status
read_key(const struct tri_pem_place *place, struct tri_pem_body *body, const struct tr_tls_identity *identity,
         EVP_PKEY **key, struct tr_tls_refusal *refusal)
{
    if (strcmp(body->label, "ENCRYPTED PRIVATE KEY") == 0 || strstr(body->header, "ENCRYPTED") != NULL)
        return read_encrypted_key(place, body, identity, key, refusal);
    const unsigned char *der = body->der;
    *key = d2i_AutoPrivateKey(NULL, &der, body->size);
    if (*key == NULL)
        return tri_refuse_openssl(refusal, TR_ENOTPEM, "%s, line %u: not a private key", place->name, place->line);
    return TR_OK;
}

static bool
is_key(const char *label)
{
    static const char word[] = "PRIVATE KEY";
    size_t size = strlen(label), least = strlen(word);
    return size >= least && strcmp(label + size - least, word) == 0;
}

/* The first block that is a key; no text: there is none. */
static tr_status
find_key(struct tri_pem *pem, struct tri_pem_block *block, struct tr_tls_refusal *refusal)
{
    tr_status status;
    do
        status = tri_pem_next(pem, block, refusal);
    while (status == TR_OK && block->text != NULL && !is_key(block->label));
    return status;
}

static tr_status
decode_key(const struct tri_pem *pem, const struct tri_pem_block *block, const struct tr_tls_identity *identity,
           EVP_PKEY **key, struct tr_tls_refusal *refusal)
{
    struct tri_pem_body body;
    tr_status status = tri_pem_decode(pem, block, &body, refusal);
    if (status == TR_OK)
        status = read_key(&(struct tri_pem_place){pem->name, block->line}, &body, identity, key, refusal);
    tri_pem_body_free(&body);
    return status;
}

static tr_status
load_key(const struct tr_tls_identity *identity, const char *called, EVP_PKEY **key, struct tr_tls_refusal *refusal)
{
    struct tri_pem pem;
    struct tri_pem_block block;
    bool is_apart = !tri_pem_is_none(&identity->key);
    tr_status status = tri_pem_init(&pem, is_apart ? &identity->key : &identity->chain, called, refusal);
    if (status == TR_OK)
        status = find_key(&pem, &block, refusal);
    if (status == TR_OK && block.text != NULL)
        status = decode_key(&pem, &block, identity, key, refusal);
    else if (status == TR_OK && is_apart)
        status = tri_pem_refuse_empty(&pem, "private key", refusal);
    else if (status == TR_OK)
        status = tri_refuse(refusal, TR_ETLSNOKEY, "%s: there is no private key in it, and none was given", pem.name);
    tri_pem_fini(&pem);
    return status;
}

/* Certificates. */

static tr_status
refuse_date(const struct tri_pem_place *place, const X509 *certificate, bool is_over, struct tr_tls_refusal *refusal)
{
    char subject[TRI_SUBJECT_BYTES], date[TRI_DATE_BYTES];
    tri_subject_of(certificate, subject);
    tri_date_of(is_over ? X509_get0_notAfter(certificate) : X509_get0_notBefore(certificate), date);
    return tri_refuse(refusal, is_over ? TR_ECERTEXPIRED : TR_ECERTNOTYET, "%s, line %u: the certificate of %s %s %s",
                      place->name, place->line, subject, is_over ? "has expired on" : "is not valid before", date);
}

static tr_status
refuse_unreadable(const struct tri_pem_place *place, const X509 *certificate, const char *what,
                  struct tr_tls_refusal *refusal)
{
    char subject[TRI_SUBJECT_BYTES];
    tri_subject_of(certificate, subject);
    return tri_refuse_openssl(refusal, TR_ENOTPEM, "%s, line %u: the %s of the certificate of %s cannot be read",
                              place->name, place->line, what, subject);
}

/* Looking at dates takes memory: where there is none X509_cmp_current_time() answers 0, as for what is no date. */
static tr_status
check_dates(const struct tri_pem_place *place, const X509 *certificate, struct tr_tls_refusal *refusal)
{
    int before = X509_cmp_current_time(X509_get0_notBefore(certificate));
    int after = X509_cmp_current_time(X509_get0_notAfter(certificate));
    if (before == 0 || after == 0)
        return refuse_unreadable(place, certificate, "dates", refusal);
    if (before > 0)
        return refuse_date(place, certificate, false, refusal);
    return after < 0 ? refuse_date(place, certificate, true, refusal) : TR_OK;
}

static tr_status
take_certificate(const struct tri_pem_place *place, const struct tri_pem_body *body, void *data,
                 struct tr_tls_refusal *refusal)
{
    const unsigned char *der = body->der;
    X509 *certificate = d2i_X509(NULL, &der, body->size);
    tr_status status;
    if (certificate == NULL)
        return tri_refuse_openssl(refusal, TR_ENOTPEM, "%s, line %u: not a certificate", place->name, place->line);
    if (X509_get0_pubkey(certificate) == NULL)
        status = refuse_unreadable(place, certificate, "key", refusal);
    else
        status = check_dates(place, certificate, refusal);
    if (status == TR_OK && sk_X509_push(data, certificate) > 0)
        return TR_OK;
    X509_free(certificate);
    return status != TR_OK ? status : tri_refuse(refusal, TR_ENOMEM, "%s", tr_status_text(TR_ENOMEM));
}

/* Both. */

static tr_status
refuse_use(const char *called, const X509 *leaf, struct tr_tls_refusal *refusal)
{
    char subject[TRI_SUBJECT_BYTES];
    unsigned long error = ERR_peek_last_error();
    tri_subject_of(leaf, subject);
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_NOT_REPLACING_CERTIFICATE)
        return tri_refuse(refusal, TR_EINVAL, "%s: another identity has the same kind of key", called);
    return tri_refuse_openssl(refusal, TR_EINVAL, "%s: the certificate of %s", called, subject);
}

static tr_status
refuse_key(const struct tr_tls_identity *identity, const char *called, const X509 *leaf, struct tr_tls_refusal *refusal)
{
    char subject[TRI_SUBJECT_BYTES];
    const struct tr_pem *key = tri_pem_is_none(&identity->key) ? &identity->chain : &identity->key;
    tri_subject_of(leaf, subject);
    return tri_refuse_openssl(refusal, TR_EKEYMISMATCH, "%s does not belong to the certificate of %s in %s",
                              key->file != NULL ? key->file : "the key", subject,
                              identity->chain.file != NULL ? identity->chain.file : called);
}

static tr_status
use(SSL_CTX *ssl, const struct tr_tls_identity *identity, const char *called, STACK_OF(X509) * chain, EVP_PKEY *key,
    struct tr_tls_refusal *refusal)
{
    X509 *leaf = sk_X509_shift(chain);
    tr_status status = TR_OK;
    if (!X509_check_private_key(leaf, key))
        status = refuse_key(identity, called, leaf, refusal);
    else if (SSL_CTX_use_cert_and_key(ssl, leaf, key, chain, 0) != 1)
        status = refuse_use(called, leaf, refusal);
    X509_free(leaf);
    return status;
}

static tr_status
add(SSL_CTX *ssl, const struct tr_tls_identity *identity, const char *called, STACK_OF(X509) * chain,
    struct tr_tls_refusal *refusal)
{
    struct tri_pem_wanted wanted = {"CERTIFICATE", "certificate", take_certificate, chain};
    EVP_PKEY *key = NULL;
    tr_status status = tri_pem_take(&identity->chain, called, &wanted, refusal);
    if (status == TR_OK)
        status = load_key(identity, called, &key, refusal);
    if (status == TR_OK)
        status = use(ssl, identity, called, chain, key, refusal);
    EVP_PKEY_free(key);
    return status;
}

tr_status
tri_identity_add(SSL_CTX *ssl, const struct tr_tls_identity *identity, unsigned number, struct tr_tls_refusal *refusal)
{
    char called[CALLED_BYTES];
    snprintf(called, sizeof(called), "identities[%u]", number);
    if (tri_pem_is_none(&identity->chain))
        return tri_refuse(refusal, TR_ETLSNOKEY, "%s has no certificate", called);
    STACK_OF(X509) *chain = sk_X509_new_null();
    if (chain == NULL)
        return tri_refuse_openssl(refusal, TR_ENOMEM, "%s", called);
    tr_status status = add(ssl, identity, called, chain, refusal);
    sk_X509_pop_free(chain, X509_free);
    return status;
}
