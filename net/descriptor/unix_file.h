/*
 * Socket files: what lies at a path, and is it still the same?
 */
#ifndef TROUPE_NET_UNIX_FILE_H
#define TROUPE_NET_UNIX_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

/* A socket file that is looked at. While it is held its inode is no other file's, even if it is unlinked. */
struct tri_socket_file {
    int fd; /* -1: this system cannot hold it */
    struct stat status;
};

/* false: there is no socket file. A symlink is none, wherever it leads. */
bool tri_socket_file_hold(const char *name, struct tri_socket_file *out);
void tri_socket_file_release(struct tri_socket_file *file);

/* Sets the rights of the file that is held, which had this name. Returns 0 or an errno. */
int tri_socket_file_set_mode(const struct tri_socket_file *file, const char *name, mode_t mode);

/* Is there a socket file at all? Is it this one? */
bool tri_socket_file_exists(const char *name);
bool tri_socket_file_is(const char *name, dev_t device, ino_t inode);

#endif
