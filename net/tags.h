/*
 * The network layer's own messages, by tag, and what libuv may wake its actors for: the watchdog tells both by number.
 */
#ifndef TROUPE_NET_TAGS_H
#define TROUPE_NET_TAGS_H

#include <troupe/actors/host.h>

enum {
    /* To a socket: remote.c. */
    TRI_TAG_SOCKET_CREDIT = TRI_TAG_NET, /* words[0] is how many */
    TRI_TAG_SOCKET_CONNECT,              /* a pointer to a struct connect_order */
    TRI_TAG_SOCKET_START,                /* words[0] is a number: start.h */
    TRI_TAG_SOCKET_LOOKED_UP,            /* a pointer to a struct looked_up_order */
    TRI_TAG_SOCKET_WRITE,                /* a slice */
    TRI_TAG_SOCKET_WRITE_ASK,            /* a pointer to a struct write_ask, as are the next four */
    TRI_TAG_SOCKET_WRITE_CHECK,
    TRI_TAG_SOCKET_WRITE_FD,
    TRI_TAG_SOCKET_END_ASK,
    TRI_TAG_SOCKET_END_WITH, /* a slice */
    TRI_TAG_SOCKET_END,
    TRI_TAG_SOCKET_CORK,
    TRI_TAG_SOCKET_UNCORK,
    TRI_TAG_SOCKET_DESTROY,      /* words[0] is the status */
    TRI_TAG_SOCKET_DESTROY_WITH, /* words[0] is a pointer to a constant */
    TRI_TAG_SOCKET_RESET,
    TRI_TAG_SOCKET_PAUSE,
    TRI_TAG_SOCKET_RESUME,
    TRI_TAG_SOCKET_ENCODING,   /* words[0] is an enum tr_encoding */
    TRI_TAG_SOCKET_TIMEOUT,    /* words[0] is in milliseconds */
    TRI_TAG_SOCKET_NO_DELAY,   /* words[0] is 0 or 1 */
    TRI_TAG_SOCKET_KEEP_ALIVE, /* words[0] is 0 or 1, words[1] in milliseconds */
    TRI_TAG_SOCKET_BACKGROUND, /* words[0] is 0 or 1 */
    TRI_TAG_SOCKET_OWNER,      /* words[0] is the owner, words[1] the credit */
    TRI_TAG_SOCKET_PIPE,       /* a pointer to a struct pipe_order */
    TRI_TAG_SOCKET_UNPIPE,
    TRI_TAG_SOCKET_INFO, /* a pointer to a struct info_ask */

    TRI_TAG_SOCKET_ANSWER, /* of the resolver: a pointer to a struct tri_resolver_answer */

    /* To a socket: of itself, since other messages waited. */
    TRI_TAG_SOCKET_DRAIN,      /* it was asked to stop with TR_STOP_DRAIN */
    TRI_TAG_SOCKET_PEER_ENDED, /* our side ends with the peer's */

    /* To a server: remote.c. */
    TRI_TAG_SERVER_LISTEN, /* a pointer to a struct listen_order */
    TRI_TAG_SERVER_CLOSE,
    TRI_TAG_SERVER_PAUSE, /* words[0] is in milliseconds */
    TRI_TAG_SERVER_RESUME,
    TRI_TAG_SERVER_MAX_CONNECTIONS, /* words[0] is the limit */
    TRI_TAG_SERVER_INFO,            /* a pointer to a struct info_ask */

    /* To a server: of a host's look-up, listen_tcp.c. */
    TRI_TAG_SERVER_LOOKED_UP, /* a pointer to a struct tri_resolver_answer */

    /* Between a server and its shares: share.c. */
    TRI_TAG_DEAL_CONNECTION,  /* to a share: a pointer to a struct tri_handover */
    TRI_TAG_DEAL_NO_MORE,     /* to a share: the server sends nothing after this; a pointer to the deal, with a hold */
    TRI_TAG_DEAL_ENDED,       /* to a server that waits for its connections: one has ended */
    TRI_TAG_DEAL_FAILED,      /* to a server: a connection was lost before it came to life */
    TRI_TAG_DEAL_PLACE,       /* to a server that limits addresses: a struct tri_limit_key that has one less */
    TRI_TAG_DEAL_SHARE_STOPS, /* to a server: a share was asked to stop, or killed */

    /* Not sent: what a callback of libuv is for. */
    TRI_TAG_ON_ACCEPTED,
    TRI_TAG_ON_CONNECT,
    TRI_TAG_ON_READ,
    TRI_TAG_ON_TIMEOUT,
    TRI_TAG_ON_LATER,
    TRI_TAG_ON_CLOSED,
    TRI_TAG_ON_ACCEPT,
};

/* Between the two sockets of a pipe: pipe.c. The sender is told of one that finds nobody. */
enum {
    TRI_TAG_PIPE_OPEN = TRI_TAG_TOLD + 0x100, /* to the second: a pointer to its struct tri_pipe_end */
    TRI_TAG_PIPE_DATA,                        /* to the second: a slice */
    TRI_TAG_PIPE_END,                         /* to the second: the first one's peer has ended */
    TRI_TAG_PIPE_CUT,                         /* to the second: nothing more comes; words[0] is 1 if it is not whole */
    TRI_TAG_PIPE_TAKEN,                       /* to the first: the number, and bytes that have gone to the kernel */
    TRI_TAG_PIPE_CLOSED,                      /* to the first: the number, and 1 if the second has failed */
    TRI_TAG_PIPE_NEVER, /* to the second, of nobody: a pipe was ordered and is not opened; enum tri_pipe_never */
};

#endif
