/*
 * Signals of the process: the two that end a program, and the one that must not.
 */
#ifndef TROUPE_CORE_SIGNALS_H
#define TROUPE_CORE_SIGNALS_H

#include <pthread.h>

/* SIGPIPE is ignored, unless the program has a handler: libuv writes without MSG_NOSIGNAL. Thread: setup. */
void tri_signals_ignore_pipe(void);

/* Keeps SIGINT and SIGTERM from the calling thread's handlers, so that they can be waited for. Thread: any. */
void tri_signals_block_ends(void);

/* Waits for SIGINT or SIGTERM, which the calling thread has blocked, and gives which. */
int tri_signals_wait_end(void);

/* Takes one that is there already; 0: none. */
int tri_signals_take_end(void);

/* Makes a thread's tri_signals_wait_end() return SIGTERM. Thread: any. */
void tri_signals_send_end(pthread_t thread);

#endif
