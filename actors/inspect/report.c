/*
 * Reports.
 *
 * A report walks over all workers and asks each for its actors, a portion at a time (inquiry.h). Some reports show each
 * actor as it comes, others only add up; what is said of workers comes when the walk is over, since only then it is
 * known what waits there and who is stuck.
 */
#include "report.h"

#include "survey.h"

#include <stdlib.h>
#include <string.h>
#include <troupe/core/version.h>

/* Two behaviors of one name are one class; so are names that are shown alike, since they are cut alike. */
static struct tri_class_sum *
class_of(struct tri_report *report, const char *name)
{
    for (uint32_t i = 0; i < report->class_count; i++)
        if (report->classes[i].name == name || strncmp(report->classes[i].name, name, TRI_NAME_AT_MOST) == 0)
            return &report->classes[i];
    if (report->class_count == TRI_CLASSES_AT_MOST)
        return &report->classes[TRI_CLASSES_AT_MOST - 1];
    bool last = report->class_count == TRI_CLASSES_AT_MOST - 1;
    struct tri_class_sum *sum = &report->classes[report->class_count++];
    *sum = (struct tri_class_sum){.name = last ? "(others)" : name};
    return sum;
}

static void
add_to_class(struct tri_report *report, const struct tr_actor_info *info)
{
    struct tri_class_sum *sum = class_of(report, info->name);
    sum->actors++;
    sum->waiting += info->waiting;
    sum->resting += (info->state & TR_ACTOR_RESTING) != 0;
    sum->muted += (info->state & TR_ACTOR_MUTED) != 0;
    sum->longest = info->waiting > sum->longest ? info->waiting : sum->longest;
}

/* -- The walk. -- */

static void
add_beginning(const struct tri_report *report, struct tri_page *page)
{
    if (report->kind == TRI_REPORT_ACTORS)
        tri_people_begin_actors(page);
    else if (report->kind == TRI_REPORT_WORKERS)
        tri_people_begin_workers(page);
    else if (report->kind == TRI_REPORT_JSON)
        tri_page_add(page, "{\"version\":\"%s\",\"pid\":%d,\"actors\":[", tr_version_text(), (int)uv_os_getpid());
}

static void
add_actor(struct tri_report *report, struct tri_page *page, const struct tr_actor_info *info)
{
    report->workers[report->worker].waiting += info->waiting;
    switch (report->kind) {
    case TRI_REPORT_ACTORS: tri_people_add_actor(page, info); break;
    case TRI_REPORT_JSON:
        tri_page_add(page, "%s", report->comma ? "," : "");
        report->comma = true;
        tri_json_add_actor(page, info);
        break;
    case TRI_REPORT_METRICS: add_to_class(report, info); break;
    case TRI_REPORT_WORKERS: break;
    }
}

static struct tr_worker_info
describe(const struct tri_report *report, unsigned worker)
{
    const struct tri_worker_sum *sum = &report->workers[worker];
    return tri_worker_describe(report->inquiry->runtime, worker, sum->stuck, sum->waiting);
}

static void
add_all_metrics(const struct tri_report *report, struct tri_page *page, unsigned count)
{
    struct tri_memory_info memory = tri_memory_describe(report->inquiry->runtime);
    struct tr_worker_info *infos = calloc(count, sizeof(*infos));
    page->failed = page->failed || infos == NULL;
    for (unsigned i = 0; infos != NULL && i < count; i++)
        infos[i] = describe(report, i);
    if (infos != NULL)
        tri_metrics_add_workers(page, infos, count);
    free(infos);
    tri_metrics_add_classes(page, report->classes, report->class_count);
    tri_metrics_add_memory(page, &memory);
}

static void
add_worker(const struct tri_report *report, struct tri_page *page, unsigned worker)
{
    struct tr_worker_info info = describe(report, worker);
    switch (report->kind) {
    case TRI_REPORT_ACTORS: tri_people_add_stuck(page, &info); break;
    case TRI_REPORT_WORKERS: tri_people_add_worker(page, &info); break;
    case TRI_REPORT_JSON:
        tri_page_add(page, "%s", worker > 0 ? "," : "");
        tri_json_add_worker(page, &info);
        break;
    case TRI_REPORT_METRICS: break;
    }
}

static void
add_memory(const struct tri_report *report, struct tri_page *page)
{
    struct tri_memory_info info = tri_memory_describe(report->inquiry->runtime);
    if (report->kind == TRI_REPORT_WORKERS)
        tri_people_add_memory(page, &info);
    if (report->kind != TRI_REPORT_JSON)
        return;
    tri_page_add(page, "],\"memory\":");
    tri_json_add_memory(page, &info);
}

static void
add_end(const struct tri_report *report, struct tri_page *page)
{
    unsigned count = report->inquiry->runtime->core->count;
    if (report->kind == TRI_REPORT_METRICS) {
        add_all_metrics(report, page, count);
        return;
    }
    tri_page_add(page, "%s", report->kind == TRI_REPORT_JSON ? "],\"workers\":[" : "");
    for (unsigned i = 0; i < count; i++)
        add_worker(report, page, i);
    add_memory(report, page);
    tri_page_add(page, "%s\n", report->kind == TRI_REPORT_JSON ? "}" : "");
}

static void
ask_next(struct tri_report *report, struct tri_page *page)
{
    struct tri_portion *portion;
    tr_status status = tri_inquiry_ask(report->inquiry, report->worker, report->from, &portion);
    uint32_t next = 0;
    if (status == TR_OK) {
        for (uint32_t i = 0; i < portion->count; i++)
            add_actor(report, page, &portion->actors[i]);
        next = portion->next;
        tri_portion_free(portion);
    }
    page->failed = page->failed || status == TR_ENOMEM;
    report->workers[report->worker].stuck = status == TR_EDEADLINE;
    report->from = next != 0 ? next : TRI_FIRST_SLOT;
    report->worker += next == 0;
}

bool
tri_report_begin(struct tri_report *report, enum tri_report_kind kind, struct tri_inquiry *inquiry)
{
    *report = (struct tri_report){.kind = kind, .inquiry = inquiry, .from = TRI_FIRST_SLOT};
    report->workers = calloc(inquiry->runtime->core->count, sizeof(*report->workers));
    report->classes = kind == TRI_REPORT_METRICS ? calloc(TRI_CLASSES_AT_MOST, sizeof(*report->classes)) : NULL;
    if (report->workers != NULL && (report->classes != NULL || kind != TRI_REPORT_METRICS))
        return true;
    tri_report_end(report);
    return false;
}

bool
tri_report_go_on(struct tri_report *report, struct tri_page *page)
{
    if (!report->begun)
        add_beginning(report, page);
    report->begun = true;
    if (report->worker < report->inquiry->runtime->core->count) {
        ask_next(report, page);
        return true;
    }
    add_end(report, page);
    return false;
}

void
tri_report_end(struct tri_report *report)
{
    free(report->workers);
    free(report->classes);
    *report = (struct tri_report){0};
}
