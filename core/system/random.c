#include <troupe/core/random.h>

#include <uv.h>

int
tri_random(void *memory, size_t size)
{
    return uv_random(NULL, NULL, memory, size, 0, NULL);
}
