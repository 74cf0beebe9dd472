/*
 * Decoders: bytes in pieces give the text that they give at once, it fits into what tr_decoder_limit() says, and is
 * UTF-8. What hex and base64 make of bytes is read back as these bytes. The first byte chooses the encoding, the second
 * how long the pieces are.
 */
#include "fuzz.h"

#include <string.h>
#include <troupe/net/encoding.h>

#define ENCODINGS (TR_ENCODING_UTF16LE + 1u)

struct text {
    char *bytes;
    size_t size;
};

static struct text
decode(enum tr_encoding encoding, const uint8_t *data, size_t size, size_t piece)
{
    struct tr_decoder decoder;
    struct text text = {0};
    tr_decoder_init(&decoder, encoding);
    for (size_t done = 0; done <= size; done += piece) {
        bool last = size - done < piece;
        size_t length = last ? size - done : piece;
        size_t limit = tr_decoder_limit(&decoder, length), tail = last ? 32 : 0;
        char *out = malloc(limit + 1), *larger = realloc(text.bytes, text.size + limit + tail + 1);
        MUST(out != NULL && larger != NULL);
        text.bytes = larger;
        size_t given = tr_decoder_push(&decoder, data + done, length, out);
        MUST(given <= limit);
        memcpy(text.bytes + text.size, out, given);
        text.size += given;
        free(out);
        if (last) {
            MUST(tr_decoder_limit(&decoder, 0) <= tail);
            text.size += tr_decoder_finish(&decoder, text.bytes + text.size);
            break;
        }
    }
    return text;
}

/* A decoder of UTF-8 that finds nothing to replace gives its bytes back. */
static void
must_be_utf8(const struct text *text)
{
    struct text again = decode(TR_ENCODING_UTF8, (const uint8_t *)text->bytes, text->size, text->size + 1);
    MUST(again.size == text->size && memcmp(again.bytes, text->bytes, text->size) == 0);
    free(again.bytes);
}

static void
must_be_read_back(enum tr_encoding encoding, const struct text *text, const uint8_t *data, size_t size)
{
    tr_slice slice;
    MUST(tr_encode(encoding, text->bytes, text->size, &slice) == TR_OK);
    MUST(slice.size == size && (size == 0 || memcmp(slice.data, data, size) == 0));
    tr_slice_release(slice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum tr_encoding encoding = (enum tr_encoding)(data[0] % ENCODINGS);
    size_t piece = data[1] % 16u + 1u;
    data += 2;
    size -= 2;
    struct text whole = decode(encoding, data, size, size + 1), pieces = decode(encoding, data, size, piece);
    MUST(whole.size == pieces.size && memcmp(whole.bytes, pieces.bytes, whole.size) == 0);
    if (encoding != TR_ENCODING_NONE)
        must_be_utf8(&whole);
    if (encoding == TR_ENCODING_HEX || encoding == TR_ENCODING_BASE64 || encoding == TR_ENCODING_BASE64URL)
        must_be_read_back(encoding, &whole, data, size);
    for (unsigned other = 0; other < ENCODINGS; other++) {
        tr_slice slice;
        if (tr_encode((enum tr_encoding)other, (const char *)data, size, &slice) == TR_OK)
            tr_slice_release(slice);
    }
    free(whole.bytes);
    free(pieces.bytes);
    return 0;
}
