/*
 * Look-ups of a test's own.
 */
#ifndef TESTS_NET_LOOKUPS_H
#define TESTS_NET_LOOKUPS_H

#include <troupe/net/socket.h>

/* Gives no answer. */
void never_answers(tr_socket *socket, const char *host, enum tr_family family, void *lookup_data);

#endif
