/*
 * The rules. They look at one event after the other, in causal order, and keep what they must remember in tables of
 * their own.
 */
#ifndef TROUPE_TRACE_RULES_H
#define TROUPE_TRACE_RULES_H

#include "finding.h"
#include "order.h"

struct worker;

/* Each looks at one event, of roles that check.c names. */
void check_form(struct check *check, const struct step *step);
void check_workers(struct check *check, const struct step *step);
void check_messages(struct check *check, const struct step *step);
void check_actors(struct check *check, const struct step *step);
void check_stop_order(struct check *check, const struct step *step);
void check_monitors(struct check *check, const struct step *step);
void check_asks(struct check *check, const struct step *step);
void check_handlers(struct check *check, const struct step *step);
void check_timers(struct check *check, const struct step *step);
void check_servers(struct check *check, const struct step *step);
void check_dealing(struct check *check, const struct step *step);
void check_sockets(struct check *check, const struct step *step);
void check_cluster(struct check *check, const struct step *step);
void check_sockets_actor(struct check *check, const struct step *step);
void check_servers_actor(struct check *check, const struct step *step);

/* check_actors.c: of an actor that receives what is a notice, or should be one. */
void check_notice(struct check *check, struct worker *worker, const struct step *step);

/* check_cluster.c: whether that process of a cluster has told, in the traces that are read, all that it did up to then.
 */
bool check_has_told_all(const struct check *check, unsigned cluster, uint64_t serial, uint64_t time);

/* An event that an actor brings about, on its own worker. */
bool role_is_of_actor(enum role role);

/* Make the tables. */
void check_form_init(struct check *check);
void check_workers_init(struct check *check);
void check_messages_init(struct check *check);
void check_actors_init(struct check *check);
void check_asks_init(struct check *check);
void check_handlers_init(struct check *check);
void check_servers_init(struct check *check);
void check_dealing_init(struct check *check);
void check_sockets_init(struct check *check);
void check_cluster_init(struct check *check);

/* What can be said when all events were seen. */
void check_workers_end(struct check *check);
void check_messages_end(struct check *check, const struct order *order);
void check_actors_end(struct check *check);
void check_dealing_end(struct check *check);
void check_cluster_end(struct check *check);

#endif
