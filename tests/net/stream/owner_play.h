/*
 * Owners of sockets: actors on a worker of the test's choice.
 */
#ifndef TESTS_OWNER_PLAY_H
#define TESTS_OWNER_PLAY_H

#include "play.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LONG_WRITE (16u << 20) /* more than the kernel takes at once */

enum { TAG_GO = 1, TAG_WRITTEN, TAG_ACCEPTED, TAG_INFO, TAG_MORE, TAG_REACHED, TAG_STATE };

/* The client of a play: driven by callbacks, or by an owner. Everything is touched by the one who drives it. */
struct owned_client {
    struct endpoint log;
    tr_socket *socket; /* NULL: by an owner */
    tr_actor *self;    /* the owner */
    tr_ref ref;
};

struct owner_play {
    const char *name;
    struct tr_socket_options options;
    struct tr_connect_options connect;
    void (*react)(struct owned_client *owned, const char *event);
    void (*peer)(struct endpoint *peer, const char *event);
    bool half_open_peer;
    bool refused; /* nobody listens */
};

/* The play that is given, and its client. */
extern const struct owner_play *play_now;
extern struct owned_client owned;
extern unsigned closed;
extern unsigned owner_worker, socket_worker;

void log_written(tr_socket *socket, void *argument, tr_status status);

/* What happens to the client, as words in its log. */
void log_plain(const char *event);

/* Pieces of data are one word. */
void log_data(tr_slice data);
void log_lookup(const char *host, const char *outcome);
void log_error(const struct tr_error *error);
void log_event(enum tr_event event, const tr_message *message);

/* Where the client of this play connects. */
struct tr_connect_options where(void);

/* An owner that writes down each event and answers it. */
void owner_receive(tr_actor *self, void *state, tr_message *message);
tr_ref spawn_on(unsigned worker, const struct tr_behavior *behavior, const void *argument);

/* The server of this play, which ends it when all is over. */
void prepare(void);

/* Plays a script on two workers, with a client that is as new. */
void give_play(void (*script)(void));

/* A hook of the peer. */
void peer_greets(struct endpoint *peer, const char *event);

struct hoard {
    uint32_t credit;
    unsigned events, counted; /* counted: atomic copy for the director */
    tr_ref socket;
    size_t bytes;
    int fds;
    unsigned reached; /* atomic: how often the director's word came, for the director */
};
extern struct hoard hoard;

extern const struct tr_behavior hoarder;
extern int owned_peer;

/* Adopts one end of a pair; the other is owned_peer. */
tr_socket *adopt_one_of_a_pair(const struct tr_socket_options *options);

#endif
