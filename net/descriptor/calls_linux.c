/*
 * Almost every descriptor is a socket, and for those recvfrom and sendto are the shorter way through the kernel: read
 * and write pass by what files need first. The C library's functions are points of cancellation, which takes two
 * operations with a locked bus for each call in a process of several threads; nobody cancels our threads, so they are
 * passed by. What is no socket, such as a pipe or a terminal, is told by the kernel, and read and written as a file.
 *
 * A build with a sanitizer takes calls.c, whose functions the sanitizer watches.
 */
#include "calls.h"

#include <errno.h>
#include <sys/syscall.h>
#include <troupe/core/compiler.h>
#include <unistd.h>

ssize_t
tri_call_read(int fd, void *memory, size_t size)
{
    ssize_t got = syscall(SYS_recvfrom, fd, memory, size, 0, NULL, NULL);
    return TRI_UNLIKELY(got < 0) && errno == ENOTSOCK ? read(fd, memory, size) : got;
}

ssize_t
tri_call_write(int fd, const void *data, size_t size)
{
    ssize_t taken = syscall(SYS_sendto, fd, data, size, 0, NULL, 0);
    return TRI_UNLIKELY(taken < 0) && errno == ENOTSOCK ? write(fd, data, size) : taken;
}
