/*
 * Every kind of descriptor that can be polled.
 */
#ifndef TESTS_KINDS_PLAY_H
#define TESTS_KINDS_PLAY_H

#include "cast.h"

#include <linux/net_tstamp.h>
#include <stdbool.h>

/* The two ends, and one that somebody else has of ours. */
extern int ours, theirs, duplicate;
extern char heard[64]; /* what the peer has read, and how it ended */

/* What this play is about, and its client made of a descriptor of that kind. */
struct kind {
    const char *name;
    void (*make)(void);
    unsigned sides;
    bool resets;           /* a reset can be sent on it */
    const char *after_end; /* the log, when the peer has written and closed */
    const char *lost;      /* the status of a write to a peer that is gone */
};

extern const struct kind kinds[8];

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* What this play is about, and its client made of a descriptor of that kind. */
extern const struct kind *kind;

void adopt_kind(struct tr_socket_options options);
void play_kind(const struct kind *which, void (*script)(void));

#endif
