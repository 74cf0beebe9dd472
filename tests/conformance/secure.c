/*
 * A play over TLS. Clients connect with it, servers are made with it, and what is wrapped becomes secure; the scenarios
 * know nothing of it, so what they see must be what they see of plain connections.
 *
 * All servers are one host, whatever a client calls it: so the name that it expects is given.
 */
#include "stage.h"

#include <limits.h>
#include <stdio.h>

#define SERVER "server.example"

static tr_status
make(struct play *play, const struct tr_tls_context_options *options, tr_tls_context **out)
{
    struct tr_tls_refusal refusal;
    tr_status status = tr_tls_context_new(options, &refusal, out);
    if (status != TR_OK)
        trouble(play, "%s", refusal.text);
    return status;
}

tr_status
secure_prepare(struct play *play)
{
    char ca[PATH_MAX], chain[PATH_MAX], key[PATH_MAX];
    const char *directory = play->options->tls;
    if (directory == NULL)
        return TR_OK;
    snprintf(ca, sizeof(ca), "%s/ca.pem", directory);
    snprintf(chain, sizeof(chain), "%s/server.pem", directory);
    snprintf(key, sizeof(key), "%s/server.key", directory);
    struct tr_tls_identity identity = {.chain.file = chain, .key.file = key};
    struct tr_pem believed = {.file = ca};
    struct tr_tls_context_options server = {.serves = true, .identities = &identity, .identity_count = 1};
    struct tr_tls_context_options client = {.ca = &believed, .ca_count = 1};
    tr_status status = make(play, &server, &play->serving);
    if (status == TR_OK)
        status = make(play, &client, &play->calling.context);
    play->calling.server_name = SERVER;
    return status;
}

void
secure_end(struct play *play)
{
    tr_tls_context_release(play->serving);
    tr_tls_context_release(play->calling.context);
}

tr_status
secure_wrapped(const struct play *play, tr_socket *socket)
{
    return play->serving != NULL ? tr_socket_set_secure(socket, &play->calling) : TR_OK;
}
