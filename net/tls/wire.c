/*
 * The wire: a BIO of our own, between OpenSSL and the descriptor.
 *
 * Reading. OpenSSL reads ahead into its own buffer. Bytes that were read before the handshake began (`early`) come
 * first. A read that brings less than there was room for has emptied the kernel's buffer: the next one of the same turn
 * is not made (`dry`), since polling tells when there is more. OpenSSL reads on as long as messages come that bring no
 * plain bytes, and some it passes over without end: HelloRequest in a handshake, key updates, tickets. So one call
 * makes MOST_READS reads and then waits, although there is more, or a peer that sends faster than we read would have
 * the worker for itself. The end of the stream is noted here, since OpenSSL calls it the same as the peer's goodbye, as
 * it is told to: its own error for that would end our side as well.
 *
 * Writing. A record of plain bytes that the kernel takes in part stays in OpenSSL, which is asked again for the rest.
 * Everything else that is written once the connection is secure, which is answers to key updates, alerts and the
 * goodbye, is taken whole: what the kernel has no room for is kept here (`spill`) and sent before anything else. So
 * reading never waits for room, and OpenSSL never stands with half of such a message while a record is to be written.
 * Versions before 1.3 say in clear which of the two a record is; in 1.3 it is what OpenSSL is asked to do. A peer that
 * makes us answer and does not read gets TRI_SPILL_BYTES at most, then the connection ends.
 *
 * A message of the peer's behind the handshake, such as a ticket of 1.3, may come in several records, and OpenSSL
 * writes nothing before it has all of it: what is to be written reads then, and waits for bytes if there are none
 * (`amid`).
 *
 * In a handshake a write that finds the connection gone is passed over: why it is gone may be there to be read.
 */
#include "wire.h"

#include "plain.h"
#include "reason.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define MOST_READS 2u          /* a record of any size is whole after two */
#define SPILL_BYTES 4096u      /* of messages of our own */
#define SMALL_RECORDS 32768u   /* TRI_RECORD_BYTES in records of 512, with what TLS adds to each */
#define FIRST_SPILL_BYTES 256u /* most are below 100 */

_Thread_local struct tri_tls_call tri_tls_call;

struct early {
    struct early *next;
    tr_slice left;  /* of it */
    tr_slice whole; /* which is held */
};

struct tri_aside {
    struct early *first, *last;
    char *spill;
    size_t spill_first, spill_size, spill_room;
};

/* What is kept. */

static struct tri_aside *
kept(const struct tri_tls *tls)
{
    return tri_tls_is(tls, TRI_TLS_KEEPS) ? SSL_get_app_data(tls->ssl) : NULL;
}

static struct tri_aside *
new_aside(struct tri_tls *tls)
{
    struct tri_aside *aside = calloc(1, sizeof(*aside));
    if (aside != NULL && SSL_set_app_data(tls->ssl, aside) != 1) {
        ERR_clear_error();
        free(aside);
        return NULL;
    }
    tri_tls_note(tls, TRI_TLS_KEEPS, aside != NULL);
    return aside;
}

static struct tri_aside *
aside_of(struct tri_tls *tls)
{
    struct tri_aside *aside = kept(tls);
    return aside != NULL ? aside : new_aside(tls);
}

static void
drop_spill(struct tri_aside *aside)
{
    free(aside->spill);
    aside->spill = NULL;
    aside->spill_first = aside->spill_size = aside->spill_room = 0;
}

static void
drop_first_early(struct tri_aside *aside)
{
    struct early *first = aside->first;
    aside->first = first->next;
    tr_slice_release(first->whole);
    free(first);
}

/* Most connections never need it again. */
static void
drop_if_empty(struct tri_tls *tls, struct tri_aside *aside)
{
    if (aside->first != NULL || aside->spill != NULL)
        return;
    (void)SSL_set_app_data(tls->ssl, NULL); /* its place is there */
    tri_tls_note(tls, TRI_TLS_KEEPS, false);
    free(aside);
}

void
tri_wire_fini(struct tri_tls *tls)
{
    struct tri_aside *aside = kept(tls);
    if (aside == NULL)
        return;
    while (aside->first != NULL)
        drop_first_early(aside);
    drop_spill(aside);
    drop_if_empty(tls, aside);
}

/* Early bytes. */

tr_status
tri_wire_take_early(struct tri_tls *tls, tr_slice bytes)
{
    struct tri_aside *aside = aside_of(tls);
    struct early *early = aside == NULL ? NULL : malloc(sizeof(*early));
    if (early == NULL)
        return TR_ENOMEM;
    *early = (struct early){.left = bytes, .whole = bytes};
    tr_slice_hold(bytes);
    if (aside->first == NULL)
        aside->first = early;
    else
        aside->last->next = early;
    aside->last = early;
    return TR_OK;
}

static int
read_early(struct tri_tls *tls, struct tri_aside *aside, char *memory, size_t size)
{
    struct early *first = aside->first;
    size_t part = first->left.size < size ? first->left.size : size;
    memcpy(memory, first->left.data, part);
    first->left = tr_slice_part(first->left, part, first->left.size - part);
    if (first->left.size == 0)
        drop_first_early(aside);
    drop_if_empty(tls, aside);
    return (int)part;
}

/* The number may be somebody else's already. */
static bool
lacks_descriptor(const struct tri_tls *tls)
{
    return tri_tls_call.fd < 0 || tls->layer.gone;
}

/* Reading. */

static int
wants_bytes(BIO *bio)
{
    BIO_set_retry_read(bio);
    return -1;
}

static int
on_read(BIO *bio, char *memory, int size)
{
    struct tri_tls *tls = BIO_get_data(bio);
    struct tri_aside *aside = kept(tls);
    assert(tri_tls_call.tls == tls);
    BIO_clear_retry_flags(bio);
    if (aside != NULL && aside->first != NULL)
        return read_early(tls, aside, memory, (size_t)size);
    if (tri_tls_is(tls, TRI_TLS_DRY) || lacks_descriptor(tls) || tri_tls_call.reads == MOST_READS)
        return wants_bytes(bio);
    tri_tls_call.reads++;
    ssize_t got = tri_plain_read(tri_tls_call.fd, memory, (size_t)size);
    if (got == -EAGAIN)
        return wants_bytes(bio);
    tri_tls_call.error = got < 0 ? (int)-got : 0;
    tri_tls_note(tls, TRI_TLS_AT_END, got == 0);
    tri_tls_note(tls, TRI_TLS_DRY, got < size);
    tls->layer.inner = 1;
    return got < 0 ? -1 : (int)got;
}

/* Writing. */

/* Gives what the kernel has taken, or an error. */
static ssize_t
send_some(const struct tri_tls *tls, const char *data, size_t size)
{
    if (tri_tls_call.full || lacks_descriptor(tls))
        return 0;
    ssize_t taken = tri_plain_write(tri_tls_call.fd, data, size);
    tri_tls_call.full = taken < (ssize_t)size;
    return taken;
}

ssize_t
tri_wire_push(struct tri_tls *tls)
{
    struct tri_aside *aside = kept(tls);
    if (aside != NULL && aside->spill != NULL) {
        size_t left = aside->spill_size - aside->spill_first;
        ssize_t taken = send_some(tls, aside->spill + aside->spill_first, left);
        if (taken < 0)
            return taken;
        aside->spill_first += (size_t)taken;
        if ((size_t)taken < left)
            return 0;
        drop_spill(aside);
        drop_if_empty(tls, aside);
    }
    tls->layer.owes = 0;
    return 1;
}

static bool
make_room(const struct tri_tls *tls, struct tri_aside *aside, size_t size)
{
    size_t most = tri_tls_is(tls, TRI_TLS_SMALLER) ? SPILL_BYTES + SMALL_RECORDS : SPILL_BYTES;
    size_t room = aside->spill_room > 0 ? aside->spill_room : FIRST_SPILL_BYTES;
    while (room < size)
        room *= 2;
    char *spill = size > most ? NULL : realloc(aside->spill, room);
    if (spill == NULL)
        return false;
    aside->spill = spill;
    aside->spill_room = room;
    return true;
}

/* false: there is no memory, or the peer has made us keep too much. */
static bool
keep(struct tri_tls *tls, const char *data, size_t size)
{
    struct tri_aside *aside = aside_of(tls);
    if (aside == NULL)
        return false;
    if (size > aside->spill_room - aside->spill_size && !make_room(tls, aside, aside->spill_size + size)) {
        drop_if_empty(tls, aside);
        return false;
    }
    memcpy(aside->spill + aside->spill_size, data, size);
    aside->spill_size += size;
    tls->layer.owes = 1;
    return true;
}

/* An error of the descriptor's is passed over: the next write of a record meets it, too. */
static int
take_whole(struct tri_tls *tls, const char *data, int size)
{
    if (tri_tls_is(tls, TRI_TLS_PARTED))
        return size;
    ssize_t pushed = tri_wire_push(tls);
    ssize_t taken = pushed == 1 ? send_some(tls, data, (size_t)size) : 0;
    if (pushed < 0 || taken < 0 || taken == size)
        return size;
    if (keep(tls, data + taken, (size_t)(size - taken)))
        return size;
    const struct tri_aside *aside = kept(tls);
    bool is_too_much = aside != NULL && aside->spill_size + (size_t)size > SPILL_BYTES;
    tls->layer.reason = is_too_much ? TRI_REASON_SSL : TRI_REASON_MEMORY;
    return -1;
}

static int
wants_room(BIO *bio)
{
    BIO_set_retry_write(bio);
    return -1;
}

/* What the system lacks is had later, as room is. */
static int
failed_to_write(struct tri_tls *tls, BIO *bio, int error, int size)
{
    if (!tri_tls_is(tls, TRI_TLS_SECURE) && (error == EPIPE || error == ECONNRESET))
        return size;
    tri_tls_call.error = error;
    return tri_verdict(TRI_ON_WRITE, error) == TRI_SHORT ? wants_room(bio) : -1;
}

static int
take_some(struct tri_tls *tls, BIO *bio, const char *data, int size)
{
    ssize_t taken = tri_wire_push(tls);
    if (taken == 1)
        taken = send_some(tls, data, (size_t)size);
    if (taken < 0)
        return failed_to_write(tls, bio, (int)-taken, size);
    if (taken == 0)
        return wants_room(bio);
    tri_tls_note(tls, TRI_TLS_MIDWAY, taken < size);
    return (int)taken;
}

static bool
is_own(const struct tri_tls *tls, const char *record)
{
    if (!tri_tls_is(tls, TRI_TLS_SECURE) || tri_tls_is(tls, TRI_TLS_MIDWAY))
        return false;
    bool is_plain = tri_tls_call.writes && !SSL_in_init(tls->ssl) && record[0] == SSL3_RT_APPLICATION_DATA;
    return !is_plain;
}

static int
on_write(BIO *bio, const char *data, int size)
{
    struct tri_tls *tls = BIO_get_data(bio);
    assert(tri_tls_call.tls == tls);
    BIO_clear_retry_flags(bio);
    return is_own(tls, data) ? take_whole(tls, data, size) : take_some(tls, bio, data, size);
}

static long
on_control(BIO *bio, int command, long value, void *pointer)
{
    const struct tri_tls *tls = BIO_get_data(bio);
    (void)value;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return tri_tls_is(tls, TRI_TLS_AT_END);
    default: return 0;
    }
}

/* The BIO. */

static BIO_METHOD *method; /* kept until the process ends */
static uv_once_t made = UV_ONCE_INIT;

static void
make_method(void)
{
    int type = BIO_get_new_index();
    BIO_METHOD *made_now = type < 0 ? NULL : BIO_meth_new(type | BIO_TYPE_SOURCE_SINK, "troupe");
    if (made_now != NULL && BIO_meth_set_read(made_now, on_read) == 1 && BIO_meth_set_write(made_now, on_write) == 1 &&
        BIO_meth_set_ctrl(made_now, on_control) == 1)
        method = made_now;
}

bool
tri_wire_init(struct tri_tls *tls)
{
    uv_once(&made, make_method);
    BIO *bio = method == NULL ? NULL : BIO_new(method);
    if (bio == NULL)
        return false;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_read_ahead(tls->ssl, 1);
    return true;
}

void
tri_wire_begin(struct tri_tls *tls, int fd)
{
    tri_tls_call = (struct tri_tls_call){.tls = tls, .fd = fd};
    BIO_clear_retry_flags(SSL_get_rbio(tls->ssl));
}

bool
tri_wire_wants_bytes(const struct tri_tls *tls)
{
    return SSL_want_read(tls->ssl) && BIO_should_read(SSL_get_rbio(tls->ssl));
}

bool
tri_wire_wants_room(const struct tri_tls *tls)
{
    return SSL_want_write(tls->ssl) && BIO_should_write(SSL_get_rbio(tls->ssl));
}

uint64_t
tri_wire_read(const struct tri_tls *tls)
{
    return BIO_number_read(SSL_get_rbio(tls->ssl));
}

uint64_t
tri_wire_written(const struct tri_tls *tls)
{
    return BIO_number_written(SSL_get_rbio(tls->ssl));
}
