/*
 * Sockets to pipe, seen from the far ends: a socket of the library's on one end of a connection, a plain descriptor of
 * the test's on the other. All is done on the hands of hands.h.
 */
#ifndef TESTS_PIPE_JOINTS_H
#define TESTS_PIPE_JOINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/net/remote.h>

#define WORKERS 2u
#define CHUNK 65536u
#define FITS_NOWHERE (16u << 20) /* more than the kernel keeps of one connection */

/* One end of a connection each. */

enum transport { TCP, UNIX };

struct side {
    unsigned worker;
    struct tr_socket_options options; /* but for events and data */
    bool paused;                      /* until it is piped */
    tr_socket *socket;
    tr_ref ref;
    int fd;   /* which the socket takes */
    int peer; /* the other end: this thread's; -1: closed */
    char log[256];
    size_t received; /* by data events */
    uint64_t stream;
    bool wrong;
    unsigned closed;
};

/* Opens a connection whose one end is a socket on that worker. */
void open_end(struct side *side, unsigned worker, enum transport transport);
void close_peer(struct side *side);
bool end_is_closed(void *argument);

/* Waits for its close; then its log must be this. */
void await_closed_with(struct side *side, const char *log);

/* Operations on them. */

struct joint {
    struct side *from, *to;
    const struct tr_pipe_options *options;
    tr_status status;
};

/* Pipes the one into the other. */
void join(struct side *from, struct side *to, const struct tr_pipe_options *options);

/* For on_worker(): the socket fails with an error. */
void fail_here(tr_actor *self, void *argument);

struct look {
    struct side *side;
    uint64_t buffered, bytes_read, bytes_written;
    enum tr_ready_state state;
};

/* What its socket says of itself. */
struct look look_at(struct side *side);

/* Its socket has read so many bytes. */
void await_read(struct side *side, uint64_t bytes);

/* Everything has come through the pipe, though it may wait there. */
void await_written(struct side *side, uint64_t bytes);

/* Flows: bytes on their way from one descriptor to another. */

struct flow {
    int from, to;
    uint64_t stream;
    size_t size, sent, received;
};

/* Sends a piece as long as the kernel takes it. true: it went on. */
bool send_some(struct flow *flow);

/* Carries all flows to their ends at once. */
void carry(struct flow *flows, size_t n);

/* The peer gets an end, and nothing before it. */
void assert_at_end(int fd);

/* Every test in these places: both sockets on one worker, or on two; over both kinds of connection. */

struct place {
    enum transport transport;
    unsigned first, second;
};

extern const struct place places[4];

/* Has a test done in each of them, in a runtime of its own. */
void everywhere(void (*test)(const struct place *place));

/* Opens both. */
void open_two(const struct place *place, struct side *first, struct side *second);

/* Sends until nothing more is taken, as the side that it goes to has bytes waiting for its peer. */
void send_until_stuck(struct flow *flow, struct side *side);

/* For on_worker(): a socket that connects to the port which stands in fd. */
void connect_by_port(tr_actor *self, void *argument);

#endif
