/*
 * The names of the encodings.
 */
#include "encoding_internal.h"

/* The first name of each is its own, the others are aliases. */
static const struct {
    const char *name;
    enum tr_encoding encoding;
} names[] = {
    {"utf8", TR_ENCODING_UTF8},        {"utf-8", TR_ENCODING_UTF8},          {"ascii", TR_ENCODING_ASCII},
    {"latin1", TR_ENCODING_LATIN1},    {"binary", TR_ENCODING_LATIN1},       {"hex", TR_ENCODING_HEX},
    {"base64", TR_ENCODING_BASE64},    {"base64url", TR_ENCODING_BASE64URL}, {"utf16le", TR_ENCODING_UTF16LE},
    {"utf-16le", TR_ENCODING_UTF16LE}, {"ucs2", TR_ENCODING_UTF16LE},        {"ucs-2", TR_ENCODING_UTF16LE},
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

/* strcasecmp() would ask the locale, and in some of them 'I' is no capital 'i'. */
static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
same_name(const char *name, const char *lower_name)
{
    while (*lower_name != '\0' && lower(*name) == *lower_name) {
        name++;
        lower_name++;
    }
    return *name == *lower_name;
}

tr_status
tr_encoding_by_name(const char *name, enum tr_encoding *out)
{
    if (name == NULL || out == NULL)
        return TR_EINVAL;
    for (size_t i = 0; i < NAMES; i++) {
        if (!same_name(name, names[i].name))
            continue;
        *out = names[i].encoding;
        return TR_OK;
    }
    return TR_EBADENCODING;
}

/* NULL: it has none. */
static const char *
name_of(enum tr_encoding encoding)
{
    if (encoding == TR_ENCODING_NONE)
        return "none";
    for (size_t i = 0; i < NAMES; i++)
        if (names[i].encoding == encoding)
            return names[i].name;
    return NULL;
}

bool
tri_encoding_exists(enum tr_encoding encoding)
{
    return name_of(encoding) != NULL;
}

const char *
tr_encoding_name(enum tr_encoding encoding)
{
    const char *name = name_of(encoding);
    return name != NULL ? name : "unknown";
}
