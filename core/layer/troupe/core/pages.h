/*
 * Memory in pages: addresses that are kept for a table at its largest, while only what is touched takes memory.
 */
#ifndef TROUPE_CORE_PAGES_H
#define TROUPE_CORE_PAGES_H

#include <stddef.h>

/* All zero. NULL: the system has not so many addresses. Thread: any. */
void *tri_pages_new(size_t size);

/* The same, which the children of this process have together with it. Thread: any. */
void *tri_pages_shared(size_t size);

void tri_pages_free(void *pages, size_t size);

/*
 * A core file has all pages of a process, touched or not, or says for each that it has none: so a large table is left
 * out but for the part of it that is in use. Of that, whole pages are taken in. Neither can fail in a way that matters.
 * Thread: any.
 */
void tri_pages_leave_out(void *pages, size_t size);
void tri_pages_take_in(void *part, size_t size);

#endif
