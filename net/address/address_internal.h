/*
 * Addresses between text, the system's structs and ours.
 */
#ifndef TROUPE_NET_ADDRESS_INTERNAL_H
#define TROUPE_NET_ADDRESS_INTERNAL_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <troupe/net/address.h>

#define TRI_HOST_LIMIT 256u /* bytes of a host's text with its NUL: what look-ups take */

/* Can this be a host at all? Not NULL, not empty, not too long, no space and no control character. */
bool tri_host_is_sound(const char *host);

/*
 * Reads an IPv4 or IPv6 address, the latter perhaps with a zone: any text that tr_is_ip() takes, and no other. A zone
 * that is no interface's is left out. false: the text is none.
 */
bool tri_address_parse(const char *text, uint16_t port, struct sockaddr_storage *out);

/*
 * The address of a unix socket, of size bytes. "@name" is an abstract name, which ends where its size says and not with
 * a NUL. With truncate a path that is too long is cut.
 *
 * Returns: TR_OK; TR_EBADPATH (NULL, or nothing but an "@" or not even that); TR_ENAMETOOLONG; TR_ENOTSUPPORTED
 *          (abstract names here).
 */
tr_status tri_address_of_path(const char *path, bool truncate, struct sockaddr_un *out, socklen_t *size);

/*
 * Ours from the system's; TR_FAMILY_NONE for a family that we do not know. What comes behind its end must be zero,
 * since only that tells where a unix socket's name ends.
 */
void tri_address_from(const struct sockaddr *address, struct tr_address *out);

/* Sets the port of an internet address. */
void tri_address_set_port(struct sockaddr *address, uint16_t port);

#endif
