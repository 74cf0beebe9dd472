/*
 * Certificates, from OpenSSL's form into a program's: texts, numbers and bytes that stay when the connection goes.
 *
 * All that belongs to a peer is allocated piece by piece and linked, so that one function frees it, and lack of memory
 * in the middle needs no care.
 */
#include "connection.h"
#include "context.h"
#include "layer.h"
#include "reason.h"
#include "subject.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

struct piece {
    struct piece *next;
    alignas(max_align_t) char bytes[];
};

struct peer {
    struct tr_peer public;
    struct piece *pieces;
};

/* Memory. */

static void *
give(struct peer *peer, size_t count, size_t size)
{
    struct piece *piece = calloc(1, sizeof(*piece) + count * size);
    if (piece == NULL)
        return NULL;
    piece->next = peer->pieces;
    peer->pieces = piece;
    return piece->bytes;
}

void
tr_peer_free(struct tr_peer *peer)
{
    struct peer *whole = (struct peer *)peer;
    while (whole != NULL && whole->pieces != NULL) {
        struct piece *first = whole->pieces;
        whole->pieces = first->next;
        free(first);
    }
    free(whole);
}

/* Texts. */

/* UTF-8 as it is, and what could be mistaken for something else by its number. */
static char *
copy_text(struct peer *peer, const unsigned char *bytes, int size, bool is_ascii)
{
    char *text = give(peer, (size_t)size * 4 + 1, 1), *at = text;
    if (text == NULL)
        return NULL;
    for (int i = 0; i < size; i++) {
        bool is_odd = bytes[i] < ' ' || bytes[i] == 0x7f || (is_ascii && bytes[i] > 0x7f);
        if (is_odd)
            at += snprintf(at, 5, "\\x%02X", bytes[i]);
        else
            *at++ = (char)bytes[i];
    }
    return text;
}

static const char *
text_of(struct peer *peer, const ASN1_STRING *string)
{
    unsigned char *bytes = NULL;
    int size = ASN1_STRING_to_UTF8(&bytes, string);
    const char *text = size >= 0 ? copy_text(peer, bytes, size, false)
                                 : copy_text(peer, ASN1_STRING_get0_data(string), ASN1_STRING_length(string), true);
    OPENSSL_free(bytes);
    return text;
}

static const char *
field_of(struct peer *peer, const ASN1_OBJECT *object)
{
    int nid = OBJ_obj2nid(object);
    char number[80];
    if (nid != NID_undef)
        return OBJ_nid2sn(nid);
    int size = OBJ_obj2txt(number, sizeof(number), object, 1);
    size = size < 0 ? 0 : size < (int)sizeof(number) ? size : (int)sizeof(number) - 1;
    return copy_text(peer, (const unsigned char *)number, size, true);
}

/* Subject and issuer. */

static bool
read_name(struct peer *peer, const X509_NAME *name, const struct tr_certificate_entry **out, unsigned *count)
{
    int entries = X509_NAME_entry_count(name);
    struct tr_certificate_entry *to = give(peer, (size_t)(entries > 0 ? entries : 1), sizeof(*to));
    if (to == NULL)
        return false;
    *out = to;
    for (int i = 0; i < entries; i++, to++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        to->name = field_of(peer, X509_NAME_ENTRY_get_object(entry));
        to->value = text_of(peer, X509_NAME_ENTRY_get_data(entry));
        if (to->name == NULL || to->value == NULL)
            return false;
        ++*count;
    }
    return true;
}

/* Alternative names. */

static const char *
address_of(struct peer *peer, const ASN1_STRING *bytes)
{
    char text[INET6_ADDRSTRLEN] = "";
    int size = ASN1_STRING_length(bytes);
    if (size == 4 || size == 16)
        (void)uv_inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), text, sizeof(text));
    return copy_text(peer, (const unsigned char *)text, (int)strlen(text), true);
}

/* false: no memory. A kind that is not told leaves no entry. */
static bool
read_alternative(struct peer *peer, const GENERAL_NAME *name, struct tr_certificate_entry *to, unsigned *count)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    switch (type) {
    case GEN_DNS: to->name = "DNS"; break;
    case GEN_URI: to->name = "URI"; break;
    case GEN_EMAIL: to->name = "email"; break;
    case GEN_IPADD: to->name = "IP Address"; break;
    default: return true;
    }
    to->value = type == GEN_IPADD ? address_of(peer, value)
                                  : copy_text(peer, ASN1_STRING_get0_data(value), ASN1_STRING_length(value), true);
    ++*count;
    return to->value != NULL;
}

static bool
read_each_alternative(struct peer *peer, const GENERAL_NAMES *names, struct tr_certificate *to)
{
    int count = sk_GENERAL_NAME_num(names);
    struct tr_certificate_entry *entries = give(peer, (size_t)(count > 0 ? count : 1), sizeof(*entries));
    bool done = entries != NULL;
    to->names = entries;
    for (int i = 0; i < count && done; i++)
        done = read_alternative(peer, sk_GENERAL_NAME_value(names, i), &entries[to->name_count], &to->name_count);
    return done;
}

static bool
read_alternatives(struct peer *peer, const X509 *certificate, struct tr_certificate *to)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool done = names == NULL || read_each_alternative(peer, names, to);
    GENERAL_NAMES_free(names);
    return done;
}

/* Numbers and dates. */

/* Of a year that begins in March, so that the odd day is its last. */
static int64_t
days_since_1970(int64_t year, int month, int day)
{
    year -= month < 3;
    int64_t of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    return year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719468;
}

static int64_t
seconds_of(const ASN1_TIME *date)
{
    struct tm parts;
    if (ASN1_TIME_to_tm(date, &parts) != 1)
        return 0;
    return days_since_1970(parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday) * 86400 + parts.tm_hour * 3600 +
           parts.tm_min * 60 + parts.tm_sec;
}

static void
read_dates(const X509 *certificate, struct tr_certificate *to)
{
    const ASN1_TIME *from = X509_get0_notBefore(certificate), *until = X509_get0_notAfter(certificate);
    static_assert(sizeof(to->valid_from) == TRI_DATE_BYTES, "a date fits");
    tri_date_of(from, to->valid_from);
    tri_date_of(until, to->valid_to);
    to->not_before_s = seconds_of(from);
    to->not_after_s = seconds_of(until);
}

static bool
read_serial(const X509 *certificate, struct tr_certificate *to)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *text = number == NULL ? NULL : BN_bn2hex(number);
    if (text != NULL)
        snprintf(to->serial, sizeof(to->serial), "%s", text);
    OPENSSL_free(text);
    BN_free(number);
    return text != NULL;
}

static bool
read_fingerprint(const X509 *certificate, struct tr_certificate *to)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size;
    if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1)
        return false;
    for (unsigned i = 0; i < size; i++)
        snprintf(to->fingerprint256 + 3 * (size_t)i, 4, "%02X%s", digest[i], i + 1 < size ? ":" : "");
    return true;
}

static bool
read_der(struct peer *peer, const X509 *certificate, struct tr_certificate *to)
{
    int size = i2d_X509(certificate, NULL);
    unsigned char *der = size < 0 ? NULL : give(peer, (size_t)size, 1), *at = der;
    if (der == NULL || i2d_X509(certificate, &at) != size)
        return false;
    to->der = der;
    to->der_size = (size_t)size;
    return true;
}

static bool
read_certificate(struct peer *peer, const X509 *certificate, struct tr_certificate *to)
{
    read_dates(certificate, to);
    return read_name(peer, X509_get_subject_name(certificate), &to->subject, &to->subject_count) &&
           read_name(peer, X509_get_issuer_name(certificate), &to->issuer, &to->issuer_count) &&
           read_alternatives(peer, certificate, to) && read_serial(certificate, to) &&
           read_fingerprint(certificate, to) && read_der(peer, certificate, to);
}

/* The peer. */

/* A client has the peer's own among those that were sent; a server has it apart, and so has who resumes. */
static bool
read_chain(struct peer *peer, X509 *own, const STACK_OF(X509) * sent)
{
    int count = sent == NULL ? 0 : sk_X509_num(sent);
    struct tr_certificate *to = give(peer, (size_t)count + 1, sizeof(*to));
    bool done = to != NULL && read_certificate(peer, own, to);
    peer->public.chain = to;
    peer->public.count = 1;
    for (int i = 0; i < count && done; i++)
        if (X509_cmp(sk_X509_value(sent, i), own) != 0)
            done = read_certificate(peer, sk_X509_value(sent, i), &to[peer->public.count++]);
    return done;
}

static bool
read_peer(struct peer *peer, const struct tri_record_layer *layer)
{
    const SSL *ssl = ((const struct tri_tls *)layer)->ssl;
    struct tr_peer *public = &peer->public;
    const char *code;
    public->result = tri_tls_verify_result(layer, &code);
    public->verified = public->result == TR_OK;
    public->code = public->verified || code != NULL ? code : tr_status_code(public->result);
    const STACK_OF(X509) *refused = tri_context_refused(ssl);
    if (refused != NULL)
        return read_chain(peer, sk_X509_value(refused, 0), refused);
    X509 *own = SSL_get0_peer_certificate(ssl);
    return own != NULL && read_chain(peer, own, SSL_get_peer_cert_chain(ssl));
}

tr_status
tri_tls_peer(const struct tri_record_layer *layer, struct tr_peer **out)
{
    const char *code;
    tr_status result = tri_tls_verify_result(layer, &code);
    if (result == TR_ENOENT || result == TR_ENOTCONN)
        return result;
    struct peer *peer = calloc(1, sizeof(*peer));
    bool done = peer != NULL && read_peer(peer, layer);
    ERR_clear_error();
    if (done)
        *out = &peer->public;
    else
        tr_peer_free((struct tr_peer *)peer);
    return done ? TR_OK : TR_ENOMEM;
}
