/*
 * Block lists: rules while a list is built, a table once it is frozen.
 *
 * The rules are kept as they were given, for people to read. Freezing makes an interval of each, on one line for both
 * families, merges them, and lays them out in a table. So what a look-up costs depends on how many intervals are left,
 * and not on the kind of rules or on how they overlap.
 *
 * Nothing of a frozen list is written any more but the count of holds, which has a cache line of its own: threads that
 * look up do not disturb each other, and not those that hold and release. They need no order but the one that brought
 * them the list. Only the end needs one, which refcount.h has.
 */
#include "lookup.h"

#include <netinet/in.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/refcount.h>
#include <troupe/ipaddr/block_list.h>

#define CACHE_LINE 64u
#define FIRST_ROOM 16u /* rules */

struct rule {
    struct tri_bits from, to; /* as given */
    uint8_t kind, family, length;
};

struct tr_block_list {
    /* Builder until the list is frozen, then constant. */
    bool frozen;
    size_t count, room;
    struct rule *rules;
    struct tri_lookup table; /* empty until frozen */

    /* Any thread. */
    alignas(CACHE_LINE) unsigned holds;
};

tr_status
tr_block_list_new(tr_block_list **out)
{
    void *memory;
    if (out == NULL)
        return TR_EINVAL;
    if (posix_memalign(&memory, alignof(tr_block_list), sizeof(tr_block_list)) != 0)
        return TR_ENOMEM;
    *out = memset(memory, 0, sizeof(tr_block_list));
    (*out)->holds = 1;
    return TR_OK;
}

void
tr_block_list_hold(tr_block_list *list)
{
    if (list != NULL)
        tri_refcount_hold(&list->holds);
}

void
tr_block_list_release(tr_block_list *list)
{
    if (list == NULL || !tri_refcount_release(&list->holds))
        return;
    tri_lookup_fini(&list->table);
    free(list->rules);
    free(list);
}

static bool
make_room(tr_block_list *list)
{
    if (list->count < list->room)
        return true;
    size_t room = list->room > 0 ? 2 * list->room : FIRST_ROOM;
    if (room > TRI_LOOKUP_MAX)
        return false;
    struct rule *rules = realloc(list->rules, room * sizeof(*rules));
    if (rules == NULL)
        return false;
    list->rules = rules;
    list->room = room;
    return true;
}

static tr_status
add(tr_block_list *list, enum tr_block_kind kind, const struct tr_ip *from, const struct tr_ip *to, unsigned length)
{
    if (!make_room(list))
        return TR_ENOMEM;
    list->rules[list->count++] = (struct rule){
        .from = tri_bits_of(from),
        .to = tri_bits_of(to),
        .kind = (uint8_t)kind,
        .family = from->family,
        .length = (uint8_t)length,
    };
    return TR_OK;
}

tr_status
tr_block_list_add_address(tr_block_list *list, const struct tr_ip *ip)
{
    if (list == NULL || ip == NULL || list->frozen)
        return TR_EINVAL;
    if (tri_ip_bits(ip) == 0)
        return TR_EBADADDRESS;
    return add(list, TR_BLOCK_ADDRESS, ip, ip, 0);
}

tr_status
tr_block_list_add_range(tr_block_list *list, const struct tr_ip *from, const struct tr_ip *to)
{
    if (list == NULL || from == NULL || to == NULL || list->frozen)
        return TR_EINVAL;
    if (tri_ip_bits(from) == 0 || from->family != to->family)
        return TR_EBADADDRESS;
    if (!tri_bits_up_to(tri_bits_of(from), tri_bits_of(to)))
        return TR_EBADLIMIT;
    return add(list, TR_BLOCK_RANGE, from, to, 0);
}

tr_status
tr_block_list_add_subnet(tr_block_list *list, const struct tr_prefix *subnet)
{
    if (list == NULL || subnet == NULL || list->frozen)
        return TR_EINVAL;
    if (tri_ip_bits(&subnet->ip) == 0)
        return TR_EBADADDRESS;
    if (subnet->length > tri_ip_bits(&subnet->ip))
        return TR_EBADLIMIT;
    return add(list, TR_BLOCK_SUBNET, &subnet->ip, &subnet->ip, subnet->length);
}

tr_status
tr_block_list_clear(tr_block_list *list)
{
    if (list == NULL || list->frozen)
        return TR_EINVAL;
    free(list->rules);
    list->rules = NULL;
    list->count = list->room = 0;
    return TR_OK;
}

static struct tri_interval
interval_of(const struct rule *rule)
{
    struct tri_interval interval = {rule->from, rule->to};
    if (rule->kind == TR_BLOCK_SUBNET) {
        struct tri_bits beyond = tri_bits_beyond(rule->length + (rule->family == 4 ? 96u : 0u));
        interval.first.high &= ~beyond.high;
        interval.first.low &= ~beyond.low;
        interval.last.high |= beyond.high;
        interval.last.low |= beyond.low;
    }
    return interval;
}

/* Makes the table. false: no memory, and nothing has changed. */
static bool
lay_out(tr_block_list *list)
{
    struct tri_interval *intervals = malloc((list->count > 0 ? list->count : 1) * sizeof(*intervals));
    if (intervals == NULL)
        return false;
    for (size_t i = 0; i < list->count; i++)
        intervals[i] = interval_of(&list->rules[i]);
    size_t left = tri_intervals_merge(intervals, list->count);
    bool done = tri_lookup_init(&list->table, intervals, left);
    free(intervals);
    return done;
}

tr_status
tr_block_list_freeze(tr_block_list *list)
{
    if (list == NULL)
        return TR_EINVAL;
    if (!list->frozen && !lay_out(list))
        return TR_ENOMEM;
    list->frozen = true;
    return TR_OK;
}

bool
tr_block_list_is_frozen(const tr_block_list *list)
{
    return list != NULL && list->frozen;
}

static bool
check_rule_by_rule(const tr_block_list *list, struct tri_bits address)
{
    for (size_t i = 0; i < list->count; i++) {
        struct tri_interval interval = interval_of(&list->rules[i]);
        if (tri_bits_up_to(interval.first, address) && tri_bits_up_to(address, interval.last))
            return true;
    }
    return false;
}

static bool
check(const tr_block_list *list, struct tri_bits address)
{
    return list->frozen ? tri_lookup_has(&list->table, address) : check_rule_by_rule(list, address);
}

bool
tr_block_list_check(const tr_block_list *list, const struct tr_ip *ip)
{
    return list != NULL && ip != NULL && tri_ip_bits(ip) > 0 && check(list, tri_bits_of(ip));
}

bool
tr_block_list_check_sockaddr(const tr_block_list *list, const struct sockaddr *address)
{
    if (list == NULL || address == NULL)
        return false;
    if (address->sa_family == AF_INET)
        return check(list, tri_bits_of_ipv4((const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr));
    if (address->sa_family == AF_INET6)
        return check(list, tri_bits_of_ipv6((const uint8_t *)&((const struct sockaddr_in6 *)address)->sin6_addr));
    return false;
}

size_t
tr_block_list_count(const tr_block_list *list)
{
    return list != NULL ? list->count : 0;
}

static struct tr_ip
ip_from(struct tri_bits bits, uint8_t family)
{
    struct tr_ip ip = {.family = family};
    if (family == 4) {
        tri_store_network_order(ip.bytes, 4, bits.low);
    } else {
        tri_store_network_order(ip.bytes, 8, bits.high);
        tri_store_network_order(ip.bytes + 8, 8, bits.low);
    }
    return ip;
}

tr_status
tr_block_list_rule(const tr_block_list *list, size_t index, struct tr_block_rule *out)
{
    if (list == NULL || out == NULL || index >= list->count)
        return TR_EINVAL;
    const struct rule *rule = &list->rules[index];
    *out = (struct tr_block_rule){
        .kind = (enum tr_block_kind)rule->kind,
        .from = ip_from(rule->from, rule->family),
        .to = ip_from(rule->to, rule->family),
        .length = rule->length,
    };
    return TR_OK;
}
