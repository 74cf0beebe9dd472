/*
 * Addresses between text, the system's structs and ours. What an address of the internet looks like is ipaddr's to say,
 * here as everywhere.
 */
#include "address_internal.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <troupe/ipaddr/ip.h>

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

/* Text whose zone is longer than the name of any interface is an address, and its zone is none. */
static bool
parse_ip(const char *text, struct tr_ip *out)
{
    tr_status status = tr_ip_parse(text, out);
    if (status == TR_ENAMETOOLONG)
        status = tr_ip_parse_sized(text, strcspn(text, "%"), out);
    return status == TR_OK;
}

/*
 * A zone that is no interface's is left out, as in Node. To most addresses a zone means nothing; one that needs it the
 * system refuses when it is used.
 */
bool
tri_address_parse(const char *text, uint16_t port, struct sockaddr_storage *out)
{
    struct tr_ip ip;
    memset(out, 0, sizeof(*out));
    if (!parse_ip(text, &ip))
        return false;
    if (tr_ip_to_sockaddr(&ip, out) != TR_OK) {
        ip.zone[0] = '\0';
        tr_ip_to_sockaddr(&ip, out);
    }
    tri_address_set_port((struct sockaddr *)out, port);
    return true;
}

/* Ports. */

tr_status
tr_port_parse(const char *text, uint16_t *out)
{
    uint32_t port = 0;
    const char *at = text;
    if (text == NULL || out == NULL)
        return TR_EINVAL;
    for (; *at >= '0' && *at <= '9'; at++)
        port = port <= UINT16_MAX ? port * 10 + (uint32_t)(*at - '0') : port;
    if (at == text)
        return *at == '\0' ? TR_EMISSING : TR_ENOTANUMBER;
    if (*at != '\0')
        return TR_ETRAILING;
    if (port > UINT16_MAX)
        return TR_EBADPORT;
    *out = (uint16_t)port;
    return TR_OK;
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

/* Only these mean nothing without their interface. */
static bool
needs_zone(const struct in6_addr *address)
{
    return IN6_IS_ADDR_LINKLOCAL(address) || IN6_IS_ADDR_MC_LINKLOCAL(address);
}

static void
name_of_internet(const struct sockaddr *address, struct tr_address *out)
{
    struct tr_ip ip;
    tr_ip_from_sockaddr(address, &ip);
    if (ip.family == 4) {
        out->family = TR_FAMILY_IPV4;
        out->port = ntohs(((const struct sockaddr_in *)address)->sin_port);
    } else {
        out->family = TR_FAMILY_IPV6;
        out->port = ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
        if (!needs_zone(&((const struct sockaddr_in6 *)address)->sin6_addr))
            ip.zone[0] = '\0';
    }
    tr_ip_format(&ip, out->text, sizeof(out->text));
}

void
tri_address_from(const struct sockaddr *address, struct tr_address *out)
{
    memset(out, 0, sizeof(*out));
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6)
        name_of_internet(address, out);
    else if (address->sa_family == AF_UNIX)
        name_of_unix((const struct sockaddr_un *)address, out);
}

void
tri_address_set_port(struct sockaddr *address, uint16_t port)
{
    if (address->sa_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons(port);
    else if (address->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
}
