/*
 * A sweep: programs in which the nth allocation fails, such in which the next few fail with it, and such in which very
 * many do, so that whatever is tried again fails for a while; for every n until none does.
 *
 * Whatever n is, the program comes to an end by itself: it did what it was for, or somebody heard why not, by a status
 * or an event. And of what the library has promised to say - an answer, a close event, the end of a pipe, what becomes
 * of a job - nothing is missing when there is memory again. Then the runtime stops within its time, nothing was killed,
 * no descriptor is left, and, where the leak checker is built in, no memory. libuv's own allocations are left alone:
 * without memory for its loop it ends the process.
 */
#ifndef TESTS_SWEEP_H
#define TESTS_SWEEP_H

#include <stdbool.h>
#include <troupe/actors/runtime.h>
#include <troupe/net/server.h>
#include <unistd.h>
#include <uv.h>

/* What a run has come to. Any thread. */
extern uv_sem_t sweep_over;
extern unsigned sweep_heard, sweep_finished;
extern unsigned sweep_owed, sweep_paid; /* things that the library has promised to say, and has said */

/* Counters of any thread. */
void count_up(unsigned *counter);
unsigned read_count(const unsigned *counter);

/* The run has done what it was for. */
void finish_run(void);

/* Somebody was told of a failure: the run may end. */
void hear(tr_status status);

/* The same for what a call returns. */
bool goes(tr_status status);

/* The same where nothing is left to do without it. */
bool begins(tr_status status);

/* The runtime of this run. */
extern tr_runtime *sweep_runtime;

/* The worker on which the sockets of a server live, and where it listens. */
extern unsigned sweep_place;
extern struct tr_address sweep_bound;

unsigned places_there(const struct tr_balance_view *view);

/* Callbacks of sockets and servers that take part. */
void hears_error(tr_socket *socket, const struct tr_error *error);
void says_word(tr_socket *socket);
void ends_after_data(tr_socket *socket, tr_slice data);

extern const struct tr_socket_events echo_side;
extern const struct tr_server_events sweep_server_events;

extern int sweep_file;

extern const struct tr_socket_events file_server;

/* Adopts a descriptor, or closes it. */
tr_socket *adopt_or_close(tr_actor *self, int fd, const struct tr_socket_events *events);

struct program {
    const char *name;
    void (*run)(void);
    bool (*is_over)(void);              /* NULL: when anybody has heard, or it is finished */
    void (*open)(void), (*close)(void); /* before and after each run */
    bool from_start;                    /* the allocations of the runtime's start count */
};

/* Has the program run for every n, each kind of lack, until nothing fails. */
void sweep(const struct program *program);

/* Before and after all tests. */
int sweep_set_up(void **state);
int sweep_tear_down(void **state);

#endif
