/*
 * From the options of tr_server_listen() to a listening descriptor.
 *
 * An address is bound at once, a name is looked up first. Without a host that is "::", which takes IPv4 as well, or
 * "0.0.0.0" where there is no IPv6. The events come after the call has returned either way: server.c sees to that.
 */
#include "server_internal.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

struct tri_listen_lookup {
    tr_server *server; /* NULL: nobody wants the answer any more */
    uv_getaddrinfo_t request;
    uint16_t port;
    struct tri_bind_options bind;
    char host[TRI_HOST_LIMIT];
};

tr_status
tri_listen_check(const struct tr_listen_options *options)
{
    if (options->host != NULL && !tri_host_is_sound(options->host))
        return TR_EBADHOST;
    return options->backlog < 0 ? TR_EBADLIMIT : TR_OK;
}

static struct tri_bind_options
bind_options(const tr_server *server, const struct tr_listen_options *options)
{
    const struct tr_server_options *of_server = &server->deal->options;
    return (struct tri_bind_options){
        .backlog = options->backlog > 0 ? options->backlog : TR_BACKLOG_DEFAULT,
        .ipv6_only = options->ipv6_only,
        .no_delay = of_server->no_delay,
        .keep_alive = of_server->keep_alive,
        .keep_alive_delay_ms = of_server->keep_alive_delay_ms,
    };
}

static void
bind_to(tr_server *server, const struct sockaddr_storage *address, const struct tri_bind_options *options)
{
    struct tr_error error;
    int fd;
    if (tri_bind(address, options, &fd, &error) == TR_OK)
        tri_server_opened(server, fd);
    else
        tri_server_failed(server, &error);
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
    tr_status status = tri_bind(&address, options, &fd, &error);
    if (status == TR_OK) {
        tri_server_opened(server, fd);
    } else if (lacks_ipv6(status) && !options->ipv6_only) {
        tri_address_parse("0.0.0.0", port, &address);
        bind_to(server, &address, options);
    } else {
        tri_server_failed(server, &error);
    }
}

static void
on_lookup(uv_getaddrinfo_t *request, int status, struct addrinfo *answers)
{
    struct tri_listen_lookup *lookup =
        (struct tri_listen_lookup *)((char *)request - offsetof(struct tri_listen_lookup, request));
    tr_server *server = lookup->server;
    struct sockaddr_storage address = {0};
    if (status == 0) {
        memcpy(&address, answers->ai_addr, answers->ai_addrlen);
        tri_address_set_port((struct sockaddr *)&address, lookup->port);
    }
    uv_freeaddrinfo(answers);
    if (server != NULL) {
        struct tri_actor_frame frame = tri_server_enter(server, TRI_TAG_ON_LOOKUP);
        server->lookup = NULL;
        if (status == 0)
            bind_to(server, &address, &lookup->bind);
        else
            tri_server_failed(server, &(struct tr_error){.status = tri_status_from_uv(status), .call = "getaddrinfo"});
        tri_server_leave(server, frame);
    }
    free(lookup);
}

static tr_status
look_up(tr_server *server, const struct tr_listen_options *options, const struct tri_bind_options *bind)
{
    struct tri_listen_lookup *lookup = calloc(1, sizeof(*lookup));
    if (lookup == NULL)
        return TR_ENOMEM;
    lookup->server = server;
    lookup->port = options->port;
    lookup->bind = *bind;
    memcpy(lookup->host, options->host, strlen(options->host) + 1);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int error = uv_getaddrinfo(&server->net->worker->loop, &lookup->request, on_lookup, lookup->host, NULL, &hints);
    if (error == 0) {
        server->lookup = lookup;
        return TR_OK;
    }
    free(lookup);
    tri_server_failed(server, &(struct tr_error){.status = tri_status_from_uv(error), .call = "getaddrinfo"});
    return TR_OK;
}

tr_status
tri_listen_begin(tr_server *server, const struct tr_listen_options *options)
{
    struct tri_bind_options bind = bind_options(server, options);
    struct sockaddr_storage address;
    if (options->host == NULL)
        bind_to_any(server, options->port, &bind);
    else if (tri_address_parse(options->host, options->port, &address))
        bind_to(server, &address, &bind);
    else
        return look_up(server, options, &bind);
    return TR_OK;
}

void
tri_listen_forget(tr_server *server)
{
    if (server->lookup == NULL)
        return;
    server->lookup->server = NULL;
    uv_cancel((uv_req_t *)&server->lookup->request); /* if it runs already it goes on; on_lookup() frees either way */
    server->lookup = NULL;
}
