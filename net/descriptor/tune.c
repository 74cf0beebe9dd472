/*
 * Options of a descriptor that libuv has no call for, or not the one we need: uv_tcp_keepalive() of 1.44 refuses a
 * delay of 0 and changes the number of probes as well.
 */
#include "tune.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#if !defined(TCP_KEEPIDLE) && defined(TCP_KEEPALIVE)
#define TCP_KEEPIDLE TCP_KEEPALIVE /* its name on macOS */
#endif

static int
set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

int
tri_tune_no_delay(int fd, bool no_delay)
{
    return set(fd, IPPROTO_TCP, TCP_NODELAY, no_delay);
}

#if defined(__linux__)

bool
tri_tune_bears_no_delay(int fd)
{
    int no_delay = 0;
    socklen_t size = sizeof(no_delay);
    return getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size) == 0 && no_delay != 0;
}

#else

bool
tri_tune_bears_no_delay(int fd)
{
    (void)fd;
    return false;
}

#endif

int
tri_tune_keep_alive(int fd, bool enable, uint64_t initial_delay_ms)
{
    int error = set(fd, SOL_SOCKET, SO_KEEPALIVE, enable);
    if (error == 0 && enable && initial_delay_ms > 0)
        error = set(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)((initial_delay_ms + 999) / 1000));
    return error;
}

#if defined(TCP_CORK) && defined(TCP_ULP)

static bool
is_corked(int fd)
{
    int corked = 0;
    socklen_t size = sizeof(corked);
    return getsockopt(fd, IPPROTO_TCP, TCP_CORK, &corked, &size) != 0 || corked != 0;
}

/* Without one its name has no length. What is no TCP has no such option. */
static bool
has_upper_protocol(int fd)
{
    char name[16];
    socklen_t size = sizeof(name);
    return getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &size) != 0 || size != 0;
}

bool
tri_tune_can_hold(int fd)
{
    return !has_upper_protocol(fd) && !is_corked(fd);
}

/* As the end of a cork: what waits goes as if it had been written now, and Nagle's rule holds for it. */
void
tri_tune_push(int fd)
{
    set(fd, IPPROTO_TCP, TCP_CORK, 0);
}

#else

bool
tri_tune_can_hold(int fd)
{
    (void)fd;
    return false;
}

void
tri_tune_push(int fd)
{
    (void)fd;
}

#endif
