/*
 * What a Debug build knows of a buffer's life: who made it, and that it is over. A slice that is held or released after
 * the last release ends the process, with the buffer's origin.
 *
 * So that this can be seen, the head of a freed buffer is kept for a while: the heads of the last HEADS_KEPT freed
 * buffers stand in a ring, with no holds. With NDEBUG a buffer has no origin and is freed at once.
 */
#ifndef TROUPE_CORE_BUFFER_LIFE_H
#define TROUPE_CORE_BUFFER_LIFE_H

#include <ck_pr.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <troupe/core/message.h>

#ifdef NDEBUG

#define TRI_BUFFER_ORIGIN
#define TRI_BUFFER_BORN(buffer, size) ((void)0)
#define TRI_BUFFER_CHECK(buffer, function) ((void)0)
#define TRI_BUFFER_FREE(buffer) free(buffer)

#else

/* The callback that made the buffer: copied from the worker's activity when it was made. */
struct tri_buffer_origin {
    const char *name; /* of the actor's behavior, NULL: no actor's callback ran */
    tr_ref actor;
    uint32_t tag;
    size_t size; /* bytes of the buffer */
};

#define TRI_BUFFER_ORIGIN struct tri_buffer_origin origin;
#define TRI_BUFFER_BORN(buffer, bytes) ((buffer)->origin = tri_buffer_origin_here(bytes))
#define TRI_BUFFER_CHECK(buffer, function)                                                                             \
    tri_buffer_check(ck_pr_load_uint(&(buffer)->holds), &(buffer)->origin, function)
#define TRI_BUFFER_FREE(buffer) tri_buffer_keep_head(buffer)

struct tri_buffer_origin tri_buffer_origin_here(size_t size);

/* Ends the process if holds is 0: `function` was called after the last release. */
void tri_buffer_check(unsigned holds, const struct tri_buffer_origin *origin, const char *function);

/* Frees the head later. Thread: any. */
void tri_buffer_keep_head(void *head);

#endif
#endif
