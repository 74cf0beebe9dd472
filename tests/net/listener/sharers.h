/*
 * Servers of different workers that may share an address. Each says its own number to its connections.
 */
#ifndef TESTS_NET_SHARERS_H
#define TESTS_NET_SHARERS_H

#include "hands.h"

#include <troupe/net/server.h>

#define SHARERS 4u

struct sharer {
    /* Before it listens. */
    unsigned worker; /* on which it is spawned */
    struct tr_server_options server;
    struct tr_listen_options listen;
    bool stays; /* its connections stay until their peers end */

    /* Of its worker. */
    tr_server *handle;

    /* What came of it: whole once sharers_listen() has returned. */
    tr_status status; /* of tr_server_listen(), or of its error event */
    const char *call;
    struct tr_address address;
    tr_ref ref;

    unsigned settled, closed, begun, over, told; /* events so far: sharers_count(); told: goaway, which ends it */

    /* Of the worker of its connections, if that is one: how many began in the same turn of its loop as the last one. */
    uint64_t beat;
    unsigned together;

    unsigned
        refusals; /* what sharers_with() has read: hundreds over the limit, tens blocked, ones over the address's */
};

extern struct sharer sharers[SHARERS];

/* How many events of a kind there have been, and all that came before the last of them. */
unsigned sharers_count(const unsigned *events);

/* Before each test: sharers 0 to 2 live on the worker of their number, with their connections, the last one on worker
 * 0. All listen on a port of the system's, or the one that the first has got. Opens the hands; and after it. */
int sharers_set_up(void **state);
int sharers_tear_down(void **state);

/* Spawns it and listens, and waits for the outcome. Gives its status. */
tr_status sharers_listen(unsigned i);

/* Waits for the close event; the server is gone then. */
void sharers_close(unsigned i);
void sharers_kill(unsigned i);

/* Calls run on the worker of that server, with it. */
void sharers_with(unsigned i, void (*run)(tr_actor *self, void *sharer));

/* The worker of that sharer is busy until the end of it, and then does that. */
void sharers_begin_busy_time(unsigned i, void (*then)(struct sharer *sharer));
void sharers_end_busy_time(void);
extern bool sharers_busy_looks_awake; /* nobody takes it for stuck */

/* The first three end in every order and in every way, and listen again, while connections come: as long as one is
 * there, each is served. They have what they listen with already. */
void sharers_come_and_go(void);

/* Many connections at once. */
#define SHARERS_BURST 12
void sharers_connect_burst(int fds[SHARERS_BURST]);

/* Until it is resumed. */
void sharers_pause(unsigned i);
void sharers_resume(unsigned i);

/* Connects to the first one's address; and hears who it is: '0' ..., 0: nobody. */
int sharers_connect(void);
char sharers_hear(int fd);

#endif
