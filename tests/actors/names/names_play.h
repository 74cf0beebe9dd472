/*
 * Players: actors that do what a test tells them, and write down what they hear of names.
 */
#ifndef TESTS_ACTORS_NAMES_PLAY_H
#define TESTS_ACTORS_NAMES_PLAY_H

#include "stage.h"

#include <troupe/actors/names.h>

#define PLAYER_HEARS 64u /* changes are written down; later ones are counted only */

struct player {
    tr_runtime *runtime;
    tr_ref ref;
    struct tally heard; /* TR_TAG_NAME */
    struct tr_name_change changes[PLAYER_HEARS];
    struct tally other;       /* messages with other tags */
    uint64_t heard_by_other;  /* when the first of those came, so many changes had been heard */
    struct tally has_stopped; /* its stopped callback */
};

/* The player must outlive its actor. */
void player_start(struct player *player, tr_runtime *runtime, unsigned worker);

/* The same with limits of its mailbox. */
void player_start_limited(struct player *player, tr_runtime *runtime, unsigned worker,
                          const struct tr_mailbox_limits *limits);

/* Calls act(self, argument) in a handler of the player, and waits until it has returned. */
void player_does(struct player *player, void (*act)(tr_actor *self, void *argument), void *argument);

/* Stops it, and waits until nobody has its names. */
void player_stop(struct player *player, enum tr_stop_mode how, const char *name);

tr_status player_registers(struct player *player, const char *name);
tr_status player_releases(struct player *player, const char *name);
tr_status player_watches(struct player *player, const char *name);
tr_status player_unwatches(struct player *player, const char *name);
tr_ref player_looks(struct player *player, const char *name);

/* Waits until it has handled all that was sent to it before. */
void player_catches_up(struct player *player);

/* It has heard so many changes by now or soon, and the last of them is this. */
void player_has_heard(struct player *player, uint64_t count, const char *name, tr_ref ref);

#endif
