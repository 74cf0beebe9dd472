#include "words.h"

#include "channel.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

void
tri_lend_ask_of(const struct tri_bound_wish *wish, struct tri_lend_ask *ask)
{
    const struct tri_bound_terms *terms = &wish->terms;
    *ask = (struct tri_lend_ask){
        .word = TRI_ASK_LISTEN,
        .flags = (wish->key.kind == TRI_BOUND_PATH ? TRI_LEND_PATH : 0u) |
                 (wish->key.any_port ? TRI_LEND_ANY_PORT : 0u) | (terms->ipv6_only ? TRI_LEND_IPV6_ONLY : 0u) |
                 (terms->readable_all ? TRI_LEND_READABLE_ALL : 0u) |
                 (terms->writable_all ? TRI_LEND_WRITABLE_ALL : 0u) |
                 (wish->unlink_stale ? TRI_LEND_UNLINK_STALE : 0u) | (wish->no_delay ? TRI_LEND_NO_DELAY : 0u),
        .size = wish->key.size,
        .backlog = terms->backlog,
        .address = wish->key.address,
    };
}

static bool
is_sound(const struct tri_lend_ask *ask)
{
    if (ask->word != TRI_ASK_LISTEN || (ask->flags & ~(uint32_t)TRI_LEND_FLAGS) != 0 || ask->backlog < 0)
        return false;
    if ((ask->flags & TRI_LEND_PATH) != 0)
        return ask->address.ss_family == AF_UNIX && ask->size > offsetof(struct sockaddr_un, sun_path) &&
               ask->size <= sizeof(struct sockaddr_un);
    return (ask->address.ss_family == AF_INET && ask->size == sizeof(struct sockaddr_in)) ||
           (ask->address.ss_family == AF_INET6 && ask->size == sizeof(struct sockaddr_in6));
}

bool
tri_lend_wish_of(const struct tri_lend_ask *ask, struct tri_bound_wish *wish)
{
    if (!is_sound(ask))
        return false;
    *wish = (struct tri_bound_wish){
        .key = {.kind = (ask->flags & TRI_LEND_PATH) != 0 ? TRI_BOUND_PATH : TRI_BOUND_TCP,
                .any_port = (ask->flags & TRI_LEND_ANY_PORT) != 0,
                .size = ask->size,
                .address = ask->address},
        .terms = {.backlog = ask->backlog,
                  .ipv6_only = (ask->flags & TRI_LEND_IPV6_ONLY) != 0,
                  .readable_all = (ask->flags & TRI_LEND_READABLE_ALL) != 0,
                  .writable_all = (ask->flags & TRI_LEND_WRITABLE_ALL) != 0},
        .unlink_stale = (ask->flags & TRI_LEND_UNLINK_STALE) != 0,
        .no_delay = (ask->flags & TRI_LEND_NO_DELAY) != 0,
    };
    return true;
}

int
tri_parcel_send(int mail, uint32_t peer, uint64_t trace, const void *bytes, size_t size, int fd)
{
    struct tri_parcel_head head = {
        .word = TRI_PARCEL_MESSAGE, .peer = peer, .size = (uint32_t)size, .fds = fd >= 0 ? 1 : 0, .trace = trace};
    return tri_channel_send(mail, &head, sizeof(head), bytes, size, &fd, head.fds);
}

bool
tri_parcel_is_sound(const void *record, size_t size, unsigned fds, unsigned children)
{
    struct tri_parcel_head head;
    if (size < sizeof(head))
        return false;
    memcpy(&head, record, sizeof(head));
    return head.word == TRI_PARCEL_MESSAGE && head.size == size - sizeof(head) && head.fds == fds && fds <= 1 &&
           (head.peer < children || head.peer == TR_CLUSTER_PARENT);
}
