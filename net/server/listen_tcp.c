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
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* With that address. */
static struct tri_bound_wish
wish_for(const struct tri_bound_wish *wish, const struct sockaddr_storage *address)
{
    struct tri_bound_wish whole = *wish;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&whole.key.address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&whole.key.address;
    bool is_v4 = address->ss_family == AF_INET;
    whole.key = (struct tri_bound_key){.kind = TRI_BOUND_TCP, .size = is_v4 ? sizeof(*v4) : sizeof(*v6)};
    memcpy(&whole.key.address, address, whole.key.size);
    whole.key.any_port = (is_v4 ? v4->sin_port : v6->sin6_port) == 0;
    return whole;
}

static tr_status
bind_to(tr_server *server, const struct sockaddr_storage *address, const struct tri_bound_wish *wish)
{
    struct tri_bound_wish whole = wish_for(wish, address);
    return tri_listen_join(server, &whole);
}

/* Is there no IPv6 here? */
static bool
lacks_ipv6(tr_status status)
{
    return status == TR_EAFNOSUPPORT || status == TR_EADDRNOTAVAIL || status == TR_EINVAL;
}

static tr_status
bind_to_any(tr_server *server, uint16_t port, const struct tri_bound_wish *wish)
{
    struct sockaddr_storage address;
    struct tr_error error;
    tri_address_parse("::", port, &address);
    struct tri_bound_wish whole = wish_for(wish, &address);
    tr_status status = tri_listen_try(server, &whole, &error);
    if (status == TR_OK || error.call == NULL)
        return status;
    if (lacks_ipv6(status) && !wish->terms.ipv6_only) {
        tri_address_parse("0.0.0.0", port, &address);
        return bind_to(server, &address, wish);
    }
    tri_listen_failed(server, &error);
    return TR_OK;
}

static tr_status
look_up(tr_server *server, const struct tr_listen_options *options, const struct tri_bound_wish *wish)
{
    struct tri_host_lookup *lookup = malloc(sizeof(*lookup));
    if (lookup == NULL)
        return TR_ENOMEM;
    *lookup = (struct tri_host_lookup){.port = options->port, .wish = *wish};
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
    struct tri_bound_wish wish = tri_listen_wish(server, options);
    struct sockaddr_storage address;
    if (options->host == NULL)
        return bind_to_any(server, options->port, &wish);
    if (tri_address_parse(options->host, options->port, &address))
        return bind_to(server, &address, &wish);
    return look_up(server, options, &wish);
}

static void
answered(tr_server *server, const struct tri_resolver_answer *answer)
{
    uint16_t port = server->lookup->port;
    struct tri_bound_wish wish = server->lookup->wish;
    tri_listen_forget(server);
    if (answer->error != 0) {
        tri_server_failed(server, tri_status_from_uv(answer->error), 0, "getaddrinfo");
        return;
    }
    struct sockaddr_storage address = {0};
    memcpy(&address, answer->addresses->ai_addr, answer->addresses->ai_addrlen);
    tri_address_set_port((struct sockaddr *)&address, port);
    tr_status status = bind_to(server, &address, &wish);
    if (status != TR_OK)
        tri_server_failed(server, status, 0, "listen");
}

void
tri_listen_looked_up(tr_server *server, tr_message *message)
{
    const struct tri_resolver_answer *answer = tr_message_data(message);
    if (server->lookup != NULL && answer != NULL && answer->token == server->lookups)
        answered(server, answer);
    tri_server_count_live(server);
}
