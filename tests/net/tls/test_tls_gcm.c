/*
 * The provider of AES-GCM against OpenSSL's own cipher: what one makes the other reads, as messages and as records of
 * TLS 1.2, and what is not right is refused. That real peers understand it all other tests of TLS show, since contexts
 * use it. Where it is not used there is nothing to test: without libipsec-mb, on processors without AVX2, with OpenSSL
 * from 3.1 on.
 */
#include "gcm_provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>

#define MOST 16640u
#define TAG 16
#define IV 12
#define HEADER 13
#define EXPLICIT 8

static const uint8_t key[32] = "a key of 32 bytes, or of 16....", iv[IV] = "twelve bytes";
static const char *const names[] = {"AES-128-GCM", "AES-256-GCM"};
static uint8_t plain[MOST];

struct message {
    uint8_t bytes[MOST], tag[TAG];
};

static EVP_CIPHER_CTX *
open_cipher(const char *name, const char *wish, int encrypts)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, wish);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    assert_non_null(cipher);
    assert_int_equal(EVP_CipherInit_ex(context, cipher, NULL, key, NULL, encrypts), 1);
    EVP_CIPHER_free(cipher);
    return context;
}

static EVP_CIPHER_CTX *
open_ours(const char *name, int encrypts)
{
    return open_cipher(name, tri_gcm_wish(), encrypts);
}

static EVP_CIPHER_CTX *
open_theirs(const char *name, int encrypts)
{
    return open_cipher(name, "provider=default", encrypts);
}

/* In one part, or in two. */
static void
pass(EVP_CIPHER_CTX *context, uint8_t *out, const uint8_t *in, int size, int first)
{
    int done = 0;
    assert_int_equal(EVP_CipherUpdate(context, NULL, &done, iv, 5), 1); /* anything, to be authenticated alone */
    if (first > 0)
        assert_int_equal(EVP_CipherUpdate(context, out, &done, in, first), 1);
    if (size > first)
        assert_int_equal(EVP_CipherUpdate(context, out + first, &done, in + first, size - first), 1);
}

static void
encrypt(EVP_CIPHER_CTX *context, struct message *message, int size, int first)
{
    int none;
    assert_int_equal(EVP_CipherInit_ex(context, NULL, NULL, NULL, iv, 1), 1);
    pass(context, message->bytes, plain, size, first);
    assert_int_equal(EVP_CipherFinal_ex(context, message->bytes, &none), 1);
    assert_int_equal(none, 0);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG, message->tag), 1);
}

/* Gives whether the tag is right. */
static int
decrypt(EVP_CIPHER_CTX *context, const struct message *message, int size, int first, uint8_t *out)
{
    int none;
    uint8_t tag[TAG];
    memcpy(tag, message->tag, TAG);
    assert_int_equal(EVP_CipherInit_ex(context, NULL, NULL, NULL, iv, 0), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG, tag), 1);
    pass(context, out, message->bytes, size, first);
    return EVP_CipherFinal_ex(context, out, &none);
}

static void
compare(const char *name, int size, int first)
{
    static struct message ours, theirs;
    static uint8_t out[MOST];
    EVP_CIPHER_CTX *our_writer = open_ours(name, 1), *their_writer = open_theirs(name, 1);
    EVP_CIPHER_CTX *our_reader = open_ours(name, 0);
    encrypt(our_writer, &ours, size, first);
    encrypt(their_writer, &theirs, size, 0);
    assert_memory_equal(ours.bytes, theirs.bytes, size);
    assert_memory_equal(ours.tag, theirs.tag, TAG);
    assert_int_equal(decrypt(our_reader, &theirs, size, first, out), 1);
    assert_memory_equal(out, plain, size);
    EVP_CIPHER_CTX_free(our_writer);
    EVP_CIPHER_CTX_free(their_writer);
    EVP_CIPHER_CTX_free(our_reader);
}

static void
it_makes_and_reads_what_openssls_own_cipher_does(void **state)
{
    (void)state;
    for (size_t n = 0; n < 2; n++) {
        for (int size = 0; size < 1100; size++)
            compare(names[n], size, size * 7 % (size + 1));
        for (int size = 16384 - 20; size < 16384 + 20; size++)
            compare(names[n], size, 0);
    }
}

static void
one_wrong_bit_is_refused(void **state)
{
    static struct message message;
    static uint8_t out[MOST];
    (void)state;
    EVP_CIPHER_CTX *writer = open_ours(names[0], 1), *reader = open_ours(names[0], 0);
    encrypt(writer, &message, 100, 0);
    for (int bit = 0; bit < 8 * 100; bit++) {
        message.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(decrypt(reader, &message, 100, 0, out), 0);
        message.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (int bit = 0; bit < 8 * TAG; bit++) {
        message.tag[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(decrypt(reader, &message, 100, 0, out), 0);
        message.tag[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(decrypt(reader, &message, 100, 0, out), 1);
    EVP_CIPHER_CTX_free(writer);
    EVP_CIPHER_CTX_free(reader);
}

static void
an_iv_is_good_for_one_message_and_a_tag_too(void **state)
{
    static struct message message;
    static uint8_t out[MOST];
    int size;
    (void)state;
    EVP_CIPHER_CTX *writer = open_ours(names[0], 1), *reader = open_ours(names[0], 0);
    assert_int_equal(EVP_CipherUpdate(writer, out, &size, plain, 10), 0); /* none yet */
    encrypt(writer, &message, 10, 0);
    assert_int_equal(EVP_CipherUpdate(writer, out, &size, plain, 10), 0);
    assert_int_equal(EVP_CipherFinal_ex(writer, out, &size), 0);
    assert_int_equal(decrypt(reader, &message, 10, 0, out), 1);
    assert_int_equal(EVP_CipherInit_ex(reader, NULL, NULL, NULL, iv, 0), 1);
    pass(reader, out, message.bytes, 10, 0);
    assert_int_equal(EVP_CipherFinal_ex(reader, out, &size), 0); /* no tag has come with it */
    EVP_CIPHER_CTX_free(writer);
    EVP_CIPHER_CTX_free(reader);
}

/* Records of 1.2. */

static EVP_CIPHER_CTX *
open_for_records(EVP_CIPHER_CTX *context)
{
    uint8_t fixed[4] = "salt";
    assert_int_equal(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_IV_FIXED, sizeof(fixed), fixed), 1);
    return context;
}

/* Gives what OpenSSL's record layer would see: the size of the record, or that of the plain bytes; below 0: refused. */
static int
record(EVP_CIPHER_CTX *context, uint8_t *bytes, int size, uint8_t number)
{
    uint8_t header[HEADER] = {0, 0, 0, 0, 0, 0, 0, number, 23, 3, 3, (uint8_t)(size >> 8), (uint8_t)size};
    int pad = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_TLS1_AAD, HEADER, header), done;
    if (pad <= 0)
        return -1;
    assert_int_equal(pad, TAG);
    size += EVP_CIPHER_CTX_is_encrypting(context) ? pad : 0;
    return EVP_CipherUpdate(context, bytes, &done, bytes, size) == 1 ? done : -1;
}

static void
pass_records(EVP_CIPHER_CTX *writer, EVP_CIPHER_CTX *reader)
{
    static uint8_t bytes[MOST], first[EXPLICIT];
    for (uint8_t i = 0; i < 200; i++) {
        int size = i * i % 16000;
        memcpy(bytes + EXPLICIT, plain, (size_t)size);
        assert_int_equal(record(writer, bytes, EXPLICIT + size, i), EXPLICIT + size + TAG);
        assert_memory_not_equal(bytes, first, EXPLICIT); /* each IV is another */
        memcpy(first, bytes, EXPLICIT);
        assert_int_equal(record(reader, bytes, EXPLICIT + size + TAG, i), size);
        assert_memory_equal(bytes + EXPLICIT, plain, (size_t)size);
    }
    EVP_CIPHER_CTX_free(writer);
    EVP_CIPHER_CTX_free(reader);
}

static void
records_of_1_2_are_those_of_openssl(void **state)
{
    (void)state;
    for (size_t n = 0; n < 2; n++) {
        pass_records(open_for_records(open_ours(names[n], 1)), open_for_records(open_theirs(names[n], 0)));
        pass_records(open_for_records(open_theirs(names[n], 1)), open_for_records(open_ours(names[n], 0)));
    }
}

static void
a_record_of_1_2_that_is_wrong_is_refused_and_wiped(void **state)
{
    static uint8_t bytes[MOST], none[MOST];
    (void)state;
    EVP_CIPHER_CTX *writer = open_for_records(open_ours(names[0], 1));
    EVP_CIPHER_CTX *reader = open_for_records(open_ours(names[0], 0));
    memcpy(bytes + EXPLICIT, plain, 100);
    assert_int_equal(record(writer, bytes, EXPLICIT + 100, 1), EXPLICIT + 100 + TAG);
    assert_true(record(reader, bytes, EXPLICIT + 100 + TAG, 2) < 0); /* out of its turn */
    assert_memory_equal(bytes + EXPLICIT, none, 100);
    for (int size = 0; size < EXPLICIT + TAG; size++)
        assert_true(record(reader, bytes, size, 3) < 0); /* too short to be one */
    EVP_CIPHER_CTX_free(writer);
    EVP_CIPHER_CTX_free(reader);
}

/* Who gets it. */

static const char *
provider_of(const char *wish)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, names[0], wish);
    const char *name = OSSL_PROVIDER_get0_name(EVP_CIPHER_get0_provider(cipher));
    EVP_CIPHER_free(cipher);
    return name;
}

static void
nobody_gets_it_who_does_not_ask(void **state)
{
    (void)state;
    assert_string_equal(provider_of(tri_gcm_wish()), "troupe-gcm");
    assert_string_equal(provider_of(NULL), "default");
    assert_string_equal(provider_of(""), "default");
}

static void
who_demands_something_else_of_all_is_obeyed(void **state)
{
    (void)state;
    assert_int_equal(EVP_set_default_properties(NULL, "provider=default"), 1);
    assert_string_equal(provider_of(tri_gcm_wish()), "default");
    assert_int_equal(EVP_set_default_properties(NULL, ""), 1);
    assert_string_equal(provider_of(tri_gcm_wish()), "troupe-gcm");
}

static void
what_it_does_not_do_is_refused(void **state)
{
    uint8_t short_key[16] = {0};
    size_t seven_bytes = 7;
    const OSSL_PARAM seven[] = {OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, &seven_bytes),
                                OSSL_PARAM_construct_end()};
    int size;
    (void)state;
    EVP_CIPHER_CTX *writer = open_ours(names[1], 1);
    assert_int_equal(EVP_CIPHER_CTX_set_params(writer, seven), 0);
    assert_int_equal(EVP_CipherInit_ex(writer, NULL, NULL, NULL, iv, 1), 1);
    for (int i = 0; i < 3; i++) /* 17 bytes and more, of 16 */
        (void)EVP_CipherUpdate(writer, NULL, &size, plain, 6);
    assert_int_equal(EVP_CipherUpdate(writer, NULL, &size, plain, 6), 0);
    EVP_CIPHER_CTX_free(writer);

    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, names[0], tri_gcm_wish());
    writer = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_CipherInit_ex(writer, cipher, NULL, NULL, iv, 1), 1);
    assert_int_equal(EVP_CipherUpdate(writer, short_key, &size, plain, 16), 0); /* no key */
    EVP_CIPHER_CTX_free(writer);
    EVP_CIPHER_free(cipher);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_makes_and_reads_what_openssls_own_cipher_does),
        cmocka_unit_test(one_wrong_bit_is_refused),
        cmocka_unit_test(an_iv_is_good_for_one_message_and_a_tag_too),
        cmocka_unit_test(records_of_1_2_are_those_of_openssl),
        cmocka_unit_test(a_record_of_1_2_that_is_wrong_is_refused_and_wiped),
        cmocka_unit_test(nobody_gets_it_who_does_not_ask),
        cmocka_unit_test(who_demands_something_else_of_all_is_obeyed),
        cmocka_unit_test(what_it_does_not_do_is_refused),
    };
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * 31 + (i >> 8));
    if (tri_gcm_wish() == NULL) {
        fputs("skipped: a library whose AES-GCM is faster than OpenSSL's was not found\n", stderr);
        return EXIT_FAILURE;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
