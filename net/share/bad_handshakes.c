/*
 * Handshakes that have failed, on their way from any worker to their server.
 *
 * Each is counted before its server is told, and told before its connection counts as ended; and a server is not over
 * as long as somebody is to be told (`untold`). So whoever is told finds it counted, and `close` comes last. Who floods
 * a server with bad handshakes fills no mailbox: beyond TR_HANDSHAKES_UNTOLD they are only counted.
 */
#include "greeting.h"

static bool
is_to_be_told(struct tri_deal *deal)
{
    const struct tr_server_events *events = deal->options.events;
    if (events == NULL || events->handshake_failed == NULL)
        return false;
    if (ck_pr_faa_uint(&deal->untold, 1) < TR_HANDSHAKES_UNTOLD)
        return true;
    ck_pr_dec_uint(&deal->untold);
    return false;
}

void
tri_deal_handshake_failed(struct tri_deal *deal, struct tri_worker *worker, const struct tr_handshake_failure *failure)
{
    struct tri_deal_ends *ends = &deal->ends[worker->index];
    ck_pr_store_64(&ends->bad_tls, ends->bad_tls + 1); /* no order: the message brings it */
    if (!is_to_be_told(deal))
        return;
    tr_message message = tr_message_copy(TRI_TAG_DEAL_BAD_HANDSHAKE, failure, sizeof(*failure));
    bool is_made = message.kind != TR_PAYLOAD_INVALID;
    if (!is_made || tri_send_system(worker, NULL, deal->server, &message) != TR_OK)
        ck_pr_dec_uint(&deal->untold);
}
