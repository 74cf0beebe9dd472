/*
 * A runtime with one actor on each worker, its hand: how a test's thread gets something done there.
 *
 * Whatever a hand does in one call is done in one callback of that actor.
 */
#ifndef TESTS_NET_HANDS_H
#define TESTS_NET_HANDS_H

#include <stdbool.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>

#define HANDS_LIMIT 4u

extern tr_runtime *hands_runtime;
extern tr_ref hands[HANDS_LIMIT];

/* What a hand is sent by others, such as the events of sockets whose owner it is. NULL: dropped. */
extern void (*hands_receive)(tr_actor *self, tr_message *message);

void hands_open(unsigned workers);

/* Fails the test if the counters do not add up, anything has to be killed, or a descriptor is left. */
void hands_close(void);

/* Has the hand of a worker call run(argument), and waits until it has. */
void on_worker(unsigned worker, void (*run)(tr_actor *self, void *argument), void *argument);

/* Asks holds() on a worker again and again until it sets *argument to true; fails the test after the tests' limit. */
struct question {
    bool (*holds)(void *argument);
    void *argument;
    bool answer;
};
void await_on_worker(unsigned worker, bool (*holds)(void *argument), void *argument);

/* Returns when all that was under way between the first two workers and their descriptors has come to its place. */
void hands_settle(void);

/* A connected pair of descriptors whose reads give up after the tests' limit. */
void hands_pair(int fds[2]);

/* A setup of a group: libuv keeps two descriptors of its first loop. */
int hands_warm_up(void **state);

#endif
