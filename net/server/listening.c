/*
 * The outcome of listening: there is a descriptor that listens.
 */
#include "listening.h"

#include "dealer.h"
#include "descriptor.h"
#include "due.h"
#include "tune.h"
#include "waiter.h"

#include <ck_pr.h>
#include <troupe/core/descriptors.h>

void
tri_listen_begin(tr_server *server, struct tri_endpoint *endpoint)
{
    tri_server_clear(server, TRI_SERVER_CLOSING); /* as in Node: a close that still waited for connections is void */
    ck_pr_store_uint(&server->deal->closing, 0);
    tri_endpoint_join(endpoint, &server->listener);
    tri_descriptor_own(endpoint->fd, &server->address);
    tri_server_spawn_shares(server);
    tri_trace_server_listening(server, server->address.port);
    tri_server_count_live(server); /* before the thread outside goes on, which may wait for that */
    tri_server_tell_waiter(server, TR_OK);
    server->flags |= TRI_SERVER_LISTENING_DUE;
    tri_server_due(server);
}

void
tri_listen_opened(tr_server *server, int fd, struct tri_unix_path *path)
{
    struct tri_endpoint *endpoint;
    tr_status status = tri_endpoint_open(server->net, fd, path, &endpoint);
    if (status == TR_OK) {
        endpoint->no_delay = tri_tune_bears_no_delay(fd); /* nobody else has it, so that stays so */
        tri_listen_begin(server, endpoint);
        return;
    }
    tri_unix_path_remove(path);
    tri_close(fd);
    tri_server_failed(server, status, 0, "listen");
}
