/*
 * What the kernel tells of bytes on their way: TCP_INFO, or the length of the queue.
 *
 * The kernel's own header has all of TCP_INFO; the C library's, which uv.h includes, may lack its end.
 */
#include "progress.h"

#include <stddef.h>

#ifdef __linux__

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* An acknowledgement that came with the last movement, give or take a tick of the kernel's clock, is the same one. */
#define TICK_MS 10u

static bool
ask_tcp(int fd, struct tcp_info *out)
{
    socklen_t size = sizeof(*out);
    memset(out, 0, sizeof(*out));
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, out, &size) == 0 &&
           size >= offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(out->tcpi_bytes_acked);
}

static bool
tcp_moved(struct tri_progress *progress, const struct tcp_info *info, uint64_t now_ms, uint64_t *moved_ms)
{
    bool acked_more = info->tcpi_bytes_acked != progress->acked;
    uint64_t heard_ms = now_ms - info->tcpi_last_ack_recv;
    progress->acked = info->tcpi_bytes_acked;
    if (!acked_more || heard_ms <= *moved_ms + TICK_MS)
        return false;
    *moved_ms = heard_ms;
    return true;
}

static bool
queue_moved(struct tri_progress *progress, int held, uint64_t now_ms, uint64_t *moved_ms)
{
    bool is_later_look = progress->moved_ms == *moved_ms;
    bool moved = is_later_look ? held < progress->held : held > 0;
    if (moved)
        *moved_ms = now_ms;
    progress->moved_ms = *moved_ms;
    progress->held = held;
    return moved;
}

bool
tri_progress_look(struct tri_progress *progress, int fd, uint64_t now_ms, uint64_t *moved_ms)
{
    struct tcp_info info;
    int held;
    if (ask_tcp(fd, &info))
        return tcp_moved(progress, &info, now_ms, moved_ms);
    return ioctl(fd, SIOCOUTQ, &held) == 0 && queue_moved(progress, held, now_ms, moved_ms);
}

#else

bool
tri_progress_look(struct tri_progress *progress, int fd, uint64_t now_ms, uint64_t *moved_ms)
{
    (void)progress;
    (void)fd;
    (void)now_ms;
    (void)moved_ms;
    return false;
}

#endif
