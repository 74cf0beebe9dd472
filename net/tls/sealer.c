/*
 * A record of TLS 1.3 (RFC 8446, section 5.2): a header in clear, which is authenticated, then what is encrypted, that
 * is the bytes and their true type, then the tag. Its IV is the key's, to which its number is added bit by bit.
 */
#include "sealer.h"

#include "gcm_provider.h"
#include "vector_gcm.h"

#include <endian.h>
#include <linux/tls.h>
#include <openssl/crypto.h>
#include <string.h>

#define APPLICATION_DATA 23u
#define HEADER_BYTES 5u
#define TYPE_BYTES 1u
#define TAG_BYTES 16u
#define IV_BYTES 12u
#define SALT_BYTES 4u

_Static_assert(HEADER_BYTES + TYPE_BYTES + TAG_BYTES == TRI_SEAL_BYTES, "what a record has beside its bytes");

struct tri_sealer {
    struct gcm_key_data key;
    const struct tri_vector_gcm *calls;
    uint64_t number; /* of the next record */
    uint8_t salt[SALT_BYTES];
    uint64_t iv; /* the rest of it, as its bytes lie */
};

/* Life. */

static struct tri_sealer *
new_sealer(const struct tri_vector_gcm *calls, const uint8_t *key, const uint8_t *salt, const uint8_t *iv,
           const uint8_t *number)
{
    struct tri_sealer *sealer = calls == NULL ? NULL : OPENSSL_malloc(sizeof(*sealer));
    if (sealer == NULL)
        return NULL;
    sealer->calls = calls;
    calls->expand_key(key, &sealer->key);
    memcpy(sealer->salt, salt, SALT_BYTES);
    memcpy(&sealer->iv, iv, sizeof(sealer->iv));
    memcpy(&sealer->number, number, sizeof(sealer->number));
    sealer->number = be64toh(sealer->number);
    return sealer;
}

static struct tri_sealer *
new_128(struct tls12_crypto_info_aes_gcm_128 *info)
{
    struct tri_sealer *sealer = new_sealer(tri_gcm_calls(128), info->key, info->salt, info->iv, info->rec_seq);
    if (sealer != NULL)
        OPENSSL_cleanse(info, sizeof(*info));
    return sealer;
}

static struct tri_sealer *
new_256(struct tls12_crypto_info_aes_gcm_256 *info)
{
    struct tri_sealer *sealer = new_sealer(tri_gcm_calls(256), info->key, info->salt, info->iv, info->rec_seq);
    if (sealer != NULL)
        OPENSSL_cleanse(info, sizeof(*info));
    return sealer;
}

struct tri_sealer *
tri_sealer_new(void *crypto_info)
{
    const struct tls_crypto_info *info = crypto_info;
    if (info->version != TLS_1_3_VERSION)
        return NULL;
    switch (info->cipher_type) {
    case TLS_CIPHER_AES_GCM_128: return new_128(crypto_info);
    case TLS_CIPHER_AES_GCM_256: return new_256(crypto_info);
    default: return NULL;
    }
}

void
tri_sealer_free(struct tri_sealer *sealer)
{
    OPENSSL_clear_free(sealer, sizeof(*sealer));
}

/* Records. */

static void
next_iv(struct tri_sealer *sealer, uint8_t iv[IV_BYTES])
{
    uint64_t rest = sealer->iv ^ htobe64(sealer->number++);
    memcpy(iv, sealer->salt, SALT_BYTES);
    memcpy(iv + SALT_BYTES, &rest, sizeof(rest));
}

/* The version is that of 1.2, and the type that of plain bytes, whatever is inside. */
static void
write_header(uint8_t *header, size_t size)
{
    header[0] = APPLICATION_DATA;
    header[1] = TLS_1_2_VERSION_MAJOR;
    header[2] = TLS_1_2_VERSION_MINOR;
    header[3] = (uint8_t)(size >> 8);
    header[4] = (uint8_t)size;
}

size_t
tri_sealer_make(struct tri_sealer *sealer, uint8_t type, const void *data, size_t size, uint8_t *record)
{
    const struct tri_vector_gcm *calls = sealer->calls;
    struct gcm_context_data message;
    uint8_t iv[IV_BYTES], *bytes = record + HEADER_BYTES;
    next_iv(sealer, iv);
    write_header(record, size + TYPE_BYTES + TAG_BYTES);
    calls->begin(&sealer->key, &message, iv, record, HEADER_BYTES);
    calls->encrypt(&sealer->key, &message, bytes, data, size);
    calls->encrypt(&sealer->key, &message, bytes + size, &type, TYPE_BYTES);
    calls->finish_encrypting(&sealer->key, &message, bytes + size + TYPE_BYTES, TAG_BYTES);
    return size + TRI_SEAL_BYTES;
}
