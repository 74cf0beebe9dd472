/*
 * What `explain` has to say, by topic: the worst of its kind, with who it was, whether or not it is bad.
 */
#ifndef TROUPE_TRACE_TOPICS_H
#define TROUPE_TRACE_TOPICS_H

#include "answer.h"
#include "measure.h"

/* Fills in an answer that is all zeros. Those of messages, and those of the program around them. */
void topic_handlers(const struct measure *measure, struct answer *answer);
void topic_mailboxes(const struct measure *measure, struct answer *answer);
void topic_waits(const struct measure *measure, struct answer *answer);
void topic_dead_letters(const struct measure *measure, struct answer *answer);

void topic_losses(const struct measure *measure, struct answer *answer);
void topic_workers(const struct measure *measure, struct answer *answer);
void topic_connections(const struct measure *measure, struct answer *answer);
void topic_dealing(const struct measure *measure, struct answer *answer);
void topic_failures(const struct measure *measure, struct answer *answer);

#endif
