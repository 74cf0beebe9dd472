#include "bad_input.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "escape.h"
#include "progress.h"

static void (*last_word)(void), (*order)(void);
static const char *within = "";

void
bad_input_within(const char *directory)
{
    within = directory;
}

void
before_last_words(void (*call)(void))
{
    order = call;
}

static void
put_in_order(void)
{
    void (*call)(void) = order;
    order = NULL;
    if (call != NULL)
        call();
    progress_wipe();
}

void
before_leaving(void (*call)(void))
{
    last_word = call;
}

_Noreturn void
leave(int status)
{
    void (*call)(void) = last_word;
    last_word = NULL; /* what it does may fail, too */
    if (call != NULL)
        call();
    fflush(NULL);
    _exit(status);
}

_Noreturn void
bad_input(const char *file, uint64_t offset, const char *format, ...)
{
    va_list arguments;
    put_in_order();
    va_start(arguments, format);
    fputs("troupe-trace: ", stderr);
    print_escaped(stderr, within);
    print_escaped(stderr, file);
    fprintf(stderr, ": offset %" PRIu64 ": ", offset);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    leave(EXIT_BAD_INPUT);
}

_Noreturn void
give_up(const char *format, ...)
{
    va_list arguments;
    put_in_order();
    va_start(arguments, format);
    fputs("troupe-trace: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    leave(EXIT_BAD_INPUT);
}

void *
must_realloc(void *memory, size_t count, size_t size)
{
    void *larger = reallocarray(memory, count, size);
    if (larger == NULL && count > 0)
        give_up("not enough memory");
    return larger;
}

void *
must_calloc(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL && count > 0)
        give_up("not enough memory");
    return memory;
}
