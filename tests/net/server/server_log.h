/*
 * A server whose events are written down, with the clients that connect to it.
 */
#ifndef TESTS_SERVER_LOG_H
#define TESTS_SERVER_LOG_H

#include "play.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const struct tr_socket_events silent_events; /* of connections that a play does not look at */
extern struct endpoint clients[4];
extern char server_log[1024];
extern tr_server *our_server;
extern void (*server_hook)(const char *event);

/* A setup of tests: the log is empty, and clients and connections are as new. */
int server_reset(void **state);

/* A word into the server's log, and then the hook. */
void write_down(const char *event);

/* Those of a server that writes down what it is told. When a play ends while it listens, the end of the runtime
 * closes it. */
extern const struct tr_server_events logged;

/* Ends the play when the first n clients and connections are closed. */
void end_when_all_are_closed(size_t n);

/* A hook: ends the play with the server. */
void ends_after_close(const char *event);

/* The first client and its connection are closed. */
bool first_is_over(void);

#define WORKERS 2

/* Connections of each worker, counted by the two callbacks below. */
extern uint32_t open_on[WORKERS];
extern uint32_t closed_on[WORKERS];

void count_connection(tr_socket *socket);
void count_close(tr_socket *socket, bool had_error);

#endif
