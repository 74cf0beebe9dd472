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
    const char *tls;       /* both ends are secure, with the certificates of this directory; NULL: neither is */
    const char *traces;    /* each play leaves its trace in a directory here, NAME-TRANSPORT; NULL: none does */
};

/* What came of it. */
struct played {
    json_t *result;    /* {"ended": HOW, "logs": {...}}; NULL: it could not be played to its end */
    char problem[256]; /* then: why */
    bool disturbed;    /* the machine was busy with other things, which may have changed the order of times */
};

/*
 * Plays with all times multiplied by scale.
 * Thread: one at a time, which may have done other things before: nothing of a play is left.
 */
struct played play(const struct scenario *scenario, enum transport transport, const struct play_options *options,
                   unsigned scale);

#endif
