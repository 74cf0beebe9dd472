/*
 * The PROXY protocol, versions 1 and 2: a header before all other bytes of a connection, by which a proxy says whose
 * connection it hands on. The document is haproxy's doc/proxy-protocol.txt, "the specification" below.
 *
 *   - A server asks for it with tr_server_options.proxy. Then each of its connections must begin with a header, and
 *     `connection` comes when that is complete. tr_socket_proxy() has what it says.
 *   - A socket that connects sends one with tr_connect_options.proxy. tr_proxy_for() fills it for a proxy.
 *
 * Who may connect may say what he likes in a header. So a server that asks for it must be reached by trusted proxies
 * alone (section 2 of the specification): by its address, a firewall, or tr_server_options.block_list. Nothing guesses
 * whether a header is there: without one a connection is refused.
 *
 * What the library itself does looks at the TCP peer, never at the header: tr_socket_remote_address(), block lists,
 * limits of addresses, balancing.
 *
 * Memory:  a pointer is borrowed for the call, unless its function says otherwise.
 * NULL:    functions that return a status return TR_EINVAL for a NULL that they need; the others do nothing, or return
 *          NULL or false.
 * Thread:  "owner" is the worker on which the object lives, "any" is every thread, "setup" is one thread before the
 *          workers start or after they have ended.
 */
#ifndef TROUPE_NET_PROXY_H
#define TROUPE_NET_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/core/declare.h>
#include <troupe/core/status.h>
#include <troupe/net/address.h>

TR_DECLARATIONS_BEGIN

struct tr_socket;

/* Versions, as numbers of a header and as bits of what a server takes. */
#define TR_PROXY_V1 1u /* one line of text, without TLVs */
#define TR_PROXY_V2 2u /* binary */

/* For whom the connection is (section 2.2; the numbers are those of version 2). */
enum tr_proxy_command {
    TR_PROXY_LOCAL = 0,    /* for the proxy itself, such as a health check: the connection is what it looks like */
    TR_PROXY_FORWARDS = 1, /* for somebody else: the specification's PROXY */
};

/* By what that one has come to the proxy. */
enum tr_proxy_transport {
    TR_PROXY_STREAM,   /* TCP, or a unix stream */
    TR_PROXY_DATAGRAM, /* UDP, or unix datagrams; of version 2 */
};

/* A header: one that came, or one to be sent. */
struct tr_proxy {
    unsigned version; /* TR_PROXY_V1, TR_PROXY_V2 */
    enum tr_proxy_command command;
    enum tr_proxy_transport transport;

    /* From where to where the connection goes that is handed on. Both are of one family. TR_FAMILY_NONE: not said, that
     * is, LOCAL, or the specification's UNKNOWN and UNSPEC; the connection is served all the same. The text of a unix
     * path that came may have any bytes but NUL. */
    struct tr_address source;
    struct tr_address destination;

    /* Type-length-value vectors, of version 2: these bytes, one vector after the other. */
    const void *tlvs;
    size_t tlvs_size;
};

/* What a server asks for: tr_server_options.proxy. */
struct tr_proxy_accept {
    unsigned versions;    /* that it takes: TR_PROXY_V1 | TR_PROXY_V2, or one of them; 0: there are no headers */
    uint32_t timeout_ms;  /* from accepting to the end of the header; up to 2^31 - 1; 0: TR_PROXY_TIMEOUT_MS */
    uint32_t limit_bytes; /* of a whole header of version 2: 232 to 65551; 0: TR_PROXY_LIMIT_BYTES */
};

#define TR_PROXY_TIMEOUT_MS 3000u  /* the least that section 2 advises, because of a lost packet */
#define TR_PROXY_LIMIT_BYTES 4096u /* addresses take 232 of them at most */
#define TR_PROXY_V1_BYTES 107u     /* the longest line of version 1 (section 2.1) */

/*
 * The header with which an accepted connection began; NULL: there was none, or socket is NULL.
 *
 * Memory:  the socket's, with all that it points to. It is valid until the socket connects again, or is gone; in its
 *          close callback, too.
 * Thread:  owner of socket.
 */
const struct tr_proxy *tr_socket_proxy(const struct tr_socket *socket);

/*
 * The header for a proxy that hands this connection on: of version 2 and FORWARDS, without TLVs. Its addresses are
 * those of the header with which the connection began, if that has any, otherwise the peer's and our own of the
 * connection. A socket that is not connected has none: TR_FAMILY_NONE.
 *
 * Memory:  out points to nothing.
 * Thread:  owner of socket.
 */
void tr_proxy_for(const struct tr_socket *socket, struct tr_proxy *out);

/* TLVs (section 2.2, "TLV vectors"). The library checks that those of a header have this form, also within SSL, that
 * UNIQUE_ID has at most 128 bytes, and CRC32C; what else they say is the program's matter. */
enum tr_proxy_type {
    TR_PROXY_ALPN = 0x01,      /* the protocol above: what ALPN has chosen (RFC 7301) */
    TR_PROXY_AUTHORITY = 0x02, /* the host name that the client asked for, in UTF-8 */
    TR_PROXY_CRC32C = 0x03,    /* a checksum of the header, 4 bytes: checked in one that came, set in one to be sent */
    TR_PROXY_NOOP = 0x04,      /* fills a place */
    TR_PROXY_UNIQUE_ID = 0x05, /* names the connection */
    TR_PROXY_SSL = 0x20,       /* 1 byte, 4 bytes, then TLVs of its own: tr_proxy_tlv_next() from the sixth byte on */
    TR_PROXY_SSL_VERSION = 0x21,
    TR_PROXY_SSL_CN = 0x22,
    TR_PROXY_SSL_CIPHER = 0x23,
    TR_PROXY_SSL_SIG_ALG = 0x24,
    TR_PROXY_SSL_KEY_ALG = 0x25,
    TR_PROXY_NETNS = 0x30, /* the name of a network namespace */
};

struct tr_proxy_tlv {
    unsigned type;     /* enum tr_proxy_type, or another number up to 255 */
    const void *value; /* in the memory of the TLVs */
    size_t size;
};

/*
 * The next of these TLVs. tlv is the one before; all zero: gives the first. false: there is none, or what is left has
 * not their form.
 *
 * Memory:  *tlv points into tlvs.
 * Thread:  any.
 */
bool tr_proxy_tlv_next(const void *tlvs, size_t size, struct tr_proxy_tlv *tlv);

/*
 * The first TLV of that type in a header. false: there is none; *out is as it was.
 * Memory:  *out points to where proxy->tlvs does.
 * Thread:  any.
 */
bool tr_proxy_tlv_find(const struct tr_proxy *proxy, unsigned type, struct tr_proxy_tlv *out);

/*
 * Appends a TLV to *size bytes of TLVs, for a header to be sent: *size is raised by size of the value and 3. For a
 * checksum append a TR_PROXY_CRC32C of any 4 bytes.
 *
 * Memory:  tlvs has room for `room` bytes. The value is copied.
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL    NULL (value may be NULL without a size), or a type above 255
 *          TR_EBADLIMIT it does not fit into the room, or has more than 65535 bytes; nothing has changed
 */
tr_status tr_proxy_tlv_add(void *tlvs, size_t room, size_t *size, unsigned type, const void *value, size_t value_size);

TR_DECLARATIONS_END
#endif
