/*
 * From a wish to a descriptor that listens, in three ways: an address, a path, a descriptor of the user's.
 */
#include "opening.h"

#include "bind.h"
#include "channel.h"
#include "descriptor.h"
#include "tune.h"

#include <troupe/core/descriptors.h>
#include <troupe/core/status_from.h>

static tr_status
open_address(const struct tri_bound_wish *wish, struct tri_opened *out, struct tr_error *error)
{
    const struct tri_bind_options how = {
        .backlog = wish->terms.backlog,
        .ipv6_only = wish->terms.ipv6_only,
        .no_delay = wish->no_delay,
        .group = wish->terms.accept == TR_ACCEPT_REUSEPORT ? TRI_GROUP_FOUND : TRI_GROUP_NONE,
    };
    tr_status status = tri_bind_and_listen(&wish->key.address, &how, &out->fd, error);
    if (status == TR_OK)
        out->no_delay = tri_tune_bears_no_delay(out->fd); /* nobody else has it, so that stays so */
    return status;
}

static tr_status
open_path(const struct tri_bound_wish *wish, struct tri_opened *out, struct tr_error *error)
{
    const struct tri_unix_options how = {
        .readable_all = wish->terms.readable_all,
        .writable_all = wish->terms.writable_all,
        .unlink_stale = wish->unlink_stale,
    };
    return tri_bind_path_and_listen((const struct sockaddr_un *)&wish->key.address, wish->key.size, &how,
                                    wish->terms.backlog, &out->fd, &out->path, error);
}

/* Whether it listens already makes no difference: as in Node it is told to once more, with our backlog. */
static tr_status
open_descriptor(const struct tri_bound_wish *wish, struct tri_opened *out, struct tr_error *error)
{
    out->fd = wish->key.fd;
    tri_descriptor_close_on_exec(out->fd);
    int system = tri_listen(out->fd, wish->terms.backlog);
    if (system == 0)
        return TR_OK;
    *error = (struct tr_error){.status = tri_status_from_errno(system), .system = system, .call = "listen"};
    tri_close(out->fd);
    return error->status;
}

tr_status
tri_opened_open(const struct tri_bound_wish *wish, struct tri_opened *out, struct tr_error *error)
{
    *out = (struct tri_opened){0};
    switch (wish->key.kind) {
    case TRI_BOUND_TCP: return open_address(wish, out, error);
    case TRI_BOUND_PATH: return open_path(wish, out, error);
    default: return open_descriptor(wish, out, error); /* TRI_BOUND_FD */
    }
}

void
tri_opened_unlink(struct tri_opened *opened)
{
    tri_unix_path_remove(opened->path);
    opened->path = NULL;
}

void
tri_opened_close(struct tri_opened *opened)
{
    if (opened->whose == TRI_OPENED_DEALT)
        tri_lease_leave(opened->fd);
    if (opened->whose == TRI_OPENED_LENT) {
        tri_lease_leave(opened->lease);
        tri_close(opened->lease);
    }
    tri_close(opened->fd);
}
