/*
 * Whether a server still has connections, and has lost some: deal.c says how both are known.
 */
#include "failures.h"

#include "due.h"

#include <ck_pr.h>

static uint64_t
dealt_to(struct tri_deal *deal, unsigned worker)
{
    tri_deal_lock(deal);
    uint64_t dealt = deal->places[worker].dealt;
    tri_deal_unlock(deal);
    return dealt;
}

bool
tri_server_is_drained(const tr_server *server)
{
    for (unsigned worker = 0; worker < server->deal->workers; worker++) {
        struct tri_deal_ends *ends = &server->deal->ends[worker];
        if (ck_pr_load_64(&ends->ended) != dealt_to(server->deal, worker))
            return false;
        ck_pr_fence_acquire(); /* E2: what it did came before; pairs with E1 in deal.h */
        TRI_ACQUIRE(&ends->ended);
    }
    return ck_pr_load_uint(&server->deal->untold) == 0; /* of all that have ended: E2 comes before */
}

uint64_t
tri_server_failures(const tr_server *server, tr_status *why)
{
    uint64_t failed = 0;
    for (unsigned worker = 0; worker < server->deal->workers; worker++) {
        const struct tri_deal_ends *ends = &server->deal->ends[worker];
        uint64_t count = ck_pr_load_64(&ends->failed);
        if (count == 0)
            continue;
        ck_pr_fence_load(); /* F2: the number before why; pairs with F1 in tri_deal_failed() */
        TRI_ACQUIRE(&ends->failed);
        failed += count;
        *why = (tr_status)ck_pr_load_int(&ends->why);
    }
    return failed;
}

void
tri_server_hear_failures(tr_server *server)
{
    tr_status why = TR_OK;
    uint64_t failed = tri_server_failures(server, &why);
    if (failed == server->failures_heard)
        return;
    server->failures_heard = failed;
    tri_server_complain(server, why, 0);
}
