/*
 * Addresses between text, the system's structs and ours.
 */
#include "address_internal.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

bool
tri_host_is_sound(const char *host)
{
    if (host == NULL || host[0] == '\0')
        return false;
    size_t size = 0;
    for (; host[size] != '\0'; size++) {
        unsigned char c = (unsigned char)host[size];
        if (size + 1 == TRI_HOST_LIMIT || c <= ' ' || c == 0x7f)
            return false;
    }
    return true;
}

bool
tri_address_parse(const char *text, uint16_t port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    return uv_ip4_addr(text, port, (struct sockaddr_in *)out) == 0 ||
           uv_ip6_addr(text, port, (struct sockaddr_in6 *)out) == 0;
}

/* A link-local address means something only together with its interface. */
static void
append_zone(const struct sockaddr_in6 *address, struct tr_address *out)
{
    char name[IF_NAMESIZE];
    if (!IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr) || if_indextoname(address->sin6_scope_id, name) == NULL)
        return;
    size_t size = strlen(out->text);
    snprintf(out->text + size, sizeof(out->text) - size, "%%%s", name);
}

void
tri_address_from(const struct sockaddr *address, struct tr_address *out)
{
    memset(out, 0, sizeof(*out));
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        out->family = TR_FAMILY_IPV4;
        out->port = ntohs(v4->sin_port);
        uv_ip4_name(v4, out->text, sizeof(out->text));
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        out->family = TR_FAMILY_IPV6;
        out->port = ntohs(v6->sin6_port);
        uv_ip6_name(v6, out->text, sizeof(out->text));
        append_zone(v6, out);
    }
}

void
tri_address_set_port(struct sockaddr *address, uint16_t port)
{
    if (address->sa_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons(port);
    else if (address->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
}
