/*
 * Pages.
 *
 * JSON and Prometheus' labels need three characters escaped alike: the quotation mark, the backslash and the line feed.
 * Other control characters JSON forbids and Prometheus does not know an escape for, so they are replaced, as are bytes
 * that are no UTF-8.
 */
#include "page.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_ROOM 1024u
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void
tri_page_clear(struct tri_page *page)
{
    free(page->text);
    *page = (struct tri_page){0};
}

static bool
make_room(struct tri_page *page, size_t size)
{
    if (page->failed)
        return false;
    if (page->room - page->size >= size)
        return true;
    size_t room = page->room < LEAST_ROOM ? LEAST_ROOM : page->room * 2;
    while (room - page->size < size)
        room *= 2;
    char *text = realloc(page->text, room);
    page->failed = text == NULL;
    if (text == NULL)
        return false;
    page->text = text;
    page->room = room;
    return true;
}

static void
add_bytes(struct tri_page *page, const char *bytes, size_t size)
{
    if (!make_room(page, size))
        return;
    memcpy(page->text + page->size, bytes, size);
    page->size += size;
}

void
tri_page_add(struct tri_page *page, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (length > 0)
        add_bytes(page, line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
}

static bool
is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The bytes of the character at the beginning; 0: that is no UTF-8. */
static size_t
length_of_character(const unsigned char *at)
{
    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        return is_tail(at[1]) ? 2 : 0;
    if (at[0] >= 0xe0 && at[0] <= 0xef) {
        bool is_short = at[0] == 0xe0 && at[1] < 0xa0, is_surrogate = at[0] == 0xed && at[1] >= 0xa0;
        return is_tail(at[1]) && !is_short && !is_surrogate && is_tail(at[2]) ? 3 : 0;
    }
    if (at[0] >= 0xf0 && at[0] <= 0xf4) {
        bool is_short = at[0] == 0xf0 && at[1] < 0x90, is_beyond = at[0] == 0xf4 && at[1] >= 0x90;
        return is_tail(at[1]) && !is_short && !is_beyond && is_tail(at[2]) && is_tail(at[3]) ? 4 : 0;
    }
    return 0;
}

static void
add_character(struct tri_page *page, const char *at, size_t length)
{
    unsigned char first = (unsigned char)at[0];
    if (first == '"' || first == '\\')
        add_bytes(page, "\\", 1);
    if (first == '\n')
        add_bytes(page, "\\n", 2);
    else if (length == 0 || first < ' ' || first == 0x7f)
        add_bytes(page, REPLACEMENT, sizeof(REPLACEMENT) - 1);
    else
        add_bytes(page, at, length);
}

void
tri_page_add_quoted(struct tri_page *page, const char *name)
{
    size_t step = 0;
    add_bytes(page, "\"", 1);
    for (size_t i = 0; name[i] != '\0'; i += step) {
        size_t length = length_of_character((const unsigned char *)name + i);
        step = length > 0 ? length : 1;
        if (i + step > TRI_NAME_AT_MOST)
            break;
        add_character(page, name + i, length);
    }
    add_bytes(page, "\"", 1);
}

void
tri_page_add_plain(struct tri_page *page, const char *name)
{
    for (size_t i = 0; name[i] != '\0' && i < TRI_NAME_AT_MOST; i++) {
        unsigned char byte = (unsigned char)name[i];
        add_bytes(page, byte < ' ' || byte == 0x7f ? "?" : name + i, 1);
    }
}
