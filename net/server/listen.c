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

#include <ck_pr.h>
#include <troupe/core/descriptors.h>

/* What another server listens on. */

static tr_status
listen_on_server(tr_server *server, const struct tr_listen_options *options)
{
    const tr_server *other = options->server;
    if (other->net != server->net)
        return TR_EINVAL;
    struct tri_endpoint *endpoint = other->listener.endpoint;
    if (endpoint == NULL)
        return TR_ENOADDRESS;
    int error = tri_listen(endpoint->fd, tri_listen_backlog(options));
    if (error != 0)
        tri_server_failed(server, tri_status_from_errno(error), error, "listen");
    else
        tri_listen_begin(server, endpoint);
    return TR_OK;
}

/* A descriptor. */

/*
 * The endpoint is made before anything can fail for good, since until then the descriptor is the caller's. Whether it
 * listens already makes no difference: as in Node it is told to once more, with our backlog.
 */
static tr_status
listen_on_own(tr_server *server, int fd, int backlog)
{
    struct tri_endpoint *endpoint;
    tr_status status = tri_endpoint_open(server->net, fd, NULL, &endpoint);
    if (status != TR_OK)
        return status;
    tri_descriptor_close_on_exec(fd);
    int error = tri_listen(fd, backlog);
    if (error == 0) {
        tri_listen_begin(server, endpoint);
        return TR_OK;
    }
    tri_endpoint_close(endpoint);
    tri_server_failed(server, tri_status_from_errno(error), error, "listen");
    return TR_OK;
}

/* For a thread outside the call is over only when it has succeeded: until then its descriptor stays as it is. */
static tr_status
listen_on_duplicate(tr_server *server, int fd, int backlog)
{
    int duplicate;
    tr_status status = tri_duplicate(fd, &duplicate);
    if (status != TR_OK)
        return status;
    int flags = tri_descriptor_flags(fd); /* of both */
    status = listen_on_own(server, duplicate, backlog);
    if (status != TR_OK)
        tri_close(duplicate);
    if (server->listener.endpoint == NULL)
        tri_descriptor_set_flags(fd, flags);
    return status;
}

static tr_status
listen_on_descriptor(tr_server *server, const struct tr_listen_options *options)
{
    tr_status status = tri_descriptor_check_bound(options->fd);
    if (status != TR_OK)
        return status;
    int backlog = tri_listen_backlog(options);
    return server->waiter != NULL ? listen_on_duplicate(server, options->fd, backlog)
                                  : listen_on_own(server, options->fd, backlog);
}

/* A path. */

static tr_status
listen_on_path(tr_server *server, const struct tr_listen_options *options)
{
    struct sockaddr_un address;
    socklen_t size;
    struct tri_unix_path *path = NULL;
    struct tr_error error;
    int fd = -1;
    tr_status status = tri_address_of_path(options->path, options->truncate_path, &address, &size);
    if (status != TR_OK)
        return status;
    const struct tri_unix_options how = {
        .readable_all = options->readable_all,
        .writable_all = options->writable_all,
        .unlink_stale = options->unlink_stale,
    };
    if (tri_bind_path_and_listen(&address, size, &how, tri_listen_backlog(options), &fd, &path, &error) == TR_OK)
        tri_listen_opened(server, fd, path);
    else
        tri_server_failed(server, error.status, error.system, error.call);
    return TR_OK;
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
    if (options->server != NULL)
        return TR_OK;
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
