/*
 * Plays of slow peers. `client`, of the cast, is the socket that a test is about. Where it must not be too slow,
 * pace_other is: it has the same limits and a silent peer, and loses its connection before anything happens to the
 * client.
 */
#ifndef TESTS_PACE_PLAY_H
#define TESTS_PACE_PLAY_H

#include "cast.h"

#include <stddef.h>
#include <stdint.h>

#define LIMIT_MS 60u
#define HOLD_MS 40u /* part of it */
#define NS_PER_MS UINT64_C(1000000)
#define TOO_SLOW "ERR_PEER_TOO_SLOW close!"

/* Options with one limit of LIMIT_MS; the rate is one byte in a millisecond. */
extern const struct tr_socket_options pace_first_byte;
extern const struct tr_socket_options pace_rate;

extern struct endpoint pace_other;
extern int pace_peer, pace_other_peer; /* the other ends, of the client and of pace_other; -1: closed */

/* When the time began that the client has, and when it was closed. */
extern uint64_t pace_began_ns, pace_ended_ns;

/* A setup of tests: everything is as new. */
int pace_reset(void **state);

/* The client, whose hook is ends_at_close() unless it is set before, and pace_other have a TCP connection. */
void pace_open_client(struct tr_socket_options options);
void pace_open_other(struct tr_socket_options options);

/* A hook that ends the play. */
void ends_at_close(struct endpoint *self, const char *event);

/* An act: destroys what is open, closes the other ends, and ends the play. */
void pace_end(void *argument);

/* Hooks of pace_other: it is lost, the client is not; and pace_then() goes on. */
void comes_before_the_client(struct endpoint *self, const char *event);
void goes_on_with_the_client(struct endpoint *self, const char *event);
extern void (*pace_then)(void);

/* A pace_then() that ends the play when everything has settled. */
void let_it_be(void);

/* The client was closed no earlier than so long after the beginning, and with this log, for that limit. */
void assert_took(uint64_t ms);
void expect_too_slow(const char *log, const char *call);

void send_zeroes(int fd, size_t size);

#endif
