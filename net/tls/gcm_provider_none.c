/*
 * The provider where the library's header was not there to compile it with.
 */
#include "gcm_provider.h"

#include <stddef.h>

const char *
tri_gcm_wish(void)
{
    return NULL;
}
