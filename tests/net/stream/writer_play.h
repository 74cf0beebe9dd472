/*
 * A client that writes to a raw peer, over a connection as a test wants it: wide, narrow, or one that keeps records.
 */
#ifndef TESTS_WRITER_PLAY_H
#define TESTS_WRITER_PLAY_H

#include "cast.h"

#define BIG (4u << 20)    /* more than the kernel takes at once */
#define NODES_MARK 16384u /* highWaterMark of Node's streams */

void set_buffer(int fd, int option, int size);

/* The client is one end of a pair, and the peer the other. */
void open_writer_as(int family, struct tr_socket_options options);
void open_writer(int family);

/* The same with a peer that keeps records. */
void open_records(void);

/* A socket whose kernel takes a few kilobytes at a time. */
void open_narrow_as(struct tr_socket_options options);

/* Writes, and notes when it has been written, under that name. */
tr_status write_named(tr_slice slice, const char *name);

/* In place of a last slice. */
tr_slice nothing(void);

/* The peer reads until we end; then it ends too. */
void read_late(void *argument);

/* A hook: makes the peer of what came, when the client is connected. */
void accepts_raw(struct endpoint *self, const char *event);

/* Connects to a raw peer; what follows is done a moment after connect. */
void connect_to_raw(struct tr_socket_options options, void (*what_follows)(void *argument));

#endif
