/*
 * libidn2 does it, as it does for the C library: loaded when it is needed for the first time, so that nobody needs it
 * who has no such names. getaddrinfo() could be asked to (AI_IDN), but takes the text for what the program's locale
 * says, and that is ASCII unless the program has called setlocale(). Our text is UTF-8.
 */
#include "idna.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <uv.h>

/* Of its idn2.h, whose numbers are part of its ABI. */
#define LIBRARY "libidn2.so.0"
#define IDN2_NONTRANSITIONAL 8 /* UTS 46, and "ß" stays what it is */
#define IDN2_MALLOC (-100)

static struct {
    uv_once_t once;
    int (*to_ascii)(const char *text, char **out, int flags);
    void (*free)(void *pointer);
} idn2 = {.once = UV_ONCE_INIT};

static void
load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return;
    *(void **)&idn2.to_ascii = dlsym(library, "idn2_to_ascii_8z");
    *(void **)&idn2.free = dlsym(library, "idn2_free");
}

static bool
is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text > 0x7f)
            return false;
    return true;
}

static int
copy(const char *text, char ascii[TRI_IDNA_BYTES])
{
    size_t size = strlen(text) + 1;
    if (size == 1 || size > TRI_IDNA_BYTES)
        return UV_EINVAL;
    memcpy(ascii, text, size);
    return 0;
}

int
tri_idna_to_ascii(const char *host, char ascii[TRI_IDNA_BYTES])
{
    if (is_ascii(host))
        return copy(host, ascii);
    uv_once(&idn2.once, load);
    if (idn2.to_ascii == NULL || idn2.free == NULL)
        return UV_ENOSYS;
    char *name = NULL;
    int error = idn2.to_ascii(host, &name, IDN2_NONTRANSITIONAL);
    if (error != 0)
        return error == IDN2_MALLOC ? UV_ENOMEM : UV_EINVAL;
    error = copy(name, ascii);
    idn2.free(name);
    return error;
}
