#include "foe.h"

#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/ssl.h>

#define TAG_BYTES 16u
#define EXPLICIT_BYTES 8u /* of a nonce, in 1.2 */

/* Keys. */

static void
derive(const char *name, OSSL_PARAM *parameters, unsigned char *out, size_t size)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    assert_int_equal(EVP_KDF_derive(context, out, size, parameters), 1);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
}

/* HKDF-Expand-Label of RFC 8446, section 7.1, with an empty context. */
static void
expand(const unsigned char secret[32], const char *label, unsigned char *out, size_t size)
{
    unsigned char info[64] = {0, (unsigned char)size, (unsigned char)(6 + strlen(label))};
    size_t length = 3 + (size_t)sprintf((char *)info + 3, "tls13 %s", label) + 1;
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret, 32),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, length),
        OSSL_PARAM_construct_end(),
    };
    derive("HKDF", parameters, out, size);
}

static void
use_secret(struct foe *foe)
{
    expand(foe->secret, "key", foe->key, sizeof(foe->key));
    expand(foe->secret, "iv", foe->iv, sizeof(foe->iv));
    foe->number = 0;
}

void
foe_renew(struct foe *foe)
{
    unsigned char next[32];
    expand(foe->secret, "traffic upd", next, sizeof(next));
    memcpy(foe->secret, next, sizeof(next));
    use_secret(foe);
}

/* RFC 5246, section 6.3. The first record, Finished, has been sent. */
static void
use_master(struct foe *foe)
{
    unsigned char master[48], random[64], block[40];
    assert_int_equal(SSL_SESSION_get_master_key(SSL_get_session(foe->ssl), master, 48), 48);
    assert_int_equal(SSL_get_server_random(foe->ssl, random, 32), 32);
    assert_int_equal(SSL_get_client_random(foe->ssl, random + 32, 32), 32);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, sizeof(master)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, "key expansion", 13),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, random, sizeof(random)),
        OSSL_PARAM_construct_end(),
    };
    derive("TLS1-PRF", parameters, block, sizeof(block));
    memcpy(foe->key, block + (foe->serves ? 16 : 0), 16);
    memcpy(foe->iv, block + (foe->serves ? 36 : 32), 4);
    foe->number = 1;
}

static void
note_secret(const SSL *ssl, const char *line)
{
    struct foe *foe = SSL_get_app_data(ssl);
    const char *label = foe->serves ? "SERVER_TRAFFIC_SECRET_0 " : "CLIENT_TRAFFIC_SECRET_0 ";
    if (strncmp(line, label, strlen(label)) != 0)
        return;
    const char *hex = strrchr(line, ' ') + 1;
    for (unsigned i = 0; i < sizeof(foe->secret); i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        foe->secret[i] = (unsigned char)strtoul(digits, NULL, 16);
    }
}

/* The connection. */

static SSL_CTX *
make_context(bool serves, enum tr_tls_version version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    int number = version == TR_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    assert_int_equal(SSL_CTX_set_min_proto_version(context, number), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, number), 1);
    assert_int_equal(SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256"), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"), 1);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_keylog_callback(context, note_secret);
    if (!serves)
        return context;
    assert_int_equal(SSL_CTX_use_certificate_chain_file(context, tls_file("server.pem")), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(context, tls_file("server.key"), SSL_FILETYPE_PEM), 1);
    return context;
}

void
foe_begin(struct foe *foe, int fd, bool serves, enum tr_tls_version version)
{
    SSL_CTX *context = make_context(serves, version);
    *foe = (struct foe){.fd = fd, .serves = serves, .version = version, .ssl = SSL_new(context)};
    SSL_CTX_free(context);
    SSL_set_app_data(foe->ssl, foe);
    assert_int_equal(SSL_set_fd(foe->ssl, fd), 1);
    if (serves)
        SSL_set_accept_state(foe->ssl);
    else
        SSL_set_connect_state(foe->ssl);
}

bool
foe_shake(struct foe *foe)
{
    bool is_over = SSL_do_handshake(foe->ssl) == 1;
    ERR_clear_error();
    if (is_over && foe->version == TR_TLS_1_3)
        use_secret(foe);
    if (is_over && foe->version == TR_TLS_1_2)
        use_master(foe);
    return is_over;
}

void
foe_end(struct foe *foe)
{
    SSL_free(foe->ssl);
    foe->ssl = NULL;
    if (foe->fd >= 0)
        close(foe->fd);
    foe->fd = -1;
    ERR_clear_error();
}

/* Records. */

static size_t
put_header(unsigned char *out, int type, size_t size)
{
    out[0] = (unsigned char)type;
    out[1] = out[2] = 3;
    out[3] = (unsigned char)(size >> 8);
    out[4] = (unsigned char)size;
    return 5;
}

size_t
foe_clear(int type, const void *content, size_t size, unsigned char out[FOE_RECORD_BYTES])
{
    size_t head = put_header(out, type, size);
    memcpy(out + head, content, size);
    return head + size;
}

/* Encrypts in place, and puts the tag behind it. */
static void
encrypt(const struct foe *foe, const unsigned char nonce[12], const void *extra, int extra_size, unsigned char *content,
        size_t size)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int done;
    assert_int_equal(EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), NULL, foe->key, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(cipher, NULL, &done, extra, extra_size), 1);
    assert_int_equal(EVP_EncryptUpdate(cipher, content, &done, content, (int)size), 1);
    assert_int_equal(EVP_EncryptFinal_ex(cipher, content + size, &done), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, content + size), 1);
    EVP_CIPHER_CTX_free(cipher);
}

static void
put_number(unsigned char *out, uint64_t number)
{
    for (int i = 7; i >= 0; i--, number >>= 8)
        out[i] = (unsigned char)number;
}

static size_t
seal_1_3(const struct foe *foe, int type, const void *content, size_t size, unsigned char *out)
{
    unsigned char nonce[12] = {0};
    size_t head = put_header(out, FOE_DATA, size + 1 + TAG_BYTES);
    memcpy(out + head, content, size);
    out[head + size] = (unsigned char)type;
    put_number(nonce + 4, foe->number);
    for (unsigned i = 0; i < sizeof(nonce); i++)
        nonce[i] ^= foe->iv[i];
    encrypt(foe, nonce, out, 5, out + head, size + 1);
    return head + size + 1 + TAG_BYTES;
}

static size_t
seal_1_2(const struct foe *foe, int type, const void *content, size_t size, unsigned char *out)
{
    unsigned char nonce[12], extra[13];
    put_number(extra, foe->number);
    put_header(extra + EXPLICIT_BYTES, type, size);
    size_t head = put_header(out, type, EXPLICIT_BYTES + size + TAG_BYTES);
    put_number(out + head, foe->number);
    memcpy(nonce, foe->iv, 4);
    memcpy(nonce + 4, out + head, EXPLICIT_BYTES);
    head += EXPLICIT_BYTES;
    memcpy(out + head, content, size);
    encrypt(foe, nonce, extra, sizeof(extra), out + head, size);
    return head + size + TAG_BYTES;
}

size_t
foe_seal(struct foe *foe, int type, const void *content, size_t size, unsigned char out[FOE_RECORD_BYTES])
{
    size_t whole =
        foe->version == TR_TLS_1_3 ? seal_1_3(foe, type, content, size, out) : seal_1_2(foe, type, content, size, out);
    foe->number++;
    return whole;
}

bool
foe_send(const struct foe *foe, const void *bytes, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t part = send(foe->fd, (const char *)bytes + sent, size - sent, MSG_NOSIGNAL);
        if (part <= 0)
            return false;
        sent += (size_t)part;
    }
    return true;
}

bool
foe_say(struct foe *foe, int type, const void *content, size_t size)
{
    unsigned char record[FOE_RECORD_BYTES];
    return foe_send(foe, record, foe_seal(foe, type, content, size, record));
}
