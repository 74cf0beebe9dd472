/*
 * Text encodings: what Node's socket.setEncoding() makes of bytes that arrive, and socket.write(text, encoding) of text
 * that leaves.
 *
 * Text is UTF-8 here, where a Node string is UTF-16. A string in Node can have half of a surrogate pair. UTF-8 cannot,
 * so the half becomes U+FFFD, as in Buffer.from(string, 'utf8').
 *
 * Thread:  any, for all functions; a decoder is used by one thread at a time.
 */
#ifndef TROUPE_NET_ENCODING_H
#define TROUPE_NET_ENCODING_H

#include <stddef.h>
#include <troupe/core/buffer.h>
#include <troupe/core/declare.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

enum tr_encoding {
    TR_ENCODING_NONE = 0, /* bytes as they come */
    TR_ENCODING_UTF8,
    TR_ENCODING_ASCII,  /* reading clears the eighth bit; writing is the same as latin1 */
    TR_ENCODING_LATIN1, /* one byte is one character, U+0000 to U+00FF */
    TR_ENCODING_HEX,    /* the text is two digits for each byte */
    TR_ENCODING_BASE64,
    TR_ENCODING_BASE64URL, /* '-' and '_' for '+' and '/', written without padding */
    TR_ENCODING_UTF16LE,
};

/*
 * The encoding that Node knows by this name, in letters of any case: "utf8" "utf-8" "ascii" "latin1" "binary" "hex"
 * "base64" "base64url" "utf16le" "utf-16le" "ucs2" "ucs-2". *out is set on success only.
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL        NULL
 *          TR_EBADENCODING  no such name
 */
tr_status tr_encoding_by_name(const char *name, enum tr_encoding *out);

/*
 * Node's name of an encoding, the first of its aliases: "utf8", "latin1", "utf16le"... "none" for TR_ENCODING_NONE and
 * "unknown" for a number that is no encoding; tr_encoding_by_name() knows neither.
 * Memory:  a constant.
 * Thread:  any.
 */
const char *tr_encoding_name(enum tr_encoding encoding);

/*
 * A decoder: bytes that come in pieces become text, and no character is cut. It holds back what a piece leaves
 * incomplete and gives it with the next.
 *
 *   - The text is that of Node's StringDecoder, piece for piece, with one exception: where a piece in Node would end
 *     with the first half of a surrogate pair, this decoder keeps the half until it is known what follows. The whole
 *     text is the same.
 *   - Decoding never fails: what is not valid becomes U+FFFD where Node has it. In UTF-8 that is one for each longest
 *     beginning of a character that is not continued, and one for each byte that cannot begin any (Unicode, chapter
 *     3.9).
 *   - A byte order mark is kept.
 *   - TR_ENCODING_NONE gives the bytes, which need not be text.
 *
 * Memory:  the caller's to embed; the fields are private. All zero, with the encoding set, is an initialised decoder.
 *          Nothing needs to be freed.
 * Thread:  any, one at a time.
 */
struct tr_decoder {
    enum tr_encoding encoding;
    unsigned char held;     /* how many bytes wait for more */
    unsigned char bytes[4]; /* those; at most three between two calls */
};

/* Makes it a new decoder of that encoding. Thread: any. */
void tr_decoder_init(struct tr_decoder *decoder, enum tr_encoding encoding);

/*
 * The most bytes of text that decoding `size` more bytes can give: three times as many for UTF-8, where each byte may
 * turn out to be invalid; SIZE_MAX if the number is larger than that.
 * Thread:  the one that uses the decoder.
 */
size_t tr_decoder_limit(const struct tr_decoder *decoder, size_t size);

/*
 * Decodes size bytes into out, which has room for tr_decoder_limit(decoder, size) and does not overlap data. data may
 * be NULL if size is 0. The text does not end with NUL.
 * Thread:  the one that uses the decoder.
 * Returns: how many bytes of text were written, often 0.
 */
size_t tr_decoder_push(struct tr_decoder *decoder, const void *data, size_t size, char *out);

/*
 * The end of the bytes: gives what was incomplete, as U+FFFD in UTF-8 and UTF-16 (a single odd byte of UTF-16 is
 * dropped, as in Node), as the last, padded digits in base64. out has room for tr_decoder_limit(decoder, 0). Afterwards
 * the decoder is like a new one.
 * Thread:  the one that uses the decoder.
 * Returns: how many bytes of text were written.
 */
size_t tr_decoder_finish(struct tr_decoder *decoder, char *out);

/*
 * Gives the bytes that text, size bytes of UTF-8, stands for in that encoding. *out is set on success only.
 *
 *   none, utf8      the text as it is, unchecked
 *   ascii, latin1   the low eight bits of each UTF-16 unit of the text, as Node writes them
 *   utf16le         the UTF-16 units, low byte first
 *   hex             pairs of digits of either case, and nothing else
 *   base64 and      digits of both alphabets; white space is skipped; padding may be missing or too long, but only
 *   base64url       white space may follow it; of the last digit the bits that make no byte are ignored
 *
 * Where Node cuts or skips silently, this refuses: an odd number of hex digits, a character that is no digit, base64
 * digits after the padding, a single base64 digit left over. It also refuses text that is not valid UTF-8, where the
 * encoding has to look at characters.
 *
 * Memory:  one hold of *out is the caller's.
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL        out is NULL, or text is NULL with a size
 *          TR_EBADENCODING  no such encoding
 *          TR_EBADTEXT      the text cannot be written in that encoding
 *          TR_ENOMEM
 */
tr_status tr_encode(enum tr_encoding encoding, const char *text, size_t size, tr_slice *out);

TR_DECLARATIONS_END
#endif
