#include "address_text.h"

#include "random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

void
address_text(uint64_t *seed, char text[ADDRESS_TEXT])
{
    size_t size = 0;
    unsigned parts = random_below(seed, 8) < 6 ? 8 : 1 + random_below(seed, 9);
    unsigned gap = random_below(seed, 2) ? random_below(seed, parts + 1) : ADDRESS_TEXT;
    bool ipv4 = random_below(seed, 3) == 0;
    if (!ipv4)
        for (unsigned i = 0; i < parts && (gap == ADDRESS_TEXT || i + gap < 8); i++)
            size += (size_t)snprintf(text + size, ADDRESS_TEXT - size, "%s%x",
                                     i == gap ? "::"
                                     : i > 0  ? ":"
                                              : "",
                                     random_below(seed, random_below(seed, 40) == 0 ? 0x20000 : 0x10000));
    if (!ipv4 && gap != ADDRESS_TEXT && random_below(seed, 4) == 0)
        size += (size_t)snprintf(text + size, ADDRESS_TEXT - size, "::");
    if (ipv4 || random_below(seed, 4) == 0) {
        unsigned limit = random_below(seed, 10) == 0 ? 300 : 256;
        size += (size_t)snprintf(text + size, ADDRESS_TEXT - size, "%s%u.%u.%u.%u", size > 0 ? ":" : "",
                                 random_below(seed, limit), random_below(seed, limit), random_below(seed, 256),
                                 random_below(seed, 256));
    }
    for (unsigned i = random_below(seed, 4); i >= 2 && size > 0 && size < ADDRESS_TEXT - 1; i--) {
        size_t at = random_below(seed, (unsigned)size);
        if (random_below(seed, 2)) {
            text[at] = "0123456789abcdefABCDEF:::...g /x"[random_below(seed, 32)];
        } else {
            memmove(text + at, text + at + 1, size - at);
            size--;
        }
    }
    text[size] = '\0';
}
