#include "text.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <troupe/core/trace_format.h>

/* Bytes of the UTF-8 character at text; 0: it is none. */
static size_t
utf8_size(const unsigned char *text, uint32_t *code)
{
    size_t size = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const unsigned char mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    if (text[0] >= 0xf8 || (text[0] >= 0x80 && text[0] < 0xc0))
        return 0;
    *code = text[0] & mask[size];
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0; /* also at the end of the text */
        *code = *code << 6 | (text[i] & 0x3f);
    }
    bool surrogate = *code >= 0xd800 && *code < 0xe000;
    return *code >= least[size] && *code <= 0x10ffff && !surrogate ? size : 0;
}

/* Does it change more than the place where it stands? */
static bool
is_command(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) || code == 0xfeff;
}

void
print_escaped(FILE *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at != '\0') {
        uint32_t code = 0;
        size_t size = utf8_size(at, &code);
        if (size > 0 && !is_command(code) && code != '\\') {
            fwrite(at, 1, size, out);
            at += size;
        } else if (*at == '\\') {
            fputs("\\\\", out);
            at++;
        } else {
            fprintf(out, "\\x%02x", *at++); /* what follows is looked at anew */
        }
    }
}

static void
print_json_code(FILE *out, uint32_t code)
{
    if (code >= 0x10000) {
        code -= 0x10000;
        fprintf(out, "\\u%04x\\u%04x", 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
    } else if (code == '"' || code == '\\' || is_command(code) || code >= 0x7f) {
        fprintf(out, "\\u%04x", code);
    } else {
        fputc((int)code, out);
    }
}

void
print_json_string(FILE *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    fputc('"', out);
    while (*at != '\0') {
        uint32_t code = 0;
        size_t size = utf8_size(at, &code);
        print_json_code(out, size > 0 ? code : 0xfffd);
        at += size > 0 ? size : 1;
    }
    fputc('"', out);
}

const char *
text_of_ref(uint64_t ref, char text[TEXT_SIZE])
{
    snprintf(text, TEXT_SIZE, TRI_TRACE_REF_FORMAT, TRI_TRACE_REF_WORDS(ref));
    return text;
}

const char *
text_of_stream(uint32_t number, char text[TEXT_SIZE])
{
    if (number == TRI_TRACE_OUTSIDE)
        snprintf(text, TEXT_SIZE, "outside");
    else
        snprintf(text, TEXT_SIZE, "%" PRIu32, number);
    return text;
}

const char *
text_of_message(uint64_t message, char text[TEXT_SIZE])
{
    char stream[TEXT_SIZE];
    text_of_stream(TRI_TRACE_MESSAGE_STREAM(message), stream);
    snprintf(text, TEXT_SIZE, "%.8s:%" PRIu64, stream, TRI_TRACE_MESSAGE_COUNT(message));
    return text;
}

const char *
text_of_count(uint64_t count, char text[TEXT_SIZE])
{
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
    char *to = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

const char *
text_of_time(const struct metadata *metadata, uint64_t ticks, char text[TEXT_SIZE])
{
    uint64_t ns = metadata_ns(metadata, ticks);
    time_t seconds = (time_t)(ns / 1000000000u);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL || strftime(text, TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &utc) == 0)
        text[0] = '\0';
    size_t length = strlen(text);
    snprintf(text + length, TEXT_SIZE - length, ".%09" PRIu64 "Z", ns % 1000000000u);
    return text;
}

/* A number and where it ends; false: there is none, or it is above most. */
static bool
parse_number(const char *text, uint64_t most, const char **end, uint64_t *out)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *after;
    errno = 0;
    *out = strtoull(text, &after, 0);
    *end = after;
    return errno == 0 && *out <= most;
}

bool
parse_ref(const char *text, uint64_t *ref)
{
    const char *at;
    uint64_t worker, slot, generation;
    if (parse_number(text, UINT64_MAX, &at, ref) && *at == '\0')
        return true;
    if (!parse_number(text, TRI_TRACE_REF_WORKER(UINT64_MAX), &at, &worker) || *at != ':')
        return false;
    if (!parse_number(at + 1, TRI_TRACE_REF_SLOT(UINT64_MAX), &at, &slot) || *at != '.')
        return false;
    if (!parse_number(at + 1, TRI_TRACE_REF_GENERATION(UINT64_MAX), &at, &generation) || *at != '\0')
        return false;
    *ref = TRI_TRACE_REF(worker, slot, generation);
    return true;
}

bool
parse_stream(const char *text, uint32_t *number)
{
    const char *at;
    uint64_t value = TRI_TRACE_OUTSIDE;
    if (strcmp(text, "outside") != 0 && (!parse_number(text, TRI_TRACE_OUTSIDE, &at, &value) || *at != '\0'))
        return false;
    *number = (uint32_t)value;
    return true;
}
