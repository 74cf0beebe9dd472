/*
 * Identities: what a server and a client show, and what is refused before anybody sees it.
 */
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#define PASSPHRASE "open sesame"

static unsigned asked;

static int
know_it(char *out, size_t room, void *data)
{
    asked++;
    assert_int_equal(room, TR_TLS_PASSPHRASE_BYTES);
    memcpy(out, data, strlen(data));
    return (int)strlen(data);
}

static int
know_nothing(char *out, size_t room, void *data)
{
    (void)out;
    (void)room;
    (void)data;
    return -1;
}

static struct tr_tls_context_options
server_of(const struct tr_tls_identity *identity)
{
    return (struct tr_tls_context_options){.serves = true, .identities = identity, .identity_count = 1};
}

/* A client that believes ca takes the server. */
static void
serves_well(const struct tr_tls_identity *identity)
{
    struct tr_tls_context_options server_options = server_of(identity), client_options = tls_client("ca");
    tr_tls_context *server = tls_make(&server_options), *client = tls_make(&client_options);
    assert_true(tls_agree(client, server, "server.example"));
    tr_tls_context_release(server);
    tr_tls_context_release(client);
}

static void
is_refused(const struct tr_tls_identity *identity, tr_status status, const char *words)
{
    struct tr_tls_context_options options = server_of(identity);
    tls_refused(&options, status, words);
}

static void
pem_is_a_file_or_memory(void **state)
{
    struct tr_pem chain = tls_memory("server.pem"), key = tls_memory("server.key");
    (void)state;
    serves_well(tls_identity("server"));
    serves_well(&(struct tr_tls_identity){.chain = chain, .key = key});
    serves_well(&(struct tr_tls_identity){.chain.file = tls_file("server.pem"), .key = key});
    free((void *)chain.memory);
    free((void *)key.memory);
}

static void
the_key_may_be_in_the_pem_of_the_chain(void **state)
{
    struct tr_pem both = tls_memory("both.pem");
    (void)state;
    serves_well(&(struct tr_tls_identity){.chain.file = tls_file("both.pem")});
    serves_well(&(struct tr_tls_identity){.chain = both});
    free((void *)both.memory);
}

static void
what_else_is_in_a_pem_is_passed_over(void **state)
{
    (void)state;
    serves_well(&(struct tr_tls_identity){.chain.file = tls_file("both.pem"), .key.file = tls_file("both.pem")});
    serves_well(&(struct tr_tls_identity){.chain.file = tls_file("server.pem"), .key.file = tls_file("old_form.key")});
}

static void
the_chain_is_shown_to_the_ca(void **state)
{
    struct tr_tls_context_options lonely = tls_server("deep"), client_options = tls_client("ca");
    (void)state;
    serves_well(&(struct tr_tls_identity){.chain.file = tls_file("deep_chain.pem"), .key.file = tls_file("deep.key")});
    tr_tls_context *server = tls_make(&lonely), *client = tls_make(&client_options);
    assert_false(tls_agree(client, server, NULL));
    tr_tls_context_release(server);
    tr_tls_context_release(client);
}

static void
sealed_with(const char *chain, const char *key, const char *passphrase, tr_status status, const char *words)
{
    struct tr_tls_identity identity = {
        .chain.file = tls_file(chain),
        .key.file = tls_file(key),
        .passphrase = passphrase == NULL ? know_nothing : know_it,
        .passphrase_data = (void *)passphrase,
    };
    asked = 0;
    if (status == TR_OK)
        serves_well(&identity);
    else
        is_refused(&identity, status, words);
    assert_int_equal(asked, passphrase != NULL);
}

static void
an_encrypted_key_is_opened_by_its_passphrase_which_is_asked_for_once(void **state)
{
    (void)state;
    sealed_with("server.pem", "sealed.key", PASSPHRASE, TR_OK, NULL);
    sealed_with("server_rsa.pem", "sealed_old.key", PASSPHRASE, TR_OK, NULL);
}

static void
without_the_right_passphrase_an_encrypted_key_is_refused(void **state)
{
    struct tr_tls_identity identity = {.chain.file = tls_file("server.pem"), .key.file = tls_file("sealed.key")};
    (void)state;
    is_refused(&identity, TR_EPASSPHRASE, "sealed.key, line 1: the key is encrypted, and there is no passphrase");
    sealed_with("server.pem", "sealed.key", NULL, TR_EPASSPHRASE, "there is no passphrase");
    sealed_with("server.pem", "sealed.key", "", TR_EPASSPHRASE, "sealed.key, line 1: the passphrase does not decrypt");
    sealed_with("server.pem", "sealed.key", "open sesam", TR_EPASSPHRASE, "the passphrase does not decrypt the key");
    sealed_with("server_rsa.pem", "sealed_old.key", "simsim", TR_EPASSPHRASE, "the passphrase does not decrypt");
}

static int
claim_too_much(char *out, size_t room, void *data)
{
    (void)out;
    (void)data;
    return (int)room + 1;
}

static void
a_passphrase_that_is_longer_than_its_room_is_none(void **state)
{
    struct tr_tls_identity identity = *tls_identity("server");
    (void)state;
    identity.key.file = tls_file("sealed.key");
    identity.passphrase = claim_too_much;
    is_refused(&identity, TR_EPASSPHRASE, "there is no passphrase");
}

static void
a_passphrase_is_not_asked_for_in_vain(void **state)
{
    struct tr_tls_identity identity = *tls_identity("server");
    (void)state;
    identity.passphrase = know_it;
    identity.passphrase_data = PASSPHRASE;
    asked = 0;
    serves_well(&identity);
    assert_int_equal(asked, 0);
}

static void
a_server_must_have_an_identity_and_an_identity_its_parts(void **state)
{
    struct tr_tls_context_options bare = tls_server(NULL);
    (void)state;
    tls_refused(&bare, TR_ETLSNOKEY, "a server must have an identity");
    is_refused(&(struct tr_tls_identity){.key.file = tls_file("server.key")}, TR_ETLSNOKEY,
               "identities[0] has no certificate");
    is_refused(&(struct tr_tls_identity){.chain.file = tls_file("server.pem")}, TR_ETLSNOKEY,
               "server.pem: there is no private key in it, and none was given");
}

static void
a_key_of_another_certificate_is_refused_and_both_are_named(void **state)
{
    struct tr_tls_identity identity = *tls_identity("server");
    (void)state;
    identity.key.file = tls_file("self.key");
    is_refused(&identity, TR_EKEYMISMATCH, "self.key does not belong to the certificate of CN=server.example in ");
    identity.key.file = tls_file("server_rsa.key");
    is_refused(&identity, TR_EKEYMISMATCH, "server.pem");
}

static void
a_certificate_out_of_its_time_is_refused_with_the_date(void **state)
{
    (void)state;
    is_refused(tls_identity("expired"), TR_ECERTEXPIRED,
               "expired.pem, line 1: the certificate of CN=server.example has expired on Jan  1 00:00:00 2021 GMT");
    is_refused(tls_identity("not_yet"), TR_ECERTNOTYET,
               "the certificate of CN=server.example is not valid before Jan  1 00:00:00 2049 GMT");
}

static void
a_weak_key_is_refused(void **state)
{
    (void)state;
    is_refused(tls_identity("weak"), TR_EWEAKKEY,
               "identities[0]: the certificate of CN=server.example: ee key too small");
}

static unsigned
lines_of(const char *name)
{
    struct tr_pem pem = tls_memory(name);
    unsigned lines = 0;
    for (size_t i = 0; i < pem.size; i++)
        lines += ((const char *)pem.memory)[i] == '\n';
    free((void *)pem.memory);
    return lines;
}

static void
what_is_not_pem_is_refused_with_file_and_line(void **state)
{
    char words[64];
    struct tr_tls_identity identity = *tls_identity("server");
    const char *key = identity.key.file;
    (void)state;
    identity.key.file = tls_file("broken.key");
    is_refused(&identity, TR_ENOTPEM, "broken.key, line 1: bad base64 decode");
    identity.key.file = tls_file("server.pem");
    is_refused(&identity, TR_ENOTPEM, "server.pem: there is no private key in it");
    identity.key.file = tls_file("plain.txt");
    is_refused(&identity, TR_ENOTPEM, "plain.txt: not PEM");
    identity.key.file = key;
    identity.chain.file = tls_file("plain.txt");
    is_refused(&identity, TR_ENOTPEM, "plain.txt: not PEM");
    identity.chain.file = tls_file("der.pem");
    is_refused(&identity, TR_ENOTPEM, "der.pem: not PEM");
    identity.chain.file = tls_file("server.key");
    is_refused(&identity, TR_ENOTPEM, "server.key: there is no certificate in it");
    identity.chain.file = tls_file("broken.pem");
    is_refused(&identity, TR_ENOTPEM, "broken.pem, line 1: ");
    identity.chain.file = tls_file("broken_second.pem");
    snprintf(words, sizeof(words), "broken_second.pem, line %u: ", 1 + lines_of("ca.pem"));
    is_refused(&identity, TR_ENOTPEM, words);
    identity.chain.file = tls_file("endless.pem");
    is_refused(&identity, TR_ENOTPEM, "endless.pem, line 1: the CERTIFICATE has no end");
}

static void
a_block_of_the_right_label_may_hold_something_else(void **state)
{
    static const char junk[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    static const char no_key[] = "hello\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    struct tr_tls_identity identity = *tls_identity("server");
    (void)state;
    identity.key = (struct tr_pem){.memory = no_key, .size = sizeof(no_key) - 1};
    is_refused(&identity, TR_ENOTPEM, "identities[0], line 2: not a private key");
    identity.chain = (struct tr_pem){.memory = junk, .size = sizeof(junk) - 1};
    is_refused(&identity, TR_ENOTPEM, "identities[0], line 1: not a certificate");
    identity.chain = (struct tr_pem){.memory = junk, .size = 0};
    is_refused(&identity, TR_ENOTPEM, "identities[0]: not PEM");
}

static void
files_that_cannot_be_read_are_named(void **state)
{
    struct tr_tls_identity identity = *tls_identity("server");
    (void)state;
    identity.key.file = tls_file("nowhere.key");
    is_refused(&identity, TR_ENOENT, "nowhere.key: no such file or directory");
    identity.key.file = tls_file("hashed");
    is_refused(&identity, TR_EISDIR, "hashed: ");
    identity.chain.file = tls_file("server.pem/x");
    is_refused(&identity, TR_ENOTDIR, "server.pem/x: ");
    identity.chain.file = "/dev/zero";
    is_refused(&identity, TR_EFBIG, "/dev/zero: ");
    identity.chain = (struct tr_pem){.memory = "x", .size = TR_PEM_BYTES + 1};
    is_refused(&identity, TR_EFBIG, "identities[0]: ");
}

static void
a_pem_has_one_of_file_and_memory(void **state)
{
    struct tr_tls_identity identity = *tls_identity("server");
    (void)state;
    identity.key.memory = "x";
    identity.key.size = 1;
    is_refused(&identity, TR_EINVAL, "identities[0]: give either a file or memory");
}

static void
pem_in_the_place_of_a_files_name_is_refused_and_nothing_of_a_key_is_told(void **state)
{
    struct tr_tls_identity identity = *tls_identity("server");
    struct tr_tls_context_options options = {.serves = true, .identities = &identity, .identity_count = 1};
    struct tr_tls_refusal refusal;
    struct tr_pem key = tls_memory("server.key");
    char *text = calloc(1, key.size + 1);
    tr_tls_context *context;
    (void)state;
    memcpy(text, key.memory, key.size);
    identity.key.file = text;
    assert_int_equal(tr_tls_context_new(&options, &refusal, &context), TR_EINVAL);
    assert_string_equal(refusal.text, "identities[0]: file is PEM, not the name of a file: give it as memory");
    identity.key.file = tls_file("server.key");
    identity.chain.file = text;
    is_refused(&identity, TR_EINVAL, "identities[0]: file is PEM");
    free(text);
    free((void *)key.memory);
}

/* Shakes hands with a client that takes signatures of this kind alone, and gives the kind of key it was shown. */
static int
kind_shown_to(tr_tls_context *server, const char *signatures)
{
    struct tr_tls_context_options options = tls_client("ca");
    struct tls_duo duo;
    options.signatures = signatures;
    tr_tls_context *client = tls_make(&options);
    tls_begin(&duo, client, server, "server.example");
    assert_true(tls_shake(&duo));
    int kind = EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(duo.client)));
    tls_end(&duo);
    tr_tls_context_release(client);
    return kind;
}

static void
of_identities_with_keys_of_different_kinds_the_client_is_shown_what_it_can_check(void **state)
{
    struct tr_tls_identity both[] = {*tls_identity("server"), *tls_identity("server_rsa")};
    struct tr_tls_context_options options = {.serves = true, .identities = both, .identity_count = 2};
    (void)state;
    tr_tls_context *server = tls_make(&options);
    assert_int_equal(kind_shown_to(server, "ECDSA+SHA256"), EVP_PKEY_EC);
    assert_int_equal(kind_shown_to(server, "RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA384"), EVP_PKEY_RSA);
    tr_tls_context_release(server);
}

static void
two_identities_with_the_same_kind_of_key_are_refused(void **state)
{
    struct tr_tls_identity both[] = {*tls_identity("server"), *tls_identity("a")};
    struct tr_tls_context_options options = {.serves = true, .identities = both, .identity_count = 2};
    (void)state;
    tls_refused(&options, TR_EINVAL, "identities[1]: another identity has the same kind of key");
}

static void
sentences_have_no_control_characters(void **state)
{
    struct tr_tls_identity identity = {.chain.file = "/no\nsuch\x1b[31mfile"};
    (void)state;
    is_refused(&identity, TR_ENOENT, "/no?such?[31mfile: no such file");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(pem_is_a_file_or_memory),
        TLS_TEST(the_key_may_be_in_the_pem_of_the_chain),
        TLS_TEST(what_else_is_in_a_pem_is_passed_over),
        TLS_TEST(the_chain_is_shown_to_the_ca),
        TLS_TEST(an_encrypted_key_is_opened_by_its_passphrase_which_is_asked_for_once),
        TLS_TEST(without_the_right_passphrase_an_encrypted_key_is_refused),
        TLS_TEST(a_passphrase_that_is_longer_than_its_room_is_none),
        TLS_TEST(a_passphrase_is_not_asked_for_in_vain),
        TLS_TEST(a_server_must_have_an_identity_and_an_identity_its_parts),
        TLS_TEST(a_key_of_another_certificate_is_refused_and_both_are_named),
        TLS_TEST(a_certificate_out_of_its_time_is_refused_with_the_date),
        TLS_TEST(a_weak_key_is_refused),
        TLS_TEST(what_is_not_pem_is_refused_with_file_and_line),
        TLS_TEST(a_block_of_the_right_label_may_hold_something_else),
        TLS_TEST(files_that_cannot_be_read_are_named),
        TLS_TEST(a_pem_has_one_of_file_and_memory),
        TLS_TEST(pem_in_the_place_of_a_files_name_is_refused_and_nothing_of_a_key_is_told),
        TLS_TEST(of_identities_with_keys_of_different_kinds_the_client_is_shown_what_it_can_check),
        TLS_TEST(two_identities_with_the_same_kind_of_key_are_refused),
        TLS_TEST(sentences_have_no_control_characters),
    };
    return cmocka_run_group_tests(tests, tls_setup, NULL);
}
