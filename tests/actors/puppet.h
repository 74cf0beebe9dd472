/*
 * A puppet: an actor that does what a function of the test says, on its own worker, and notes which notices of ends it
 * is given.
 */
#ifndef TESTS_ACTORS_PUPPET_H
#define TESTS_ACTORS_PUPPET_H

#include "stage.h"

#include <troupe/actors/watch.h>

enum { PUPPET_DO = 1, PUPPET_NUMBER, PUPPET_SIGNAL };

/* What a puppet was given, in order. */
struct puppet_note {
    uint32_t tag;     /* TR_TAG_DOWN, TR_TAG_LINK_DOWN, PUPPET_NUMBER, or what else came */
    tr_ref from;      /* of a notice: who has ended, or has joined or left */
    tr_status status; /* of a notice */
    tr_monitor monitor;
    uint64_t number; /* the first word of other messages; of a group's event: the change */
    char text[64];
};

/* Spawns one on a worker. */
tr_ref puppet_spawn(tr_runtime *runtime, unsigned worker);
extern const struct tr_behavior puppet_behavior;

/* Has it do that, and waits until it has: act(self, argument). */
void puppet_do(tr_runtime *runtime, tr_ref puppet, void (*act)(tr_actor *self, void *argument), void *argument);

/* The same without waiting. */
void puppet_order(tr_runtime *runtime, tr_ref puppet, void (*act)(tr_actor *self, void *argument), void *argument);

/* Waits until all that `from` has sent to `to`, orders of the library's included, has arrived there. */
void puppet_settle(tr_runtime *runtime, tr_ref from, tr_ref to);

/* Waits until the puppets were given so many messages but orders, since puppet_forget(), and gives the one of that
 * number. */
const struct puppet_note *puppet_await(unsigned count);
unsigned puppet_count(void);
const struct puppet_note *puppet_note(unsigned number);
void puppet_forget(void);

/* How many puppets' stopped callbacks have run since puppet_forget(). */
extern struct tally puppet_stopped;

#endif
