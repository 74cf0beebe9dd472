/*
 * Servers on paths, in a directory of each test's own, and plain sockets beside them.
 */
#ifndef TESTS_UNIX_PATHS_H
#define TESTS_UNIX_PATHS_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

extern tr_runtime *paths_runtime;
extern char paths_directory[80];
extern const char *watched_path; /* the close event looks whether this path exists */
extern bool existed_at_close;

bool path_exists(const char *path);

/* Before and after each test: a runtime with one worker, and the directory. */
int paths_set_up(void **state);
int paths_tear_down(void **state);

/* The path of a name in the directory, until the next call. */
const char *path_in_directory(const char *name);

/* A server that says "hi" to each connection and ends it. */
tr_status serve_at(const struct tr_listen_options *listen, tr_ref *out, struct tr_address *bound);
tr_status serve_path(const char *path);

/* Stops it, and waits for its close event. */
void stop_server(tr_ref server, enum tr_stop_mode how);
struct sockaddr_un address_of(const char *path);

/* Plain sockets. */
int bind_plain(const char *path, int type);
int listen_plain(const char *path);

/* Does the server there say "hi"? size is that of the address. */
bool says_hi_at(const struct sockaddr_un *address, socklen_t size);
bool says_hi(const char *path);

/* Of the file at a path itself, not of what a link there leads to. */
ino_t inode_of(const char *path);

#endif
