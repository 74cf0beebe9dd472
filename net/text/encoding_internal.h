/*
 * Encodings, for the rooms above.
 */
#ifndef TROUPE_NET_ENCODING_INTERNAL_H
#define TROUPE_NET_ENCODING_INTERNAL_H

#include <stdbool.h>
#include <troupe/net/encoding.h>

/* Is it one of the enum? Thread: any. */
bool tri_encoding_exists(enum tr_encoding encoding);

#endif
