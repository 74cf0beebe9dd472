#include "calls.h"

#include <unistd.h>

ssize_t
tri_call_read(int fd, void *memory, size_t size)
{
    return read(fd, memory, size);
}

ssize_t
tri_call_write(int fd, const void *data, size_t size)
{
    return write(fd, data, size);
}
