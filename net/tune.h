/*
 * Options of a TCP descriptor. All return 0 or an error of libuv's.
 */
#ifndef TROUPE_NET_TUNE_H
#define TROUPE_NET_TUNE_H

#include <stdbool.h>
#include <stdint.h>

/* The longest initial delay that systems take. */
#define TRI_KEEP_ALIVE_LIMIT_MS 32767000u

int tri_tune_no_delay(int fd, bool no_delay);

/* initial_delay_ms is rounded up to seconds; 0 leaves the system's. */
int tri_tune_keep_alive(int fd, bool enable, uint64_t initial_delay_ms);

#endif
