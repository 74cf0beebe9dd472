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

/* NULL as well if the cipher is none of ours. *size: of what the kernel would be given. */
static struct tri_sealer *
open_sealer(const struct tls_crypto_info *info, size_t *size)
{
    const struct tls12_crypto_info_aes_gcm_128 *gcm_128 = (const void *)info;
    const struct tls12_crypto_info_aes_gcm_256 *gcm_256 = (const void *)info;
    switch (info->cipher_type) {
    case TLS_CIPHER_AES_GCM_128:
        *size = sizeof(*gcm_128);
        return new_sealer(tri_gcm_calls(128), gcm_128->key, gcm_128->salt, gcm_128->iv, gcm_128->rec_seq);
    case TLS_CIPHER_AES_GCM_256:
        *size = sizeof(*gcm_256);
        return new_sealer(tri_gcm_calls(256), gcm_256->key, gcm_256->salt, gcm_256->iv, gcm_256->rec_seq);
    default: return NULL;
    }
}

struct tri_sealer *
tri_sealer_new(void *crypto_info)
{
    const struct tls_crypto_info *info = crypto_info;
    size_t size;
    struct tri_sealer *sealer = info->version != TLS_1_3_VERSION ? NULL : open_sealer(info, &size);
    if (sealer != NULL)
        OPENSSL_cleanse(crypto_info, size);
    return sealer;
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
