/*
 * Options of a descriptor, mostly of TCP. Those that set one return 0 or an error of libuv's.
 */
#ifndef TROUPE_NET_TUNE_H
#define TROUPE_NET_TUNE_H

#include <stdbool.h>
#include <stdint.h>

/* The longest initial delay that systems take. */
#define TRI_KEEP_ALIVE_LIMIT_MS 32767000u

int tri_tune_no_delay(int fd, bool no_delay);

/* Has every connection that is accepted from this descriptor no delay from the beginning? Only of a descriptor on which
 * nobody sets it after listen(): a connection takes over what was set when it was made, not when it is accepted. */
bool tri_tune_bears_no_delay(int fd);

/* initial_delay_ms is rounded up to seconds; 0 leaves the system's. */
int tri_tune_keep_alive(int fd, bool enable, uint64_t initial_delay_ms);

/*
 * Bytes that are sent with MSG_MORE stay in the kernel until others follow; this sends them. Only of plain TCP is that
 * known: not with a protocol of upper level such as TLS in it, nor when somebody has corked it.
 */
bool tri_tune_can_hold(int fd);
void tri_tune_push(int fd);

#endif
