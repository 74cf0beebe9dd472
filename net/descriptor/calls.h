/*
 * The two calls of the system by which almost all bytes come and go: as read() and write(), of any descriptor.
 *
 * Linux has a way of its own (calls_linux.c), since every connection pays for each of them twice for a message.
 *
 * Thread: any. No point of cancellation.
 */
#ifndef TROUPE_NET_CALLS_H
#define TROUPE_NET_CALLS_H

#include <stddef.h>
#include <sys/types.h>

ssize_t tri_call_read(int fd, void *memory, size_t size);
ssize_t tri_call_write(int fd, const void *data, size_t size);

#endif
