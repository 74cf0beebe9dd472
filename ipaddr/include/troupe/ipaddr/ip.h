/*
 * IP addresses and prefixes as values: is this text one, what are its bytes, how is it written.
 *
 *   - What is read: the grammar of Node's net.isIP, that is four decimal numbers without leading zeros, or the text
 *     forms of RFC 4291 section 2.2 with an optional zone: "%" and one or more letters, digits, '-', '.' and ':'.
 *   - What is written: the text of RFC 5952, so equal addresses have equal texts.
 *   - A call that fails writes nothing to out.
 *
 * Memory:  all structs are plain values. Nothing allocates.
 * Thread:  any, for all functions. Nothing blocks; only the two functions on socket addresses may ask the system, for
 *          the name of an interface.
 */
#ifndef TROUPE_IPADDR_IP_H
#define TROUPE_IPADDR_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/declare.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

struct sockaddr;
struct sockaddr_storage;

#define TR_IP_ZONE 16     /* bytes of the longest zone and its NUL: what an interface may be called */
#define TR_IP_TEXT 64     /* bytes that hold any address, its zone and a NUL */
#define TR_PREFIX_TEXT 64 /* bytes that hold any prefix and a NUL */

struct tr_ip {
    uint8_t family;        /* 4 or 6; 0: no address */
    uint8_t bytes[16];     /* in network byte order; the first 4 for IPv4 */
    char zone[TR_IP_ZONE]; /* "eth0", "2"; "" if there is none, and always for IPv4. Ends with NUL */
};

struct tr_prefix {
    struct tr_ip ip; /* the bits beyond the length may be set: they are ignored */
    uint8_t length;  /* bits: up to 32 for IPv4, 128 for IPv6 */
};

/*
 * Which version of address is this text? Its zone may be of any length.
 * Returns: 4 or 6; 0 if it is no address, or NULL.
 */
int tr_is_ip(const char *text);

/* As tr_is_ip(), for text that does not end with NUL, or has one inside, which makes it no address. */
int tr_is_ip_sized(const char *text, size_t size);

/* Whether tr_is_ip() returns 4, or 6. */
bool tr_is_ipv4(const char *text);
bool tr_is_ipv6(const char *text);

/*
 * Reads an address: any text that tr_is_ip() accepts.
 * Returns: TR_OK
 *          TR_EINVAL        a pointer is NULL
 *          TR_EBADADDRESS   the text is no address
 *          TR_ENAMETOOLONG  it is one, but no interface has a name as long as its zone
 */
tr_status tr_ip_parse(const char *text, struct tr_ip *out);
tr_status tr_ip_parse_sized(const char *text, size_t size, struct tr_ip *out);

/*
 * Writes the text of RFC 5952 and a NUL: "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0". TR_IP_TEXT
 * bytes are always enough.
 * Returns: how many characters the text has; 0, and text is "", if size is too small or the family is neither 4 nor 6.
 */
size_t tr_ip_format(const struct tr_ip *ip, char *text, size_t size);

/*
 * One order for all addresses: IPv4 before IPv6, then by the bytes, then by the zone. An IPv4-mapped address is not
 * equal to the IPv4 address: call tr_ip_unmap() first where it should be.
 * Returns: below 0 if a comes before b, 0 if they are equal, above 0 if a comes after b.
 */
int tr_ip_compare(const struct tr_ip *a, const struct tr_ip *b);

/* Whether a and b are the same address in the same zone. Zones are compared as text: "2" is not "eth0". */
bool tr_ip_equal(const struct tr_ip *a, const struct tr_ip *b);

/* Whether it is an IPv4 address written as IPv6, ::ffff:0:0/96. */
bool tr_ip_is_mapped(const struct tr_ip *ip);

/* The IPv4 address that an IPv4-mapped one contains, without its zone; any other address as it is. */
struct tr_ip tr_ip_unmap(const struct tr_ip *ip);

/*
 * Takes the address out of a socket address, without the port. A scope id becomes the name of its interface (RFC 4007
 * section 11.2), or stays a number if there is no such interface or its name cannot be a zone.
 * Returns: TR_OK
 *          TR_EINVAL        a pointer is NULL
 *          TR_EAFNOSUPPORT  neither IPv4 nor IPv6
 */
tr_status tr_ip_from_sockaddr(const struct sockaddr *address, struct tr_ip *out);

/*
 * Makes a socket address with port 0. A zone of digits is the scope id, any other is the name of an interface.
 * Returns: TR_OK
 *          TR_EINVAL        a pointer is NULL
 *          TR_EAFNOSUPPORT  the family is neither 4 nor 6
 *          TR_ENODEV        there is no interface of that name, or the number has more than 32 bits
 */
tr_status tr_ip_to_sockaddr(const struct tr_ip *ip, struct sockaddr_storage *out);

/*
 * Makes a prefix of an address, without its zone, and a length in bits.
 * Returns: TR_OK
 *          TR_EINVAL       a pointer is NULL
 *          TR_EBADADDRESS  the family is neither 4 nor 6
 *          TR_EBADLIMIT    the address has fewer bits than the length
 */
tr_status tr_prefix_make(const struct tr_ip *ip, unsigned length, struct tr_prefix *out);

/*
 * Reads "10.0.0.0/8" or "fe80::/10": an address without a zone, a slash, a decimal length without leading zeros. Bits
 * beyond the length are kept: "10.1.2.3/8" is written again like that.
 * Returns: TR_OK
 *          TR_EINVAL       a pointer is NULL
 *          TR_EBADADDRESS  the text is no prefix
 *          TR_EBADLIMIT    the address has fewer bits than the length
 */
tr_status tr_prefix_parse(const char *text, struct tr_prefix *out);
tr_status tr_prefix_parse_sized(const char *text, size_t size, struct tr_prefix *out);

/*
 * Writes the prefix and a NUL. TR_PREFIX_TEXT bytes are always enough.
 * Returns: how many characters the text has; 0, and text is "", if size is too small, the family is neither 4 nor 6, or
 *          the address has fewer bits than the length.
 */
size_t tr_prefix_format(const struct tr_prefix *prefix, char *text, size_t size);

/* The same prefix with all bits beyond its length set to 0: "10.1.2.3/8" becomes "10.0.0.0/8". */
struct tr_prefix tr_prefix_masked(const struct tr_prefix *prefix);

/*
 * Whether the address is within the prefix, whatever its zone. An address of the other family never is, even if it is
 * IPv4-mapped: call tr_ip_unmap() first where it should be.
 */
bool tr_prefix_contains(const struct tr_prefix *prefix, const struct tr_ip *ip);

TR_DECLARATIONS_END
#endif
