/*
 * A socket of the library's on a descriptor, seen through its callbacks, and the other end, which is the test's.
 */
#ifndef TESTS_NET_SIDE_H
#define TESTS_NET_SIDE_H

#include <stdbool.h>
#include <troupe/net/socket.h>

struct side {
    unsigned worker;
    struct tr_socket_options options; /* its events are side_events unless they are given */
    tr_socket *socket;
    tr_ref ref;
    int fd, peer;
    tr_status error;
    bool closed;
};

extern const struct tr_socket_events side_events;

/* What these events do: they write down the error, and the close. */
void note_error(tr_socket *socket, const struct tr_error *error);
void note_close(tr_socket *socket, bool had_error);

/* Makes the socket on a worker, as its hand's child. */
void open_side(struct side *side, unsigned worker);

/* Has it been closed? Any thread; for tests_wait_until(), a struct side *. */
bool is_closed(void *side);

void await_closed(struct side *side);

/* For on_worker(): destroys the socket. */
void destroy_side(tr_actor *self, void *side);

#endif
