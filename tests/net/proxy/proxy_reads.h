/*
 * Reading a PROXY header in all ways in which it may come.
 */
#ifndef TESTS_NET_PROXY_READS_H
#define TESTS_NET_PROXY_READS_H

#include "proxy_header.h"

#define BOTH (TR_PROXY_V1 | TR_PROXY_V2)
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4 "\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x34\x01\xbb"

/* Shows the bytes at once, and each beginning of them; fails the test if the answers do not fit together. */
struct tri_proxy_reading read_all(unsigned versions, size_t limit, const void *bytes, size_t size,
                                  struct tr_proxy *out);

#endif
