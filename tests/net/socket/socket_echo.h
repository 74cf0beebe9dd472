/*
 * A client and a server's connection.
 */
#ifndef TESTS_SOCKET_ECHO_H
#define TESTS_SOCKET_ECHO_H

#include "cast.h"

/* Ends the play when the client and the first connection are closed. */
void end_when_both_are_closed(void);

/* An act: ends the client's side. */
void end_client(void *argument);

/* Writes, and notes when it has been written, under that name. */
tr_status write_told(tr_socket *socket, tr_slice slice, const char *name);

/* A hook: a connection ends its side as soon as it is there. */
void ends_at_once(struct endpoint *self, const char *event);

#endif
