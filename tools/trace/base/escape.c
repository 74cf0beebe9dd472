#include "escape.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
            fprintf(out, "\\x%02x", *at++); /* what follows is looked at again */
        }
    }
}

/* escaped: characters that JSON would allow. */
static void
print_json_code(FILE *out, uint32_t code, const char *escaped)
{
    if (code >= 0x10000) {
        code -= 0x10000;
        fprintf(out, "\\u%04x\\u%04x", 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
    } else if (code == '"' || code == '\\' || is_command(code) || code >= 0x7f || strchr(escaped, (int)code) != NULL) {
        fprintf(out, "\\u%04x", code);
    } else {
        fputc((int)code, out);
    }
}

static void
print_quoted(FILE *out, const char *text, const char *escaped)
{
    const unsigned char *at = (const unsigned char *)text;
    fputc('"', out);
    while (*at != '\0') {
        uint32_t code = 0;
        size_t size = utf8_size(at, &code);
        print_json_code(out, size > 0 ? code : 0xfffd, escaped);
        at += size > 0 ? size : 1;
    }
    fputc('"', out);
}

void
print_json_string(FILE *out, const char *text)
{
    print_quoted(out, text, "");
}

void
print_page_string(FILE *out, const char *text)
{
    print_quoted(out, text, "<>&");
}
