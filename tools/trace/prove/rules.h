/*
 * The rules. They look at one event after the other, in causal order, and keep what they must remember in tables of
 * their own.
 */
#ifndef TROUPE_TRACE_RULES_H
#define TROUPE_TRACE_RULES_H

#include "finding.h"
#include "order.h"

/* Each looks at one event. */
void check_messages(struct check *check, const struct step *step);
void check_actors(struct check *check, const struct step *step);
void check_asks(struct check *check, const struct step *step);
void check_handlers(struct check *check, const struct step *step);
void check_sockets(struct check *check, const struct step *step);

/* Make the tables. */
void check_messages_init(struct check *check);
void check_actors_init(struct check *check);
void check_asks_init(struct check *check);
void check_handlers_init(struct check *check);
void check_sockets_init(struct check *check);

#endif
