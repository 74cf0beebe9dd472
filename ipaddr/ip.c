/*
 * What can be asked of an address, and its way from and to the socket addresses of the system.
 */
#include "bits.h"
#include "parse.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

int
tr_ip_compare(const struct tr_ip *a, const struct tr_ip *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    int order = memcmp(a->bytes, b->bytes, tri_ip_bits(a) / 8);
    if (order != 0 || a->family != 6)
        return order;
    return strncmp(a->zone, b->zone, sizeof(a->zone));
}

bool
tr_ip_equal(const struct tr_ip *a, const struct tr_ip *b)
{
    return tr_ip_compare(a, b) == 0;
}

bool
tr_ip_is_mapped(const struct tr_ip *ip)
{
    return ip->family == 6 && tri_bits_are_mapped(tri_bits_of(ip));
}

struct tr_ip
tr_ip_unmap(const struct tr_ip *ip)
{
    if (!tr_ip_is_mapped(ip))
        return *ip;
    struct tr_ip unmapped = {.family = 4};
    memcpy(unmapped.bytes, ip->bytes + 12, 4);
    return unmapped;
}

/* The name of the interface is what people know; its number is always right, too. */
static void
zone_from_scope(uint32_t scope, char zone[TR_IP_ZONE])
{
    char name[IF_NAMESIZE];
    if (scope == 0)
        return;
    if (if_indextoname(scope, name) != NULL && strlen(name) < TR_IP_ZONE && tri_is_zone(name, strlen(name)))
        memcpy(zone, name, strlen(name));
    else
        snprintf(zone, TR_IP_ZONE, "%lu", (unsigned long)scope);
}

tr_status
tr_ip_from_sockaddr(const struct sockaddr *address, struct tr_ip *out)
{
    struct tr_ip ip = {0};
    if (address == NULL || out == NULL)
        return TR_EINVAL;
    if (address->sa_family == AF_INET) {
        ip.family = 4;
        memcpy(ip.bytes, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        ip.family = 6;
        memcpy(ip.bytes, &v6->sin6_addr, 16);
        zone_from_scope(v6->sin6_scope_id, ip.zone);
    } else {
        return TR_EAFNOSUPPORT;
    }
    *out = ip;
    return TR_OK;
}

/* False if the text has another character than digits, or is too large. */
static bool
read_scope(const char *zone, uint32_t *scope)
{
    uint64_t value = 0;
    for (; *zone >= '0' && *zone <= '9' && value <= UINT32_MAX; zone++)
        value = value * 10 + (uint64_t)(*zone - '0');
    *scope = (uint32_t)value;
    return *zone == '\0' && value <= UINT32_MAX;
}

static tr_status
scope_from_zone(const struct tr_ip *ip, uint32_t *scope)
{
    char zone[TR_IP_ZONE + 1] = "";
    memcpy(zone, ip->zone, TR_IP_ZONE);
    if (read_scope(zone, scope)) /* no zone is scope 0 */
        return TR_OK;
    *scope = if_nametoindex(zone);
    return *scope != 0 ? TR_OK : TR_ENODEV;
}

tr_status
tr_ip_to_sockaddr(const struct tr_ip *ip, struct sockaddr_storage *out)
{
    uint32_t scope = 0;
    if (ip == NULL || out == NULL)
        return TR_EINVAL;
    if (ip->family != 4 && ip->family != 6)
        return TR_EAFNOSUPPORT;
    if (ip->family == 6) {
        tr_status status = scope_from_zone(ip, &scope);
        if (status != TR_OK)
            return status;
    }
    memset(out, 0, sizeof(*out));
    if (ip->family == 4) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)out;
        v4->sin_family = AF_INET;
        memcpy(&v4->sin_addr, ip->bytes, 4);
    } else {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
        v6->sin6_family = AF_INET6;
        memcpy(&v6->sin6_addr, ip->bytes, 16);
        v6->sin6_scope_id = scope;
    }
    return TR_OK;
}
