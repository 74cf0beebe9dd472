/*
 * How many connections a server has. Why that needs no atomic read-modify-write is said in deal.c.
 */
#include "count.h"

#include <ck_pr.h>

uint32_t
tri_server_count(const tr_server *server)
{
    uint32_t sum = 0;
    for (unsigned worker = 0; worker < server->deal->workers; worker++)
        sum += tri_server_load(server, worker);
    return sum;
}

bool
tri_server_is_drained(const tr_server *server)
{
    for (unsigned worker = 0; worker < server->deal->workers; worker++) {
        struct tri_deal_ends *ends = &server->deal->ends[worker];
        if (ck_pr_load_64(&ends->ended) != server->dealt[worker])
            return false;
        ck_pr_fence_acquire(); /* E2: what it did came before; pairs with E1 in deal.h */
        TRI_ACQUIRE(&ends->ended);
    }
    return true;
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
