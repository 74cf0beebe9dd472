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

/* From now on others that do the same may have its address. 0, or an errno. */
static int
allow_group(int fd)
{
    int one = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0 ? 0 : errno;
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
    return options->group == TRI_GROUP_JOIN ? allow_group(fd) : 0;
}

/* It is bound. */
static int
begin(int fd, const struct tri_bind_options *options)
{
    return options->group == TRI_GROUP_FOUND ? allow_group(fd) : tri_listen(fd, options->backlog);
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
    system = begin(fd, options);
    if (system != 0)
        goto close_fd;
    *out = fd;
    return TR_OK;

close_fd:
    close(fd);
    return failed(error, call, system);
}

tr_status
tri_bind_path_and_listen(const struct sockaddr_un *address, socklen_t size, const struct tri_unix_options *how,
                         int backlog, int *out, struct tri_unix_path **path, struct tr_error *error)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return failed(error, "socket", errno);
    tr_status status = tri_unix_bind(fd, address, size, how, path, error);
    if (status != TR_OK) {
        close(fd);
        return status;
    }
    int system = tri_listen(fd, backlog);
    if (system == 0 && *path != NULL && !tri_unix_path_is_ours(*path))
        system = EADDRINUSE; /* another server has taken the path meanwhile: see unix_path.c */
    if (system == 0) {
        *out = fd;
        return TR_OK;
    }
    tri_unix_path_remove(*path);
    close(fd);
    return failed(error, "listen", system);
}

int
tri_listen(int fd, int backlog)
{
    return listen(fd, backlog) == 0 ? 0 : errno;
}

int
tri_accept(int fd, struct sockaddr_storage *peer)
{
    socklen_t size = sizeof(*peer);
    int accepted = accept4(fd, (struct sockaddr *)peer, peer != NULL ? &size : NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return accepted >= 0 ? accepted : -errno;
}
