/*
 * What the benches of actor-troupe share: the run, and actors that tell each other numbers. See actor_troupe.c.
 */
#ifndef TESTS_ACTOR_BENCH_H
#define TESTS_ACTOR_BENCH_H

#include <stdint.h>
#include <string.h>
#include <troupe/actors/actor.h>
#include <troupe/actors/group.h>
#include <troupe/actors/names.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>

/* The run: set before the first message. */
extern uint64_t n;
extern uint64_t actor_count;
extern unsigned workers;
extern tr_ref *actors;

/* Ends the program with a line that says why. */
void fail(const char *what, const char *why);

/* The last actor is done: the clock stops. */
void finish(void);

/* The actor at a place of the table. */
tr_ref spawn_on(unsigned worker, const struct tr_behavior *behavior, uint64_t index);

/* The table `actors`, empty. */
void make_table(uint64_t size);

/* Sends a first message; the clock runs from the first of them on. */
void start(tr_ref to, uint32_t tag, uint64_t number);

static inline void
must(const char *what, tr_status status)
{
    if (status != TR_OK)
        fail(what, tr_status_text(status));
}

static inline void
must_equal(const char *what, uint64_t is, uint64_t should_be)
{
    if (is != should_be)
        fail(what, "not what was sent");
}

/* Every message here is a tag and at most one number. */
static inline void
tell(tr_actor *self, tr_ref to, uint32_t tag, uint64_t number)
{
    must("send", tr_tell(self, to, tag, &number, sizeof(number)));
}

static inline uint64_t
number_of(const tr_message *message)
{
    return *(const uint64_t *)tr_message_data(message);
}

/* Every actor knows its place in the table: its state begins with it. */
static inline tr_status
init_index(tr_actor *self, void *state, const void *argument)
{
    (void)self;
    memcpy(state, argument, sizeof(uint64_t));
    return TR_OK;
}

static inline uint64_t
random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static inline uint64_t
seed_of(uint64_t index)
{
    return UINT64_C(88172645463325252) + index * 7919;
}

/* Some place in the table below limit, but not `except`. */
static inline uint64_t
random_other(uint64_t *seed, uint64_t limit, uint64_t except)
{
    uint64_t other;
    do
        other = random_next(seed) % limit;
    while (other == except);
    return other;
}

/* The bench of actor_bank.c. */
void set_up_bank(void);

/* Those of actor_ask.c. */
void set_up_ask(void);
void set_up_monitor(void);

#endif
