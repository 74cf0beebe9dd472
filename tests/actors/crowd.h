/*
 * A crowd: a random program under a seed, for tests that hold a model of what must be true.
 *
 * Some actors live on 2 or 3 simulated workers. In each turn the seed chooses one that acts, and how many steps the
 * workers take before the next turn. A test says what somebody does in its turn, and compares what it is given with a
 * model. A simulated runtime has one thread, so the model is in the test's globals, and each callback sees all of it.
 *
 * Everybody who was ever born has a number, which is not used again in the program: the numbers are places in the
 * model. Now and then everything comes to rest. Then it is known who is alive, and the test compares all of the model;
 * the dead are replaced, and it goes on.
 *
 * Somebody that was asked to stop may be gone any time from then on, and is gone once that was seen: whoever is gone
 * must never act or hear anything again.
 */
#ifndef TESTS_ACTORS_CROWD_H
#define TESTS_ACTORS_CROWD_H

#include "stage.h"

#define CROWD_MOST 64u    /* lives in a program */
#define CROWD_NOBODY 255u /* instead of a number */

enum { CROWD_TURN = 1, CROWD_PING, CROWD_LETTER, CROWD_TAGS }; /* a test's own tags are CROWD_TAGS and up */

struct crowd_life {
    tr_ref ref;
    bool may_be_gone;
    bool gone;
    bool was_killed; /* somebody asked for it */
    bool answers;    /* the latest question whether it is alive */
};

struct crowd_play {
    unsigned size;  /* how many live */
    unsigned turns; /* until it comes to rest, of which each program has some */
    struct tr_mailbox_limits mailbox;
    void (*receive)(tr_actor *self, void *state, tr_message *message); /* calls crowd_receive(), or NULL: is that */

    void (*begin)(tr_runtime *runtime); /* before the first is born: the model is empty. May be NULL */
    void (*act)(tr_actor *self, unsigned who);
    void (*hear)(tr_actor *self, unsigned who, tr_message *message); /* what is no letter. May be NULL */
    void (*read)(unsigned from, unsigned who, uint64_t word);        /* a letter's word. May be NULL */
    void (*end)(unsigned who);         /* in the stopped callback, which a kill leaves out. May be NULL */
    void (*rest)(tr_runtime *runtime); /* everything has come to rest. May be NULL */
    void (*over)(void);                /* the runtime has stopped. May be NULL */
};

/* What somebody may become has these, and the mailbox of the play. */
#define CROWD_STATE_SIZE sizeof(unsigned)
unsigned crowd_who(const void *state);
void crowd_receive(tr_actor *self, void *state, tr_message *message);
void crowd_stopped(tr_actor *self, void *state);

/* Plays it under 1,000 seeds: see seeded.h. At each rest every message that began has ended once. */
void crowd_under_seeds(const struct crowd_play *play);

/* Everybody who was ever born, and how many those are. */
extern struct crowd_life crowd[CROWD_MOST];
extern unsigned crowd_born;

/* The runtime stops: from now on anybody may be gone, and nobody acts. */
extern bool crowd_ends;

/* A number below limit, that the seed chooses; and whether something happens that does so once in `times`. */
unsigned crowd_roll(unsigned limit);
bool crowd_once_in(unsigned times);

/* One of those who may be alive, or of those who were ever born. */
unsigned crowd_somebody(void);
unsigned crowd_anybody(void);

/* The number of an actor; CROWD_NOBODY: of none of the crowd. */
unsigned crowd_number(tr_ref ref);

/* Somebody more is born, as a child of self that hears of its end, on some worker; or from outside, with NULL. With
 * `fails` its init fails with TR_EINIT. Gives its number; CROWD_NOBODY: its init has failed already, or there were
 * CROWD_MOST. */
unsigned crowd_bear(tr_actor *self, bool fails, tr_monitor *monitor);

/* The same with other options, but for the argument. */
unsigned crowd_bear_as(tr_actor *self, bool fails, struct tr_spawn_options options);

/* Self ends in some way, or asks another to, in some way. */
void crowd_leave(tr_actor *self, unsigned who);
void crowd_stop(tr_actor *self, unsigned whom);

/* It was seen to be gone, by whoever asks; the test fails if it could not be. */
void crowd_is_gone(unsigned who);

/* Asks everybody when nothing moves: afterwards those that are not gone are alive. */
void crowd_settle(tr_runtime *runtime);

/* A letter from one to another. Letters of one are given to the other in their order, without a gap. The word is the
 * test's. */
void crowd_write(tr_actor *self, unsigned who, unsigned to, uint64_t word);

/* How many letters one has written to another, and how many of them that was given. */
extern uint32_t crowd_written[CROWD_MOST][CROWD_MOST], crowd_read[CROWD_MOST][CROWD_MOST];

#endif
