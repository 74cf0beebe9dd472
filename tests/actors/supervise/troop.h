/*
 * Children for tests of supervisors: they write down when they begin and end, and die as they are told. A child's
 * argument is one letter, which names it in the log:
 *
 *   +a  it has begun          ?a  its init has failed          -a  its stopped callback has run
 */
#ifndef TESTS_ACTORS_SUPERVISE_TROOP_H
#define TESTS_ACTORS_SUPERVISE_TROOP_H

#include "counters.h"
#include "counting.h"
#include "helpers.h"

#include <troupe/actors/failure.h>
#include <troupe/actors/supervisor.h>
#include <troupe/actors/watch.h>

enum {
    TROOP_EXIT = 1, /* tr_exit() */
    TROOP_FAIL,     /* tr_fail(TR_EUSER, "as told") */
    TROOP_NUMBER,   /* words[0] is written into the log of numbers */
    TROOP_GATE,     /* waits until the test opens the gate */
};

enum troop_way { TROOP_BY_EXIT, TROOP_BY_FAILURE, TROOP_BY_KILL, TROOP_BY_STOP, TROOP_BY_BAD_INIT, TROOP_WAYS };

extern const struct tr_behavior troop_child;

/* A runtime, with an empty log. */
tr_runtime *troop_open(unsigned workers);

/* Actors of the test that the supervisor does not know: 0 at first. */
extern unsigned troop_bystanders;

/* Ends the supervisor, waits until nobody is left but bystanders, and stops the runtime. */
void troop_close(tr_runtime *runtime, tr_ref supervisor);

/* A child of that name, whose letter is the first of the name, on that worker. */
struct tr_child_spec troop_spec(const char *name, unsigned worker);

/* Spawns a supervisor on worker 0; fails the test if that fails. */
tr_ref troop_spawn(tr_runtime *runtime, struct tr_supervisor_options options);

/* The child of that name; fails the test if there is none. */
struct tr_supervisor_answer troop_find(tr_runtime *runtime, tr_ref supervisor, const char *name);

/* Lets a child die. After a bad init the next one of this letter fails once, with TR_EINIT. */
void troop_die(tr_runtime *runtime, tr_ref child, char letter, enum troop_way way);

/* So many inits of children with this letter, from the next on, fail. */
void troop_spoil(char letter, unsigned times);

/* Waits until the log is exactly this; fails the test if it becomes something else. */
void troop_await(const char *log);

/* The same of the numbers that children were told, each followed by a space. */
void troop_await_numbers(const char *numbers);

/* Children that were told to wait go on. */
void troop_open_gate(void);

/* Children in such a handler, so far. */
extern struct tally troop_at_gate;

#endif
