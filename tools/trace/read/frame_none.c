#include "frame.h"

bool
frame_is_built_in(void)
{
    return false;
}

size_t
frame_bound(void)
{
    return 0;
}

size_t
frame_pack(void *out, const void *bytes, size_t size)
{
    (void)out, (void)bytes, (void)size;
    return 0;
}

const char *
frame_unpack(void *out, size_t size, const void *packed, size_t packed_size)
{
    (void)out, (void)size, (void)packed, (void)packed_size;
    return "troupe-trace was built without libzstd";
}
