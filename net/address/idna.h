/*
 * Names of hosts that are not ASCII.
 */
#ifndef TROUPE_NET_IDNA_H
#define TROUPE_NET_IDNA_H

#define TRI_IDNA_BYTES 256u /* bytes of the longest name and its NUL */

/*
 * What name servers and the hosts file call a host: "xn--bcher-kva.example" for "Bücher.example", by the rules of UTS
 * 46 as in Node. Text that is ASCII is left as it is. host is at most TRI_IDNA_BYTES with its NUL.
 *
 * Thread: any. The first name that is not ASCII loads a library.
 * Returns 0, or an error of libuv's: UV_EINVAL, no host can be called so, or it is no UTF-8; UV_ENOMEM; UV_ENOSYS,
 * there is no libidn2 here.
 */
int tri_idna_to_ascii(const char *host, char ascii[TRI_IDNA_BYTES]);

#endif
