/*
 * Listening on a host and a port.
 *
 * An address is bound at once, a name is looked up first; of its addresses the first is taken. Without a host that is
 * "::", which takes IPv4 as well, or "0.0.0.0" where there is no IPv6.
 *
 * A look-up that is forgotten may have been answered already. Its answer carries a number, so a later look-up of the
 * same server does not take it for its own.
 */
#include "listening.h"

#include "address_internal.h"
#include "due.h"
#include "server_close.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static void
bind_to(tr_server *server, const struct sockaddr_storage *address, const struct tri_bind_options *options)
{
    struct tr_error error;
    int fd;
    if (tri_bind_and_listen(address, options, &fd, &error) == TR_OK)
        tri_listen_opened(server, fd, NULL);
    else
        tri_server_failed(server, error.status, error.system, error.call);
}

/* Is there no IPv6 here? */
static bool
lacks_ipv6(tr_status status)
{
    return status == TR_EAFNOSUPPORT || status == TR_EADDRNOTAVAIL || status == TR_EINVAL;
}

static void
bind_to_any(tr_server *server, uint16_t port, const struct tri_bind_options *options)
{
    struct sockaddr_storage address;
    struct tr_error error;
    int fd;
    tri_address_parse("::", port, &address);
    tr_status status = tri_bind_and_listen(&address, options, &fd, &error);
    if (status == TR_OK) {
        tri_listen_opened(server, fd, NULL);
    } else if (lacks_ipv6(status) && !options->ipv6_only) {
        tri_address_parse("0.0.0.0", port, &address);
        bind_to(server, &address, options);
    } else {
        tri_server_failed(server, error.status, error.system, error.call);
    }
}

static tr_status
look_up(tr_server *server, const struct tr_listen_options *options, const struct tri_bind_options *bind)
{
    struct tri_host_lookup *lookup = malloc(sizeof(*lookup));
    if (lookup == NULL)
        return TR_ENOMEM;
    *lookup = (struct tri_host_lookup){.port = options->port, .bind = *bind};
    tr_status status = tri_ask(server->net, tr_self(server->actor), TRI_TAG_SERVER_LOOKED_UP, server->lookups + 1,
                               options->host, AF_UNSPEC, 0, &lookup->lookup);
    if (status == TR_OK) {
        server->lookups++;
        server->lookup = lookup;
        return TR_OK;
    }
    free(lookup);
    if (status == TR_ENOMEM)
        return status;
    tri_server_failed(server, status, 0, "getaddrinfo");
    return TR_OK;
}

tr_status
tri_listen_tcp(tr_server *server, const struct tr_listen_options *options)
{
    struct tri_bind_options bind = {
        .backlog = tri_listen_backlog(options),
        .ipv6_only = options->ipv6_only,
        .no_delay = server->deal->options.socket.no_delay,
    };
    struct sockaddr_storage address;
    if (options->host == NULL)
        bind_to_any(server, options->port, &bind);
    else if (tri_address_parse(options->host, options->port, &address))
        bind_to(server, &address, &bind);
    else
        return look_up(server, options, &bind);
    return TR_OK;
}

static void
answered(tr_server *server, const struct tri_resolver_answer *answer)
{
    uint16_t port = server->lookup->port;
    struct tri_bind_options bind = server->lookup->bind;
    tri_listen_forget(server);
    if (answer->error != 0) {
        tri_server_failed(server, tri_status_from_uv(answer->error), 0, "getaddrinfo");
        return;
    }
    struct sockaddr_storage address = {0};
    memcpy(&address, answer->addresses->ai_addr, answer->addresses->ai_addrlen);
    tri_address_set_port((struct sockaddr *)&address, port);
    bind_to(server, &address, &bind);
}

void
tri_listen_looked_up(tr_server *server, tr_message *message)
{
    const struct tri_resolver_answer *answer = tr_message_data(message);
    if (server->lookup != NULL && answer != NULL && answer->token == server->lookups)
        answered(server, answer);
    tri_server_count_live(server);
}
