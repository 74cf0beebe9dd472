/*
 * The sockets on which a process answers its own user (TR_INSPECT), found by the process's number.
 */
#ifndef TROUPE_TRACE_PEER_H
#define TROUPE_TRACE_PEER_H

#include <stddef.h>
#include <sys/types.h>

#include "reach.h"

#define PEERS_AT_MOST REACH_AT_MOST

struct peers {
    int fds[PEERS_AT_MOST]; /* connected */
    size_t count;
    int error; /* why the process cannot be looked at, an errno; 0: it can */
};

/* Connects to all of them. */
void peers_find(pid_t pid, struct peers *peers);

/* Sends a line, which ends with a line feed, and gives the first line of the answer, without its end. "": there is no
 * answer within some seconds. */
void peer_ask(int fd, const char *line, char *answer, size_t size);

void peers_close(struct peers *peers);

#endif
