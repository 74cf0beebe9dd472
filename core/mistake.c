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

void
tri_mistake_unless_owner(const struct tri_worker *worker, const char *function)
{
    const struct tri_worker *here = tri_worker_current();
    if (here == worker)
        return;
    char place[64] = "a thread that is no worker";
    if (here != NULL)
        snprintf(place, sizeof(place), "worker %u%s", here->index,
                 here->runtime == worker->runtime ? "" : " of another runtime");
    tri_mistake("%s() was called on %s, but what it was called for lives on worker %u; from another thread, send a "
                "message",
                function, place, worker->index);
}
