/*
 * Descriptors by plain system calls. Each call fails the test if the system refuses.
 */
#ifndef TESTS_NET_FDS_H
#define TESTS_NET_FDS_H

#include <stddef.h>

/* A file with no name, open for reading and writing. */
int file_new(void);

/* What the system says of an option of a socket. */
void ask_option(int fd, int level, int name, void *value, size_t size);
int option_of(int fd, int level, int name);

#define SEND_FDS_MOST 253u /* that Linux sends at once */

/* Sends a text over a unix socket, and so many times a descriptor along with it. Needs no memory. */
void send_fds(int over, int fd, unsigned count, const char *text);

#endif
