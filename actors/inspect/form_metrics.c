#include "forms.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <troupe/core/version.h>

enum number_type { WHOLE, SECONDS_OF_NS };

#define WORKER_FIELD(field) offsetof(struct tr_worker_info, field)

static const struct metric {
    const char *name, *type, *help;
    size_t field; /* of struct tr_worker_info, 64 bits */
    enum number_type number;
} metrics[] = {
    {"troupe_actors", "gauge", "Actors alive.", WORKER_FIELD(actors), WHOLE},
    {"troupe_mailbox_messages", "gauge", "Messages in mailboxes.", WORKER_FIELD(waiting), WHOLE},
    {"troupe_spawned_total", "counter", "Actors spawned.", WORKER_FIELD(spawned), WHOLE},
    {"troupe_sent_total", "counter", "Messages sent by actors.", WORKER_FIELD(sent), WHOLE},
    {"troupe_outside_total", "counter", "Messages sent from outside.", WORKER_FIELD(outside), WHOLE},
    {"troupe_received_total", "counter", "Messages handled.", WORKER_FIELD(received), WHOLE},
    {"troupe_refused_total", "counter", "Sends that were refused.", WORKER_FIELD(refused), WHOLE},
    {"troupe_dead_letters_total", "counter", "Messages nobody received.", WORKER_FIELD(dead_letters), WHOLE},
    {"troupe_notices_lost_total", "counter", "Notices of dead letters lost.", WORKER_FIELD(notices_lost), WHOLE},
    {"troupe_wakes_total", "counter", "Times a sleeping worker was woken.", WORKER_FIELD(wakes), WHOLE},
    {"troupe_sleeps_total", "counter", "Times a worker went to sleep.", WORKER_FIELD(sleeps), WHOLE},
    {"troupe_stalls_total", "counter", "Callbacks the watchdog reported.", WORKER_FIELD(stalls), WHOLE},
    {"troupe_worker_cpu_seconds_total", "counter", "CPU time of the worker's thread.", WORKER_FIELD(cpu_ns),
     SECONDS_OF_NS},
    {"troupe_worker_waited_seconds_total", "counter", "Time it was kept waiting for a CPU.", WORKER_FIELD(waited_ns),
     SECONDS_OF_NS},
};
#define METRICS (sizeof(metrics) / sizeof(metrics[0]))

static void
add_head(struct tri_page *page, const char *name, const char *type, const char *help)
{
    tri_page_add(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static uint64_t
number_at(const void *object, size_t field)
{
    uint64_t number;
    memcpy(&number, (const char *)object + field, sizeof(number));
    return number;
}

/* What is not known of a stuck worker has no sample. */
static void
add_sample(struct tri_page *page, const struct metric *metric, const struct tr_worker_info *info)
{
    uint64_t value = number_at(info, metric->field);
    if (info->stuck && metric->field == WORKER_FIELD(waiting))
        return;
    tri_page_add(page, "%s{worker=\"%u\"} ", metric->name, info->worker);
    if (metric->number == WHOLE)
        tri_page_add(page, "%" PRIu64 "\n", value);
    else
        tri_page_add(page, "%" PRIu64 ".%09" PRIu64 "\n", value / 1000000000, value % 1000000000);
}

static void
add_number(struct tri_page *page, const char *name, const char *type, const char *help, uint64_t value)
{
    add_head(page, name, type, help);
    tri_page_add(page, "%s %" PRIu64 "\n", name, value);
}

void
tri_metrics_add_memory(struct tri_page *page, const struct tri_memory_info *info)
{
    if (info->limit == 0)
        return;
    add_number(page, "troupe_memory_bytes", "gauge", "Bytes in use that count for the limit.", info->bytes);
    add_number(page, "troupe_memory_limit_bytes", "gauge", "The memory limit.", info->limit);
    add_number(page, "troupe_memory_at_limit", "gauge", "1 while sends are refused for it.", info->at_limit);
    add_number(page, "troupe_memory_limit_reached_total", "counter", "Times the limit was reached.", info->reached);
    add_number(page, "troupe_memory_refused_total", "counter", "Calls refused for it.", info->refused);
}

/* All samples of one metric stand together. */
void
tri_metrics_add_workers(struct tri_page *page, const struct tr_worker_info *infos, unsigned count)
{
    for (size_t i = 0; i < METRICS; i++) {
        add_head(page, metrics[i].name, metrics[i].type, metrics[i].help);
        for (unsigned worker = 0; worker < count; worker++)
            add_sample(page, &metrics[i], &infos[worker]);
    }
    add_head(page, "troupe_worker_stuck", "gauge", "1 if the worker does not answer.");
    for (unsigned worker = 0; worker < count; worker++)
        tri_page_add(page, "troupe_worker_stuck{worker=\"%u\"} %d\n", worker, infos[worker].stuck);
    add_head(page, "troupe_uptime_seconds", "gauge", "Age of the runtime.");
    tri_page_add(page, "troupe_uptime_seconds %" PRIu64 ".%03u\n", infos[0].age_ms / 1000,
                 (unsigned)(infos[0].age_ms % 1000));
    add_head(page, "troupe_info", "gauge", "The version of Troupe.");
    tri_page_add(page, "troupe_info{version=\"%s\"} 1\n", tr_version_text());
}

static const struct {
    const char *name, *help;
    size_t field; /* of struct tri_class_sum, 64 bits */
} class_metrics[] = {
    {"troupe_class_actors", "Actors, by class.", offsetof(struct tri_class_sum, actors)},
    {"troupe_class_resting", "Supervised actors between two lives, by class.", offsetof(struct tri_class_sum, resting)},
    {"troupe_class_muted", "Actors that wait for a mailbox to be relieved, by class.",
     offsetof(struct tri_class_sum, muted)},
    {"troupe_class_mailbox_messages", "Messages in mailboxes, by class.", offsetof(struct tri_class_sum, waiting)},
    {"troupe_class_mailbox_longest", "Longest mailbox, by class.", offsetof(struct tri_class_sum, longest)},
};
#define CLASS_METRICS (sizeof(class_metrics) / sizeof(class_metrics[0]))

static void
add_class_sample(struct tri_page *page, size_t metric, const struct tri_class_sum *sum)
{
    tri_page_add(page, "%s{class=", class_metrics[metric].name);
    tri_page_add_quoted(page, sum->name);
    tri_page_add(page, "} %" PRIu64 "\n", number_at(sum, class_metrics[metric].field));
}

void
tri_metrics_add_classes(struct tri_page *page, const struct tri_class_sum *classes, uint32_t count)
{
    for (size_t i = 0; i < CLASS_METRICS; i++) {
        add_head(page, class_metrics[i].name, "gauge", class_metrics[i].help);
        for (uint32_t j = 0; j < count; j++)
            add_class_sample(page, i, &classes[j]);
    }
}
