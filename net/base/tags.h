/*
 * The network layer's own messages, by tag, and what libuv may wake its actors for: the watchdog tells both by number.
 */
#ifndef TROUPE_NET_TAGS_H
#define TROUPE_NET_TAGS_H

#include <troupe/actors/host.h>

/* X(name): traces show the name. */
#define TRI_NET_TAGS(X)                                                                                                \
    /* To a socket: socket_orders.c. */                                                                                \
    X(SOCKET_CREDIT)    /* words[0] is how many */                                                                     \
    X(SOCKET_CONNECT)   /* a pointer to a struct tri_connect_order */                                                  \
    X(SOCKET_START)     /* words[0] is a number: start.h */                                                            \
    X(SOCKET_LOOKED_UP) /* a pointer to a struct tri_looked_up_order */                                                \
    X(SOCKET_WRITE)     /* a slice */                                                                                  \
    X(SOCKET_WRITE_ASK) /* a pointer to a struct tri_write_ask, as are the next four */                                \
    X(SOCKET_WRITE_CHECK)                                                                                              \
    X(SOCKET_WRITE_FD)                                                                                                 \
    X(SOCKET_END_ASK)                                                                                                  \
    X(SOCKET_END_WITH) /* a slice */                                                                                   \
    X(SOCKET_END)                                                                                                      \
    X(SOCKET_CORK)                                                                                                     \
    X(SOCKET_UNCORK)                                                                                                   \
    X(SOCKET_DESTROY)      /* words[0] is the status */                                                                \
    X(SOCKET_DESTROY_WITH) /* words[0] is a pointer to a constant */                                                   \
    X(SOCKET_RESET)                                                                                                    \
    X(SOCKET_PAUSE)                                                                                                    \
    X(SOCKET_RESUME)                                                                                                   \
    X(SOCKET_ENCODING)   /* words[0] is an enum tr_encoding */                                                         \
    X(SOCKET_TIMEOUT)    /* words[0] is in milliseconds */                                                             \
    X(SOCKET_NO_DELAY)   /* words[0] is 0 or 1 */                                                                      \
    X(SOCKET_KEEP_ALIVE) /* words[0] is 0 or 1, words[1] in milliseconds */                                            \
    X(SOCKET_BACKGROUND) /* words[0] is 0 or 1 */                                                                      \
    X(SOCKET_AWAITS)     /* words[0] is 0 or 1 */                                                                      \
    X(SOCKET_OWNER)      /* words[0] is the owner, words[1] the credit */                                              \
    X(SOCKET_CONSUMER)   /* words[0] is the consumer */                                                                \
    X(SOCKET_PIPE)       /* a pointer to a struct tri_pipe_order */                                                    \
    X(SOCKET_UNPIPE)                                                                                                   \
    X(SOCKET_SECURE)      /* a pointer to a struct tri_secure_order */                                                 \
    X(SOCKET_UPDATE_KEYS) /* a pointer to a struct tri_info_ask, as are the next two */                                \
    X(SOCKET_PEER)                                                                                                     \
    X(SOCKET_INFO)                                                                                                     \
    X(SOCKET_ANSWER) /* of the resolver: a pointer to a struct tri_resolver_answer */                                  \
    /* To a socket: of itself, since other messages waited. */                                                         \
    X(SOCKET_DRAIN)      /* it was asked to stop with TR_STOP_DRAIN */                                                 \
    X(SOCKET_PEER_ENDED) /* our side ends with the peer's */                                                           \
    /* To a server: server_orders.c. */                                                                                \
    X(SERVER_LISTEN) /* a pointer to a struct tri_listen_order */                                                      \
    X(SERVER_CLOSE)                                                                                                    \
    X(SERVER_PAUSE) /* words[0] is in milliseconds */                                                                  \
    X(SERVER_RESUME)                                                                                                   \
    X(SERVER_DRAIN)           /* words[0] is in milliseconds */                                                        \
    X(SERVER_MAX_CONNECTIONS) /* words[0] is the limit */                                                              \
    X(SERVER_TLS)             /* a pointer to a context, which is held */                                              \
    X(SERVER_INFO)            /* a pointer to a struct tri_info_ask */                                                 \
    /* To a server: of a host's look-up, listen_tcp.c. */                                                              \
    X(SERVER_LOOKED_UP) /* a pointer to a struct tri_resolver_answer */                                                \
    /* Between a server and its shares: share_actor.c. */                                                              \
    X(DEAL_CONNECTION)    /* to a share, or the server: a pointer to a struct tri_handover */                          \
    X(DEAL_NO_MORE)       /* to a share: the server sends nothing more; a pointer to the deal, with a hold */          \
    X(DEAL_DRAIN)         /* to a share: its connections are told that the server drains */                            \
    X(DEAL_CUT)           /* to a share: the rest of them is closed */                                                 \
    X(DEAL_ENDED)         /* to a server that waits for its connections: one has ended */                              \
    X(DEAL_FAILED)        /* to a server: a connection was lost before it came to life */                              \
    X(DEAL_BAD_HANDSHAKE) /* to a server: a struct tr_handshake_failure */                                             \
    X(DEAL_SHARE_STOPS)   /* to a server: a share was asked to stop, or killed */                                      \
    /* Between a listener and its servers: listener.c. */                                                              \
    X(LISTENER_LOOK)     /* to a listener: its servers have changed */                                                 \
    X(LISTENER_ACCEPTED) /* to a listener: a descriptor that one of its branches has accepted */                       \
    X(LISTENER_OVER)     /* to a listener: a branch is */                                                              \
    X(LISTENER_BACK)     /* to a listener: a pointer to a struct tri_handover that has not begun */                    \
    X(LISTENER_LEFT)     /* to a server: a pointer to its struct tri_member, of which the listener knows no more */    \
    X(LISTENER_FAILED)   /* to a server: a struct tri_listen_failure */                                                \
    /* Not sent: what a callback of libuv is for. */                                                                   \
    X(ON_ACCEPTED)                                                                                                     \
    X(ON_CONNECT)                                                                                                      \
    X(ON_READ)                                                                                                         \
    X(ON_TIMEOUT)                                                                                                      \
    X(ON_LATER)                                                                                                        \
    X(ON_CLOSED)                                                                                                       \
    X(ON_ACCEPT)                                                                                                       \
    X(ON_MAIL)

/* Between the two sockets of a pipe: pipe.c. The sender is told of one that finds nobody. */
#define TRI_PIPE_TAGS(X)                                                                                               \
    X(PIPE_OPEN)   /* to the second: a pointer to its struct tri_pipe_end */                                           \
    X(PIPE_DATA)   /* to the second: a slice */                                                                        \
    X(PIPE_END)    /* to the second: the first one's peer has ended */                                                 \
    X(PIPE_CUT)    /* to the second: nothing more comes; words[0] is 1 if it is not whole */                           \
    X(PIPE_TAKEN)  /* to the first: the number, and bytes that have gone to the kernel */                              \
    X(PIPE_CLOSED) /* to the first: the number, and 1 if the second has failed */                                      \
    X(PIPE_NEVER)  /* to the second, of nobody: a pipe was ordered and is not opened; enum tri_pipe_never */

#define TRI_TAG_ROW(name) TRI_TAG_##name,
enum { TRI_TAG_BEFORE_NET = TRI_TAG_NET - 1, TRI_NET_TAGS(TRI_TAG_ROW) };
enum { TRI_TAG_BEFORE_PIPE = TRI_TAG_TOLD + 0xff, TRI_PIPE_TAGS(TRI_TAG_ROW) };
#undef TRI_TAG_ROW

#endif
