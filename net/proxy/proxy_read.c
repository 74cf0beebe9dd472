/*
 * Reading a header: sections 2.1 and 2.2 of the specification, to the letter but for two things.
 *
 *   - In version 1 the last 32 bits of an IPv6 address may be written as IPv4, since haproxy itself writes so the
 *     address of an IPv4 client that came through an IPv6 socket.
 *   - A lone CR makes the line of an UNKNOWN malformed, too, although what stands there is to be ignored.
 *
 * The bytes are checked in their order, so that an answer given early is the answer that more bytes would give. In
 * version 1 nothing is decoded before the end of the line is there (section 2.1). A header of version 2 that is too
 * long is refused when its length is there, so that nobody need hold it.
 *
 * What LOCAL has behind its length is skipped, family included. Of UNSPEC it is read as TLVs, which is what haproxy
 * writes there, if it has their form; otherwise, and if one of family and protocol is given without the other, it is
 * skipped: the receiver "should ignore address information".
 */
#include "address_internal.h"
#include "proxy_header.h"

#include <string.h>
#include <sys/un.h>
#include <troupe/ipaddr/ip.h>

const unsigned char tri_proxy_signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static struct tri_proxy_reading
refused(enum tri_proxy_outcome why)
{
    return (struct tri_proxy_reading){.outcome = why};
}

static struct tri_proxy_reading
more(size_t most)
{
    return (struct tri_proxy_reading){.outcome = TRI_PROXY_MORE, .size = most};
}

static struct tri_proxy_reading
done(size_t size)
{
    return (struct tri_proxy_reading){.outcome = TRI_PROXY_DONE, .size = size};
}

/* As far as there are bytes. */
static bool
begins_with(const unsigned char *bytes, size_t size, const void *start, size_t start_size)
{
    return memcmp(bytes, start, size < start_size ? size : start_size) == 0;
}

/* Version 1. */

/* What is left of a line. */
struct rest {
    const char *at, *end;
};

/* The word up to the next blank, which is skipped, or to the end. */
static struct rest
take_word(struct rest *rest)
{
    const char *blank = memchr(rest->at, ' ', (size_t)(rest->end - rest->at));
    struct rest word = {rest->at, blank != NULL ? blank : rest->end};
    rest->at = blank != NULL ? blank + 1 : rest->end;
    return word;
}

static bool
is_word(struct rest word, const char *text)
{
    size_t size = strlen(text);
    return (size_t)(word.end - word.at) == size && memcmp(word.at, text, size) == 0;
}

static bool
read_ip(struct rest word, int family, struct tr_address *out)
{
    struct tr_ip ip;
    size_t size = (size_t)(word.end - word.at);
    if (tr_is_ip_sized(word.at, size) != family || memchr(word.at, '%', size) != NULL ||
        tr_ip_parse_sized(word.at, size, &ip) != TR_OK)
        return false;
    out->family = family == 4 ? TR_FAMILY_IPV4 : TR_FAMILY_IPV6;
    tr_ip_format(&ip, out->text, sizeof(out->text));
    return true;
}

static bool
read_port(struct rest word, struct tr_address *out)
{
    size_t size = (size_t)(word.end - word.at);
    unsigned port = 0;
    if (size == 0 || size > 5 || (size > 1 && word.at[0] == '0'))
        return false;
    for (; word.at < word.end; word.at++) {
        unsigned digit = (unsigned)(unsigned char)*word.at - '0';
        if (digit > 9)
            return false;
        port = port * 10 + digit;
    }
    out->port = (uint16_t)port;
    return port <= UINT16_MAX;
}

/* Four words, and nothing behind the last, not even a blank. */
static bool
read_addresses(struct rest rest, int family, struct tr_proxy *out)
{
    struct rest words[4];
    for (unsigned i = 0; i < 4; i++)
        words[i] = take_word(&rest);
    return words[3].end == rest.end && rest.at == rest.end && read_ip(words[0], family, &out->source) &&
           read_ip(words[1], family, &out->destination) && read_port(words[2], &out->source) &&
           read_port(words[3], &out->destination);
}

static bool
read_line(struct rest rest, struct tr_proxy *out)
{
    struct rest family = take_word(&rest);
    *out = (struct tr_proxy){.version = TR_PROXY_V1, .command = TR_PROXY_FORWARDS};
    if (is_word(family, "UNKNOWN"))
        return true;
    if (is_word(family, "TCP4"))
        return read_addresses(rest, 4, out);
    return is_word(family, "TCP6") && read_addresses(rest, 6, out);
}

static const char line_start[] = "PROXY ";
#define LINE_START (sizeof(line_start) - 1)

static struct tri_proxy_reading
read_v1(const unsigned char *bytes, size_t size, struct tr_proxy *out)
{
    if (!begins_with(bytes, size, line_start, LINE_START))
        return refused(TRI_PROXY_FOREIGN);
    size_t most = TR_PROXY_V1_BYTES - 2, end = 0; /* without CRLF */
    while (end < size && end <= most && bytes[end] != '\r' && bytes[end] != '\n')
        end++;
    if (end > most)
        return refused(TRI_PROXY_TOO_LONG);
    if (end == size)
        return more(TR_PROXY_V1_BYTES);
    if (bytes[end] == '\n')
        return refused(TRI_PROXY_MALFORMED);
    if (end + 1 == size)
        return more(TR_PROXY_V1_BYTES);
    if (bytes[end + 1] != '\n' || end < LINE_START)
        return refused(TRI_PROXY_MALFORMED);
    struct rest rest = {(const char *)bytes + LINE_START, (const char *)bytes + end};
    return read_line(rest, out) ? done(end + 2) : refused(TRI_PROXY_MALFORMED);
}

/* Version 2. */

enum { FAMILY_UNSPEC, FAMILY_INET, FAMILY_INET6, FAMILY_UNIX, FAMILIES };
enum { PROTOCOL_UNSPEC, PROTOCOL_STREAM, PROTOCOL_DATAGRAM, PROTOCOLS };

static unsigned
family_of(const unsigned char *bytes)
{
    return bytes[13] >> 4;
}

static unsigned
protocol_of(const unsigned char *bytes)
{
    return bytes[13] & 0xf;
}

static enum tr_proxy_command
command_of(const unsigned char *bytes)
{
    return (enum tr_proxy_command)(bytes[12] & 0xf);
}

/* It says from where to where. */
static bool
has_addresses(const unsigned char *bytes)
{
    return command_of(bytes) == TR_PROXY_FORWARDS && family_of(bytes) != FAMILY_UNSPEC &&
           protocol_of(bytes) != PROTOCOL_UNSPEC;
}

/* Bytes of one address, without its port. */
static size_t
address_size(unsigned family)
{
    return family == FAMILY_INET ? 4 : family == FAMILY_INET6 ? 16 : TRI_PROXY_PATH;
}

static size_t
addresses_size(const unsigned char *bytes)
{
    size_t ports = family_of(bytes) == FAMILY_UNIX ? 0 : 2 * sizeof(uint16_t);
    return has_addresses(bytes) ? 2 * address_size(family_of(bytes)) + ports : 0;
}

static void
get_ip(const unsigned char *bytes, size_t size, const unsigned char *port, struct tr_address *out)
{
    struct tr_ip ip = {.family = size == 4 ? 4 : 6};
    memcpy(ip.bytes, bytes, size);
    out->family = size == 4 ? TR_FAMILY_IPV4 : TR_FAMILY_IPV6;
    out->port = (uint16_t)tri_proxy_get16(port);
    tr_ip_format(&ip, out->text, sizeof(out->text));
}

static void
get_path(const unsigned char *bytes, struct tr_address *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, bytes,
           sizeof(address.sun_path) < TRI_PROXY_PATH ? sizeof(address.sun_path) : TRI_PROXY_PATH);
    tri_address_from((const struct sockaddr *)&address, out);
}

static void
get_addresses(const unsigned char *bytes, struct tr_proxy *out)
{
    size_t size = address_size(family_of(bytes));
    const unsigned char *source = bytes + TRI_PROXY_START, *destination = source + size, *ports = destination + size;
    if (family_of(bytes) == FAMILY_UNIX) {
        get_path(source, &out->source);
        get_path(destination, &out->destination);
    } else {
        get_ip(source, size, ports, &out->source);
        get_ip(destination, size, ports + sizeof(uint16_t), &out->destination);
    }
}

/* The TLVs of a whole header. */
static enum tri_proxy_outcome
read_tlvs(const unsigned char *bytes, size_t size, struct tr_proxy *out)
{
    bool says_nothing = family_of(bytes) == FAMILY_UNSPEC && protocol_of(bytes) == PROTOCOL_UNSPEC;
    if (command_of(bytes) == TR_PROXY_LOCAL || (!has_addresses(bytes) && !says_nothing))
        return TRI_PROXY_DONE;
    const unsigned char *checksum, *tlvs = bytes + TRI_PROXY_START + addresses_size(bytes);
    size_t tlvs_size = (size_t)(bytes + size - tlvs);
    if (!tri_proxy_tlvs_are_sound(tlvs, tlvs_size, &checksum))
        return says_nothing ? TRI_PROXY_DONE : TRI_PROXY_BAD_TLV;
    if (checksum != NULL && tri_proxy_crc32c(bytes, size, checksum) != tri_proxy_get32(checksum))
        return TRI_PROXY_BAD_CHECKSUM;
    out->tlvs = tlvs_size > 0 ? tlvs : NULL;
    out->tlvs_size = tlvs_size;
    return TRI_PROXY_DONE;
}

/* Everything is there. */
static struct tri_proxy_reading
read_whole(const unsigned char *bytes, size_t size, struct tr_proxy *out)
{
    struct tr_proxy proxy = {.version = TR_PROXY_V2, .command = command_of(bytes)};
    if (has_addresses(bytes)) {
        proxy.transport = protocol_of(bytes) == PROTOCOL_DATAGRAM ? TR_PROXY_DATAGRAM : TR_PROXY_STREAM;
        get_addresses(bytes, &proxy);
    }
    enum tri_proxy_outcome outcome = read_tlvs(bytes, size, &proxy);
    if (outcome != TRI_PROXY_DONE)
        return refused(outcome);
    *out = proxy;
    return done(size);
}

static struct tri_proxy_reading
read_v2(size_t limit, const unsigned char *bytes, size_t size, struct tr_proxy *out)
{
    if (!begins_with(bytes, size, tri_proxy_signature, sizeof(tri_proxy_signature)))
        return refused(TRI_PROXY_FOREIGN);
    if (size > 12 && (bytes[12] >> 4 != 2 || command_of(bytes) > TR_PROXY_FORWARDS))
        return refused(TRI_PROXY_MALFORMED);
    if (size > 13 && command_of(bytes) != TR_PROXY_LOCAL &&
        (family_of(bytes) >= FAMILIES || protocol_of(bytes) >= PROTOCOLS))
        return refused(TRI_PROXY_MALFORMED);
    if (size < TRI_PROXY_START)
        return more(TRI_PROXY_LIMIT_LEAST);
    size_t length = tri_proxy_get16(bytes + 14), whole = TRI_PROXY_START + length;
    if (whole > limit)
        return refused(TRI_PROXY_TOO_LONG);
    if (length < addresses_size(bytes))
        return refused(TRI_PROXY_MALFORMED);
    return size < whole ? more(whole) : read_whole(bytes, whole, out);
}

struct tri_proxy_reading
tri_proxy_read(const struct tri_proxy_rules *rules, const unsigned char *bytes, size_t size, struct tr_proxy *out)
{
    if (size == 0)
        return more(TRI_PROXY_LIMIT_LEAST);
    if ((rules->versions & TR_PROXY_V1) != 0 && bytes[0] == (unsigned char)line_start[0])
        return read_v1(bytes, size, out);
    if ((rules->versions & TR_PROXY_V2) != 0 && bytes[0] == tri_proxy_signature[0])
        return read_v2(rules->limit, bytes, size, out);
    return refused(TRI_PROXY_FOREIGN);
}
