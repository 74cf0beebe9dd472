/*
 * The path of a unix socket that we listen on, from bind(2) until it is unlinked.
 */
#ifndef TROUPE_NET_UNIX_PATH_H
#define TROUPE_NET_UNIX_PATH_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <troupe/net/address.h>

struct tri_unix_path; /* a socket file that we made */

struct tri_unix_options {
    bool readable_all; /* rights that all users get, over what the umask leaves */
    bool writable_all;
    bool unlink_stale; /* a socket file there which no process serves is replaced */
};

/*
 * Binds a socket that is not bound. *out is the file, NULL for an abstract name; it goes with tri_unix_path_remove().
 * On failure no file of ours is left; error tells what failed.
 */
tr_status tri_unix_bind(int fd, const struct sockaddr_un *address, socklen_t size,
                        const struct tri_unix_options *options, struct tri_unix_path **out, struct tr_error *error);

/* Makes a relative name absolute, so that it means the same in every process, if there is room for that. */
void tri_unix_make_whole(struct sockaddr_un *address, socklen_t *size);

/* Is what lies there still the file that we made? */
bool tri_unix_path_is_ours(const struct tri_unix_path *path);

/* Unlinks the file if it is still ours. Takes path; NULL does nothing. Before the socket is closed: see unix_path.c. */
void tri_unix_path_remove(struct tri_unix_path *path);

#endif
