/*
 * We bind and listen ourselves: libuv keeps EADDRINUSE back until later.
 */
#include "bind.h"

#include "tune.h"

#include <errno.h>
#include <netinet/in.h>
#include <troupe/core/status_from.h>
#include <unistd.h>

static tr_status
failed(struct tr_error *error, const char *call, int system)
{
    *error = (struct tr_error){.status = tri_status_from_errno(system), .system = system, .call = call};
    return error->status;
}

static int
tune(int fd, int family, const struct tri_bind_options *options)
{
    int one = 1, v6_only = options->ipv6_only;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0)
        return errno;
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) != 0)
        return errno;
    if (options->no_delay)
        tri_tune_no_delay(fd, true);
    return 0;
}

tr_status
tri_bind_and_listen(const struct sockaddr_storage *address, const struct tri_bind_options *options, int *out,
                    struct tr_error *error)
{
    int family = address->ss_family;
    socklen_t size = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return failed(error, "socket", errno);

    const char *call = "setsockopt";
    int system = tune(fd, family, options);
    if (system != 0)
        goto close_fd;
    call = "bind";
    if (bind(fd, (const struct sockaddr *)address, size) != 0) {
        system = errno;
        goto close_fd;
    }
    call = "listen";
    if (listen(fd, options->backlog) != 0) {
        system = errno;
        goto close_fd;
    }
    *out = fd;
    return TR_OK;

close_fd:
    close(fd);
    return failed(error, call, system);
}
