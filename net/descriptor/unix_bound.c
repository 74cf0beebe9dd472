/*
 * Asks the kernel for all unix sockets that wait for connections or will (sock_diag(7)).
 */
#include "unix_bound.h"

#ifdef __linux__

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_BYTES 32768u                               /* the most that the kernel gives at once */
#define BOUND_STATES (1u << TCP_CLOSE | 1u << TCP_LISTEN) /* not yet listening, listening */

/* What is looked for: a socket by its own inode, or by the file that it is bound to. */
struct search {
    uint32_t socket; /* 0: by the file */
    uint32_t device, inode;
};

static bool
ask(int fd)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } message = {
        .header = {.nlmsg_len = sizeof(message),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.sdiag_family = AF_UNIX, .udiag_states = BOUND_STATES, .udiag_show = UDIAG_SHOW_VFS},
    };
    return send(fd, &message, sizeof(message), 0) == (ssize_t)sizeof(message);
}

/* false: this socket is bound to no file. */
static bool
file_of(const struct nlmsghdr *header, struct unix_diag_vfs *out)
{
    const char *at = (const char *)NLMSG_DATA(header) + NLMSG_ALIGN(sizeof(struct unix_diag_msg));
    const char *end = (const char *)header + header->nlmsg_len;
    struct nlattr attribute;
    while (end - at >= NLA_HDRLEN) {
        memcpy(&attribute, at, sizeof(attribute));
        if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > end - at)
            return false;
        if (attribute.nla_type == UNIX_DIAG_VFS && attribute.nla_len >= NLA_HDRLEN + sizeof(*out)) {
            memcpy(out, at + NLA_HDRLEN, sizeof(*out));
            return true;
        }
        at += NLA_ALIGN(attribute.nla_len) < end - at ? NLA_ALIGN(attribute.nla_len) : end - at;
    }
    return false;
}

/* Of a socket that is found by its own inode the device is learnt. */
static bool
is_it(const struct nlmsghdr *header, struct search *search)
{
    const struct unix_diag_msg *message = NLMSG_DATA(header);
    struct unix_diag_vfs file;
    if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)) || !file_of(header, &file))
        return false;
    if (search->socket == 0)
        return file.udiag_vfs_dev == search->device && file.udiag_vfs_ino == search->inode;
    search->device = file.udiag_vfs_dev;
    return message->udiag_ino == search->socket;
}

/* Looks through one answer. true: there is more to come. */
static bool
look_through(const char *answer, int64_t size, struct search *search, bool *found)
{
    const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)answer;
    for (; NLMSG_OK(header, size); header = NLMSG_NEXT(header, size)) {
        if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR)
            return false;
        if (is_it(header, search)) {
            *found = true;
            return false;
        }
    }
    return true;
}

static bool
find(struct search *search)
{
    _Alignas(struct nlmsghdr) char answer[ANSWER_BYTES];
    bool found = false;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return false;
    ssize_t size = ask(fd) ? recv(fd, answer, sizeof(answer), 0) : -1;
    while (size > 0 && look_through(answer, size, search, &found))
        size = recv(fd, answer, sizeof(answer), 0);
    close(fd);
    return found;
}

/* Binds a socket to a file of its own in the directory and finds it. */
static bool
learn_device(int fd, const char *directory, uint32_t *device)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/p", directory);
    if (length < 0 || (size_t)length >= sizeof(address.sun_path) || fstat(fd, &status) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return false;
    struct search search = {.socket = (uint32_t)status.st_ino};
    bool found = find(&search);
    unlink(address.sun_path);
    *device = search.device;
    return found;
}

bool
tri_unix_bound_device(const char *directory, uint32_t *device)
{
    struct stat status;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool learnt = fd >= 0 && learn_device(fd, directory, device);
    if (fd >= 0)
        close(fd);
    if (learnt)
        return true;
    if (stat(directory, &status) != 0)
        return false;
    *device = (uint32_t)(major(status.st_dev) << 20 | minor(status.st_dev));
    return true;
}

bool
tri_unix_is_bound(uint32_t device, ino_t inode)
{
    return find(&(struct search){.device = device, .inode = (uint32_t)inode});
}

#else

bool
tri_unix_bound_device(const char *directory, uint32_t *device)
{
    (void)directory;
    (void)device;
    return false;
}

bool
tri_unix_is_bound(uint32_t device, ino_t inode)
{
    (void)device;
    (void)inode;
    return false;
}

#endif
