/*
 * Who gets a place at a server, who gets none.
 *
 * A place is taken under the deal's lock, so the limits are exact whoever deals out, and however many do: nobody can
 * raise a number between the look and the deed. A place is free again when the connection's descriptor is closed; who
 * looks may hear of that a moment later, never too early.
 */
#include "admission.h"

#include "descriptor.h"

#include <troupe/ipaddr/block_list.h>

bool
tri_deal_asks_peer(const struct tri_deal *deal)
{
    return ck_pr_load_ptr(&deal->block_list) != NULL || deal->options.max_per_address > 0;
}

static uint32_t
count(const struct tri_deal *deal)
{
    uint32_t sum = 0;
    for (unsigned worker = 0; worker < deal->workers; worker++)
        sum += tri_deal_load(deal, worker);
    return sum;
}

uint32_t
tri_deal_connections(struct tri_deal *deal)
{
    tri_deal_lock(deal);
    uint32_t sum = count(deal);
    tri_deal_unlock(deal);
    return sum;
}

static enum tri_admission
refuse(struct tri_admission_word *word, enum tri_reject reason, uint32_t limit)
{
    word->reason = reason;
    word->limit = limit;
    return TRI_ADMISSION_REFUSED;
}

/* Takes a place of the peer's address, if those are limited. */
static enum tri_admission
admit_address(struct tri_deal *deal, const struct sockaddr *peer, struct tri_arrival *arrival,
              struct tri_admission_word *word)
{
    uint32_t limit = deal->options.max_per_address;
    arrival->has_address = false;
    if (limit == 0 || !tri_limit_key_of(peer, deal->options.prefix_ipv6, &arrival->address))
        return TRI_ADMISSION_OK;
    tr_status status = tri_limits_take(&deal->limits, &arrival->address, limit);
    arrival->has_address = status == TR_OK;
    if (status == TR_EFULL)
        return refuse(word, TRI_REJECT_ADDRESS, limit);
    return status == TR_OK ? TRI_ADMISSION_OK : TRI_ADMISSION_FAILED;
}

static enum tri_admission
admit(struct tri_deal *deal, const struct sockaddr *peer, struct tri_arrival *arrival, struct tri_admission_word *word)
{
    struct sockaddr_storage name;
    if (!tri_deal_takes(deal, arrival->worker))
        return TRI_ADMISSION_LEFT;
    if (peer == NULL && tri_deal_asks_peer(deal) && tri_descriptor_peer_name(arrival->fd, &name))
        peer = (const struct sockaddr *)&name; /* it did not ask yet when the connection was accepted */
    if (deal->block_list != NULL && peer != NULL && tr_block_list_check_sockaddr(deal->block_list, peer))
        return refuse(word, TRI_REJECT_BLOCKED, 0);
    if (deal->max_connections > 0 && count(deal) >= deal->max_connections)
        return refuse(word, TRI_REJECT_LIMIT, deal->max_connections);
    enum tri_admission admission = admit_address(deal, peer, arrival, word);
    if (admission != TRI_ADMISSION_OK)
        return admission;
    word->load = tri_deal_load(deal, arrival->worker);
    deal->places[arrival->worker].dealt++;
    if (TRI_UNLIKELY(tri_deal_meter != NULL))
        ck_pr_dec_32(tri_deal_meter);
    arrival->number = ++deal->sequence;
    return TRI_ADMISSION_OK;
}

enum tri_admission
tri_deal_admit(struct tri_deal *deal, const struct sockaddr *peer, struct tri_arrival *arrival,
               struct tri_admission_word *word)
{
    tri_deal_lock(deal);
    enum tri_admission admission = admit(deal, peer, arrival, word);
    tri_deal_unlock(deal);
    return admission;
}

void
tri_deal_count_refusal(struct tri_deal *deal, enum tri_reject reason)
{
    tri_deal_lock(deal);
    switch (reason) {
    case TRI_REJECT_BLOCKED: deal->refusals.blocked++; break;
    case TRI_REJECT_LIMIT: deal->refusals.over_limit++; break;
    case TRI_REJECT_ADDRESS: deal->refusals.over_address++; break;
    case TRI_REJECT_MEMORY: break; /* counted where it is lost */
    }
    tri_deal_unlock(deal);
}

void
tri_deal_forget_address(struct tri_deal *deal, const struct tri_limit_key *address)
{
    tri_deal_lock(deal);
    tri_limits_give(&deal->limits, address);
    tri_deal_unlock(deal);
}

void
tri_deal_take_back(struct tri_deal *deal, struct tri_worker *here, const struct tri_arrival *arrival)
{
    tri_deal_lock(deal);
    deal->places[arrival->worker].dealt--;
    tri_deal_meter_up();
    if (arrival->has_address)
        tri_limits_give(&deal->limits, &arrival->address);
    tri_deal_unlock(deal);
    ck_pr_fence_memory(); /* D3: dealt before closing; pairs with D2 in deal.h */
    if (ck_pr_load_uint(&deal->closing) != 0)
        tri_deal_say_ended(deal, here);
}
