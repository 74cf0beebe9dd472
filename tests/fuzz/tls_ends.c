#include "tls_ends.h"

#include "fuzz.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define SIDES 3 /* client, server, and what is made once */

/* Random numbers. OpenSSL 3.0 has no other way to replace those of the whole process. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static uint64_t numbers[SIDES] = {1, 2, 3};
static unsigned side = 2;

static int
give_numbers(unsigned char *out, int size)
{
    for (int i = 0; i < size; i++) {
        numbers[side] = numbers[side] * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (unsigned char)(numbers[side] >> 56);
    }
    return 1;
}

static int
is_ready(void)
{
    return 1;
}

static const RAND_METHOD same_numbers = {.bytes = give_numbers, .pseudorand = give_numbers, .status = is_ready};

void
tls_end_turn(bool serves)
{
    side = serves ? 1 : 0;
}

/* An identity: a key and a certificate for it that is its own authority, in one PEM. */

static struct tr_pem
take_pem(BIO *bio)
{
    char *bytes;
    long size = BIO_get_mem_data(bio, &bytes);
    char *copy = malloc((size_t)size);
    MUST(copy != NULL);
    memcpy(copy, bytes, (size_t)size);
    BIO_free(bio);
    return (struct tr_pem){.memory = copy, .size = (size_t)size};
}

static struct tr_pem
make_identity(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    MUST(key != NULL && certificate != NULL && bio != NULL);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_TIME_set_string(X509_getm_notBefore(certificate), "20200101000000Z");
    ASN1_TIME_set_string(X509_getm_notAfter(certificate), "20490101000000Z");
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"fuzz.example", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    MUST(X509_sign(certificate, key, EVP_sha256()) > 0);
    MUST(PEM_write_bio_X509(bio, certificate) == 1);
    MUST(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return take_pem(bio);
}

/* Contexts, each made when it is first needed and kept. */

static struct tr_pem identity;

static tr_tls_context *
make_context(unsigned kind)
{
    static const char *const protocols[] = {"h2", "http/1.1"};
    struct tr_tls_identity own = {.chain = identity};
    struct tr_tls_context_options options = {.serves = (kind & TLS_SERVES) != 0, .ca = &identity, .ca_count = 1};
    tr_tls_context *context = NULL;
    if (options.serves || (kind & TLS_ASKS) != 0) {
        options.identities = &own;
        options.identity_count = 1;
    }
    if (options.serves)
        options.verify = (kind & TLS_ASKS) != 0 ? TR_TLS_VERIFY_REQUIRE : TR_TLS_VERIFY_NONE;
    if ((kind & TLS_OLD) != 0)
        options.highest = TR_TLS_1_2;
    if ((kind & TLS_PROTOCOLS) != 0) {
        options.alpn = protocols;
        options.alpn_count = 2;
    }
    MUST(tr_tls_context_new(&options, NULL, &context) == TR_OK);
    return context;
}

static tr_tls_context *
context_of(unsigned kind)
{
    static tr_tls_context *made[TLS_KINDS];
    if (identity.memory == NULL) {
        MUST(RAND_set_rand_method(&same_numbers) == 1);
        identity = make_identity();
    }
    side = 2;
    if (made[kind] == NULL)
        made[kind] = make_context(kind);
    return made[kind];
}

struct tri_record_layer *
tls_end_open(unsigned kind)
{
    bool serves = (kind & TLS_SERVES) != 0;
    struct tri_tls_wish wish = {.context = context_of(kind % TLS_IN_PIECES), .serves = serves};
    struct tri_record_layer *layer;
    tls_end_turn(serves);
    numbers[side] = 7u + side;
    if (!serves)
        wish.server_name = "fuzz.example";
    MUST(tri_tls_open(&wish, &layer) == TR_OK);
    return layer;
}
