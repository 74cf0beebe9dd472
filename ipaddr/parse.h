/*
 * The grammar of a zone, for what comes from the system instead of from text.
 */
#ifndef TROUPE_IPADDR_PARSE_H
#define TROUPE_IPADDR_PARSE_H

#include <troupe/ipaddr/ip.h>

/* Whether the size characters may stand behind the '%' of an address. */
bool tri_is_zone(const char *text, size_t size);

#endif
