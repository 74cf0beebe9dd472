/*
 * Handshakes.
 *
 * The queue of OpenSSL is emptied before each step, so whatever lies in it afterwards is of this one, and then it has
 * failed: an alert may be on its way into a kernel without room, and look like a wait.
 */
#include "connection.h"
#include "wire.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static int
finish(struct tri_tls *tls)
{
    ERR_clear_error();
    tri_tls_note(tls, TRI_TLS_SECURE, true);
    return TRI_LAYER_DONE;
}

static int
fail(struct tri_tls *tls)
{
    if (tls->layer.reason != 0)
        return tri_tls_answer(tls);
    if (ERR_peek_error() != 0)
        return tri_tls_break(tls);
    int error = tri_tls_call.error != 0 ? tri_tls_call.error : ECONNRESET; /* its end, by FIN or by goodbye */
    return tls->layer.reason = (int16_t)-error;
}

int
tri_tls_advance(struct tri_record_layer *layer, int fd)
{
    struct tri_tls *tls = tri_tls_of(layer);
    if (layer->reason != 0)
        return tri_tls_answer(tls);
    tri_wire_begin(tls, fd);
    ERR_clear_error();
    int done = SSL_do_handshake(tls->ssl);
    tri_tls_note(tls, TRI_TLS_DRY, false);
    if (done == 1)
        return finish(tls);
    bool waits = ERR_peek_error() == 0 && !tri_tls_is(tls, TRI_TLS_AT_END);
    if (waits && tri_wire_wants_bytes(tls))
        return TRI_LAYER_WANTS_BYTES;
    if (waits && tri_wire_wants_room(tls))
        return tri_tls_call.error != 0 ? -tri_tls_call.error : TRI_LAYER_WANTS_ROOM;
    return fail(tls);
}
