#include "parted_peer.h"

#include "tls_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#define LEAST_FRAGMENT 512
#define HEADER 5u

static int
takes_any(int is_good, X509_STORE_CTX *chain)
{
    (void)is_good;
    (void)chain;
    return 1;
}

void
parted_begin(struct parted_peer *peer, int fd)
{
    const struct tr_tls_identity *identity = tls_identity("server");
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    assert_int_equal(SSL_CTX_use_certificate_chain_file(context, identity->chain.file), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(context, identity->key.file, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_set_session_id_context(context, (const unsigned char *)"x", 1), 1);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, takes_any);
    *peer = (struct parted_peer){.ssl = SSL_new(context), .fd = fd};
    SSL_CTX_free(context);
    SSL_set_max_send_fragment(peer->ssl, LEAST_FRAGMENT);
    SSL_set_bio(peer->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(peer->ssl);
}

void
parted_end(struct parted_peer *peer)
{
    SSL_free(peer->ssl);
    ERR_clear_error();
}

static void
take_what_came(struct parted_peer *peer)
{
    char bytes[4096];
    ssize_t got;
    while ((got = read(peer->fd, bytes, sizeof(bytes))) > 0)
        assert_int_equal(BIO_write(SSL_get_rbio(peer->ssl), bytes, (int)got), got);
}

static void
hold_what_it_says(struct parted_peer *peer)
{
    int said;
    while ((said = BIO_read(SSL_get_wbio(peer->ssl), peer->held + peer->held_size,
                            (int)(sizeof(peer->held) - peer->held_size))) > 0)
        peer->held_size += (size_t)said;
}

static void
read_plain(struct parted_peer *peer)
{
    char bytes[4096];
    int got;
    while ((got = SSL_read(peer->ssl, bytes, sizeof(bytes))) > 0)
        for (int i = 0; i < got; i++, peer->got_size++)
            if (peer->got_size < sizeof(peer->got) - 1)
                peer->got[peer->got_size] = bytes[i];
}

void
parted_work(struct parted_peer *peer)
{
    bool was_over = SSL_is_init_finished(peer->ssl);
    take_what_came(peer);
    if (!was_over)
        (void)SSL_do_handshake(peer->ssl);
    if (SSL_is_init_finished(peer->ssl))
        read_plain(peer);
    peer->ended = (SSL_get_shutdown(peer->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
    ERR_clear_error();
    hold_what_it_says(peer);
    if (!SSL_is_init_finished(peer->ssl))
        parted_send_all(peer);
}

void
parted_say(struct parted_peer *peer, const char *text)
{
    assert_int_equal(SSL_write(peer->ssl, text, (int)strlen(text)), strlen(text));
    hold_what_it_says(peer);
}

void
parted_send(struct parted_peer *peer, size_t size)
{
    assert_true(size <= peer->held_size);
    assert_int_equal(write(peer->fd, peer->held, size), size);
    peer->held_size -= size;
    memmove(peer->held, peer->held + size, peer->held_size);
}

/* Of what is held from there on. */
static size_t
record_size(const struct parted_peer *peer, size_t at)
{
    const unsigned char *header = (const unsigned char *)peer->held + at;
    return HEADER + (size_t)(header[3] << 8 | header[4]);
}

void
parted_send_record(struct parted_peer *peer)
{
    parted_send(peer, record_size(peer, 0));
}

void
parted_send_all(struct parted_peer *peer)
{
    if (peer->held_size > 0)
        parted_send(peer, peer->held_size);
}

void
parted_send_much_and_half_a_ticket(struct parted_peer *peer, size_t size)
{
    static const char much[32768];
    assert_int_equal(SSL_write(peer->ssl, much, (int)size), size);
    hold_what_it_says(peer);
    size_t before = peer->held_size;
    assert_int_equal(SSL_new_session_ticket(peer->ssl), 1);
    assert_int_equal(SSL_do_handshake(peer->ssl), 1);
    hold_what_it_says(peer);
    parted_send(peer, before + record_size(peer, before));
    assert_true(peer->held_size > 0);
}

bool
parted_has_ticket(const struct parted_peer *peer)
{
    return SSL_is_init_finished(peer->ssl) && peer->held_size > record_size(peer, 0);
}
