/*
 * Records: plain bytes to and from OpenSSL, or to the wire.
 *
 * A call that succeeds looks at no queue of errors, and what one waits for is told by OpenSSL's want and by the wire:
 * SSL_get_error() would take an entry that somebody has left in the queue for a failure of this connection. A
 * failure is known by the state in which OpenSSL leaves a connection of which it will hear no more, that of a handshake
 * (SSL_in_init). The newest entry of the queue is ours then.
 *
 * When the wire is dry and nothing is inside, OpenSSL is not asked: it would take a buffer to find that out.
 */
#include "connection.h"
#include "wire.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

/* Reading. */

static ssize_t
end(struct tri_tls *tls)
{
    tri_tls_note(tls, TRI_TLS_ENDED, true);
    tls->layer.whole = !tri_tls_is(tls, TRI_TLS_AT_END);
    return 0;
}

static ssize_t
wait_for_bytes(struct tri_tls *tls)
{
    tri_tls_note(tls, TRI_TLS_DRY, false); /* polling is asked before the next call */
    return -EAGAIN;
}

/* Nothing was read. */
static ssize_t
judge_read(struct tri_tls *tls)
{
    if (tls->layer.reason != 0)
        return tri_tls_answer(tls);
    if (tri_wire_wants_bytes(tls))
        return wait_for_bytes(tls);
    if (tri_tls_call.error != 0)
        return tls->layer.reason = (int16_t)-tri_tls_call.error;
    if (tri_tls_is(tls, TRI_TLS_AT_END))
        return end(tls);
    bool has_failed = SSL_in_init(tls->ssl) || (SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN) == 0;
    return has_failed ? tri_tls_break(tls) : end(tls);
}

ssize_t
tri_tls_read(struct tri_record_layer *layer, int fd, void *memory, size_t size)
{
    struct tri_tls *tls = tri_tls_of(layer);
    size_t got;
    if (layer->reason != 0)
        return tri_tls_answer(tls);
    if (tri_tls_is(tls, TRI_TLS_ENDED))
        return 0;
    if (tri_tls_is(tls, TRI_TLS_DRY) && !SSL_has_pending(tls->ssl))
        return wait_for_bytes(tls);
    tri_wire_begin(tls, fd);
    int done = SSL_read_ex(tls->ssl, memory, size, &got);
    layer->amid = layer->amid && SSL_in_init(tls->ssl);
    return done == 1 ? (ssize_t)got : judge_read(tls);
}

/* Writing. */

static ssize_t
wait_for_rest(struct tri_tls *tls)
{
    tri_tls_note(tls, TRI_TLS_DRY, false);
    tls->layer.amid = 1;
    return 0;
}

/* No record was made. A descriptor that has failed says so again. */
static ssize_t
judge_write(struct tri_tls *tls)
{
    if (tls->layer.reason != 0)
        return tri_tls_answer(tls);
    if (tri_wire_wants_bytes(tls) && !tri_tls_is(tls, TRI_TLS_AT_END))
        return wait_for_rest(tls);
    if (tri_tls_call.error != 0)
        return -tri_tls_call.error;
    return tri_tls_break(tls);
}

/* One record, or several if the peer wishes for smaller ones. */
static bool
make_by_openssl(const struct tri_tls *tls, const char *data, size_t size)
{
    size_t part;
    int done = 1;
    for (size_t made = 0; done == 1 && made < size; made += part)
        done = SSL_write_ex(tls->ssl, data + made, size - made, &part);
    return done == 1;
}

/* The wire keeps what the kernel does not take. */
static bool
make_records(struct tri_tls *tls, const char *data, size_t size)
{
    tri_tls_call.writes = true;
    bool done = tri_wire_seals(tls) ? tri_wire_seal(tls, data, size) : make_by_openssl(tls, data, size);
    tri_tls_call.writes = false;
    return done;
}

static ssize_t
write_out(struct tri_tls *tls, size_t size)
{
    if (tri_tls_call.unsent != 0)
        return -tri_tls_call.unsent;
    ssize_t pushed = tri_wire_push(tls);
    return pushed == 1 ? (ssize_t)size : pushed;
}

ssize_t
tri_tls_write(struct tri_record_layer *layer, int fd, const void *data, size_t size)
{
    struct tri_tls *tls = tri_tls_of(layer);
    if (layer->reason != 0)
        return tri_tls_answer(tls);
    tri_wire_begin(tls, fd);
    layer->amid = 0;
    if (layer->committed == 0 && !make_records(tls, data, size))
        return judge_write(tls);
    return write_out(tls, size);
}

/* What is no plain bytes. */

ssize_t
tri_tls_push(struct tri_record_layer *layer, int fd)
{
    struct tri_tls *tls = tri_tls_of(layer);
    tri_wire_begin(tls, fd);
    return tri_wire_push(tls);
}

/* In the middle of a message of the peer's OpenSSL says none. */
static bool
is_amid(struct tri_tls *tls)
{
    if (!SSL_in_init(tls->ssl) || tri_tls_is(tls, TRI_TLS_AT_END) || SSL_do_handshake(tls->ssl) == 1)
        return false;
    ERR_clear_error();
    return tri_wire_wants_bytes(tls);
}

/* If the rest of that message can never come there is no goodbye; the FIN comes all the same. */
static void
part(struct tri_tls *tls)
{
    if (SSL_shutdown(tls->ssl) < 0)
        ERR_clear_error();
    tri_tls_note(tls, TRI_TLS_PARTED, true);
}

ssize_t
tri_tls_goodbye(struct tri_record_layer *layer, int fd)
{
    struct tri_tls *tls = tri_tls_of(layer);
    if (layer->reason != 0)
        return tri_tls_answer(tls);
    tri_wire_begin(tls, fd);
    layer->amid = 0;
    if (!tri_tls_is(tls, TRI_TLS_PARTED) && is_amid(tls))
        return wait_for_rest(tls);
    if (!tri_tls_is(tls, TRI_TLS_PARTED))
        part(tls);
    ssize_t pushed = tri_wire_push(tls);
    layer->owes = 0; /* the goodbye itself is asked for again */
    return pushed;
}
