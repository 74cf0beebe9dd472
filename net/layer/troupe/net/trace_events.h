/*
 * The events that the network layer records: tables as in core's trace_events.h. `actor` is always the server or the
 * socket, in whose worker's stream the event is.
 */
#ifndef TROUPE_NET_TRACE_EVENTS_H
#define TROUPE_NET_TRACE_EVENTS_H

/* enum tr_balance, and 6 */
#define TRI_TRACE_WORDS_policies(X)                                                                                    \
    X(0, callback)                                                                                                     \
    X(1, least_loaded) X(2, round_robin) X(3, two_choices) X(4, address) X(5, home) X(6, system)

/* enum tri_reject */
#define TRI_TRACE_WORDS_rejects(X) X(1, limit) X(2, blocked) X(3, address_limit) X(4, memory)

/* enum tri_proxy_outcome */
#define TRI_TRACE_WORDS_proxy_outcomes(X)                                                                              \
    X(1, none) X(2, too_long) X(3, malformed) X(4, bad_tlv) X(5, bad_checksum) X(6, ended) X(7, late)

#define TRI_TRACE_SERVER_EVENTS(X)                                                                                     \
    X(TRI_TRACE_NET + 0, server_listening, (REF, actor), (NOTHING, ), (NUMBER, port), (NOTHING, ),                     \
      "server actor listens; arg is the port")                                                                         \
    X(TRI_TRACE_NET + 3, server_paused, (REF, actor), (NOTHING, ), (STATUS, status), (NOTHING, ),                      \
      "server actor stops accepting; arg is the status, 0 if it was asked to")                                         \
    X(TRI_TRACE_NET + 4, server_resumed, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                          \
      "server actor accepts again")                                                                                    \
    X(TRI_TRACE_NET + 5, server_error, (REF, actor), (NOTHING, ), (STATUS, status), (NOTHING, ),                       \
      "server actor reports an error; arg is the status")                                                              \
    X(TRI_TRACE_NET + 6, server_close, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ), "server actor is closed")  \
    X(TRI_TRACE_NET + 7, server_drain, (REF, actor), (NOTHING, ), (NUMBER, connections), (NOTHING, ),                  \
      "server actor takes leave of its connections; arg is how many there are")                                        \
    X(TRI_TRACE_NET + 15, server_drained, (REF, actor), (NOTHING, ), (NUMBER, cut), (NUMBER, ended),                   \
      "server actor's connections have ended; arg is how many were cut, message how many ended by themselves")         \
    X(TRI_TRACE_NET + 64, server_announced, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                       \
      "server actor is about to tell that it listens, which it has done since server_listening")

#define TRI_TRACE_LISTENER_EVENTS(X)                                                                                   \
    X(TRI_TRACE_NET + 8, listener_open, (REF, actor), (NOTHING, ), (NUMBER, port), (NOTHING, ),                        \
      "listener actor has a descriptor that listens; arg is the port")                                                 \
    X(TRI_TRACE_NET + 9, listener_load, (REF, actor), (NOTHING, ), (NUMBER, of_worker), (NUMBER, load),                \
      "listener actor has chosen among workers that had so many connections: message on worker arg")                   \
    X(TRI_TRACE_NET + 10, listener_accept, (REF, actor), (WORD, policy, policies), (NUMBER, to_worker), (REF, server), \
      "listener actor gives a connection to the server whose ref is message, on worker arg; flags is the policy: "     \
      "0 the user's, 1 least loaded, 2 round robin, 3 two choices, 4 the address, 5 home, 6 the system's")             \
    X(TRI_TRACE_NET + 11, listener_reject, (REF, actor), (WORD, reason, rejects), (NUMBER, limit), (REF, server),      \
      "listener actor accepted and closed, for the server whose ref is message; flags: 1 arg connections are the "     \
      "limit, 2 the address is blocked, 3 arg connections are the limit of an address, 4 no memory")                   \
    X(TRI_TRACE_NET + 12, listener_paused, (REF, actor), (NOTHING, ), (STATUS, status), (NOTHING, ),                   \
      "listener actor stops accepting for a moment; arg is the status")                                                \
    X(TRI_TRACE_NET + 13, listener_resumed, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                       \
      "listener actor accepts again")                                                                                  \
    X(TRI_TRACE_NET + 14, listener_close, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                         \
      "listener actor has closed the descriptor")

#define TRI_TRACE_SOCKET_EVENTS(X)                                                                                     \
    X(TRI_TRACE_NET + 16, socket_accepted, (REF, actor), (NUMBER, emits_connect), (NOTHING, ), (REF, server),          \
      "socket actor begins with a connection of the server whose ref is message; "                                     \
      "flags: 1 it will record connect as well")                                                                       \
    X(TRI_TRACE_NET + 17, socket_connecting, (REF, actor), (NOTHING, ), (NUMBER, port), (NOTHING, ),                   \
      "socket actor begins to connect; arg is the port")                                                               \
    X(TRI_TRACE_NET + 18, socket_lookup, (REF, actor), (NOTHING, ), (STATUS, status), (NOTHING, ),                     \
      "socket actor knows the address; arg is the status")                                                             \
    X(TRI_TRACE_NET + 19, socket_connect, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                         \
      "socket actor is connected")                                                                                     \
    X(TRI_TRACE_NET + 20, socket_data, (REF, actor), (NUMBER, elsewhere), (NUMBER, bytes), (NOTHING, ),                \
      "socket actor received arg bytes; flags: 0 they are given as they are, 1 nobody listens, 2 they go to a pipe, "  \
      "3 they are decoded first")                                                                                      \
    X(TRI_TRACE_NET + 21, socket_write, (REF, actor), (NUMBER, queued), (NUMBER, bytes), (NOTHING, ),                  \
      "socket actor writes arg bytes; flags is 1 if part of them is queued")                                           \
    X(TRI_TRACE_NET + 22, socket_drain, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                           \
      "socket actor's queue is empty")                                                                                 \
    X(TRI_TRACE_NET + 23, socket_end, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                             \
      "socket actor's peer has ended")                                                                                 \
    X(TRI_TRACE_NET + 24, socket_shutdown, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                        \
      "socket actor ends its side")                                                                                    \
    X(TRI_TRACE_NET + 25, socket_timeout, (REF, actor), (NOTHING, ), (NUMBER, ms), (NOTHING, ),                        \
      "socket actor was idle for arg ms")                                                                              \
    X(TRI_TRACE_NET + 26, socket_error, (REF, actor), (NOTHING, ), (STATUS, status), (NOTHING, ),                      \
      "socket actor failed; arg is the status")                                                                        \
    X(TRI_TRACE_NET + 27, socket_close, (REF, actor), (NOTHING, ), (NUMBER, error), (NUMBER, received),                \
      "socket actor is closed: its last socket event until it begins again; arg is 1 if an error came before, "        \
      "message how many bytes it received")                                                                            \
    X(TRI_TRACE_NET + 28, socket_spawned, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                         \
      "socket actor begins without a connection")                                                                      \
    X(TRI_TRACE_NET + 29, socket_adopted, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                         \
      "socket actor got a descriptor that is connected")                                                               \
    X(TRI_TRACE_NET + 30, socket_again, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                           \
      "socket actor, which is closed, begins again without a connection")                                              \
    X(TRI_TRACE_NET + 31, socket_handshake, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                       \
      "socket actor, which is to be secure, begins its handshake")                                                     \
    X(TRI_TRACE_NET + 32, socket_secure, (REF, actor), (NOTHING, ), (STATUS, status), (NOTHING, ),                     \
      "the handshake of socket actor is over; arg is the status, 0: it is secure")                                     \
    X(TRI_TRACE_NET + 33, socket_ready, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                           \
      "socket actor is ready, as it tells after its connect, or after its handshake")                                  \
    X(TRI_TRACE_NET + 34, socket_text, (REF, actor), (NOTHING, ), (NUMBER, bytes), (NOTHING, ),                        \
      "socket actor gives arg bytes of text, decoded from what it received")                                           \
    X(TRI_TRACE_NET + 35, socket_written, (REF, actor), (NOTHING, ), (STATUS, status), (NOTHING, ),                    \
      "who wanted to know it is told that a write of socket actor, or its end, is over; arg is the status, 0: it has " \
      "gone")                                                                                                          \
    X(TRI_TRACE_NET + 36, socket_fd, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                              \
      "socket actor gives a descriptor that came")                                                                     \
    X(TRI_TRACE_NET + 37, socket_goaway, (REF, actor), (NOTHING, ), (NOTHING, ), (NOTHING, ),                          \
      "socket actor tells that its server takes leave")                                                                \
    X(TRI_TRACE_NET + 38, socket_code, (REF, actor), (NOTHING, ), (NAME, code), (NOTHING, ),                           \
      "the error that socket actor tells next has a code of its own, not that of the status; arg is its name")

/* `actor` is neither: a connection waits in it for its PROXY header. */
#define TRI_TRACE_ENTRANCE_EVENTS(X)                                                                                   \
    X(TRI_TRACE_NET + 48, proxy_header, (REF, actor), (NUMBER, version), (NUMBER, bytes), (REF, server),               \
      "a connection of the server whose ref is message has its PROXY header, of arg bytes; flags is its version")      \
    X(TRI_TRACE_NET + 49, proxy_refused, (REF, actor), (WORD, reason, proxy_outcomes), (NUMBER, bytes), (REF, server), \
      "a connection of the server whose ref is message is closed after arg bytes of a PROXY header; flags: 1 it is "   \
      "none, 2 too long, 3 malformed, 4 bad TLVs, 5 wrong checksum, 6 the peer ended before, 7 too late")

/* Or shakes hands. */
#define TRI_TRACE_GREETING_EVENTS(X)                                                                                   \
    X(TRI_TRACE_NET + 52, handshake_begin, (REF, actor), (NOTHING, ), (NOTHING, ), (REF, server),                      \
      "a connection of the server whose ref is message begins its handshake")                                          \
    X(TRI_TRACE_NET + 50, handshake, (REF, actor), (NOTHING, ), (NOTHING, ), (REF, server),                            \
      "a connection of the server whose ref is message is secure")                                                     \
    X(TRI_TRACE_NET + 51, handshake_failed, (REF, actor), (NOTHING, ), (STATUS, status), (REF, server),                \
      "a connection of the server whose ref is message is closed, since its handshake has failed; arg is the status")

#define TRI_TRACE_WORDS_parent(X) X(0xffffffff, parent)

/*
 * Of a cluster's processes. What one sends another is a parcel: a message, perhaps with a descriptor, or a connection.
 * Its id is that of the whole cluster: 16 bits say which process sent it, 0 the parent, and 48 count. A child's number
 * is 0xffffffff for the parent.
 */
#define TRI_TRACE_CLUSTER_EVENTS(X)                                                                                    \
    X(TRI_TRACE_NET + 56, child_began, (NOTHING, ), (NUMBER, serial), (NUMBER, child), (NUMBER, pid),                  \
      "the parent has begun child arg, as process flags of the cluster and process message of the system")             \
    X(TRI_TRACE_NET + 57, child_ended, (NOTHING, ), (NUMBER, signal), (NUMBER, child), (NUMBER, exit_status),          \
      "child arg has ended, by the signal in flags or, if that is 0, with the status in message")                      \
    X(TRI_TRACE_NET + 58, cluster_send, (REF, actor), (NUMBER, descriptors), (NUMBER, child, parent),                  \
      (PARCEL, parcel),                                                                                                \
      "actor (0: a thread outside, or the parent) sends parcel message to child arg, with flags descriptors")          \
    X(TRI_TRACE_NET + 59, cluster_receive, (REF, actor), (NUMBER, descriptors), (NUMBER, child, parent),               \
      (PARCEL, parcel), "actor (0: the parent) gets parcel message of child arg, with flags descriptors")              \
    X(TRI_TRACE_NET + 60, cluster_lost, (NOTHING, ), (NUMBER, descriptors), (NUMBER, child, parent), (PARCEL, parcel), \
      "parcel message finds no child arg, or no memory or descriptor, and is dropped")                                 \
    X(TRI_TRACE_NET + 61, cluster_deal, (NOTHING, ), (NOTHING, ), (NUMBER, child), (PARCEL, parcel),                   \
      "the parent deals a connection, parcel message, to child arg")                                                   \
    X(TRI_TRACE_NET + 62, cluster_take, (REF, actor), (NOTHING, ), (NOTHING, ), (PARCEL, parcel),                      \
      "listener actor takes the connection that is parcel message, and deals it out next")                             \
    X(TRI_TRACE_NET + 63, cluster_back, (NOTHING, ), (NOTHING, ), (NUMBER, child), (PARCEL, parcel),                   \
      "the connection that was parcel message has come back from child arg, which did not begin with it")

/* All of them. */
#define TRI_TRACE_NET_EVENTS(X)                                                                                        \
    TRI_TRACE_SERVER_EVENTS(X)                                                                                         \
    TRI_TRACE_LISTENER_EVENTS(X)                                                                                       \
    TRI_TRACE_SOCKET_EVENTS(X) TRI_TRACE_ENTRANCE_EVENTS(X) TRI_TRACE_GREETING_EVENTS(X) TRI_TRACE_CLUSTER_EVENTS(X)

#endif
