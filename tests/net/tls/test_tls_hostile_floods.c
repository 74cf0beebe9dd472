/*
 * Floods against secure sockets, and peers whose answers are too large or were not asked for. The worker is not theirs:
 * its witnesses go on while the flood lasts, and its memory is afterwards what it was.
 */
#include "hands.h"
#include "helpers.h"
#include "siege.h"
#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <malloc.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

/* One thread sends as fast as it can, until the connection is gone. */

struct flooder {
    struct foe foe;
    struct victim victim;
    size_t (*next)(struct foe *foe, unsigned char *out); /* what is sent, again and again */
    uv_thread_t thread;
    bool is_over;
};

static void
flood(void *argument)
{
    static _Thread_local unsigned char bytes[20 * FOE_RECORD_BYTES];
    struct flooder *flooder = argument;
    while (!__atomic_load_n(&flooder->is_over, __ATOMIC_SEQ_CST) &&
           foe_send(&flooder->foe, bytes, flooder->next(&flooder->foe, bytes)))
        continue;
}

static void
demand_that_all_goes_on(struct flooder *flooder)
{
    assert_int_equal(uv_thread_create(&flooder->thread, flood, flooder), 0);
    for (unsigned i = 0; i < 20; i++)
        siege_goes_on();
    __atomic_store_n(&flooder->is_over, true, __ATOMIC_SEQ_CST);
    shutdown(flooder->foe.fd, SHUT_RDWR);
    uv_thread_join(&flooder->thread);
    siege_leave(&flooder->victim, &flooder->foe);
}

static size_t
messages_without_content(struct foe *foe, unsigned char *out)
{
    static const char messages[16384]; /* HelloRequest, four bytes each */
    (void)foe;
    return foe_clear(FOE_HANDSHAKE, messages, sizeof(messages), out);
}

static void
a_server_that_answers_a_hello_with_requests_without_end_has_not_the_worker_for_itself(void **state)
{
    struct flooder flooder = {.next = messages_without_content};
    int fd;
    (void)state;
    siege_victim(&flooder.victim, false, &fd);
    foe_begin(&flooder.foe, fd, true, TR_TLS_1_2);
    demand_that_all_goes_on(&flooder);
}

static size_t
key_updates(struct foe *foe, unsigned char *out)
{
    static const unsigned char update[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, 0};
    size_t size = 0;
    for (unsigned i = 0; i < 1000; i++) {
        size += foe_seal(foe, FOE_HANDSHAKE, update, sizeof(update), out + size);
        foe_renew(foe);
    }
    return size;
}

static void
a_peer_that_renews_its_keys_without_end_has_not_the_worker_for_itself(void **state)
{
    (void)state;
    for (unsigned serves = 0; serves < 2; serves++) {
        struct flooder flooder = {.next = key_updates};
        siege_foe(&flooder.victim, &flooder.foe, serves, TR_TLS_1_3);
        demand_that_all_goes_on(&flooder);
    }
}

static size_t
tickets(struct foe *foe, unsigned char *out)
{
    static const unsigned char ticket[] = {
        SSL3_MT_NEWSESSION_TICKET, 0, 0, 15, 0, 0, 14, 16, 1, 2, 3, 4, 1, 'n', 0, 1, 't', 0, 0};
    size_t size = 0;
    for (unsigned i = 0; i < 1000; i++)
        size += foe_seal(foe, FOE_HANDSHAKE, ticket, sizeof(ticket), out + size);
    return size;
}

static void
a_server_that_gives_tickets_without_end_has_not_the_worker_for_itself(void **state)
{
    struct flooder flooder = {.next = tickets};
    (void)state;
    siege_foe(&flooder.victim, &flooder.foe, false, TR_TLS_1_3);
    demand_that_all_goes_on(&flooder);
    assert_true(flooder.victim.truncated); /* they were all right */
}

/* Many connections. */

#define LEFT_AT_MOST 4096u /* by hundreds of handshakes */

static size_t
memory_in_use(void)
{
    return mallinfo2().uordblks;
}

static void
come_and_go(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct victim victim;
        struct foe foe;
        siege_foe(&victim, &foe, i % 2 == 0, i % 4 < 2 ? TR_TLS_1_2 : TR_TLS_1_3);
        siege_leave(&victim, &foe);
    }
}

/* The cache of sessions may have what it was given: here nearly nothing. */
static void
handshakes_that_come_and_go_leave_no_memory_behind(void **state)
{
    (void)state;
    siege_serving.session_cache = 1;
    siege_forget();
    come_and_go(200); /* until OpenSSL's tables have their size */
    size_t before = memory_in_use();
    come_and_go(400);
    size_t after = memory_in_use();
    if (after > before + LEFT_AT_MOST)
        fail_msg("%zu bytes, and then %zu", before, after);
}

static void
fail_once(unsigned i)
{
    static const char words[][12] = {"GET / HTTP", "\x16\x03\x01\0\5\x01\xff\xff\xff\xff", "\x15\x03\x01\0\2\2\x28"};
    struct victim victim;
    int fd;
    siege_victim(&victim, i % 2 == 0, &fd);
    (void)send(fd, words[i % 3], 10, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    siege_until_closed(&victim);
    close(fd);
}

static void
handshakes_that_fail_leave_no_memory_behind(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 60; i++)
        fail_once(i);
    size_t before = memory_in_use();
    for (unsigned i = 0; i < 600; i++)
        fail_once(i);
    size_t after = memory_in_use();
    if (after > before + LEFT_AT_MOST)
        fail_msg("%zu bytes, and then %zu", before, after);
}

/* What one connection may make us keep before it has proved anything, as docs/security.md says. */
#define BOUND_BYTES (192u * 1024)

static void
a_hello_that_says_it_is_large_takes_no_more_than_the_documented_bound(void **state)
{
    enum { MANY = 20 };
    static struct victim victims[MANY];
    static const char hello[] = "\x16\x03\x01\x40\0\x01\x02\0\0\x03\x03"; /* 131,072 bytes are to come */
    int fds[MANY];
    (void)state;
    siege_goes_on();
    size_t before = memory_in_use();
    for (unsigned i = 0; i < MANY; i++) {
        siege_victim(&victims[i], true, &fds[i]);
        assert_int_equal(send(fds[i], hello, sizeof(hello), 0), sizeof(hello));
        for (unsigned j = 0; j < 16000; j += 1000)
            assert_int_equal(send(fds[i], (char[1000]){0}, 1000, 0), 1000);
    }
    siege_settle();
    size_t after = memory_in_use();
    for (unsigned i = 0; i < MANY; i++) {
        close(fds[i]);
        siege_until_closed(&victims[i]);
    }
    if (after > before + MANY * BOUND_BYTES)
        fail_msg("%zu bytes for each", (after - before) / MANY);
    siege_settle();
    assert_true(memory_in_use() < before + 65536 || before == 0);
}

/* Answers. */

static int
picks_what_was_not_offered(SSL *ssl, const unsigned char **out, unsigned char *size, const unsigned char *offered,
                           unsigned offered_size, void *data)
{
    (void)ssl;
    (void)offered;
    (void)offered_size;
    (void)data;
    *out = (const unsigned char *)"smtp";
    *size = 4;
    return SSL_TLSEXT_ERR_OK;
}

static void
a_server_that_picks_a_protocol_that_was_not_offered_is_refused(void **state)
{
    static const char *const offered[] = {"h2", "http/1.1"};
    (void)state;
    for (unsigned of_socket = 0; of_socket < 2; of_socket++)
        for (unsigned version = TR_TLS_1_2; version <= TR_TLS_1_3; version++) {
            struct victim victim;
            struct foe foe;
            int fd;
            siege_calling.alpn = of_socket ? NULL : offered;
            siege_calling.alpn_count = of_socket ? 0 : 2;
            siege_tls.alpn = of_socket ? offered : NULL;
            siege_tls.alpn_count = of_socket ? 2 : 0;
            siege_forget();
            siege_victim(&victim, false, &fd);
            foe_begin(&foe, fd, true, (enum tr_tls_version)version);
            SSL_CTX_set_alpn_select_cb(SSL_get_SSL_CTX(foe.ssl), picks_what_was_not_offered, NULL);
            (void)foe_shake(&foe);
            siege_has_ended(&victim, TR_ETLS, "ERR_SSL_BAD_EXTENSION", "handshake");
            assert_false(victim.secure);
            foe_end(&foe);
        }
}

/* Certificates, each signed by the next. */
static X509 *
certificate(EVP_PKEY *key, unsigned number)
{
    char name[32];
    X509 *made = X509_new();
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), (long)number + 1);
    X509_gmtime_adj(X509_getm_notBefore(made), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made), 3600);
    X509_set_pubkey(made, key);
    for (unsigned of_issuer = 0; of_issuer < 2; of_issuer++) {
        X509_NAME *into = of_issuer ? X509_get_issuer_name(made) : X509_get_subject_name(made);
        snprintf(name, sizeof(name), "number %u", number + of_issuer);
        X509_NAME_add_entry_by_txt(into, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    }
    X509_EXTENSION *authority = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(made, authority, -1);
    X509_EXTENSION_free(authority);
    assert_true(X509_sign(made, key, EVP_sha256()) > 0);
    return made;
}

static void
show_chain(SSL *ssl, unsigned count)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *first = certificate(key, 0);
    for (unsigned i = 1; i < count; i++)
        sk_X509_push(chain, certificate(key, i));
    assert_int_equal(SSL_use_cert_and_key(ssl, first, key, chain, 1), 1);
    X509_free(first);
    EVP_PKEY_free(key);
    sk_X509_pop_free(chain, X509_free);
}

static void
a_chain_of_a_hundred_certificates_is_refused_and_one_above_the_limit_is_not_kept(void **state)
{
    static const struct {
        unsigned count;
        tr_status status;
        const char *code;
    } chains[] = {{100, TR_EUNTRUSTED, "CERT_CHAIN_TOO_LONG"}, {400, TR_ETLS, "ERR_SSL_EXCESSIVE_MESSAGE_SIZE"}};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct victim victim;
        struct foe foe;
        int fd;
        siege_victim(&victim, false, &fd);
        foe_begin(&foe, fd, true, TR_TLS_1_3);
        SSL_set_security_level(foe.ssl, 0);
        show_chain(foe.ssl, chains[i].count);
        assert_false(foe_shake(&foe));
        siege_has_ended(&victim, chains[i].status, chains[i].code, "handshake");
        foe_end(&foe);
    }
}

int
main(int argc, char **argv)
{
    (void)argc;
    tests_without_malloc_caches(argv); /* they count as memory in use */
    const struct CMUnitTest tests[] = {
        SIEGE_TEST(a_server_that_answers_a_hello_with_requests_without_end_has_not_the_worker_for_itself),
        SIEGE_TEST(a_peer_that_renews_its_keys_without_end_has_not_the_worker_for_itself),
        SIEGE_TEST(a_server_that_gives_tickets_without_end_has_not_the_worker_for_itself),
        SIEGE_TEST(handshakes_that_come_and_go_leave_no_memory_behind),
        SIEGE_TEST(handshakes_that_fail_leave_no_memory_behind),
        SIEGE_TEST(a_hello_that_says_it_is_large_takes_no_more_than_the_documented_bound),
        SIEGE_TEST(a_server_that_picks_a_protocol_that_was_not_offered_is_refused),
        SIEGE_TEST(a_chain_of_a_hundred_certificates_is_refused_and_one_above_the_limit_is_not_kept),
    };
    return tls_setup(NULL) != 0 || cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
