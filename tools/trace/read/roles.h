/*
 * The events that the commands know more of than the name: the one table of them.
 */
#ifndef TROUPE_TRACE_ROLES_H
#define TROUPE_TRACE_ROLES_H

/* What a number of an event is. */
enum meaning {
    OTHER,   /* a number; for people it is printed if it is not 0 */
    NOTHING, /* without a meaning: not printed */
    NUMBER,
    STATUS,  /* a tr_status: 0 or below */
    NAME,    /* a number of the names */
    TAG,     /* the library's own are printed by name, for people */
    REF,     /* an actor, 0: none */
    MESSAGE, /* a message's id */
};

/*
 * X(name, what arg is called, what it is, what message is called, what it is). The events of servers stand together,
 * and so do those of sockets: rules compare ranges.
 */
#define ROLES(X)                                                                                                       \
    X(lost, "arg", OTHER, "message", OTHER)                                                                            \
    X(spawn, "behavior", NAME, "parent", REF)                                                                          \
    X(init_failed, "status", STATUS, NULL, NOTHING)                                                                    \
    X(send, "tag", TAG, "message", MESSAGE)                                                                            \
    X(receive, "tag", TAG, "message", MESSAGE)                                                                         \
    X(dead_letter, "reason", NUMBER, "message", MESSAGE)                                                               \
    X(stop, "how", NUMBER, NULL, NOTHING)                                                                              \
    X(stopped, NULL, NOTHING, NULL, NOTHING)                                                                           \
    X(server_listening, "port", NUMBER, NULL, NOTHING)                                                                 \
    X(server_accept, "to_worker", NUMBER, "load", NUMBER)                                                              \
    X(server_reject, "arg", OTHER, "message", OTHER)                                                                   \
    X(server_paused, "status", STATUS, NULL, NOTHING)                                                                  \
    X(server_resumed, "arg", OTHER, "message", OTHER)                                                                  \
    X(server_error, "status", STATUS, NULL, NOTHING)                                                                   \
    X(server_close, "arg", OTHER, "message", OTHER)                                                                    \
    X(socket_spawned, NULL, NOTHING, NULL, NOTHING)                                                                    \
    X(socket_accepted, NULL, NOTHING, "server", REF)                                                                   \
    X(socket_adopted, NULL, NOTHING, NULL, NOTHING)                                                                    \
    X(socket_connecting, "port", NUMBER, NULL, NOTHING)                                                                \
    X(socket_lookup, "status", STATUS, NULL, NOTHING)                                                                  \
    X(socket_connect, "arg", OTHER, "message", OTHER)                                                                  \
    X(socket_data, "bytes", NUMBER, NULL, NOTHING)                                                                     \
    X(socket_write, "bytes", NUMBER, NULL, NOTHING)                                                                    \
    X(socket_drain, "arg", OTHER, "message", OTHER)                                                                    \
    X(socket_end, "arg", OTHER, "message", OTHER)                                                                      \
    X(socket_shutdown, "arg", OTHER, "message", OTHER)                                                                 \
    X(socket_timeout, "ms", NUMBER, NULL, NOTHING)                                                                     \
    X(socket_error, "status", STATUS, NULL, NOTHING)                                                                   \
    X(socket_close, "error", NUMBER, NULL, NOTHING)                                                                    \
    X(socket_again, NULL, NOTHING, NULL, NOTHING)                                                                      \
    X(unpinned, "worker", NUMBER, "waited_us", NUMBER)                                                                 \
    X(pinned, "worker", NUMBER, "cpu", NUMBER)

enum role {
    ROLE_none,
#define ROLE(name, ...) ROLE_##name,
    ROLES(ROLE)
#undef ROLE
};

#endif
