/*
 * Writing a header. What a version cannot say is left unsaid, as the specification has it: version 1 says UNKNOWN for
 * LOCAL, for unix sockets and for datagrams.
 *
 * An IPv6 address that stands for an IPv4 one (::ffff:192.0.2.1), as an IPv6 socket has it of its IPv4 peers, is
 * written as IPv4 if the other one can be, too. A zone is left out: it means nothing elsewhere.
 */
#include "address_internal.h"
#include "proxy_header.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <troupe/ipaddr/ip.h>

/* The two addresses as they are written. */
struct ends {
    enum tr_family family;
    struct tr_ip ips[2]; /* source, destination; of the internet */
    const struct tr_address *texts[2];
};

static bool
parse(const struct tr_address *address, struct tr_ip *out)
{
    if (tr_ip_parse(address->text, out) != TR_OK || (enum tr_family)out->family != address->family)
        return false;
    out->zone[0] = '\0';
    return true;
}

/* An unnamed socket has no text. */
static bool
is_path(const struct tr_address *address)
{
    struct sockaddr_un ignored;
    socklen_t size;
    return address->text[0] == '\0' || tri_address_of_path(address->text, false, &ignored, &size) == TR_OK;
}

static bool
find_ips(struct ends *ends)
{
    if (!parse(ends->texts[0], &ends->ips[0]) || !parse(ends->texts[1], &ends->ips[1]))
        return false;
    if (tr_ip_is_mapped(&ends->ips[0]) && tr_ip_is_mapped(&ends->ips[1])) {
        ends->ips[0] = tr_ip_unmap(&ends->ips[0]);
        ends->ips[1] = tr_ip_unmap(&ends->ips[1]);
        ends->family = TR_FAMILY_IPV4;
    }
    return true;
}

/* false: they are no addresses, or of two families. */
static bool
find_ends(const struct tr_proxy *proxy, struct ends *out)
{
    *out = (struct ends){.texts = {&proxy->source, &proxy->destination}};
    if (proxy->command == TR_PROXY_LOCAL)
        return true;
    if (proxy->source.family != proxy->destination.family)
        return false;
    out->family = proxy->source.family;
    switch (out->family) {
    case TR_FAMILY_NONE: return true;
    case TR_FAMILY_UNIX: return is_path(&proxy->source) && is_path(&proxy->destination);
    case TR_FAMILY_IPV4:
    case TR_FAMILY_IPV6: return find_ips(out);
    default: return false;
    }
}

/* Version 1. */

static int
write_line(const struct tr_proxy *proxy, const struct ends *ends, char line[TR_PROXY_V1_BYTES + 1])
{
    char texts[2][TR_IP_TEXT];
    bool is_ip = ends->family == TR_FAMILY_IPV4 || ends->family == TR_FAMILY_IPV6;
    if (!is_ip || proxy->transport != TR_PROXY_STREAM)
        return snprintf(line, TR_PROXY_V1_BYTES + 1, "PROXY UNKNOWN\r\n");
    tr_ip_format(&ends->ips[0], texts[0], sizeof(texts[0]));
    tr_ip_format(&ends->ips[1], texts[1], sizeof(texts[1]));
    return snprintf(line, TR_PROXY_V1_BYTES + 1, "PROXY TCP%c %s %s %u %u\r\n",
                    ends->family == TR_FAMILY_IPV4 ? '4' : '6', texts[0], texts[1], proxy->source.port,
                    proxy->destination.port);
}

/* Version 2. */

/* Of both addresses, with their ports. */
static size_t
addresses_size(enum tr_family family)
{
    switch (family) {
    case TR_FAMILY_IPV4: return 2 * (4 + sizeof(uint16_t));
    case TR_FAMILY_IPV6: return 2 * (16 + sizeof(uint16_t));
    case TR_FAMILY_UNIX: return (size_t)2 * TRI_PROXY_PATH;
    default: return 0;
    }
}

static unsigned char
family_byte(const struct tr_proxy *proxy, enum tr_family family)
{
    unsigned protocol = proxy->transport == TR_PROXY_STREAM ? 1 : 2;
    switch (family) {
    case TR_FAMILY_IPV4: return (unsigned char)(0x10 | protocol);
    case TR_FAMILY_IPV6: return (unsigned char)(0x20 | protocol);
    case TR_FAMILY_UNIX: return (unsigned char)(0x30 | protocol);
    default: return 0;
    }
}

static void
put_path(unsigned char *bytes, const struct tr_address *address)
{
    struct sockaddr_un path = {0};
    socklen_t size;
    if (address->text[0] != '\0')
        tri_address_of_path(address->text, false, &path, &size);
    memset(bytes, 0, TRI_PROXY_PATH);
    memcpy(bytes, path.sun_path, sizeof(path.sun_path) < TRI_PROXY_PATH ? sizeof(path.sun_path) : TRI_PROXY_PATH);
}

static void
put_addresses(unsigned char *bytes, const struct ends *ends)
{
    size_t size = ends->family == TR_FAMILY_UNIX ? TRI_PROXY_PATH : ends->family == TR_FAMILY_IPV4 ? 4 : 16;
    for (unsigned i = 0; i < 2 && ends->family != TR_FAMILY_NONE; i++) {
        if (ends->family == TR_FAMILY_UNIX) {
            put_path(bytes + i * size, ends->texts[i]);
        } else {
            memcpy(bytes + i * size, ends->ips[i].bytes, size);
            tri_proxy_put16(bytes + 2 * size + i * sizeof(uint16_t), ends->texts[i]->port);
        }
    }
}

static void
write_v2(const struct tr_proxy *proxy, const struct ends *ends, unsigned char *bytes)
{
    const unsigned char *checksum = NULL;
    size_t addresses = addresses_size(ends->family), length = addresses + proxy->tlvs_size;
    unsigned char *tlvs = bytes + TRI_PROXY_START + addresses;
    memcpy(bytes, tri_proxy_signature, sizeof(tri_proxy_signature));
    bytes[12] = (unsigned char)(0x20 | (unsigned)proxy->command);
    bytes[13] = family_byte(proxy, ends->family);
    tri_proxy_put16(bytes + 14, (unsigned)length);
    put_addresses(bytes + TRI_PROXY_START, ends);
    if (proxy->tlvs_size > 0)
        memcpy(tlvs, proxy->tlvs, proxy->tlvs_size);
    if (tri_proxy_tlvs_are_sound(tlvs, proxy->tlvs_size, &checksum) && checksum != NULL)
        tri_proxy_put32(bytes + (checksum - bytes), tri_proxy_crc32c(bytes, TRI_PROXY_START + length, checksum));
}

/* Both. */

static bool
may_have_tlvs(const struct tr_proxy *proxy)
{
    return proxy->version == TR_PROXY_V2 && proxy->command == TR_PROXY_FORWARDS;
}

tr_status
tri_proxy_check(const struct tr_proxy *proxy, size_t *size)
{
    const unsigned char *checksum;
    struct ends ends;
    char line[TR_PROXY_V1_BYTES + 1];
    if ((proxy->version != TR_PROXY_V1 && proxy->version != TR_PROXY_V2) || proxy->command > TR_PROXY_FORWARDS ||
        proxy->transport > TR_PROXY_DATAGRAM)
        return TR_EINVAL;
    if (proxy->tlvs_size > UINT16_MAX)
        return TR_EBADLIMIT; /* before they are looked at */
    if (proxy->tlvs_size > 0 && (proxy->tlvs == NULL || !may_have_tlvs(proxy) ||
                                 !tri_proxy_tlvs_are_sound(proxy->tlvs, proxy->tlvs_size, &checksum)))
        return TR_EINVAL;
    if (!find_ends(proxy, &ends))
        return TR_EBADADDRESS;
    size_t length = addresses_size(ends.family) + proxy->tlvs_size;
    if (length > UINT16_MAX)
        return TR_EBADLIMIT;
    *size = proxy->version == TR_PROXY_V2 ? TRI_PROXY_START + length : (size_t)write_line(proxy, &ends, line);
    return TR_OK;
}

void
tri_proxy_write(const struct tr_proxy *proxy, unsigned char *bytes)
{
    struct ends ends;
    char line[TR_PROXY_V1_BYTES + 1];
    find_ends(proxy, &ends);
    if (proxy->version == TR_PROXY_V2)
        write_v2(proxy, &ends, bytes);
    else
        memcpy(bytes, line, (size_t)write_line(proxy, &ends, line));
}
