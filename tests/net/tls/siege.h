/*
 * Sockets of a worker under siege: victims, which a hostile peer of the test's own thread has for itself, and a pair of
 * secure sockets of the same worker, the witnesses, between which everything must go on.
 */
#ifndef TESTS_NET_TLS_SIEGE_H
#define TESTS_NET_TLS_SIEGE_H

#include "foe.h"

#include <stdbool.h>
#include <stddef.h>
#include <troupe/net/socket.h>

/* One socket: an echo. Looked at on its worker, or when it is closed. */
struct victim {
    tr_socket *socket;
    bool secure, ended, truncated, closed;
    size_t bytes; /* that came */
    size_t most;  /* of one `data` */
    char first[32];
    tr_status error;
    char code[64], call[16];
};

/* A setup and a teardown: the second demands that the witnesses go on, and that nothing is left. */
int siege_begin(void **state);
int siege_end(void **state);

#define SIEGE_TEST(name) cmocka_unit_test_setup_teardown(name, siege_begin, siege_end)

/* How the next victims are made; siege_begin() sets it: a server that is "server", a client that believes "ca" and asks
 * for any name. The contexts are made with the first victim. */
extern struct tr_tls_context_options siege_serving, siege_calling;
extern struct tr_tls_options siege_tls;
extern bool siege_pauses;  /* victims do not read */
extern bool siege_is_full; /* the kernel has no room for what victims send */

/* The contexts are made anew with the next victim. */
void siege_forget(void);

/* A victim, and the other end of its connection, of unix sockets, in blocking mode. */
void siege_victim(struct victim *victim, bool serves, int *fd);

/* A victim that shakes hands with a foe; both are done. */
void siege_foe(struct victim *victim, struct foe *foe, bool victim_serves, enum tr_tls_version version);

/* Waits for what the victim has come to. */
void siege_until_closed(struct victim *victim);
void siege_until_secure(struct victim *victim);
void siege_until_bytes(struct victim *victim, size_t bytes);

/* Has the victim write a text; and whether it is paused from then on. */
void siege_write(struct victim *victim, const char *text, bool pauses);

/* What is on its way has come, and the worker has nothing to do. */
void siege_settle(void);

/* Demands how it has ended: by an error, or with code NULL without. */
void siege_has_ended(struct victim *victim, tr_status status, const char *code, const char *call);

/* Ends a connection that still lives, from the foe's side. */
void siege_leave(struct victim *victim, struct foe *foe);

/* A word goes from one witness to the other and back. */
void siege_goes_on(void);

#endif
