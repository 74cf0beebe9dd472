#include <troupe/core/descriptors.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <troupe/core/status_from.h>
#include <unistd.h>

void
tri_close(int fd)
{
    close(fd);
}

tr_status
tri_duplicate(int fd, int *out)
{
    *out = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return *out >= 0 ? TR_OK : tri_status_from_errno(errno);
}

bool
tri_await_readable(int fd, int wait_ms)
{
    struct pollfd look = {.fd = fd, .events = POLLIN};
    return poll(&look, 1, wait_ms) > 0;
}

bool
tri_descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    rlim_t wanted = limit.rlim_cur > 0 ? 2 * limit.rlim_cur : 1;
    if (limit.rlim_cur < limit.rlim_max && wanted > limit.rlim_max)
        wanted = limit.rlim_max;
    if (wanted > limit.rlim_max)
        limit.rlim_max = wanted; /* for root only */
    limit.rlim_cur = wanted;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}
