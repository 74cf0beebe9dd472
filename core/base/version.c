/*
 * Which version a program is linked with.
 */
#include <troupe/core/version.h>

int
tr_version(void)
{
    return TR_VERSION;
}

const char *
tr_version_text(void)
{
    return TR_VERSION_TEXT;
}
