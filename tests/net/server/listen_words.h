/*
 * Servers that say a word of their own to each connection, and peers that hear it.
 */
#ifndef TESTS_LISTEN_WORDS_H
#define TESTS_LISTEN_WORDS_H

#include "play.h"

#include <stdbool.h>
#include <sys/un.h>

int words_reset(void **state);

/* Descriptors that a server may be given, and the address of a name in a directory. */
int bound_tcp(bool listens);
struct sockaddr_un socket_path(const char *folder, const char *name);

/* The servers, each of which says its own number, and how many close events there have been. */
extern tr_server *servers[4];
extern unsigned servers_closed;

/* A connection callback: says the word of its server. */
void say_name(tr_socket *socket);
tr_server *spawn_server(unsigned i);

extern int hearer;

/* Hears a word on a descriptor, and goes on then. */
void expect_word(int fd, char word, void (*then)(void));
int connect_unix(const struct sockaddr_un *address);

extern char words_directory[80];

#endif
