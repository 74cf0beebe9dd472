/*
 * From the options of tr_server_listen() to a listening descriptor.
 *
 * An address is bound at once, a name is looked up first. Without a host that is "::", which takes IPv4 as well, or
 * "0.0.0.0" where there is no IPv6. The events come after the call has returned either way: server.c sees to that. A
 * thread outside waits for the outcome instead; whatever becomes of the server, tri_server_tell_waiter() lets it go on.
 */
#include "server_internal.h"

#include <ck_pr.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tri_listen_lookup {
    tr_server *server; /* NULL: nobody wants the answer any more */
    uv_getaddrinfo_t request;
    uint16_t port;
    struct tri_bind_options bind;
    char host[TRI_HOST_LIMIT];
};

/* The outcome. */

void
tri_server_tell_waiter(tr_server *server, tr_status status)
{
    struct tri_listen_waiter *waiter = server->waiter;
    if (waiter == NULL)
        return;
    server->waiter = NULL; /* it is the thread's own, and gone when that goes on */
    uv_mutex_lock(&waiter->lock);
    waiter->over = true;
    waiter->status = status;
    waiter->address = server->address;
    uv_cond_signal(&waiter->changed);
    uv_mutex_unlock(&waiter->lock);
}

static void
failed(tr_server *server, const struct tr_error *error)
{
    server->error = *error;
    if (server->waiter != NULL) {
        tri_server_tell_waiter(server, error->status);
        tri_actor_end(server->actor);
        return;
    }
    server->flags |= TRI_SERVER_ERROR_DUE;
    tri_server_due(server);
}

static void
read_address(tr_server *server, int fd)
{
    struct sockaddr_storage storage = {0};
    socklen_t size = sizeof(storage);
    getsockname(fd, (struct sockaddr *)&storage, &size);
    tri_address_from((const struct sockaddr *)&storage, &server->address);
}

static void
opened(tr_server *server, int fd)
{
    server->listener = tri_listener_open(server, fd);
    if (server->listener == NULL) {
        close(fd);
        failed(server, &(struct tr_error){.status = TR_ENOMEM, .call = "listen"});
        return;
    }
    read_address(server, fd);
    tri_server_spawn_shares(server);
    tri_server_trace(server, TRI_TRACE_NET_server_listening, server->address.port, 0);
    tri_server_tell_waiter(server, TR_OK);
    server->flags |= TRI_SERVER_LISTENING_DUE;
    tri_server_due(server);
}

/* From options to a descriptor. */

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
        opened(server, fd);
    else
        failed(server, &error);
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
        opened(server, fd);
    } else if (lacks_ipv6(status) && !options->ipv6_only) {
        tri_address_parse("0.0.0.0", port, &address);
        bind_to(server, &address, options);
    } else {
        failed(server, &error);
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
            failed(server, &(struct tr_error){.status = tri_status_from_uv(status), .call = "getaddrinfo"});
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
    failed(server, &(struct tr_error){.status = tri_status_from_uv(error), .call = "getaddrinfo"});
    return TR_OK;
}

static tr_status
begin(tr_server *server, const struct tr_listen_options *options)
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

/* The public functions. */

static tr_status
check_options(const struct tr_listen_options *options)
{
    if (options->host != NULL && !tri_host_is_sound(options->host))
        return TR_EBADHOST;
    return options->backlog < 0 ? TR_EBADLIMIT : TR_OK;
}

tr_status
tr_server_listen(tr_server *server, const struct tr_listen_options *options)
{
    if (server == NULL || options == NULL)
        return TR_EINVAL;
    tri_server_check(server);
    tr_status status = check_options(options);
    if (status != TR_OK)
        return status;
    if (server->flags & TRI_SERVER_ENDING)
        return TR_ESTOPPING;
    if (server->listener != NULL || server->lookup != NULL)
        return TR_EALREADYLISTENING;
    server->flags &= ~(uint32_t)TRI_SERVER_CLOSING; /* as in Node: a close that still waited for connections is void */
    ck_pr_store_uint(&server->deal->closing, 0);
    return begin(server, options);
}

/* From outside. */

static tr_status
wait_until_over(struct tri_listen_waiter *waiter)
{
    uv_mutex_lock(&waiter->lock);
    while (!waiter->over)
        uv_cond_wait(&waiter->changed, &waiter->lock);
    uv_mutex_unlock(&waiter->lock);
    return waiter->status;
}

tr_status
tr_runtime_listen(struct tr_runtime *runtime, const struct tr_server_options *server,
                  const struct tr_listen_options *listen, tr_ref *out, struct tr_address *bound)
{
    if (runtime == NULL || server == NULL || listen == NULL)
        return TR_EINVAL;
    tr_status status = tri_server_check_options(server);
    if (status == TR_OK)
        status = check_options(listen);
    if (status != TR_OK)
        return status;

    struct tri_listen_waiter waiter = {.over = false};
    if (uv_mutex_init(&waiter.lock) != 0)
        return TR_ENOMEM;
    if (uv_cond_init(&waiter.changed) != 0) {
        uv_mutex_destroy(&waiter.lock);
        return TR_ENOMEM;
    }
    struct tri_server_order order = {.options = server, .listen = listen, .waiter = &waiter};
    struct tr_spawn_options spawn = {.placement = TR_PLACE_LEAST_LOADED, .argument = &order};
    tr_ref ref;
    status = tr_runtime_spawn(runtime, &tri_server_behavior, &spawn, &ref);
    if (status == TR_OK)
        status = wait_until_over(&waiter);
    uv_cond_destroy(&waiter.changed);
    uv_mutex_destroy(&waiter.lock);
    if (status == TR_OK && out != NULL)
        *out = ref;
    if (status == TR_OK && bound != NULL)
        *bound = waiter.address;
    return status;
}
