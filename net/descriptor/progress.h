/*
 * Has the peer taken bytes that the kernel still held for it?
 */
#ifndef TROUPE_NET_PROGRESS_H
#define TROUPE_NET_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* What the last look found. */
struct tri_progress {
    uint64_t acked;    /* TCP: bytes that the peer has acknowledged, ever */
    uint64_t moved_ms; /* else: the movement that the look came after */
    int held;          /* else: what the kernel held then */
};

/*
 * The last movement that we know of was at *moved_ms, now is now_ms. If the peer has taken bytes since then, or may
 * have: true, and *moved_ms is when. fd may be no socket at all: then nothing has moved.
 *
 * TCP says when it last heard of the peer, so that time is right, unless an acknowledgement without bytes came after
 * the last one with bytes: then it is later, once. A unix socket says only how much has not been read. The first look
 * after a movement of ours cannot know whether that became less, and says that it moved if anything is left. Either way
 * a timeout comes up to one duration late, and never while the peer takes bytes.
 */
bool tri_progress_look(struct tri_progress *progress, int fd, uint64_t now_ms, uint64_t *moved_ms);

#endif
