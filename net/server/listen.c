/*
 * From the options of tr_server_listen() to a descriptor that listens, in four ways: what another server listens on, a
 * descriptor of the user's, a path, a host and a port (listen_tcp.c).
 *
 * What the caller could have known is answered by the call and changes nothing. What only the world knows is an error
 * event, even if it is known at once: events come after the call has returned, due.c sees to that.
 */
#include "listening.h"

#include "address_internal.h"
#include "bind.h"
#include "descriptor.h"
#include "due.h"

#include <troupe/core/descriptors.h>
#include <troupe/core/status_from.h>

/* What another server listens on. */

static tr_status
listen_on_server(tr_server *server, const struct tr_listen_options *options)
{
    const tr_server *other = options->server;
    if (other->net != server->net)
        return TR_EINVAL;
    if (other->member == NULL)
        return TR_ENOADDRESS;
    return tri_listen_cover(server, other, tri_listen_backlog(options));
}

/* A descriptor. */

static tr_status
listen_on_own(tr_server *server, const struct tr_listen_options *options, int fd)
{
    struct tri_bound_wish wish = tri_listen_wish(server, options);
    wish.key.kind = TRI_BOUND_FD;
    wish.key.fd = fd;
    return tri_listen_join(server, &wish);
}

/* For a thread outside the call is over only when it has succeeded: until then its descriptor stays as it is. */
static tr_status
listen_on_duplicate(tr_server *server, const struct tr_listen_options *options)
{
    int duplicate;
    tr_status status = tri_duplicate(options->fd, &duplicate);
    if (status != TR_OK)
        return status;
    status = listen_on_own(server, options, duplicate);
    if (status != TR_OK)
        tri_close(duplicate);
    return status;
}

static tr_status
listen_on_descriptor(tr_server *server, const struct tr_listen_options *options)
{
    tr_status status = tri_descriptor_check_bound(options->fd);
    if (status != TR_OK)
        return status;
    return server->waiter != NULL ? listen_on_duplicate(server, options) : listen_on_own(server, options, options->fd);
}

/* A path. */

static tr_status
listen_on_path(tr_server *server, const struct tr_listen_options *options)
{
    struct tri_bound_wish wish = tri_listen_wish(server, options);
    tr_status status = tri_address_of_path(options->path, options->truncate_path,
                                           (struct sockaddr_un *)&wish.key.address, &wish.key.size);
    if (status != TR_OK)
        return status;
    wish.key.kind = TRI_BOUND_PATH;
    return tri_listen_join(server, &wish);
}

/* The public function. */

/* Of a path and a port, Node takes the port (v10). */
static bool
is_path(const struct tr_listen_options *options)
{
    return options->path != NULL && options->port == 0;
}

tr_status
tri_listen_check_options(const struct tr_listen_options *options)
{
    struct sockaddr_un address;
    socklen_t size;
    if (options->backlog < 0)
        return TR_EBADLIMIT;
    if ((unsigned)options->accept > TR_ACCEPT_REUSEPORT)
        return TR_EINVAL;
    if (options->server != NULL)
        return TR_OK;
    if (options->accept == TR_ACCEPT_REUSEPORT && (options->from_fd || is_path(options)))
        return TR_ENOTSUPPORTED;
    if (options->from_fd)
        return options->fd < 0 ? TR_EBADF : TR_OK;
    if (is_path(options))
        return tri_address_of_path(options->path, options->truncate_path, &address, &size);
    if (options->host != NULL)
        return tri_host_is_sound(options->host) ? TR_OK : TR_EBADHOST;
    return options->port == 0 && !options->any_port ? TR_ENOADDRESS : TR_OK;
}

static tr_status
begin(tr_server *server, const struct tr_listen_options *options)
{
    if (options->server != NULL)
        return listen_on_server(server, options);
    if (options->from_fd)
        return listen_on_descriptor(server, options);
    return is_path(options) ? listen_on_path(server, options) : tri_listen_tcp(server, options);
}

tr_status
tr_server_listen(tr_server *server, const struct tr_listen_options *options)
{
    TRI_CHECK_SERVER(server);
    if (server == NULL || options == NULL)
        return TR_EINVAL;
    if (server->flags & TRI_SERVER_ENDING)
        return TR_ESTOPPING;
    if (tri_server_is_open(server))
        return TR_EALREADYLISTENING;
    tr_status status = tri_listen_check_options(options);
    if (status != TR_OK)
        return status;
    status = tri_server_reserve_error(server);
    if (status == TR_OK)
        status = begin(server, options);
    if (status != TR_OK)
        return status;
    tri_server_count_live(server);
    return TR_OK;
}
