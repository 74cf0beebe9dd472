/*
 * Orders from afar, an owner that writes down what it is told, and what peers get.
 */
#ifndef TESTS_AFAR_OWNER_H
#define TESTS_AFAR_OWNER_H

#include "side.h"

#include <stdbool.h>
#include <stdint.h>

#define LINE "a line\n"

enum { ANSWER = 20, SINK = 21, PEER_ENDS = 22, HOLD = 23 };

/* The peer gets this text next. */
void assert_receives(int peer, const char *text);

/* What the owner was told. */
struct told_owner {
    bool answers;
    char log[256];
    uint64_t unanswered;
    tr_ref socket;
    bool closed;
};

extern struct told_owner told_owner;

/* For hands_receive: the hand is an owner, and answers at once or not at all. */
void own(tr_actor *self, tr_message *message);

/* For tests_wait_until(). */
bool is_told_of_close(void *argument);

/* Sends so many that mean nothing. */
void send_messages(tr_actor *self, tr_ref to, unsigned count);

/* The sides of a test. */
extern struct side first_side, second_side;

/* For on_worker(). */
void do_nothing(tr_actor *self, void *argument);

/* The first of two sides is gone: its peer has ended, or it was destroyed. */
void close_first(bool ends);

#endif
