/*
 * The network layer's own messages, by tag, and what libuv may wake its actors for: the watchdog tells both by number.
 */
#ifndef TROUPE_NET_TAGS_H
#define TROUPE_NET_TAGS_H

#include <troupe/actors/host.h>

enum {
    /* To a socket: remote.c. */
    TRI_TAG_SOCKET_WRITE = TRI_TAG_NET, /* a slice */
    TRI_TAG_SOCKET_WRITE_ASK,           /* a pointer to a struct write_ask */
    TRI_TAG_SOCKET_END,
    TRI_TAG_SOCKET_DESTROY, /* words[0] is the status */
    TRI_TAG_SOCKET_PAUSE,
    TRI_TAG_SOCKET_RESUME,
    TRI_TAG_SOCKET_TIMEOUT,    /* words[0] is in milliseconds */
    TRI_TAG_SOCKET_NO_DELAY,   /* words[0] is 0 or 1 */
    TRI_TAG_SOCKET_KEEP_ALIVE, /* words[0] is 0 or 1, words[1] in milliseconds */
    TRI_TAG_SOCKET_INFO,       /* words[0] is the tag of the answer */

    /* To a server: remote.c. */
    TRI_TAG_SERVER_CLOSE,
    TRI_TAG_SERVER_MAX_CONNECTIONS, /* words[0] is the limit */
    TRI_TAG_SERVER_INFO,            /* words[0] is the tag of the answer */

    /* Between a server and its shares: deal.c. */
    TRI_TAG_DEAL_CONNECTION,  /* to a share: a pointer that is a descriptor + 1 */
    TRI_TAG_DEAL_NO_MORE,     /* to a share: the server sends nothing after this */
    TRI_TAG_DEAL_ENDED,       /* to a server that waits for its connections: one has ended */
    TRI_TAG_DEAL_SHARE_STOPS, /* to a server: a share was asked to stop */

    /* Not sent: what a callback of libuv is for. */
    TRI_TAG_ON_ACCEPTED,
    TRI_TAG_ON_LOOKUP,
    TRI_TAG_ON_CONNECT,
    TRI_TAG_ON_READ,
    TRI_TAG_ON_WRITTEN,
    TRI_TAG_ON_TIMEOUT,
    TRI_TAG_ON_LATER,
    TRI_TAG_ON_CLOSED,
    TRI_TAG_ON_ACCEPT,
};

#endif
