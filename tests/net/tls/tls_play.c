#include "tls_play.h"
#include "context.h"
#include "trust.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define PAIR_BYTES 65536u
#define ROUNDS 20u
#define KEPT 512u /* of what is valid for some calls more */

int
tls_setup(void **state)
{
    (void)state;
    return system("bash " TESTS_CERTIFICATES_SCRIPT " " TESTS_CERTIFICATES) == 0 ? 0 : -1;
}

int
tls_leaves_no_errors(void **state)
{
    (void)state;
    if (ERR_peek_error() == 0)
        return 0;
    ERR_print_errors_fp(stderr);
    return -1;
}

const char *
tls_file(const char *name)
{
    static char kept[KEPT][512];
    static unsigned next;
    char *path = kept[next++ % KEPT];
    snprintf(path, sizeof(kept[0]), "%s/%s", TESTS_CERTIFICATES, name);
    return path;
}

struct tr_pem
tls_memory(const char *name)
{
    FILE *file = fopen(tls_file(name), "rb");
    char *bytes = malloc(65536);
    assert_true(file != NULL && bytes != NULL);
    size_t size = fread(bytes, 1, 65536, file);
    fclose(file);
    return (struct tr_pem){.memory = bytes, .size = size};
}

static const char *
tls_file_of(const char *name, const char *end)
{
    char whole[128];
    snprintf(whole, sizeof(whole), "%s%s", name, end);
    return tls_file(whole);
}

const struct tr_tls_identity *
tls_identity(const char *name)
{
    static struct tr_tls_identity kept[KEPT];
    static unsigned next;
    struct tr_tls_identity *identity = &kept[next++ % KEPT];
    *identity =
        (struct tr_tls_identity){.chain.file = tls_file_of(name, ".pem"), .key.file = tls_file_of(name, ".key")};
    return identity;
}

const struct tr_pem *
tls_pem(const char *name)
{
    static struct tr_pem kept[KEPT];
    static unsigned next;
    struct tr_pem *pem = &kept[next++ % KEPT];
    *pem = (struct tr_pem){.file = tls_file_of(name, ".pem")};
    return pem;
}

struct tr_tls_context_options
tls_server(const char *name)
{
    struct tr_tls_context_options options = {.serves = true};
    if (name != NULL) {
        options.identities = tls_identity(name);
        options.identity_count = 1;
    }
    return options;
}

struct tr_tls_context_options
tls_client(const char *ca)
{
    struct tr_tls_context_options options = {0};
    if (ca != NULL) {
        options.ca = tls_pem(ca);
        options.ca_count = 1;
    }
    return options;
}

tr_tls_context *
tls_make(const struct tr_tls_context_options *options)
{
    struct tr_tls_refusal refusal;
    tr_tls_context *context = NULL;
    tr_status status = tr_tls_context_new(options, &refusal, &context);
    if (status != TR_OK)
        fail_msg("%s: %s", tr_status_code(status), refusal.text);
    assert_string_equal(refusal.text, "");
    return context;
}

void
tls_refused(const struct tr_tls_context_options *options, tr_status status, const char *words)
{
    struct tr_tls_refusal refusal;
    tr_tls_context *context = (tr_tls_context *)(uintptr_t)8;
    tr_status answer = tr_tls_context_new(options, &refusal, &context);
    if (answer != status || strstr(refusal.text, words) == NULL)
        fail_msg("%s: '%s', and not %s: '... %s ...'", tr_status_code(answer), refusal.text, tr_status_code(status),
                 words);
    assert_true(context == (tr_tls_context *)(uintptr_t)8);
    assert_int_equal(ERR_peek_error(), 0);
}

/* Both ends. */

static void
note_alert(const SSL *connection, int where, int value)
{
    struct tls_duo *duo = SSL_get_app_data(connection);
    if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT && value >> 8 == SSL3_AL_FATAL)
        snprintf(duo->alert, sizeof(duo->alert), "%s", SSL_alert_desc_string_long(value));
}

static void
begin(struct tls_duo *duo, const char *host)
{
    BIO *client, *server;
    assert_true(BIO_new_bio_pair(&client, PAIR_BYTES, &server, PAIR_BYTES));
    SSL_set_bio(duo->client, client, client);
    SSL_set_bio(duo->server, server, server);
    SSL_set_app_data(duo->client, duo);
    SSL_set_app_data(duo->server, duo);
    SSL_set_info_callback(duo->client, note_alert);
    SSL_set_info_callback(duo->server, note_alert);
    if (host != NULL)
        assert_true(tri_trust_expect(duo->client, host));
}

void
tls_begin(struct tls_duo *duo, tr_tls_context *client, tr_tls_context *server, const char *host)
{
    *duo = (struct tls_duo){.client = tri_context_connection(client, false),
                            .server = tri_context_connection(server, true)};
    assert_true(duo->client != NULL && duo->server != NULL);
    begin(duo, host);
}

void
tls_begin_raw(struct tls_duo *duo, tr_tls_context *client, const char *server, const char *host)
{
    SSL_CTX *raw = SSL_CTX_new(TLS_method());
    SSL_CTX_set_security_level(raw, 0);
    assert_int_equal(SSL_CTX_use_certificate_chain_file(raw, tls_file_of(server, ".pem")), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(raw, tls_file_of(server, ".key"), SSL_FILETYPE_PEM), 1);
    *duo = (struct tls_duo){.client = tri_context_connection(client, false), .server = SSL_new(raw)};
    SSL_CTX_free(raw);
    SSL_set_accept_state(duo->server);
    begin(duo, host);
}

/* Goes on with one end. true: it waits for nothing. */
static bool
step(SSL *connection, bool *failed)
{
    ERR_clear_error();
    int done = SSL_do_handshake(connection);
    int why = SSL_get_error(connection, done);
    *failed = *failed || (done != 1 && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE);
    ERR_clear_error();
    return done == 1;
}

static bool
sends(SSL *from, SSL *to)
{
    char word[4];
    bool done = SSL_write(from, "word", 4) == 4 && SSL_read(to, word, 4) == 4;
    ERR_clear_error();
    return done;
}

bool
tls_shake(struct tls_duo *duo)
{
    bool client = false, server = false, failed = false;
    for (unsigned round = 0; round < ROUNDS && !(client && server); round++) {
        client = step(duo->client, &failed);
        server = step(duo->server, &failed);
    }
    duo->verified = SSL_get_verify_result(duo->client);
    duo->client_shown = SSL_get_verify_result(duo->server);
    return client && server && !failed && sends(duo->server, duo->client) && sends(duo->client, duo->server);
}

void
tls_end(struct tls_duo *duo)
{
    SSL_set_shutdown(duo->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_set_shutdown(duo->server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    tri_context_connection_free(duo->client);
    if (tri_context_of(SSL_get_SSL_CTX(duo->server)) != NULL)
        tri_context_connection_free(duo->server);
    else
        SSL_free(duo->server);
    ERR_clear_error();
}

bool
tls_agree(tr_tls_context *client, tr_tls_context *server, const char *host)
{
    struct tls_duo duo;
    tls_begin(&duo, client, server, host);
    bool done = tls_shake(&duo);
    tls_end(&duo);
    return done;
}
