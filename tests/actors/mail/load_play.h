/*
 * Receivers that are held, and what they count.
 */
#ifndef TESTS_LOAD_PLAY_H
#define TESTS_LOAD_PLAY_H

#include "stage.h"

#include <stdint.h>

enum { GO = 1, HOLD, NUMBER, AGAIN };

extern struct tally sent, got, held, release, hindered, done, letters, wrong;
extern uint64_t in_flight_most;

/* A setup of tests: nothing is counted. */
int load_reset(void **state);
struct tr_counters counters_of(tr_runtime *runtime);

/* Counts what it gets, and stands still on HOLD until the test lets it go on. */
void receiver_receive(tr_actor *self, void *state, tr_message *message);

extern const struct tr_behavior receiver;

#endif
