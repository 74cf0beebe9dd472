/*
 * Behaviours that count what happens to them and do nothing else.
 */
#ifndef TESTS_SUPPORT_COUNTING_H
#define TESTS_SUPPORT_COUNTING_H

#include "stage.h"

/* So many times the functions below have been called; a test sets them back. */
extern struct tally received, stopped, freed;

void count_receive(tr_actor *self, void *state, tr_message *message);
void count_stopped(tr_actor *self, void *state);

/* Frees a payload. */
void count_freed(void *address);

#endif
