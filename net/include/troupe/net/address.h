/*
 * Addresses and errors as the network part of the library reports them, and ports as text.
 *
 * Memory:  struct tr_address and struct tr_error are plain values: copy them. In a callback they are borrowed for the
 *          call.
 * Thread:  any.
 */
#ifndef TROUPE_NET_ADDRESS_H
#define TROUPE_NET_ADDRESS_H

#include <stdint.h>
#include <troupe/core/declare.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

enum tr_family {
    TR_FAMILY_NONE = 0, /* no address: not bound, not connected, or already closed */
    TR_FAMILY_UNIX = 1,
    TR_FAMILY_IPV4 = 4,
    TR_FAMILY_IPV6 = 6,
};

#define TR_ADDRESS_TEXT 112 /* holds an IPv6 address with its zone, and a unix path */

struct tr_address {
    enum tr_family family;
    uint16_t port;              /* host byte order; 0 for unix */
    char text[TR_ADDRESS_TEXT]; /* "127.0.0.1", "::1", "/run/x.sock", "@name"; "" if there is none. Ends with NUL */
};

/*
 * What went wrong, for programs; tr_status_text(status) says it for people.
 * Memory:  call and code are constants: they stay valid as long as the program runs. But if status is TR_EUSER, code is
 *          the text that the program itself gave (tr_socket_destroy_with(), tr_socket_looked_up()), which is not
 *          copied.
 */
struct tr_error {
    tr_status status;
    int system;       /* the errno of the system call; 0 if there was none */
    const char *call; /* the step that failed: "connect", "bind", "read", "write", "getaddrinfo"... */
    const char *code; /* tr_status_code(status); the program's own if status is TR_EUSER */
};

/*
 * Reads a port, such as an argument of the program: decimal digits only. out is written on success only.
 * Memory:  nothing is kept.
 * Thread:  any.
 * Returns: TR_OK
 *          TR_EINVAL       a pointer is NULL
 *          TR_EMISSING     the text is empty
 *          TR_ENOTANUMBER  it does not begin with a digit: a sign or a space is a mistake too
 *          TR_ETRAILING    something follows the number
 *          TR_EBADPORT     above 65535
 */
tr_status tr_port_parse(const char *text, uint16_t *out);

TR_DECLARATIONS_END
#endif
