/*
 * Writing to a file what one call may take in parts.
 */
#ifndef TROUPE_CORE_TRACE_WRITE_ALL_H
#define TROUPE_CORE_TRACE_WRITE_ALL_H

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

/* 0, or an errno. */
static inline int
tri_write_all(int fd, const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > 0) {
        ssize_t written = write(fd, from, size);
        if (written < 0 && errno != EINTR)
            return errno;
        size_t part = written > 0 ? (size_t)written : 0;
        from += part;
        size -= part;
    }
    return 0;
}

#endif
