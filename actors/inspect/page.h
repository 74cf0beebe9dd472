/*
 * A page: text that grows. What finds no memory marks the page as failed and adds nothing more. Thread: one at a time.
 */
#ifndef TROUPE_ACTORS_INSPECT_PAGE_H
#define TROUPE_ACTORS_INSPECT_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#define TRI_NAME_AT_MOST 128u /* bytes of a name that are shown; longer ones are cut */

struct tri_page {
    char *text; /* not ended with a NUL */
    size_t size, room;
    bool failed;
};

/* Frees it; it can be used again. */
void tri_page_clear(struct tri_page *page);

void tri_page_add(struct tri_page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A name, which may hold anything: as a string of JSON, or as the value of a Prometheus label, both in their quotation
 * marks; and for people, with '?' for control characters. What is no UTF-8 becomes U+FFFD in the first two. */
void tri_page_add_quoted(struct tri_page *page, const char *name);
void tri_page_add_plain(struct tri_page *page, const char *name);

#endif
