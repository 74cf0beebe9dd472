#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <stdalign.h>
#include <string.h>
#include <unistd.h>

int
tri_channel_pair(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : -errno;
}

int
tri_channel_send(int fd, const void *head, size_t head_size, const void *body, size_t body_size, const int *fds,
                 unsigned count)
{
    alignas(struct cmsghdr) char control[CMSG_SPACE(TRI_CHANNEL_FDS * sizeof(int))] = {0};
    struct iovec parts[2] = {{.iov_base = (void *)head, .iov_len = head_size},
                             {.iov_base = (void *)body, .iov_len = body_size}};
    struct msghdr header = {.msg_iov = parts, .msg_iovlen = body_size > 0 ? 2 : 1};
    if (count > 0) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(rights), fds, count * sizeof(int));
    }
    ssize_t sent;
    do
        sent = sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent >= 0 ? 0 : -errno;
}

/* Receiving. */

static void
take_out(struct msghdr *header, struct tri_channel_record *record)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control != NULL; control = CMSG_NXTHDR(header, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(fd));
            if (record->count < TRI_CHANNEL_FDS) {
                record->fds[record->count++] = fd;
            } else {
                record->too_many = true;
                close(fd);
            }
        }
    }
}

void
tri_channel_drop(struct tri_channel_record *record)
{
    while (record->count > 0)
        close(record->fds[--record->count]);
}

/* There is room for one descriptor more than a record has, so that who sends too many is found out and not taken for
 * one who lost some. That an end was closed with records in it shows once, as an error, before what it had sent. */
ssize_t
tri_channel_receive(int fd, void *memory, size_t size, struct tri_channel_record *record)
{
    alignas(struct cmsghdr) char control[CMSG_SPACE((TRI_CHANNEL_FDS + 1) * sizeof(int))];
    struct iovec part = {.iov_base = memory, .iov_len = size};
    struct msghdr header;
    ssize_t got;
    do {
        header = (struct msghdr){
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
        got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    *record = (struct tri_channel_record){0};
    if (got < 0)
        return -errno;
    take_out(&header, record);
    int error = 0;
    if ((header.msg_flags & MSG_TRUNC) != 0)
        error = EMSGSIZE;
    else if ((header.msg_flags & MSG_CTRUNC) != 0)
        error = EMFILE;
    if (error == 0)
        return got;
    tri_channel_drop(record);
    return -error;
}

void
tri_channel_await(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (poll(&ready, 1, -1) < 0 && errno == EINTR)
        continue;
}

/* Leases. */

static void
answer(int fd, enum tri_lease_kind kind, unsigned number)
{
    struct tri_lease_word word = {.kind = kind, .number = number};
    tri_channel_send(fd, &word, sizeof(word), NULL, 0, NULL, 0); /* it has room for all that can be on its way */
}

/* It is answered before anybody sees it: a connection that ends the process is not to end the others, too. */
int
tri_lease_accept(int fd, struct sockaddr_storage *peer, uint64_t *trace)
{
    struct tri_lease_word word = {0};
    struct tri_channel_record record;
    socklen_t size = sizeof(*peer);
    ssize_t got = tri_channel_receive(fd, &word, sizeof(word), &record);
    if (got == -EMFILE)
        answer(fd, TRI_LEASE_BACK, word.number);
    if (got < 0)
        return (int)got;
    if (got != (ssize_t)sizeof(word) || word.kind != TRI_LEASE_CONNECTION || record.count != 1) {
        tri_channel_drop(&record);
        return -EINVAL;
    }
    answer(fd, TRI_LEASE_BEGUN, word.number);
    *trace = word.trace;
    if (peer != NULL)
        getpeername(record.fds[0], (struct sockaddr *)peer, &size);
    return record.fds[0];
}

void
tri_lease_leave(int fd)
{
    answer(fd, TRI_LEASE_LEFT, 0);
}
