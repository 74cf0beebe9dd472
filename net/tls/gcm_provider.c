/*
 * AES-128-GCM and AES-256-GCM as a provider of OpenSSL: what its record layer needs, and no more.
 *
 * Who gets them. A fetch that asks for nothing is given what came first, and OpenSSL's own come first: they are fetched
 * here before the provider is loaded. So only a context that wishes for the provider's property gets its ciphers, and
 * only if nothing that the user demands of all (such as `fips=yes` in OpenSSL's configuration) stands against it. From
 * 3.1 on OpenSSL has instructions for vectors itself, and is not helped.
 *
 * A record of TLS 1.3 is an IV by an init, what is authenticated, the bytes, and an end that makes the tag or compares
 * it. It may come in parts; what is authenticated alone is at most AAD_BYTES. An IV is good for one record.
 *
 * A record of 1.2 and before is one update in place (RFC 5288): 8 bytes of the IV, the bytes, the tag. The first 4 of
 * the IV are from the handshake. The rest begins at random with each key, and counts the records, so no IV is used
 * twice. Plain bytes whose tag is wrong are wiped.
 */
#include "gcm_provider.h"

#include "vector_gcm.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <string.h>
#include <uv.h>

#define NAME "troupe-gcm"
#define PROPERTY "troupe.gcm=yes"
#define MOST_KEY_BYTES 32u
#define IV_BYTES 12u
#define TAG_BYTES 16u
#define AAD_BYTES 16u
#define FIXED_BYTES EVP_GCM_TLS_FIXED_IV_LEN       /* of the IV, in 1.2 */
#define EXPLICIT_BYTES EVP_GCM_TLS_EXPLICIT_IV_LEN /* the rest of it, at the front of a record */
#define HEADER_BYTES EVP_AEAD_TLS1_AAD_LEN         /* number, type, version and length: what is authenticated in 1.2 */

struct cipher {
    struct tri_vector_gcm calls;
    size_t key_bytes;
};

enum stage {
    NO_IV,
    HAS_IV,
    BEGUN, /* bytes of the message have come */
};

struct gcm {
    struct gcm_key_data *expanded; /* the key; NULL: it has made no message yet, and perhaps never will (sealer.h) */
    struct gcm_context_data message;
    const struct cipher *cipher;
    uint8_t key[MOST_KEY_BYTES], iv[IV_BYTES], tag[TAG_BYTES], aad[AAD_BYTES];
    uint8_t aad_size, stage;
    bool encrypts, has_key, has_tag;
    bool has_header; /* aad is the header of a record of 1.2, which is the next update */
    bool counts;     /* iv is that of 1.2 */
};

static struct cipher aes_128 = {.key_bytes = 16}, aes_256 = {.key_bytes = 32};

/* Life. */

static void *
new_gcm(const struct cipher *cipher)
{
    struct gcm *gcm = OPENSSL_zalloc(sizeof(*gcm));
    if (gcm != NULL)
        gcm->cipher = cipher;
    return gcm;
}

static void *
new_128(void *provider)
{
    (void)provider;
    return new_gcm(&aes_128);
}

static void *
new_256(void *provider)
{
    (void)provider;
    return new_gcm(&aes_256);
}

static void
drop_expanded(struct gcm *gcm)
{
    OPENSSL_clear_free(gcm->expanded, sizeof(*gcm->expanded));
    gcm->expanded = NULL;
}

static void
free_gcm(void *memory)
{
    struct gcm *gcm = memory;
    drop_expanded(gcm);
    OPENSSL_clear_free(gcm, sizeof(*gcm));
}

static bool
expand(struct gcm *gcm)
{
    gcm->expanded = OPENSSL_malloc(sizeof(*gcm->expanded));
    if (gcm->expanded != NULL)
        gcm->cipher->calls.expand_key(gcm->key, gcm->expanded);
    return gcm->expanded != NULL;
}

static void
set_key(struct gcm *gcm, const unsigned char *key)
{
    drop_expanded(gcm);
    memcpy(gcm->key, key, gcm->cipher->key_bytes);
    gcm->has_key = true;
}

/* In the middle of a message the copy needs what the other has. */
static void *
copy(void *memory)
{
    const struct gcm *from = memory;
    struct gcm *gcm = OPENSSL_memdup(from, sizeof(*from));
    if (gcm == NULL || from->expanded == NULL || expand(gcm))
        return gcm;
    free_gcm(gcm);
    return NULL;
}

/* Messages. */

static void
set_iv(struct gcm *gcm, const void *iv)
{
    memcpy(gcm->iv, iv, IV_BYTES);
    gcm->stage = HAS_IV;
    gcm->aad_size = 0;
}

/* false: there is no memory for the key. */
static bool
begin(struct gcm *gcm)
{
    if (gcm->expanded == NULL && !expand(gcm))
        return false;
    gcm->cipher->calls.begin(gcm->expanded, &gcm->message, gcm->iv, gcm->aad, gcm->aad_size);
    gcm->stage = BEGUN;
    return true;
}

static void
transform(struct gcm *gcm, uint8_t *out, const uint8_t *in, size_t size)
{
    if (gcm->encrypts)
        gcm->cipher->calls.encrypt(gcm->expanded, &gcm->message, out, in, size);
    else
        gcm->cipher->calls.decrypt(gcm->expanded, &gcm->message, out, in, size);
}

/* Makes the tag, or compares it with the one that came. */
static int
finish(struct gcm *gcm, uint8_t *tag)
{
    uint8_t made[TAG_BYTES];
    gcm->stage = NO_IV;
    gcm->aad_size = 0;
    if (gcm->encrypts) {
        gcm->cipher->calls.finish_encrypting(gcm->expanded, &gcm->message, tag, TAG_BYTES);
        return 1;
    }
    gcm->cipher->calls.finish_decrypting(gcm->expanded, &gcm->message, made, TAG_BYTES);
    bool is_right = CRYPTO_memcmp(made, tag, TAG_BYTES) == 0;
    OPENSSL_cleanse(made, sizeof(made));
    return is_right;
}

static int
authenticate(struct gcm *gcm, const void *aad, size_t size)
{
    if (gcm->stage != HAS_IV || size > AAD_BYTES - gcm->aad_size)
        return 0;
    memcpy(gcm->aad + gcm->aad_size, aad, size);
    gcm->aad_size += (uint8_t)size;
    return 1;
}

/* Records of 1.2. */

static int
set_fixed(struct gcm *gcm, const OSSL_PARAM *fixed)
{
    if (fixed->data_type != OSSL_PARAM_OCTET_STRING || fixed->data_size != FIXED_BYTES)
        return 0;
    memcpy(gcm->iv, fixed->data, FIXED_BYTES);
    gcm->counts = RAND_bytes(gcm->iv + FIXED_BYTES, EXPLICIT_BYTES) == 1;
    return gcm->counts;
}

static void
count_on(struct gcm *gcm)
{
    for (size_t i = IV_BYTES; i-- > FIXED_BYTES && ++gcm->iv[i] == 0;)
        ;
}

/* The length in the header is that of the record; what is authenticated is that of the plain bytes. */
static int
set_header(struct gcm *gcm, const OSSL_PARAM *header)
{
    size_t around = EXPLICIT_BYTES + (gcm->encrypts ? 0 : TAG_BYTES);
    uint8_t *length = gcm->aad + HEADER_BYTES - 2;
    if (header->data_type != OSSL_PARAM_OCTET_STRING || header->data_size != HEADER_BYTES)
        return 0;
    memcpy(gcm->aad, header->data, HEADER_BYTES);
    size_t size = (size_t)length[0] << 8 | length[1];
    if (size < around)
        return 0;
    length[0] = (uint8_t)((size - around) >> 8);
    length[1] = (uint8_t)(size - around);
    gcm->has_header = true;
    return 1;
}

static int
make_record(struct gcm *gcm, uint8_t *record, size_t size, size_t *out_size)
{
    size_t plain = size - EXPLICIT_BYTES - TAG_BYTES;
    uint8_t *bytes = record + EXPLICIT_BYTES;
    if (gcm->encrypts)
        memcpy(record, gcm->iv + FIXED_BYTES, EXPLICIT_BYTES);
    else
        memcpy(gcm->iv + FIXED_BYTES, record, EXPLICIT_BYTES);
    if (!begin(gcm))
        return 0;
    if (gcm->encrypts)
        count_on(gcm);
    transform(gcm, bytes, bytes, plain);
    if (!finish(gcm, bytes + plain)) {
        OPENSSL_cleanse(bytes, plain);
        return 0;
    }
    *out_size = gcm->encrypts ? size : plain;
    return 1;
}

static int
update_record(struct gcm *gcm, uint8_t *out, size_t *out_size, const uint8_t *in, size_t size)
{
    *out_size = 0;
    gcm->has_header = false;
    if (!gcm->counts || out != in || size < EXPLICIT_BYTES + TAG_BYTES)
        return 0;
    gcm->aad_size = HEADER_BYTES;
    return make_record(gcm, out, size, out_size);
}

/* What OpenSSL calls. */

static int
init(struct gcm *gcm, const unsigned char *key, size_t key_size, const unsigned char *iv, size_t iv_size)
{
    if ((key != NULL && key_size != gcm->cipher->key_bytes) || (iv != NULL && iv_size != IV_BYTES))
        return 0;
    if (iv != NULL)
        set_iv(gcm, iv);
    if (key != NULL)
        set_key(gcm, key);
    gcm->has_header = false;
    return 1;
}

static int set_parameters(void *gcm, const OSSL_PARAM parameters[]);

static int
init_encrypting(void *memory, const unsigned char *key, size_t key_size, const unsigned char *iv, size_t iv_size,
                const OSSL_PARAM parameters[])
{
    struct gcm *gcm = memory;
    gcm->encrypts = true;
    return init(gcm, key, key_size, iv, iv_size) && set_parameters(gcm, parameters);
}

static int
init_decrypting(void *memory, const unsigned char *key, size_t key_size, const unsigned char *iv, size_t iv_size,
                const OSSL_PARAM parameters[])
{
    struct gcm *gcm = memory;
    gcm->encrypts = false;
    return init(gcm, key, key_size, iv, iv_size) && set_parameters(gcm, parameters);
}

/* Without a place for what comes out, what goes in is authenticated alone. */
static int
update(void *memory, unsigned char *out, size_t *out_size, size_t out_room, const unsigned char *in, size_t size)
{
    struct gcm *gcm = memory;
    if (!gcm->has_key || size > out_room)
        return 0;
    if (gcm->has_header)
        return update_record(gcm, out, out_size, in, size);
    *out_size = size;
    if (out == NULL)
        return authenticate(gcm, in, size);
    if (gcm->stage == NO_IV || (gcm->stage == HAS_IV && !begin(gcm)))
        return 0;
    transform(gcm, out, in, size);
    return 1;
}

static int
final(void *memory, unsigned char *out, size_t *out_size, size_t out_room)
{
    struct gcm *gcm = memory;
    (void)out, (void)out_room;
    *out_size = 0;
    if (!gcm->has_key || gcm->stage == NO_IV || (!gcm->encrypts && !gcm->has_tag))
        return 0;
    if (gcm->stage == HAS_IV && !begin(gcm))
        return 0;
    gcm->has_tag = false;
    return finish(gcm, gcm->tag);
}

/* Parameters. */

static int
get_constant(OSSL_PARAM *p, size_t key_bytes)
{
    if (strcmp(p->key, OSSL_CIPHER_PARAM_IVLEN) == 0)
        return OSSL_PARAM_set_size_t(p, IV_BYTES);
    if (strcmp(p->key, OSSL_CIPHER_PARAM_MODE) == 0)
        return OSSL_PARAM_set_uint(p, EVP_CIPH_GCM_MODE);
    if (strcmp(p->key, OSSL_CIPHER_PARAM_KEYLEN) == 0)
        return OSSL_PARAM_set_size_t(p, key_bytes);
    if (strcmp(p->key, OSSL_CIPHER_PARAM_BLOCK_SIZE) == 0)
        return OSSL_PARAM_set_size_t(p, 1);
    if (strcmp(p->key, OSSL_CIPHER_PARAM_AEAD) == 0 || strcmp(p->key, OSSL_CIPHER_PARAM_CUSTOM_IV) == 0)
        return OSSL_PARAM_set_int(p, 1);
    return 1;
}

static int
get_constants(OSSL_PARAM parameters[], size_t key_bytes)
{
    int done = 1;
    for (OSSL_PARAM *p = parameters; done && p != NULL && p->key != NULL; p++)
        done = get_constant(p, key_bytes);
    return done;
}

static int
get_of_128(OSSL_PARAM parameters[])
{
    return get_constants(parameters, aes_128.key_bytes);
}

static int
get_of_256(OSSL_PARAM parameters[])
{
    return get_constants(parameters, aes_256.key_bytes);
}

static int
get_tag(const struct gcm *gcm, OSSL_PARAM *p)
{
    return gcm->encrypts && p->data_size <= TAG_BYTES && OSSL_PARAM_set_octet_string(p, gcm->tag, p->data_size);
}

/* First what OpenSSL asks with each record that it reads, then what it asks with each that it writes. */
static int
get_parameters(void *memory, OSSL_PARAM parameters[])
{
    const struct gcm *gcm = memory;
    int done = 1;
    for (OSSL_PARAM *p = parameters; done && p != NULL && p->key != NULL; p++)
        if (strcmp(p->key, OSSL_CIPHER_PARAM_IVLEN) == 0)
            done = get_constant(p, gcm->cipher->key_bytes);
        else if (strcmp(p->key, OSSL_CIPHER_PARAM_AEAD_TAG) == 0)
            done = get_tag(gcm, p);
        else if (strcmp(p->key, OSSL_CIPHER_PARAM_AEAD_TAGLEN) == 0 ||
                 strcmp(p->key, OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD) == 0)
            done = OSSL_PARAM_set_size_t(p, TAG_BYTES);
        else
            done = get_constant(p, gcm->cipher->key_bytes);
    return done;
}

static int
set_tag(struct gcm *gcm, const OSSL_PARAM *p)
{
    if (gcm->encrypts || p->data_type != OSSL_PARAM_OCTET_STRING || p->data_size != TAG_BYTES || p->data == NULL)
        return 0;
    memcpy(gcm->tag, p->data, TAG_BYTES);
    gcm->has_tag = true;
    return 1;
}

static int
set_parameters(void *memory, const OSSL_PARAM parameters[])
{
    struct gcm *gcm = memory;
    size_t iv_bytes;
    int done = 1;
    for (const OSSL_PARAM *p = parameters; done && p != NULL && p->key != NULL; p++)
        if (strcmp(p->key, OSSL_CIPHER_PARAM_AEAD_TAG) == 0)
            done = set_tag(gcm, p);
        else if (strcmp(p->key, OSSL_CIPHER_PARAM_AEAD_TLS1_AAD) == 0)
            done = set_header(gcm, p);
        else if (strcmp(p->key, OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED) == 0)
            done = set_fixed(gcm, p);
        else if (strcmp(p->key, OSSL_CIPHER_PARAM_AEAD_IVLEN) == 0)
            done = OSSL_PARAM_get_size_t(p, &iv_bytes) && iv_bytes == IV_BYTES;
    return done;
}

static const OSSL_PARAM *
gettable(void *gcm, void *provider)
{
    static const OSSL_PARAM names[] = {
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD, NULL),
        OSSL_PARAM_END,
    };
    (void)gcm, (void)provider;
    return names;
}

static const OSSL_PARAM *
settable(void *gcm, void *provider)
{
    static const OSSL_PARAM names[] = {
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, NULL, 0),
        OSSL_PARAM_END,
    };
    (void)gcm, (void)provider;
    return names;
}

/* The provider. */

#define FUNCTION(what, function)                                                                                       \
    {                                                                                                                  \
        OSSL_FUNC_CIPHER_##what, (void (*)(void))(function)                                                            \
    }
#define CIPHER(bits)                                                                                                   \
    {                                                                                                                  \
        FUNCTION(NEWCTX, new_##bits), FUNCTION(FREECTX, free_gcm), FUNCTION(DUPCTX, copy),                             \
            FUNCTION(ENCRYPT_INIT, init_encrypting), FUNCTION(DECRYPT_INIT, init_decrypting),                          \
            FUNCTION(UPDATE, update), FUNCTION(FINAL, final), FUNCTION(GET_PARAMS, get_of_##bits),                     \
            FUNCTION(GET_CTX_PARAMS, get_parameters), FUNCTION(SET_CTX_PARAMS, set_parameters),                        \
            FUNCTION(GETTABLE_CTX_PARAMS, gettable), FUNCTION(SETTABLE_CTX_PARAMS, settable),                          \
        {                                                                                                              \
            0, NULL                                                                                                    \
        }                                                                                                              \
    }

static const OSSL_DISPATCH cipher_128[] = CIPHER(128), cipher_256[] = CIPHER(256);

/* By OpenSSL's own names, all of them, or they would be other ciphers. */
static const OSSL_ALGORITHM ciphers[] = {
    {"AES-128-GCM:id-aes128-GCM:2.16.840.1.101.3.4.1.6", PROPERTY, cipher_128, "AES-128-GCM by libipsec-mb"},
    {"AES-256-GCM:id-aes256-GCM:2.16.840.1.101.3.4.1.46", PROPERTY, cipher_256, "AES-256-GCM by libipsec-mb"},
    {NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *
query(void *provider, int operation, int *no_store)
{
    (void)provider;
    *no_store = 0;
    return operation == OSSL_OP_CIPHER ? ciphers : NULL;
}

static int
open_provider(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *theirs, const OSSL_DISPATCH **ours, void **provider)
{
    static const OSSL_DISPATCH functions[] = {
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
        {0, NULL},
    };
    (void)core, (void)theirs;
    *ours = functions;
    *provider = &aes_128; /* it keeps nothing, and OpenSSL wants something */
    return 1;
}

/* Beginning. */

static OSSL_PROVIDER *loaded; /* held until the process ends */
static const char *wish;
static uv_once_t begun = UV_ONCE_INIT;

static bool
lets_own_be_first(const char *name)
{
    EVP_CIPHER *own = EVP_CIPHER_fetch(NULL, name, NULL);
    EVP_CIPHER_free(own);
    return own != NULL;
}

static bool
is_needed(void)
{
    return OPENSSL_version_major() == 3 && OPENSSL_version_minor() == 0;
}

static void
begin_once(void)
{
    if (is_needed() && lets_own_be_first("AES-128-GCM") && lets_own_be_first("AES-256-GCM") &&
        tri_vector_gcm_load(&aes_128.calls, &aes_256.calls) &&
        OSSL_PROVIDER_add_builtin(NULL, NAME, open_provider) == 1)
        loaded = OSSL_PROVIDER_try_load(NULL, NAME, 1);
    if (loaded != NULL)
        wish = "?" PROPERTY;
    ERR_clear_error(); /* without it OpenSSL's own are as good */
}

const char *
tri_gcm_wish(void)
{
    uv_once(&begun, begin_once);
    return wish;
}

bool
tri_gcm_is_taken(void)
{
    EVP_CIPHER *taken = tri_gcm_wish() == NULL ? NULL : EVP_CIPHER_fetch(NULL, "AES-128-GCM", wish);
    bool is_ours = taken != NULL && EVP_CIPHER_get0_provider(taken) == loaded;
    EVP_CIPHER_free(taken);
    return is_ours;
}

const struct tri_vector_gcm *
tri_gcm_calls(unsigned key_bits)
{
    if (tri_gcm_wish() == NULL)
        return NULL;
    return key_bits == 128 ? &aes_128.calls : &aes_256.calls;
}
