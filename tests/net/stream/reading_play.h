/*
 * A client that reads what a raw descriptor sends it piece by piece.
 */
#ifndef TESTS_READING_PLAY_H
#define TESTS_READING_PLAY_H

#include "cast.h"

#include <stddef.h>

extern int reader_peer;

/* The client is one end of a pair, and the raw descriptor the other. */
void open_reader(struct tr_socket_options options);

/* What the data events brought: each in brackets, so that it shows where texts are cut. In the end nothing is held. */
void brackets(struct endpoint *self, const char *event);

/* Sends it at once. */
void send_text(const void *text, size_t size);

/* Sends texts one after the other, when what came before has settled, with an act before each, and one
 * before the peer closes. */
void begin_sending(const char *const *texts, void (*act)(unsigned i));

#define SNOWMAN "\xe2\x98\x83"
#define REPLACED "\xef\xbf\xbd"

/* Acts. The first notes when the call begins and has returned. */
void resume_client(void *argument);

/* A callback of a write. consumer points to the tr_ref of an actor whose mailbox holds 4 messages and mutes: it is
 * crowded. */
void crowd(tr_socket *socket, void *consumer, tr_status status);

/* A hook: closes the raw descriptor with the client. */
void closes_peer(struct endpoint *self, const char *event);
void pause_client(void *argument);

/* Another client, and its peer. */
extern struct endpoint other;
extern int peer_of_other;

#endif
