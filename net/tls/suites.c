/*
 * Versions, ciphers, groups and signatures.
 *
 * Our own lists have nothing but forward secrecy and authenticated encryption, at OpenSSL's security level 2 whatever
 * openssl.cnf says: RSA from 2048 bits, no SHA-1.
 *
 * OpenSSL passes over words of a list that mean nothing, as long as some other means something; so a typing error makes
 * a list shorter, which nobody sees. Each word is tried alone, on a context that is thrown away. Words that take away
 * ("!RC4") are not: nothing of that kind may be left in this OpenSSL, which is what was wanted.
 */
#include "suites.h"
#include "refusal.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BYTES 128u
#define SECURITY_LEVEL 2

#define TRI_CIPHERS                                                                                                    \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                         \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

/* Versions. */

static int
number_of(enum tr_tls_version version, int otherwise)
{
    switch (version) {
    case TR_TLS_DEFAULT: return otherwise;
    case TR_TLS_1_2: return TLS1_2_VERSION;
    case TR_TLS_1_3: return TLS1_3_VERSION;
    }
    return -1;
}

static tr_status
set_versions(tr_tls_context *context, const struct tr_tls_context_options *options, struct tr_tls_refusal *refusal)
{
    context->lowest = number_of(options->lowest, TLS1_2_VERSION);
    context->highest = number_of(options->highest, TLS1_3_VERSION);
    if (context->lowest < 0 || context->highest < 0)
        return tri_refuse(refusal, TR_EBADVERSIONS, "%s is no version of TLS: 1.2 and 1.3 are",
                          context->lowest < 0 ? "lowest" : "highest");
    if (context->lowest > context->highest)
        return tri_refuse(refusal, TR_EBADVERSIONS, "lowest is 1.3 and highest 1.2");
    if (!SSL_CTX_set_min_proto_version(context->ssl, context->lowest) ||
        !SSL_CTX_set_max_proto_version(context->ssl, context->highest))
        return tri_refuse_openssl(refusal, TR_EBADVERSIONS, "versions");
    return TR_OK;
}

/* Lists. */

struct list {
    const char *option;     /* what it is called, for people */
    const char *separators; /* of its words */
    int (*set)(SSL_CTX *ssl, const char *list);
};

static int
set_groups(SSL_CTX *ssl, const char *list)
{
    return (int)SSL_CTX_set1_groups_list(ssl, list);
}

static int
set_signatures(SSL_CTX *ssl, const char *list)
{
    return (int)SSL_CTX_set1_sigalgs_list(ssl, list);
}

static const struct list ciphers = {"ciphers", ":, ", SSL_CTX_set_cipher_list},
                         suites = {"suites", ":", SSL_CTX_set_ciphersuites}, groups = {"groups", ":", set_groups},
                         signatures = {"signatures", ":", set_signatures};

/* Words with '!', '-' or '@' take away, or order. */
static bool
means_something(SSL_CTX *scratch, const struct list *list, const char *word)
{
    return strchr("!-@", word[0]) != NULL || list->set(scratch, word + (word[0] == '+'));
}

static tr_status
refuse_word(const struct list *list, const char *word, size_t size, struct tr_tls_refusal *refusal)
{
    return tri_refuse(refusal, TR_EBADCIPHERS, "%s: '%.*s' means nothing", list->option, (int)size, word);
}

static tr_status
check_words(SSL_CTX *scratch, const struct list *list, const char *text, struct tr_tls_refusal *refusal)
{
    char word[WORD_BYTES];
    while (*(text += strspn(text, list->separators)) != '\0') {
        size_t size = strcspn(text, list->separators);
        if (size >= sizeof(word))
            return refuse_word(list, text, size, refusal);
        memcpy(word, text, size);
        word[size] = '\0';
        if (!means_something(scratch, list, word))
            return refuse_word(list, text, size, refusal);
        text += size;
    }
    return TR_OK;
}

/* A list of the user's. */
static tr_status
set_own(SSL_CTX *ssl, const struct list *list, const char *text, struct tr_tls_refusal *refusal)
{
    SSL_CTX *scratch = SSL_CTX_new(TLS_method());
    if (scratch == NULL)
        return tri_refuse_openssl(refusal, TR_ENOMEM, "%s", list->option);
    tr_status status = check_words(scratch, list, text, refusal);
    SSL_CTX_free(scratch);
    if (status != TR_OK)
        return status;
    if (text[strspn(text, list->separators)] == '\0')
        return tri_refuse(refusal, TR_EBADCIPHERS, "%s: the list is empty", list->option);
    if (!list->set(ssl, text))
        return tri_refuse_openssl(refusal, TR_EBADCIPHERS, "%s '%s'", list->option, text);
    return TR_OK;
}

/* The user's list, or ours, if we have one. */
static tr_status
set_list(SSL_CTX *ssl, const struct list *list, const char *text, const char *ours, struct tr_tls_refusal *refusal)
{
    if (text != NULL)
        return set_own(ssl, list, text, refusal);
    if (ours != NULL && !list->set(ssl, ours))
        return tri_refuse_openssl(refusal, TR_ENOTSUPPORTED, "this OpenSSL lacks our %s", list->option);
    return TR_OK;
}

static bool
keep(char **to, const char *text)
{
    if (text == NULL)
        return true;
    *to = malloc(strlen(text) + 1);
    if (*to != NULL)
        strcpy(*to, text);
    return *to != NULL;
}

static tr_status
set_lists(SSL_CTX *ssl, const struct tr_tls_context_options *options, struct tr_tls_refusal *refusal)
{
    tr_status status = set_list(ssl, &ciphers, options->ciphers, TRI_CIPHERS, refusal);
    if (status == TR_OK)
        status = set_list(ssl, &suites, options->suites, TRI_SUITES, refusal);
    if (status == TR_OK)
        status = set_list(ssl, &groups, options->groups, TRI_GROUPS, refusal);
    if (status == TR_OK)
        status = set_list(ssl, &signatures, options->signatures, NULL, refusal);
    return status;
}

tr_status
tri_suites_init(tr_tls_context *context, const struct tr_tls_context_options *options, struct tr_tls_refusal *refusal)
{
    SSL_CTX_set_security_level(context->ssl, SECURITY_LEVEL); /* before the lists: @SECLEVEL in them counts */
    SSL_CTX_set_dh_auto(context->ssl, 1);
    tr_status status = set_versions(context, options, refusal);
    if (status == TR_OK)
        status = set_lists(context->ssl, options, refusal);
    if (status == TR_OK && (!keep(&context->suites, options->suites) || !keep(&context->groups, options->groups)))
        status = tri_refuse(refusal, TR_ENOMEM, "%s", tr_status_text(TR_ENOMEM));
    return status;
}
