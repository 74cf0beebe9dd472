/*
 * The cast of most plays: the client, a socket of the library's whose events go into a log, and at times a raw peer.
 */
#ifndef TESTS_NET_CAST_H
#define TESTS_NET_CAST_H

#include "play.h"

extern struct endpoint client;
extern struct raw_peer peer;

/* A setup of tests: both are as new, and so are accepted[0], accepted[1], ... */
int cast_reset(void **state);

/* Two connected sockets of AF_INET or AF_UNIX: the endpoint adopts one, *fd is the other. */
void cast_open_as(struct endpoint *endpoint, int family, int *fd, struct tr_socket_options options);

/* The client has a unix socket, and peer.fd is the other end. */
void cast_open(struct tr_socket_options options);

/* An act: destroys the client, unless it is closed, closes peer.fd, and ends the play. */
void cast_end(void *argument);

/* A slice of a text that is constant. */
tr_slice slice_of(const char *text);

/* Ends the play as soon as the client is closed; and the peer, too, has ended. */
void end_when_closed(void);
void end_when_done(void);

/* Ends the client's side, lets the peer read, and ends the play when both are done. */
void end_and_read(void);

/* An act: destroys the client. */
void destroy_client(void *argument);

/* Hooks: an endpoint that ends its side at drain, and one that is destroyed by its timeout. */
void ends_on_drain(struct endpoint *self, const char *event);
void gives_up(struct endpoint *self, const char *event);

#endif
