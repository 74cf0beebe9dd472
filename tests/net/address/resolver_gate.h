/*
 * A gate in the place of the system's look-up, a clock that can stand still, and an actor that asks.
 *
 * A program that links this has its getaddrinfo() and uv_hrtime() from here, and so has the library in it.
 */
#ifndef TESTS_RESOLVER_GATE_H
#define TESTS_RESOLVER_GATE_H

#include "../support/stage.h" /* the actors' stage, not the sockets' */
#include "resolver.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <troupe/actors/host.h>

#define TOKENS 1024u
#define TAG_ANSWER (TRI_TAG_NET + 0x800u)

enum { TAG_CANCELLED = 1 };

/* Who looks up a name waits here. */
struct gate {
    uv_mutex_t lock;
    uv_cond_t changed;
    bool open;
    unsigned tickets;            /* so many may pass though it is not open */
    unsigned inside, most, slow; /* now, at most at once, ever */
    char name[16];               /* of the last thread that came */
    char host[32];               /* for which */
};
extern struct gate gate;

void set_gate(bool open);

/* Waits until so many are inside. */
void await_inside(unsigned n);

extern _Thread_local bool clock_stands;
extern unsigned looks; /* of such threads */

/* What the asker has heard of each token, and how often it was told anything. */
struct heard_of {
    int error;
    int family; /* of the first address */
    unsigned times;
    bool cancelled; /* the test has cancelled it */
    bool late;      /* its answer was sent after that */
};
extern struct heard_of heard_of[TOKENS];
extern struct tally answers, cancels;

void asker_receive(tr_actor *self, void *state, tr_message *message);

extern const struct tr_behavior asker;

struct fixture {
    tr_runtime *runtime;
    tr_ref asker;
    int threads, fds;
    tri_lookup *lookups[TOKENS];
};

/* Before each test; the other one comes after it. */
int resolver_set_up(void **state);

/* The kernel lists a thread for a moment after it was joined. */
bool threads_are(void *argument);

/* After it no answer is on its way any more, and each that was sent has been received. */
void release_resolver(struct fixture *f);
int resolver_tear_down(void **state);

/* The asker asks. */
void ask_about(struct fixture *f, uint64_t token, const char *host, int family, int hints);
void ask(struct fixture *f, uint64_t token, const char *host);

#endif
