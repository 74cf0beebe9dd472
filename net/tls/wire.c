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
 * Writing. In a handshake what the kernel does not take stays in OpenSSL, which is asked again, but for the rest of a
 * record that is sealed here: tickets may be larger together than what is kept. Of a connection that is secure
 * everything is taken whole: what the kernel has no room for is kept here (`spill`) and sent before anything else. So
 * reading never waits for room, and OpenSSL never stands with half a record while an answer is to be written, to a key
 * update for example. Plain bytes come only when nothing is kept. A peer that makes us answer and does not read gets
 * SPILL_BYTES at most, or what plain bytes that wait leave of their room beside that, then the connection ends.
 *
 * Sealing. In 1.3 OpenSSL may leave it to the wire to make its records (sealer.h): it hands over the key when the
 * handshake is over but for tickets, and says of all but plain bytes of which type they are. Since it keeps no account
 * of such records, plain bytes need not pass through it, unless it has something to say before them. It does not hand
 * over the next key after a key update of ours. That message is the last one that is sealed here then, and OpenSSL
 * makes the records again.
 *
 * A message of the peer's behind the handshake, such as a ticket of 1.3, may come in several records, and OpenSSL
 * writes nothing before it has all of it: what is to be written reads then, and waits for bytes if there are none
 * (`amid`).
 *
 * In a handshake a write that finds the connection gone is passed over: why it is gone may be there to be read.
 */
#include "wire.h"

#include "aside.h"
#include "context.h"
#include "plain.h"
#include "reason.h"
#include "sealer.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <uv.h>

#define MOST_READS 2u        /* a record of any size is whole after two */
#define SPILL_BYTES 4096u    /* of messages of our own */
#define SMALL_RECORDS 32768u /* TRI_RECORD_BYTES in records of 512, which a peer may wish for (RFC 6066, section 4) */

_Thread_local struct tri_tls_call tri_tls_call;

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
    tri_tls_call.waits = true;
    BIO_clear_retry_flags(bio);
    BIO_set_retry_read(bio);
    return -1;
}

/* Its end, or an error. */
static int
brings_nothing(struct tri_tls *tls, BIO *bio, int error)
{
    tri_tls_call.waits = false;
    BIO_clear_retry_flags(bio);
    tri_tls_note(tls, TRI_TLS_AT_END, error == 0);
    tri_tls_call.error = error;
    return error == 0 ? 0 : -1;
}

static int
on_read(BIO *bio, char *memory, int size)
{
    struct tri_tls *tls = BIO_get_data(bio);
    assert(tri_tls_call.tls == tls);
    size_t early = tri_early_read(tls, memory, (size_t)size);
    if (early > 0)
        return (int)early;
    if (tri_tls_is(tls, TRI_TLS_DRY) || lacks_descriptor(tls) || tri_tls_call.reads == MOST_READS)
        return wants_bytes(bio);
    tri_tls_call.reads++;
    ssize_t got = tri_plain_read(tri_tls_call.fd, memory, (size_t)size);
    if (got == -EAGAIN)
        return wants_bytes(bio);
    tri_tls_note(tls, TRI_TLS_DRY, got < size);
    tls->layer.inner = 1;
    return got <= 0 ? brings_nothing(tls, bio, (int)-got) : (int)got;
}

/* Writing. */

/* Gives what the kernel has taken, or an error. */
static ssize_t
send_some(struct tri_tls *tls, const char *data, size_t size)
{
    if (tri_tls_call.full || lacks_descriptor(tls))
        return 0;
    ssize_t taken = tri_plain_write(tri_tls_call.fd, data, size);
    tri_tls_call.full = taken >= 0 && taken < (ssize_t)size;
    tls->sent += taken > 0 ? (uint64_t)taken : 0;
    return taken;
}

ssize_t
tri_wire_push(struct tri_tls *tls)
{
    tr_slice left = tri_spill_first(tls);
    if (left.size > 0) {
        ssize_t taken = send_some(tls, left.data, left.size);
        if (taken < 0)
            return taken;
        tri_spill_shorten(tls, (size_t)taken);
        if ((size_t)taken < left.size)
            return 0;
    }
    tls->layer.owes = 0;
    return 1;
}

/* Plain bytes may wait, and messages of our own behind them. */
static tr_status
keep(struct tri_tls *tls, const char *data, size_t size)
{
    bool has_plain = tri_tls_call.writes || tls->layer.committed > 0;
    tr_status status = tri_spill_add(tls, data, size, has_plain ? SPILL_BYTES + SMALL_RECORDS : SPILL_BYTES);
    if (status == TR_OK)
        tls->layer.owes = 1;
    return status;
}

/* Gives what the kernel has taken. Plain bytes that fail are kept, so that the next call meets the error again; of
 * others what fails for good is no less taken, since nothing is sent behind it. */
static size_t
send_behind(struct tri_tls *tls, const char *data, size_t size)
{
    ssize_t pushed = tri_wire_push(tls);
    ssize_t taken = pushed == 1 ? send_some(tls, data, size) : pushed;
    if (taken >= 0)
        return (size_t)taken;
    tri_tls_call.unsent = (int)-taken;
    bool is_kept = tri_tls_call.writes || tri_verdict(TRI_ON_WRITE, (int)-taken) == TRI_SHORT;
    return is_kept ? 0 : size;
}

/* An error of the descriptor's is for who writes plain bytes; to others it comes with their next call. */
static bool
take_whole(struct tri_tls *tls, const char *data, size_t size)
{
    size_t taken = tri_tls_is(tls, TRI_TLS_PARTED) ? size : send_behind(tls, data, size);
    tr_status status = taken == size ? TR_OK : keep(tls, data + taken, size - taken);
    if (status != TR_OK)
        tls->layer.reason = status == TR_ENOMEM ? TRI_REASON_MEMORY : TRI_REASON_SSL;
    return status == TR_OK;
}

/* Sealing. */

static void
drop_sealer(struct tri_tls *tls)
{
    tri_sealer_free(tls->sealer);
    tls->sealer = NULL;
}

/* Is the message a key update? If OpenSSL fails to make the next key it writes nothing more, no alert either. */
static bool
ends_key(const struct tri_tls *tls, uint8_t type)
{
    OSSL_HANDSHAKE_STATE state = SSL_get_state(tls->ssl);
    return type == SSL3_RT_HANDSHAKE && (state == TLS_ST_SW_KEY_UPDATE || state == TLS_ST_CW_KEY_UPDATE);
}

static bool
take_sealed(struct tri_tls *tls, uint8_t type, const char *data, size_t size)
{
    uint8_t record[TRI_RECORD_BYTES + TRI_SEAL_BYTES];
    size_t whole = tri_sealer_make(tls->sealer, type, data, size, record);
    if (ends_key(tls, type))
        drop_sealer(tls);
    return take_whole(tls, (const char *)record, whole);
}

/* What OpenSSL gives to be sealed. */
static bool
take_of_openssl(struct tri_tls *tls, const char *data, int size)
{
    uint8_t type = tls->type != 0 ? (uint8_t)tls->type : SSL3_RT_APPLICATION_DATA;
    tls->type = 0;
    return take_sealed(tls, type, data, (size_t)size);
}

bool
tri_wire_seals(const struct tri_tls *tls)
{
    return tls->sealer != NULL && !SSL_in_init(tls->ssl) && SSL_get_key_update_type(tls->ssl) == SSL_KEY_UPDATE_NONE;
}

bool
tri_wire_seal(struct tri_tls *tls, const char *data, size_t size)
{
    return take_sealed(tls, SSL3_RT_APPLICATION_DATA, data, size);
}

/* In a handshake. */

static int
wants_room(BIO *bio)
{
    tri_tls_call.waits = true;
    BIO_clear_retry_flags(bio);
    BIO_set_retry_write(bio);
    return -1;
}

static int
fails(BIO *bio)
{
    tri_tls_call.waits = false;
    BIO_clear_retry_flags(bio);
    return -1;
}

/* What the system lacks is had later, as room is. */
static int
failed_to_write(BIO *bio, int error, int size)
{
    if (error == EPIPE || error == ECONNRESET)
        return size;
    tri_tls_call.error = error;
    return tri_verdict(TRI_ON_WRITE, error) == TRI_SHORT ? wants_room(bio) : fails(bio);
}

static int
take_some(struct tri_tls *tls, BIO *bio, const char *data, int size)
{
    ssize_t taken = send_some(tls, data, (size_t)size);
    if (taken < 0)
        return failed_to_write(bio, (int)-taken, size);
    return taken == 0 ? wants_room(bio) : (int)taken;
}

/* The rest of a ticket goes before the next one. */
static int
wait_behind(struct tri_tls *tls, BIO *bio, int size)
{
    ssize_t pushed = tri_wire_push(tls);
    if (pushed < 0)
        return failed_to_write(bio, (int)-pushed, size);
    return pushed == 0 ? wants_room(bio) : 0;
}

/* OpenSSL hands over the key behind its last message, if it is told to: to the kernel, as it believes. In 1.2 it would
 * send a message apart for nothing. */
static void
ask_for_key(const struct tri_tls *tls)
{
    OSSL_HANDSHAKE_STATE state = SSL_get_state(tls->ssl);
    bool is_last = state == TLS_ST_SW_FINISHED || state == TLS_ST_CW_FINISHED;
    if (is_last && SSL_version(tls->ssl) == TLS1_3_VERSION && tri_context_of(SSL_get_SSL_CTX(tls->ssl))->seals)
        SSL_set_options(tls->ssl, SSL_OP_ENABLE_KTLS);
}

static int
on_write(BIO *bio, const char *data, int size)
{
    struct tri_tls *tls = BIO_get_data(bio);
    assert(tri_tls_call.tls == tls);
    int waits = tri_tls_is(tls, TRI_TLS_SECURE) ? 0 : wait_behind(tls, bio, size);
    if (waits != 0)
        return waits;
    if (tls->sealer != NULL)
        return take_of_openssl(tls, data, size) ? size : fails(bio);
    if (tri_tls_is(tls, TRI_TLS_SECURE))
        return take_whole(tls, data, (size_t)size) ? size : fails(bio);
    ask_for_key(tls);
    return take_some(tls, bio, data, size);
}

/* What OpenSSL 3.0 asks a BIO that may make records itself. openssl/bio.h has the numbers in a comment. */
enum {
    SET_KEY = 72, /* value: is it for writing? pointer: what the kernel would be given */
    MAKES_RECORDS = BIO_CTRL_GET_KTLS_SEND,
    SET_TYPE = 74, /* value: that of the next record */
};

static bool
take_key(struct tri_tls *tls, bool is_for_writing, void *key)
{
    if (!is_for_writing || tls->sealer != NULL)
        return false;
    tls->sealer = tri_sealer_new(key);
    return tls->sealer != NULL;
}

static long
on_control(BIO *bio, int command, long value, void *pointer)
{
    struct tri_tls *tls = BIO_get_data(bio);
    switch (command) {
    case MAKES_RECORDS: return tls->sealer != NULL;
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return tri_tls_is(tls, TRI_TLS_AT_END);
    case SET_KEY: return take_key(tls, value != 0, pointer);
    case SET_TYPE: return (tls->type = (uint8_t)value), 1;
    default: return 0;
    }
}

/* Life. */

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

void
tri_wire_fini(struct tri_tls *tls)
{
    tri_aside_fini(tls);
    drop_sealer(tls);
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
}

bool
tri_wire_wants_bytes(const struct tri_tls *tls)
{
    return tri_tls_call.waits && SSL_want_read(tls->ssl);
}

bool
tri_wire_wants_room(const struct tri_tls *tls)
{
    return tri_tls_call.waits && SSL_want_write(tls->ssl);
}

uint64_t
tri_wire_read(const struct tri_tls *tls)
{
    return BIO_number_read(SSL_get_rbio(tls->ssl));
}

uint64_t
tri_wire_written(const struct tri_tls *tls)
{
    return tls->sent;
}
