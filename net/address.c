/*
 * Addresses between text, the system's structs and ours.
 */
#include "address_internal.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
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

/* Unix sockets. */

#define PATH_ROOM sizeof(((struct sockaddr_un *)0)->sun_path)

#ifdef __linux__
#define HAS_ABSTRACT_NAMES true
#else
#define HAS_ABSTRACT_NAMES false
#endif

tr_status
tri_address_of_path(const char *path, bool truncate, struct sockaddr_un *out, socklen_t *size)
{
    if (path == NULL || path[0] == '\0' || strcmp(path, "@") == 0)
        return TR_EBADPATH;
    bool is_abstract = path[0] == '@';
    if (is_abstract && !HAS_ABSTRACT_NAMES)
        return TR_ENOTSUPPORTED;
    size_t limit = PATH_ROOM - (is_abstract ? 0 : 1), length = strlen(path);
    if (length > limit && !truncate)
        return TR_ENAMETOOLONG;
    if (length > limit)
        length = limit;
    memset(out, 0, sizeof(*out));
    out->sun_family = AF_UNIX;
    memcpy(out->sun_path, path, length);
    if (is_abstract)
        out->sun_path[0] = '\0';
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (is_abstract ? 0 : 1));
    return TR_OK;
}

/* A name may fill its room without a NUL. A socket that was never bound has none. */
static void
name_of_unix(const struct sockaddr_un *address, struct tr_address *out)
{
    const char *name = address->sun_path;
    bool is_abstract = name[0] == '\0' && name[1] != '\0';
    out->family = TR_FAMILY_UNIX;
    if (is_abstract)
        out->text[0] = '@';
    memcpy(out->text + is_abstract, name + is_abstract, strnlen(name + is_abstract, PATH_ROOM - is_abstract));
}
_Static_assert(TR_ADDRESS_TEXT > PATH_ROOM, "a name of a unix socket fits with its NUL");

/* Addresses of the internet. */

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
    } else if (address->sa_family == AF_UNIX) {
        name_of_unix((const struct sockaddr_un *)address, out);
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
