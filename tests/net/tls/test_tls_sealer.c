/*
 * The records of TLS 1.3 that the wire makes itself: OpenSSL's own cipher reads each of them, as section 5.2 of RFC
 * 8446 says; then as the records of two connections, until one of them renews its key. Where nothing is sealed so there
 * is nothing to test: see test_tls_gcm.c.
 */
#include "sealer.h"

#include "aside.h"
#include "connection.h"
#include "gcm_provider.h"
#include "layer_play.h"
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/tls.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#define HEADER 5
#define TAG 16
#define KEY_UPDATE_BYTES 5
#define MUCH 100000u
#define LITTLE_ROOM 4608
#define MANY_TICKETS 60u

static uint8_t plain[TRI_RECORD_BYTES];
static const uint8_t key[32] = "a key of 32 bytes, or of 16....", salt[4] = "salt", iv[8] = "eight...";

/* Records. */

static void
write_number(uint8_t to[8], uint64_t number)
{
    for (unsigned i = 0; i < 8; i++)
        to[i] = (uint8_t)(number >> 8 * (7 - i));
}

static struct tri_sealer *
open_128(uint64_t number)
{
    struct tls12_crypto_info_aes_gcm_128 info = {.info = {TLS_1_3_VERSION, TLS_CIPHER_AES_GCM_128}};
    memcpy(info.key, key, sizeof(info.key));
    memcpy(info.salt, salt, sizeof(salt));
    memcpy(info.iv, iv, sizeof(iv));
    write_number(info.rec_seq, number);
    return tri_sealer_new(&info);
}

static struct tri_sealer *
open_256(uint64_t number)
{
    struct tls12_crypto_info_aes_gcm_256 info = {.info = {TLS_1_3_VERSION, TLS_CIPHER_AES_GCM_256}};
    memcpy(info.key, key, sizeof(info.key));
    memcpy(info.salt, salt, sizeof(salt));
    memcpy(info.iv, iv, sizeof(iv));
    write_number(info.rec_seq, number);
    return tri_sealer_new(&info);
}

static EVP_CIPHER_CTX *
open_theirs(const char *name)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, "provider=default");
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_DecryptInit_ex(context, cipher, NULL, key, NULL), 1);
    EVP_CIPHER_free(cipher);
    return context;
}

/* Demands that it is the record of that number, with those bytes and that type. */
static void
read_record(EVP_CIPHER_CTX *context, uint64_t number, uint8_t type, const uint8_t *record, int size)
{
    static uint8_t out[TRI_RECORD_BYTES + 1];
    const uint8_t header[HEADER] = {23, 3, 3, (uint8_t)((size + 17) >> 8), (uint8_t)(size + 17)};
    uint8_t nonce[12], tag[TAG];
    int done;
    memcpy(nonce, salt, 4);
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] = iv[i] ^ (uint8_t)(number >> 8 * (7 - i));
    memcpy(tag, record + HEADER + size + 1, TAG);
    assert_memory_equal(record, header, HEADER);
    assert_int_equal(EVP_DecryptInit_ex(context, NULL, NULL, NULL, nonce), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG, tag), 1);
    assert_int_equal(EVP_DecryptUpdate(context, NULL, &done, header, HEADER), 1);
    assert_int_equal(EVP_DecryptUpdate(context, out, &done, record + HEADER, size + 1), 1);
    assert_int_equal(EVP_DecryptFinal_ex(context, out, &done), 1);
    assert_memory_equal(out, plain, (size_t)size);
    assert_int_equal(out[size], type);
}

static void
make_and_read(struct tri_sealer *sealer, EVP_CIPHER_CTX *reader, uint64_t number, uint8_t type, int size)
{
    static uint8_t record[TRI_RECORD_BYTES + TRI_SEAL_BYTES + 1];
    record[size + (int)TRI_SEAL_BYTES] = 0xa5;
    assert_int_equal(tri_sealer_make(sealer, type, plain, (size_t)size, record), (size_t)size + TRI_SEAL_BYTES);
    assert_int_equal(record[size + (int)TRI_SEAL_BYTES], 0xa5);
    read_record(reader, number, type, record, size);
}

static void
read_many(struct tri_sealer *sealer, const char *name)
{
    EVP_CIPHER_CTX *reader = open_theirs(name);
    uint64_t number = 0;
    for (int size = 0; size < 1100; size++, number++)
        make_and_read(sealer, reader, number, (uint8_t)(20 + size % 5), size);
    for (int size = (int)TRI_RECORD_BYTES - 20; size <= (int)TRI_RECORD_BYTES; size++, number++)
        make_and_read(sealer, reader, number, SSL3_RT_APPLICATION_DATA, size);
    tri_sealer_free(sealer);
    EVP_CIPHER_CTX_free(reader);
}

static void
each_record_is_what_the_rfc_says(void **state)
{
    (void)state;
    read_many(open_128(0), "AES-128-GCM");
    read_many(open_256(0), "AES-256-GCM");
}

static void
the_number_of_a_record_goes_through_all_its_bytes(void **state)
{
    static const uint64_t firsts[] = {0, 0xfe, 0xfffe, 0xfffffe, 0xfffffffe, 0x01fffffffffffffe, 0xfffffffffffffff0};
    (void)state;
    EVP_CIPHER_CTX *reader = open_theirs("AES-128-GCM");
    for (size_t n = 0; n < sizeof(firsts) / sizeof(firsts[0]); n++) {
        struct tri_sealer *sealer = open_128(firsts[n]);
        for (uint64_t i = 0; i < 4; i++)
            make_and_read(sealer, reader, firsts[n] + i, SSL3_RT_APPLICATION_DATA, 64);
        tri_sealer_free(sealer);
    }
    EVP_CIPHER_CTX_free(reader);
}

static void
a_key_that_is_taken_is_wiped_and_another_is_left(void **state)
{
    struct tls12_crypto_info_aes_gcm_128 info = {.info = {TLS_1_2_VERSION, TLS_CIPHER_AES_GCM_128}}, none = {0};
    (void)state;
    memcpy(info.key, key, sizeof(info.key));
    assert_null(tri_sealer_new(&info));
    info.info = (struct tls_crypto_info){TLS_1_3_VERSION, TLS_CIPHER_CHACHA20_POLY1305};
    assert_null(tri_sealer_new(&info));
    assert_memory_equal(info.key, key, sizeof(info.key));
    info.info.cipher_type = TLS_CIPHER_AES_GCM_128;
    struct tri_sealer *sealer = tri_sealer_new(&info);
    assert_non_null(sealer);
    assert_memory_equal(&info, &none, sizeof(none));
    tri_sealer_free(sealer);
    tri_sealer_free(NULL);
}

/* Connections. */

static bool
seals(const struct layer_end *end)
{
    return tri_tls_of(end->layer)->sealer != NULL;
}

static void
carry_both_ways(struct layer_duo *duo)
{
    layer_carry(&duo->client, &duo->server, MUCH, TRI_RECORD_BYTES);
    layer_carry(&duo->server, &duo->client, MUCH, 1000);
}

/* What one has sent the other has read: to the byte, so what sealing adds is counted. */
static void
demand_that_the_wire_agrees(const struct layer_duo *duo)
{
    const struct tri_tls *client = tri_tls_of(duo->client.layer), *server = tri_tls_of(duo->server.layer);
    assert_int_equal(tri_wire_written(client), tri_wire_read(server));
    assert_int_equal(tri_wire_written(server), tri_wire_read(client));
}

static void
play(const struct layer_plan *plan, bool seal)
{
    struct layer_duo duo;
    layer_agree(&duo, plan);
    assert_true(seals(&duo.client) == seal && seals(&duo.server) == seal);
    carry_both_ways(&duo);
    demand_that_the_wire_agrees(&duo);
    layer_end(&duo);
}

static void
both_ends_seal_what_they_write_also_where_the_kernel_takes_it_in_parts(void **state)
{
    (void)state;
    play(&(struct layer_plan){0}, true);
    play(&(struct layer_plan){.room = LITTLE_ROOM}, true);
}

static void
openssl_makes_the_records_of_1_2_and_of_other_ciphers(void **state)
{
    struct tr_tls_context_options older = layer_of_version(tls_server("server"), TR_TLS_1_2);
    struct tr_tls_context_options other = tls_server("server");
    other.suites = "TLS_CHACHA20_POLY1305_SHA256";
    (void)state;
    play(&(struct layer_plan){.server = &older}, false);
    play(&(struct layer_plan){.server = &other}, false);
}

static void
who_demands_other_ciphers_of_all_gets_openssls_records(void **state)
{
    (void)state;
    assert_int_equal(EVP_set_default_properties(NULL, "provider=default"), 1);
    play(&(struct layer_plan){0}, false);
    assert_int_equal(EVP_set_default_properties(NULL, ""), 1);
    play(&(struct layer_plan){0}, true);
}

/* As large together as those with a large certificate of the client's. */
static void
tickets_without_room_wait_for_it_and_the_handshake_goes_on(void **state)
{
    struct layer_duo duo;
    (void)state;
    layer_begin(&duo, &(struct layer_plan){.room = LITTLE_ROOM});
    assert_int_equal(SSL_set_num_tickets(tri_tls_of(duo.server.layer)->ssl, MANY_TICKETS), 1);
    for (unsigned reads = 0; reads < MANY_TICKETS && !layer_shake(&duo); reads++)
        layer_read(&duo.client, 100);
    assert_int_equal(duo.server.layer->state, TRI_LAYER_OPEN);
    carry_both_ways(&duo);
    demand_that_the_wire_agrees(&duo);
    layer_end(&duo);
}

static void
after_a_key_update_openssl_makes_the_records_of_that_side(void **state)
{
    struct layer_duo duo;
    (void)state;
    layer_agree(&duo, &(struct layer_plan){0});
    assert_int_equal(tri_tls_update_keys(duo.client.layer, false), TR_OK);
    assert_true(layer_push(&duo.client));
    carry_both_ways(&duo);
    assert_true(!seals(&duo.client) && seals(&duo.server));
    assert_int_equal(tri_tls_update_keys(duo.client.layer, true), TR_OK);
    assert_true(layer_push(&duo.client));
    carry_both_ways(&duo);
    assert_true(!seals(&duo.client) && !seals(&duo.server));
    demand_that_the_wire_agrees(&duo);
    layer_end(&duo);
}

/* OpenSSL's memory, of which a piece may be lacking. */

static unsigned lacking; /* the how manieth from now; 0: none */

static bool
lacks(void)
{
    return lacking > 0 && --lacking == 0;
}

static void *
give(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return lacks() ? NULL : malloc(size);
}

static void *
give_more(void *memory, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return lacks() ? NULL : realloc(memory, size);
}

static void
take_back(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    free(memory);
}

/* Without the next key OpenSSL has the old one, and has counted none of our records: what it wrote behind the key
 * update would have the IV of one of them. */
static void
without_memory_for_the_next_key_openssl_writes_nothing_with_the_old_one(void **state)
{
    unsigned failures = 0;
    bool met = true;
    (void)state;
    for (unsigned nth = 1; met; nth++) {
        struct layer_duo duo;
        layer_agree(&duo, &(struct layer_plan){0});
        lacking = nth;
        tr_status status = tri_tls_update_keys(duo.client.layer, false);
        met = lacking == 0;
        lacking = 0;
        failures += status != TR_OK;
        assert_true(tri_spill_first(tri_tls_of(duo.client.layer)).size <= KEY_UPDATE_BYTES + TRI_SEAL_BYTES);
        assert_true(met || status == TR_OK);
        layer_end(&duo);
    }
    assert_true(failures > 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_is_what_the_rfc_says),
        cmocka_unit_test(the_number_of_a_record_goes_through_all_its_bytes),
        cmocka_unit_test(a_key_that_is_taken_is_wiped_and_another_is_left),
        LAYER_TEST(both_ends_seal_what_they_write_also_where_the_kernel_takes_it_in_parts),
        LAYER_TEST(openssl_makes_the_records_of_1_2_and_of_other_ciphers),
        LAYER_TEST(who_demands_other_ciphers_of_all_gets_openssls_records),
        LAYER_TEST(tickets_without_room_wait_for_it_and_the_handshake_goes_on),
        LAYER_TEST(after_a_key_update_openssl_makes_the_records_of_that_side),
        LAYER_TEST(without_memory_for_the_next_key_openssl_writes_nothing_with_the_old_one),
    };
    assert_int_equal(CRYPTO_set_mem_functions(give, give_more, take_back), 1);
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * 31 + (i >> 8));
    if (!tri_gcm_is_taken()) {
        fputs("skipped: a library whose AES-GCM is faster than OpenSSL's was not found\n", stderr);
        return EXIT_FAILURE;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
