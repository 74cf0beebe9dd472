/*
 * Counts the work of a program without a clock: the basic blocks that it runs, and the bytes that it asks for. The
 * program is compiled with -fsanitize-coverage=trace-pc, this file is not. At its end it prints both.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

static uint64_t blocks, bytes;

void __sanitizer_cov_trace_pc(void);
void *__real_calloc(size_t count, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);

void
__sanitizer_cov_trace_pc(void)
{
    blocks++;
}

void *
__wrap_calloc(size_t count, size_t size)
{
    bytes += count * size;
    return __real_calloc(count, size);
}

void *
__wrap_reallocarray(void *memory, size_t count, size_t size)
{
    bytes += count * size;
    return __real_reallocarray(memory, count, size);
}

__attribute__((destructor)) static void
print_work(void)
{
    fprintf(stderr, "\nwork: %" PRIu64 " blocks, %" PRIu64 " bytes\n", blocks, bytes);
}
