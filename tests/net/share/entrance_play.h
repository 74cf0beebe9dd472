/*
 * A server that asks for PROXY headers, with plain sockets before it. A connection says what its header has said, as in
 * "1:1 4 192.0.2.1,1000 4 192.0.2.2,443": version, command, source, destination; then it echoes.
 */
#ifndef TESTS_NET_ENTRANCE_PLAY_H
#define TESTS_NET_ENTRANCE_PLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>

#define BOTH (TR_PROXY_V1 | TR_PROXY_V2)
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define LINE "PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n"
#define SAYS_LINE "1:1 4 192.0.2.1,1000 4 192.0.2.2,443\n"
#define BINARY SIGNATURE "\x21\x11\x00\x11\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x34\x01\xbb\x02\x00\x02hi"
#define SAYS_BINARY "2:1 4 192.0.2.1,4660 4 192.0.2.2,443 hi\n"

extern tr_runtime *door_runtime; /* started by door_serve(), unless it is */
extern uint16_t door_port;
extern tr_ref door_server;
extern unsigned door_served, door_ended, door_failed, door_closed; /* by any thread: callbacks that were called */

/* A header has the time that is the default; otherwise, if a test names none, it has all the time in the world, so that
 * what is not refused is noticed. */
extern bool door_by_default;

/* What connections do, unless options say something else. */
void door_say(tr_socket *socket);
void door_echo(tr_socket *socket, tr_slice data);
void door_count_end(tr_socket *socket, bool had_error);

/* Serves on 127.0.0.1, on these, or on a unix socket in a directory of its own. */
void door_serve(struct tr_server_options options, unsigned workers);
void door_serve_at(struct tr_listen_options listen, struct tr_server_options options, unsigned workers);
void door_serve_path(struct tr_server_options options);

/* Stops the runtime. What was served has ended, and the server had no error. */
void door_stop(void);
void door_stop_path(void);

/* Has the server do this, and look at itself. */
enum { LOOK, CLOSE };
void door_tell(uint32_t tag);
extern struct tr_server_refusals door_refusals;
extern uint32_t door_connections;

void door_await_refused(uint64_t count);
void door_await_connections(uint32_t count);
void door_await_count(const unsigned *counter, unsigned count);

/* Peers. */
int door_connect(void);
int door_connect_path(void);
void door_send(int fd, const void *bytes, size_t size);
void door_must_receive(int fd, const char *text);
void door_must_turn_away(int fd); /* it is closed without a word, be it with a reset */
void door_must_let_in(const void *header, size_t size, const char *says);
void door_must_refuse(const void *bytes, size_t size);

/* Has the other end read all that was sent? Of a unix socket; for tests_wait_until(), an int *. */
bool door_has_read(void *fd);

#endif
