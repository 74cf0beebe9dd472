#include "plain.h"

#include <assert.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/sendfile.h>
#endif

#define OTHER_CONTROL_BYTES 256 /* such as the time or the sender, if somebody has asked for it */
#define FILE_BYTES_PER_CALL (1u << 20)
#define COPY_BYTES 16384u /* on the stack */
#define DROP_BYTES 16384  /* on the stack */

static ssize_t
receive(int fd, struct msghdr *header, int flags)
{
    ssize_t size;
    do
        size = recvmsg(fd, header, flags);
    while (size < 0 && tri_verdict(TRI_ON_READ, errno) == TRI_AGAIN);
    return size >= 0 ? size : -errno;
}

/* That descriptors did not come with it is what was asked for. */
ssize_t
tri_plain_read_record(int fd, void *memory, size_t size)
{
    struct iovec part = {.iov_base = memory, .iov_len = size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t got = receive(fd, &header, 0);
    int error = got >= 0 ? tri_error_of_flags(header.msg_flags & ~MSG_CTRUNC) : 0;
    return error == 0 ? got : -error;
}

ssize_t
tri_plain_peek(int fd, void *memory, size_t size)
{
    struct iovec part = {.iov_base = memory, .iov_len = size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    return receive(fd, &header, MSG_PEEK);
}

bool
tri_plain_take(int fd, void *memory, size_t size)
{
    char *at = memory;
    while (size > 0) {
        ssize_t got = tri_plain_read(fd, at, size);
        if (got <= 0)
            return false;
        at += got;
        size -= (size_t)got;
    }
    return true;
}

bool
tri_plain_drop(int fd)
{
    char dropped[DROP_BYTES];
    ssize_t got = tri_plain_read(fd, dropped, sizeof(dropped));
    return got > 0 || (got < 0 && tri_verdict(TRI_ON_READ, (int)-got) == TRI_WAIT);
}

static void
take_out(struct msghdr *header, struct tri_passed *passed)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control != NULL; control = CMSG_NXTHDR(header, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
            continue;
        size_t size = control->cmsg_len - CMSG_LEN(0);
        assert(size <= sizeof(passed->fds) - passed->count * sizeof(int));
        memcpy(passed->fds + passed->count, CMSG_DATA(control), size);
        passed->count += (unsigned)(size / sizeof(int));
    }
}

/* What one of them was lost from is no stream any more: which bytes a descriptor belongs to is its place among them. */
ssize_t
tri_plain_receive(int fd, void *memory, size_t size, struct tri_passed *passed)
{
    alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(passed->fds)) + OTHER_CONTROL_BYTES];
    struct iovec part = {.iov_base = memory, .iov_len = size};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    passed->count = 0;
    ssize_t got = receive(fd, &header, MSG_CMSG_CLOEXEC);
    if (got < 0)
        return got;
    take_out(&header, passed);
    int error = tri_error_of_flags(header.msg_flags);
    if (error == 0)
        return got;
    while (passed->count > 0)
        close(passed->fds[--passed->count]);
    return -error;
}

#ifdef MSG_MORE

ssize_t
tri_plain_hold(int fd, struct iovec *parts, int count)
{
    struct msghdr header = {.msg_iov = parts, .msg_iovlen = (size_t)count};
    return tri_plain_taken(TRI_ON_WRITE, sendmsg(fd, &header, MSG_MORE));
}

#else

ssize_t
tri_plain_hold(int fd, struct iovec *parts, int count)
{
    return tri_plain_gather(fd, parts, count);
}

#endif

ssize_t
tri_plain_pass(int fd, const void *data, size_t size, int passed)
{
    alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {.iov_base = (void *)data, .iov_len = size};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &passed, sizeof(passed));
    return tri_plain_taken(TRI_ON_PASS, sendmsg(fd, &header, 0));
}

ssize_t
tri_plain_read_file(int file, void *memory, size_t size, uint64_t offset)
{
    ssize_t got = pread(file, memory, size, (off_t)offset);
    return got != 0 ? tri_plain_taken(TRI_ON_FILE, got) : -EIO;
}

/* For systems without sendfile, and for what sendfile does not take: through memory. */
static ssize_t
copy_file(int fd, int file, uint64_t offset, uint64_t most)
{
    char bytes[COPY_BYTES]; /* the worker's slab may be lent to the data callback that writes */
    ssize_t size = tri_plain_read_file(file, bytes, most < sizeof(bytes) ? (size_t)most : sizeof(bytes), offset);
    return size > 0 ? tri_plain_write(fd, bytes, (size_t)size) : size;
}

#if defined(__linux__)

ssize_t
tri_plain_send_file(int fd, int file, uint64_t offset, uint64_t most)
{
    off_t from = (off_t)offset;
    ssize_t size = sendfile(fd, file, &from, most < FILE_BYTES_PER_CALL ? (size_t)most : FILE_BYTES_PER_CALL);
    if (size > 0)
        return size;
    if (size == 0)
        return -EIO;
    if (tri_verdict(TRI_ON_FILE, errno) != TRI_REFUSED)
        return tri_plain_taken(TRI_ON_FILE, size);
    return copy_file(fd, file, offset, most);
}

#else

ssize_t
tri_plain_send_file(int fd, int file, uint64_t offset, uint64_t most)
{
    return copy_file(fd, file, offset, most);
}

#endif

void
tri_plain_end(int fd)
{
    shutdown(fd, SHUT_WR);
}
