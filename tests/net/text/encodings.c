#include "encodings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <troupe/net/encoding.h>

const enum tr_encoding encodings[8] = {
    TR_ENCODING_NONE, TR_ENCODING_UTF8,   TR_ENCODING_ASCII,     TR_ENCODING_LATIN1,
    TR_ENCODING_HEX,  TR_ENCODING_BASE64, TR_ENCODING_BASE64URL, TR_ENCODING_UTF16LE,
};
