/*
 * Actions, as a scenario's file has them: from JSON to struct action.
 */
#ifndef CONFORMANCE_ACTION_H
#define CONFORMANCE_ACTION_H

#include "reader.h"
#include "scenario.h"

/* What a list of actions is performed for. */
enum self { SELF_NONE, SELF_SERVER, SELF_SOCKET };

/* Reads a list. self is what the endpoint of the event is, for actions without `of`; on_data allows echo. */
bool action_list_read(struct reader *reader, json_t *value, const struct scenario *scenario, enum self self,
                      bool on_data, struct action_list *out);
void action_list_free(struct action_list *list);

/* What a name, or a pattern, of this scenario stands for; SELF_NONE if it is unknown. */
enum self scenario_resolve(const struct scenario *scenario, const char *name);

#endif
