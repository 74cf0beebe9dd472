/*
 * Addresses and errors, as the network part of the library tells them, and ports as text.
 */
#ifndef TROUPE_NET_ADDRESS_H
#define TROUPE_NET_ADDRESS_H

#include <stdint.h>
#include <troupe/core/declare.h>
#include <troupe/core/status.h>

TR_DECLARATIONS_BEGIN

enum tr_family {
    TR_FAMILY_NONE = 0, /* not bound, not connected, or already closed */
    TR_FAMILY_UNIX = 1,
    TR_FAMILY_IPV4 = 4,
    TR_FAMILY_IPV6 = 6,
};

#define TR_ADDRESS_TEXT 112 /* holds an IPv6 address with its zone, and a unix path */

struct tr_address {
    enum tr_family family;
    uint16_t port;              /* host byte order; 0 for unix */
    char text[TR_ADDRESS_TEXT]; /* "127.0.0.1", "::1", "/run/x.sock"; "" if there is none. Ends with NUL */
};

/* What went wrong, for programs; tr_status_text(status) says it for people. */
struct tr_error {
    tr_status status;
    int system;       /* the errno behind it, 0 if there was none */
    const char *call; /* the step that failed: "connect", "bind", "read", "write", "getaddrinfo"... A constant */
    const char *code; /* tr_status_code(status); the program's own if status is TR_EUSER. A constant */
};

/*
 * Reads a port, such as an argument of the program: nothing but decimal digits. out is written on success only.
 * Owner: nothing is kept. Thread: any.
 * Returns: TR_OK; TR_EINVAL (a pointer is NULL); TR_EMISSING (the text is empty); TR_ENOTANUMBER (it does not begin
 *          with a digit, so a sign or a space is a mistake too); TR_ETRAILING (something follows the number);
 *          TR_EBADPORT (above 65535).
 */
tr_status tr_port_parse(const char *text, uint16_t *out);

TR_DECLARATIONS_END
#endif
