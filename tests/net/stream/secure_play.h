/*
 * What tests of secure sockets share: the layer is the tests' own (toy_layer.h), and a raw peer sends what lies in
 * `wire`.
 */
#ifndef TESTS_SECURE_PLAY_H
#define TESTS_SECURE_PLAY_H

#include "toy_layer.h"

extern struct toy_wire wire;

/* Before and after each test: there is no toy left. */
int secure_reset(void **state);
int expect_no_toys(void **state);

/* The client's socket serves. */
struct toy *serve_as(const struct tri_secure_options *options);

/* The peer is a raw descriptor that is closed with the client. */
void open_secure_raw(struct tr_socket_options options);

/* Of `client` and `other`. */
bool both_are_secure(void);
void end_when_pair_is_closed(void);

#endif
