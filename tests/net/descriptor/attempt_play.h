/*
 * Peers that answer, refuse, or never answer, and an attempt to connect to them.
 */
#ifndef TESTS_ATTEMPT_PLAY_H
#define TESTS_ATTEMPT_PLAY_H

#include "attempt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEVER_MS 600000u /* a test that waits for it is stopped by ctest */
#define FILLERS 16

/* Addresses. */
struct sockaddr_storage loopback_at(int family, uint16_t port);
uint16_t port_of(const struct sockaddr_storage *address);
struct sockaddr_storage name_of(int fd);

/* Bound and not listening: it refuses, and nobody else gets the port. */
int refuse(int family, struct sockaddr_storage *out);

/* Listens on a port of the loopback address. */
int listen_there(int family, struct sockaddr_storage *out);

/* A listener with no room in its queue: the system drops what asks for a connection. */
struct silent {
    int listener;
    int fillers[FILLERS];
};

/* From now on it takes who asks, or asks again. */
void break_silence(struct silent *silent);
void end_silence(struct silent *silent);

/* A loop, and what the attempt on it has come to. */
struct fixture {
    uv_loop_t loop;
    struct tri_timers timers;
    int fds;
    bool inside_start;

    tri_attempts *attempts;
    unsigned calls;
    struct tri_attempts_result result;
    struct sockaddr_storage peer;
};

/* Before each test; the other one comes after it. */
int attempt_set_up(void **state);

/* Nothing is left: no handle, so the loop can be closed; no memory, or LeakSanitizer finds it; no descriptor. */
int attempt_tear_down(void **state);
void note_result(void *argument, const struct tri_attempts_result *result);
void start_with(struct fixture *f, const struct tri_attempts_options *options, tri_attempts_done *done);

/* Begins an attempt at these peers, with that delay before the next. */
void start_attempt(struct fixture *f, const struct sockaddr_storage *peers, unsigned count, unsigned delay_ms);

/* Runs the loop until it is done. */
void await_done(struct fixture *f);

/* What it must come to. */
void expect_connected(struct fixture *f, const struct sockaddr_storage *peer);
void expect_failed(struct fixture *f, int error, const char *call, const struct sockaddr_storage *peer);

/* Of these peers the last is reached, from a port that was asked for. */
void expect_connected_from_port(struct fixture *f, const struct sockaddr_storage *peers, unsigned count);
struct sockaddr_storage unix_address(const char *name, size_t size);
int listen_unix(const char *name, size_t size, int backlog, struct sockaddr_storage *out);

struct place {
    char directory[64];
    char path[80];
};

/* A directory of its own, and a path there. */
struct place make_place(void);

#endif
