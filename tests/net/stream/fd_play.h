/*
 * Two sockets of the library's, or one and a raw peer, and a pipe whose end is what they send.
 */
#ifndef TESTS_FD_PLAY_H
#define TESTS_FD_PLAY_H

#include "cast.h"

#define MANY 200u

extern struct endpoint sender, receiver;
extern int pipe_ends[2]; /* of a pipe: the second is what is sent */
/* Callbacks of writes that came, and how many of them with TR_OK. */
extern unsigned told, told_ok;

int fd_reset(void **state);

/* The sender writes; the name goes into its log. */
tr_status write_fd(const char *bytes, int fd, const char *name);

/* Both are sockets of the library, or the sender alone. */
void open_sockets(struct tr_socket_options of_receiver);
void open_raw(int family);

/* Ends the play when both sockets are closed, or the sender and the peer. */
void end_when_receiver_is_closed(void);
void end_when_sender_is_done(void);

/* A callback of writes. */
void count_told(tr_socket *socket, void *argument, tr_status status);

/* Hooks: a receiver that writes through the descriptor, and one that also reads the pipe in the end. */
void writes_into_what_it_gets(struct endpoint *self, const char *event);

/* What came through the pipe. */
extern char through[16];

void reads_the_pipe(struct endpoint *self, const char *event);

/* The sender writes so many descriptors. */
void write_many(void);

#endif
