/*
 * Playing a scenario on one transport: everything new, a runtime of its own.
 */
#ifndef CONFORMANCE_PLAY_H
#define CONFORMANCE_PLAY_H

#include "scenario.h"

struct play_options {
    unsigned workers;      /* 0: as many as there are CPUs */
    bool remote;           /* sockets are driven by messages, from an actor that owns them */
    const char *directory; /* where directories of plays are made */
};

/*
 * Gives {"ended": HOW, "logs": {...}}. NULL if it could not be played to its end; problem says why.
 * Thread: one at a time, which may have done other things before: nothing of a play is left.
 */
json_t *play(const struct scenario *scenario, enum transport transport, const struct play_options *options,
             char *problem, size_t size);

#endif
