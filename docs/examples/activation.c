/*
 * A server on descriptors that listen already (server.listenFD of v0.2 to v0.5, listen({fd}) of v0.10 and v10), as
 * systemd hands them to a service that starts when its first client comes.
 *
 *   systemd-socket-activate -l 8124 activation
 */
#include <stdio.h>
#include <string.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/activation.h>
#include <troupe/net/server.h>

static void
on_connection(tr_socket *socket)
{
    tr_status status = tr_socket_end_with(socket, tr_slice_constant("here I am\n", strlen("here I am\n")));
    if (status < TR_OK)
        tr_socket_destroy(socket, status);
}

static tr_status
listen_on(tr_runtime *runtime, unsigned index)
{
    struct tr_server_options server = {.connection = on_connection};
    struct tr_listen_options listen = {.from_fd = true};
    struct tr_address at;
    const char *name;
    tr_status status = tr_activation_fd(index, &listen.fd, &name);
    if (status == TR_OK)
        status = tr_runtime_listen(runtime, &server, &listen, NULL, &at);
    if (status == TR_OK && at.family == TR_FAMILY_UNIX)
        fprintf(stderr, "activation: listening on %s (%s)\n", at.text, name);
    else if (status == TR_OK)
        fprintf(stderr, "activation: listening on port %u of %s (%s)\n", at.port, at.text, name);
    return status;
}

int
main(void)
{
    unsigned count = tr_activation_count(); /* looks at the environment: before there are threads */
    tr_runtime *runtime = NULL;
    tr_status status = count > 0 ? tr_runtime_start(NULL, &runtime) : TR_ENOADDRESS;
    for (unsigned i = 0; i < count && status == TR_OK; i++)
        status = listen_on(runtime, i);
    if (status == TR_OK)
        tr_runtime_wait(runtime); /* for Ctrl-C */
    else
        fprintf(stderr, "activation: %s\n", tr_status_text(status));
    return tr_runtime_stop(runtime, 2000, NULL) == TR_OK && status == TR_OK ? 0 : 1;
}
