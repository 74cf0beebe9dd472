/*
 * Counts the work of a program without a clock: the basic blocks that it runs, the bytes that it asks for, and how many
 * it has at most at a time. The program is compiled with -fsanitize-coverage=trace-pc, this file is not. At its end it
 * prints all three.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

static uint64_t blocks, bytes, held, most;

void __sanitizer_cov_trace_pc(void);
void *__real_calloc(size_t count, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
void __real_free(void *memory);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);
void __wrap_free(void *memory);

static void *
note(void *memory)
{
    held += malloc_usable_size(memory);
    most = held > most ? held : most;
    return memory;
}

void
__sanitizer_cov_trace_pc(void)
{
    blocks++;
}

void *
__wrap_calloc(size_t count, size_t size)
{
    bytes += count * size;
    return note(__real_calloc(count, size));
}

void *
__wrap_reallocarray(void *memory, size_t count, size_t size)
{
    bytes += count * size;
    held -= malloc_usable_size(memory);
    return note(__real_reallocarray(memory, count, size));
}

void
__wrap_free(void *memory)
{
    held -= malloc_usable_size(memory);
    __real_free(memory);
}

__attribute__((destructor)) static void
print_work(void)
{
    fprintf(stderr, "\nwork: %" PRIu64 " blocks, %" PRIu64 " bytes, %" PRIu64 " at most\n", blocks, bytes, most);
}
