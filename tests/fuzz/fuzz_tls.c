/*
 * TLS: whatever the peer says, to a server or to a client, is answered with a connection or with a failure that has a
 * name; plain bytes come from a whole record alone; and OpenSSL's queue of errors is empty. The first byte says what we
 * are (tls_ends.h), the others are the peer's, as if they had come early; the descriptor is at its end.
 */
#include "fuzz.h"
#include "tls_ends.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <string.h>

#define CALLS 10000u

static int
nowhere(void)
{
    static int fd = -1;
    if (fd < 0)
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    MUST(fd >= 0);
    return fd;
}

static void
must_have_a_name(const struct tri_record_layer *layer, ssize_t outcome)
{
    const char *code;
    MUST(ERR_peek_error() == 0);
    if (outcome != TRI_LAYER_BROKEN)
        return;
    tr_status status = layer->kind->failure(layer, &code);
    MUST(status < TR_OK && (code == NULL || strlen(code) > 4));
    MUST(status != TR_ENOMEM);
}

static void
give_bytes(struct tri_record_layer *layer, const uint8_t *data, size_t size, size_t piece)
{
    for (size_t at = 0; at < size; at += piece) {
        tr_slice slice;
        MUST(tr_slice_copy(data + at, size - at < piece ? size - at : piece, &slice) == TR_OK);
        MUST(layer->kind->take_early(layer, slice) == TR_OK);
        tr_slice_release(slice);
    }
}

static int
shake(struct tri_record_layer *layer)
{
    int outcome = TRI_LAYER_WANTS_BYTES;
    for (unsigned i = 0; i < CALLS && outcome > TRI_LAYER_DONE; i++)
        outcome = layer->kind->advance(layer, nowhere());
    MUST(outcome <= TRI_LAYER_DONE);
    must_have_a_name(layer, outcome);
    if (outcome < 0)
        MUST(layer->kind->advance(layer, nowhere()) == outcome);
    return outcome;
}

static void
read_to_the_end(struct tri_record_layer *layer, size_t size)
{
    static char memory[TRI_RECORD_BYTES];
    size_t sum = 0;
    ssize_t got = -EAGAIN;
    for (unsigned i = 0; i < CALLS && (got > 0 || got == -EAGAIN); i++) {
        got = layer->kind->read_plain(layer, nowhere(), memory, sizeof(memory));
        sum += got > 0 ? (size_t)got : 0;
    }
    MUST(got <= 0 && got != -EAGAIN && sum < size);
    must_have_a_name(layer, got);
}

static void
ask_all(const struct tri_record_layer *layer)
{
    struct tr_tls_info info;
    struct tr_peer *peer = NULL;
    const char *code;
    tri_tls_info(layer, &info);
    MUST(info.cipher != NULL && memchr(info.alpn, '\0', sizeof(info.alpn)) != NULL);
    MUST(memchr(info.server_name, '\0', sizeof(info.server_name)) != NULL);
    tr_status result = tri_tls_verify_result(layer, &code);
    tr_status shown = tri_tls_peer(layer, &peer);
    MUST((shown == TR_OK) == (result != TR_ENOENT));
    tr_peer_free(peer);
}

static void
answer(struct tri_record_layer *layer)
{
    ssize_t taken = layer->kind->write_record(layer, nowhere(), "answer", 6);
    MUST(taken == 6 || taken < 0);
    must_have_a_name(layer, taken);
    (void)tri_tls_update_keys(layer, true);
    must_have_a_name(layer, 0);
    if (layer->reason == 0)
        must_have_a_name(layer, layer->kind->goodbye(layer, nowhere()));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct tri_record_layer *layer = tls_end_open(data[0] % TLS_KINDS);
    give_bytes(layer, data + 1, size - 1, (data[0] & TLS_IN_PIECES) != 0 ? 1 : 4096);
    if (shake(layer) == TRI_LAYER_DONE) {
        read_to_the_end(layer, size);
        ask_all(layer);
        answer(layer);
    }
    MUST(layer->kind->moved(layer) > 0 || size == 1 || (data[0] & TLS_SERVES) != 0);
    layer->kind->free(layer);
    MUST(ERR_peek_error() == 0);
    return 0;
}
