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

#endif
