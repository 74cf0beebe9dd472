/*
 * Whose events are drawn: those of actors that are named, and of those whose behavior is.
 *
 * What an actor's behavior is called, its spawn tells. It is remembered until another actor has its place, so that does
 * not grow with the actors that were.
 */
#ifndef TROUPE_TRACE_WHO_H
#define TROUPE_TRACE_WHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "order.h"

struct who {
    uint64_t *actors;     /* that are chosen */
    const char **texts;   /* how they were named */
    const char **classes; /* all actors of these are */
    size_t actor_count, class_count;
};

/* One that is all zeros has chosen nobody: then all are drawn. */
void who_fini(struct who *who);

/* Take an option's argument. Return 0, or what run() of a command returns. */
int who_take_actor(struct who *who, const char *text);
int who_take_class(struct who *who, const char *name);

/* Finds the actors again, since now it is known which processes there are. Returns likewise. */
int who_find(struct who *who);

/* Is anybody chosen? */
bool who_chooses(const struct who *who);

/* Who has a place, as far as events tell that were seen. */
struct holders {
    struct table places; /* struct holder, by worker and slot */
};

void holders_init(struct holders *holders);
void holders_fini(struct holders *holders);

/* Sees the next event of a pass over a trace. */
void holders_see(struct holders *holders, const struct step *step);

/* The number of the name of an actor's behavior; 0: events do not tell it. */
uint32_t holders_name(const struct holders *holders, uint64_t ref);

/* Is the actor chosen? */
bool who_has(const struct who *who, const struct trace *trace, const struct holders *holders, uint64_t ref);

#endif
