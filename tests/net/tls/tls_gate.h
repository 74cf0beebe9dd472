/*
 * A secure server, on workers of its own, and clients of it on the test's thread: raw descriptors, and OpenSSL's own
 * client, whose bytes the test can hold back. A connection echoes.
 */
#ifndef TESTS_NET_TLS_GATE_H
#define TESTS_NET_TLS_GATE_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

#define GATE_TOLD 2048u

extern tr_runtime *gate_runtime; /* started by gate_serve(), unless it is */
extern uint16_t gate_port;
extern tr_ref gate_server;
extern tr_tls_context *gate_serving, *gate_calling; /* made by gate_setup(): "server", and who believes "ca" */

/* Callbacks that were called, by any thread. Whoever has seen a count sees what came before it was counted. */
extern unsigned gate_accepted, gate_ended, gate_erred, gate_closed, gate_failed;
void gate_count(unsigned *counter);
unsigned gate_counted(const unsigned *counter);

/* What was told of handshakes, in order: gate_failed of them. */
extern struct tr_handshake_failure gate_failures[GATE_TOLD];
extern unsigned gate_failed_at_close; /* gate_failed in the close event */

/* Before and after a group of tests. */
int gate_setup(void **state);
int gate_teardown(void **state);

/* Serves on 127.0.0.1, or on these. Without a context it has gate_serving. */
void gate_serve(struct tr_server_options options, unsigned workers);
void gate_serve_at(struct tr_listen_options listen, struct tr_server_options options, unsigned workers);

/* Stops the runtime: what was accepted has ended, and the server had no error. */
void gate_stop(void);

/* Has the server do this, and look at itself. */
/* AWAIT_BAD: it waits, and its worker stands still, until so many handshakes have failed; gate_held counts that it
 * has begun to. */
enum gate_word { GATE_LOOK, GATE_CLOSE, GATE_DRAIN, GATE_SET_TLS, GATE_AWAIT_BAD };
tr_status gate_tell(enum gate_word word, uint64_t argument);
extern unsigned gate_held;
extern tr_server *gate_self; /* who was told last; for callbacks on its worker */
extern struct tr_server_refusals gate_refusals;
extern uint32_t gate_connections, gate_handshakes;
extern struct tr_server_drained gate_drained;

void gate_await_connections(uint32_t count);
void gate_await_handshakes(uint32_t count);
void gate_await(const unsigned *counter, unsigned count);

/* Raw clients. */
int gate_connect(void);
uint16_t gate_port_of(int fd);
void gate_must_turn_away(int fd); /* it is closed without a word, be it with a reset */

/* OpenSSL's. */
struct caller {
    int fd;
    SSL *ssl;
    BIO *in, *out;
};

/* Connects, and says nothing. name NULL: it asks for none. */
void caller_open(struct caller *caller, tr_tls_context *context, const char *name);

/* What it has to say first: gives its size. */
size_t caller_hello(struct caller *caller, char *bytes, size_t room);

/* Sends what it has to say, and shakes hands to the end. false: it fails. */
bool caller_shake(struct caller *caller);

/* Both of these, and a word comes back. */
void caller_must_echo(struct caller *caller);

/* The same, but the word goes along with the end of the handshake, in one piece. */
void caller_must_echo_at_once(struct caller *caller);

/* The word alone. false: it does not come back. */
bool caller_echoes(struct caller *caller);

/* The next record that comes, if it comes, is this. */
bool caller_hears(struct caller *caller, const char *word);

void caller_close(struct caller *caller);

/* The common name of the certificate that it was shown. */
const char *caller_was_shown(const struct caller *caller);

#endif
