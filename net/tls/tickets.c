/*
 * Ticket keys: what a server encrypts sessions with that its clients keep for it.
 *
 * All workers of all contexts that share the keys ask for them here, in handshakes. A key is copied under a lock, which
 * is held for no longer than that, used without it, and wiped.
 *
 * Rotation has no timer: whoever asks for a key when the time has come makes the new one. Where nobody asked for
 * several periods, as many keys are made as the periods would have brought, so that none is used for longer than it
 * promises. If there are no random numbers the old keys stay, and the next who asks tries again.
 */
#include "tickets.h"
#include "context.h"
#include "start.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/clock.h>
#include <troupe/core/refcount.h>
#include <uv.h>

#define NAME_BYTES 16u
#define SECRET_BYTES 32u
#define KEPT 3u /* keys that rotate: one encrypts, and two before it */

struct key {
    unsigned char name[NAME_BYTES], mac[SECRET_BYTES], cipher[SECRET_BYTES];
};

_Static_assert(sizeof(struct key) == TR_TLS_TICKET_KEY_BYTES, "keys are copied as they are given");

struct tr_tls_tickets {
    /* Constant. */
    EVP_CIPHER *cipher;

    /* Under the lock. */
    uv_mutex_t lock;
    struct key keys[TR_TLS_TICKET_KEYS]; /* the first encrypts */
    unsigned count;
    uint64_t rotate_ns; /* 0: never */
    uint64_t due_ns;    /* when the next key comes; 0: nobody has asked yet */

    /* Any thread. */
    unsigned holds;
};

/* Rotation. */

static bool
make_key(struct key *key)
{
    return RAND_bytes(key->name, sizeof(key->name)) == 1 && RAND_priv_bytes(key->mac, sizeof(key->mac)) == 1 &&
           RAND_priv_bytes(key->cipher, sizeof(key->cipher)) == 1;
}

static bool
add_key(tr_tls_tickets *tickets)
{
    struct key key;
    bool is_made = make_key(&key);
    if (is_made) {
        memmove(&tickets->keys[1], &tickets->keys[0], (KEPT - 1) * sizeof(struct key));
        tickets->keys[0] = key;
        if (tickets->count < KEPT)
            tickets->count++;
    }
    OPENSSL_cleanse(&key, sizeof(key));
    return is_made;
}

/* Thread: any, under the lock. */
static void
rotate(tr_tls_tickets *tickets)
{
    uint64_t now_ns = tri_clock_now_ns();
    if (tickets->rotate_ns == 0)
        return;
    if (tickets->due_ns == 0)
        tickets->due_ns = now_ns + tickets->rotate_ns;
    for (unsigned made = 0; now_ns >= tickets->due_ns && made < KEPT && add_key(tickets); made++)
        tickets->due_ns += tickets->rotate_ns;
    if (now_ns >= tickets->due_ns + tickets->rotate_ns)
        tickets->due_ns = now_ns + tickets->rotate_ns; /* all keys are new: nothing is owed */
}

/* Use. */

static void
take_first(tr_tls_tickets *tickets, struct key *key)
{
    uv_mutex_lock(&tickets->lock);
    rotate(tickets);
    *key = tickets->keys[0];
    uv_mutex_unlock(&tickets->lock);
}

/* Returns the place of the key of that name; -1: there is none. */
static int
take_named(tr_tls_tickets *tickets, const unsigned char *name, struct key *key)
{
    int place = -1;
    uv_mutex_lock(&tickets->lock);
    rotate(tickets);
    for (unsigned i = 0; i < tickets->count && place < 0; i++)
        if (memcmp(tickets->keys[i].name, name, NAME_BYTES) == 0)
            place = (int)i;
    if (place >= 0)
        *key = tickets->keys[place];
    uv_mutex_unlock(&tickets->lock);
    return place;
}

static bool
set_mac(EVP_MAC_CTX *mac, struct key *key)
{
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

static int
seal(tr_tls_tickets *tickets, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    struct key key;
    take_first(tickets, &key);
    memcpy(name, key.name, NAME_BYTES);
    bool done = RAND_bytes(iv, EVP_CIPHER_get_iv_length(tickets->cipher)) == 1 &&
                EVP_EncryptInit_ex2(cipher, tickets->cipher, key.cipher, iv, NULL) == 1 && set_mac(mac, &key);
    OPENSSL_cleanse(&key, sizeof(key));
    return done ? 1 : -1;
}

/* 1: this ticket will do; 2: and the client is given a new one; 0: it is none of ours; -1: fails the handshake. */
static int
unseal(tr_tls_tickets *tickets, const unsigned char *name, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
       EVP_MAC_CTX *mac)
{
    struct key key;
    int place = take_named(tickets, name, &key);
    if (place < 0)
        return 0;
    bool done = EVP_DecryptInit_ex2(cipher, tickets->cipher, key.cipher, iv, NULL) == 1 && set_mac(mac, &key);
    OPENSSL_cleanse(&key, sizeof(key));
    return !done ? -1 : place == 0 ? 1 : 2;
}

static int
on_ticket(SSL *connection, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seals)
{
    tr_tls_tickets *tickets = tri_context_first(connection)->tickets;
    return seals ? seal(tickets, name, iv, cipher, mac) : unseal(tickets, name, iv, cipher, mac);
}

void
tri_tickets_use(SSL_CTX *ssl)
{
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket);
}

/* Their life. */

static tr_status
fill(tr_tls_tickets *tickets, const void *keys, unsigned count, uint32_t rotate_s)
{
    if (count > 0) {
        memcpy(tickets->keys, keys, count * sizeof(struct key));
        tickets->count = count;
        return TR_OK;
    }
    tickets->rotate_ns = (uint64_t)(rotate_s > 0 ? rotate_s : TR_TLS_ROTATE_S) * TRI_CLOCK_NS;
    return add_key(tickets) ? TR_OK : TR_EIO;
}

static tr_status
make(tr_tls_tickets *tickets, const void *keys, unsigned count, uint32_t rotate_s)
{
    tickets->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (tickets->cipher == NULL)
        return TR_ENOMEM;
    return fill(tickets, keys, count, rotate_s);
}

static void
free_tickets(tr_tls_tickets *tickets)
{
    uv_mutex_destroy(&tickets->lock);
    EVP_CIPHER_free(tickets->cipher);
    OPENSSL_cleanse(tickets->keys, sizeof(tickets->keys));
    free(tickets);
}

tr_status
tr_tls_tickets_new(const void *keys, unsigned count, uint32_t rotate_s, tr_tls_tickets **out)
{
    if (out == NULL || (keys == NULL) != (count == 0))
        return TR_EINVAL;
    if (count > TR_TLS_TICKET_KEYS)
        return TR_EBADLIMIT;
    tr_tls_tickets *tickets = tri_openssl_start() ? calloc(1, sizeof(*tickets)) : NULL;
    if (tickets == NULL || uv_mutex_init(&tickets->lock) != 0) {
        free(tickets);
        return TR_ENOMEM;
    }
    tickets->holds = 1;
    tr_status status = make(tickets, keys, count, rotate_s);
    ERR_clear_error();
    if (status == TR_OK)
        *out = tickets;
    else
        free_tickets(tickets);
    return status;
}

tr_status
tr_tls_tickets_set(tr_tls_tickets *tickets, const void *keys, unsigned count)
{
    if (tickets == NULL || keys == NULL || count == 0)
        return TR_EINVAL;
    if (count > TR_TLS_TICKET_KEYS)
        return TR_EBADLIMIT;
    uv_mutex_lock(&tickets->lock);
    OPENSSL_cleanse(tickets->keys, sizeof(tickets->keys));
    memcpy(tickets->keys, keys, count * sizeof(struct key));
    tickets->count = count;
    tickets->rotate_ns = 0;
    uv_mutex_unlock(&tickets->lock);
    return TR_OK;
}

tr_tls_tickets *
tr_tls_tickets_hold(tr_tls_tickets *tickets)
{
    if (tickets != NULL)
        tri_refcount_hold(&tickets->holds);
    return tickets;
}

void
tr_tls_tickets_release(tr_tls_tickets *tickets)
{
    if (tickets != NULL && tri_refcount_release(&tickets->holds))
        free_tickets(tickets);
}
