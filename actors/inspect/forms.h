/*
 * The forms of what is reported: tables for people, JSON, metrics. Each function adds to a page. Thread: one at a time.
 */
#ifndef TROUPE_ACTORS_INSPECT_FORMS_H
#define TROUPE_ACTORS_INSPECT_FORMS_H

#include "page.h"
#include "survey.h"

#include <stdint.h>
#include <troupe/actors/inspect.h>

/* The words of enum tr_actor_state, each between two marks, with commas between them: form_states.c. "muted" is the
 * last. */
void tri_form_states(struct tri_page *page, unsigned state, const char *mark);

/* Tables: form_people.c. */
void tri_people_begin_actors(struct tri_page *page);
void tri_people_add_actor(struct tri_page *page, const struct tr_actor_info *info);
void tri_people_add_stuck(struct tri_page *page, const struct tr_worker_info *info); /* nothing unless it is */
void tri_people_begin_workers(struct tri_page *page);
void tri_people_add_worker(struct tri_page *page, const struct tr_worker_info *info);

void tri_people_add_memory(struct tri_page *page, const struct tri_memory_info *info); /* nothing without a limit */

/* JSON: form_json.c. One object each, without a comma. */
void tri_json_add_actor(struct tri_page *page, const struct tr_actor_info *info);
void tri_json_add_worker(struct tri_page *page, const struct tr_worker_info *info);
void tri_json_add_memory(struct tri_page *page, const struct tri_memory_info *info);

/* What a walk has found of the actors of one name. */
struct tri_class_sum {
    const char *name;
    uint64_t actors, waiting, resting, muted;
    uint64_t longest; /* mailbox */
};

/* Metrics, in the text format 0.0.4 of Prometheus: form_metrics.c. */
void tri_metrics_add_workers(struct tri_page *page, const struct tr_worker_info *infos, unsigned count);
void tri_metrics_add_memory(struct tri_page *page, const struct tri_memory_info *info); /* likewise */
void tri_metrics_add_classes(struct tri_page *page, const struct tri_class_sum *classes, uint32_t count);

#endif
