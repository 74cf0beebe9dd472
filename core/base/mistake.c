/*
 * Says what the program did wrong, and ends it where it happened: the debugger, or the core file, shows the caller.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <troupe/core/mistake.h>

_Noreturn void
tri_mistake(const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fprintf(stderr, "troupe: mistake: %s\n", text); /* one write: several threads may be wrong at once */
    abort();
}
