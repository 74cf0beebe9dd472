/*
 * A stage for tests of sockets and servers: a runtime, a director actor on its first worker, and endpoints that write
 * down what happens to them.
 *
 * The whole play of a test runs on the first worker, in the director's callbacks and the endpoints', so a test shares
 * its variables with it and looks at them when stage_play() has returned. An endpoint's log is its events in words:
 * "connect ready data:hello end close"; "close!" is a close with an error. Data that comes in pieces is one word.
 */
#ifndef TESTS_NET_PLAY_H
#define TESTS_NET_PLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/net/server.h>

struct endpoint {
    /* Called after an event was written down, in its callback; may be NULL. */
    void (*hook)(struct endpoint *self, const char *event);
    tr_socket *socket; /* NULL once it is closed */
    char log[2048];
    size_t bytes; /* received */
    uint64_t sum; /* of all bytes received, weighted with their place */
    bool closed;
    tr_status error; /* of the last error or lookup event */
    int system;
    const char *call;
    const char *code; /* of the last error or lookup event */
    tr_slice last;    /* what the data event brings, valid in its hook */
    int fd;           /* what the fd event brings: closed after its hook, unless that sets it to -1 */
};

extern const struct tr_socket_events endpoint_events;

/* The director, while a play runs. */
extern tr_actor *director;
extern tr_runtime *stage_runtime;
extern uint64_t stage_memory_limit; /* of the runtimes of plays; 0: none */

/*
 * Starts a runtime, calls script on the director's worker, waits until stage_end() is called and stops the runtime.
 * Fails the test if that takes too long, if anything had to be killed, or if a descriptor is left. The first play of a
 * process starts and stops another runtime before, so that what libuv keeps for ever is there when descriptors are
 * counted; with TR_TRACE that one takes the directory.
 */
void stage_play(unsigned workers, void (*script)(void));

/* The play is over, after the callback that runs. The second is for acts. */
void stage_end(void);
void end_play(void *argument);

/*
 * Acts that come later, on the director's worker. How fast the machine is decides nothing: what must come is waited
 * for, and what must not come has had its chance when the loop has turned so often that all that was under way between
 * the actors and descriptors of this worker has arrived. stage_after() is for times that are part of a promise.
 */
void stage_after(unsigned ms, void (*act)(void *argument), void *argument);

/* As soon as holds(): it is asked once in a turn of the loop. */
void stage_when(bool (*holds)(void), void (*act)(void *argument), void *argument);

/* When the loop has turned, and polled, often enough for everything to settle: from now on, or from when holds(). */
void stage_settled(void (*act)(void *argument), void *argument);
void stage_settled_when(bool (*holds)(void), void (*act)(void *argument), void *argument);

/* Ends the play as soon as all n endpoints are closed and everything has settled: nothing may happen to them then. */
void stage_end_when_closed(struct endpoint *const *endpoints, size_t n);

/* Is the event, or any other word, this one? */
bool is(const char *event, const char *name);

/* A word into an endpoint's log. */
void note(struct endpoint *endpoint, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * A server on 127.0.0.1 and a port of the system's, which is in stage_port when stage_serve() returns. Its connections
 * write into accepted[0], accepted[1], ... , whose hooks are set before.
 */
extern uint16_t stage_port;
extern struct endpoint accepted[8];
extern unsigned accepted_count;
tr_server *stage_serve(struct tr_server_options options);
void stage_on_connection(tr_socket *socket); /* what such a server does with them, for servers of other kinds */

/* Connects an endpoint to that server. */
void stage_connect(struct endpoint *endpoint);
void stage_connect_with(struct endpoint *endpoint, struct tr_connect_options options);

/* The same with options of the socket's own; its events and data are the endpoint's unless they are given. */
void stage_connect_as(struct endpoint *endpoint, struct tr_socket_options socket, struct tr_connect_options options);

/* Two connected descriptors, of AF_INET or AF_UNIX. */
void stage_pair(int family, int fds[2]);

/* Makes an endpoint's socket of a descriptor, both sides of it. */
void stage_adopt_as(struct endpoint *endpoint, int fd, struct tr_socket_options socket);
void stage_adopt(struct endpoint *endpoint, int fd);

/*
 * A peer that owes nothing to the library: a descriptor that is read now and then on the director's worker, without
 * blocking, as `per_look` bytes every millisecond, until it ends; then it is closed.
 */
struct raw_peer {
    int fd;
    size_t per_look; /* 0: everything that is there */
    size_t bytes;
    uint64_t sum;
    unsigned reads; /* that brought bytes: of a descriptor that keeps records, the records */
    bool ended;
    int error;      /* an errno; 0: it ended in order */
    char text[256]; /* the first bytes */
};

void stage_read(struct raw_peer *peer);

/* Ends the play as soon as all n endpoints are closed and the peer, if there is one, has ended. */
void stage_end_when_done(struct endpoint *const *endpoints, size_t n, struct raw_peer *peer);

/* A callback of a write: "name:OK" goes into the log. The argument is the name. */
void note_written(tr_socket *socket, void *name, tr_status status);

/* Writes a text. */
tr_status say(tr_socket *socket, const char *text);

/* A text that lives for ever, as a slice. */
tr_slice text_slice(const char *text);

/* A policy for connections: they stay on the worker of their server. */
unsigned home(const struct tr_balance_view *view);

/* A slice of size bytes that live for ever, each different from its neighbours; the sum that an endpoint must have. */
tr_slice pattern(size_t size);
uint64_t pattern_sum(size_t size);

#endif
