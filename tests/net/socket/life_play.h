/*
 * A client that can live again, and a raw descriptor that listens for it.
 */
#ifndef TESTS_LIFE_PLAY_H
#define TESTS_LIFE_PLAY_H

#include "cast.h"

extern int raw_listener;
/* The socket of the client, also after its close. */
extern tr_socket *kept_socket;

/* Before and after each test. */
int listen_raw(void **state);
int stop_listening(void **state);

/* The client is spawned, and connects to the listener. */
void spawn_client(struct tr_socket_options options);
tr_status connect_client(void);

/* Its ready state in words. */
const char *state_of(const tr_socket *socket);

/* A hook: ends its side when it is ready. */
void ends_when_ready(struct endpoint *self, const char *event);

extern tr_ref stopped_ref;

/* An act: looks again and again whether the actor of stopped_ref has gone, and ends the play then. */
void look_whether_gone(void *argument);

#endif
