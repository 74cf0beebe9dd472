#include "forms.h"

#include <inttypes.h>
#include <stdio.h>

#define TEXT_SIZE 32

static const char *
time_text(char text[TEXT_SIZE], uint64_t ms)
{
    uint64_t seconds = ms / 1000;
    if (seconds < 60)
        snprintf(text, TEXT_SIZE, "%" PRIu64 ".%03us", seconds, (unsigned)(ms % 1000));
    else if (seconds < 3600)
        snprintf(text, TEXT_SIZE, "%" PRIu64 "m%02us", seconds / 60, (unsigned)(seconds % 60));
    else if (seconds < 86400)
        snprintf(text, TEXT_SIZE, "%" PRIu64 "h%02um", seconds / 3600, (unsigned)(seconds / 60 % 60));
    else
        snprintf(text, TEXT_SIZE, "%" PRIu64 "d%02uh", seconds / 86400, (unsigned)(seconds / 3600 % 24));
    return text;
}

#define ACTOR_COLUMNS "%-18s %-18s %-18s %8s %12s %10s %9s  "

void
tri_people_begin_actors(struct tri_page *page)
{
    tri_page_add(page, ACTOR_COLUMNS "%s\n", "ACTOR", "PARENT", "WAITS FOR", "WAITING", "HANDLED", "BUSY", "AGE",
                 "CLASS  STATE  NAMES");
}

/* Who is supervised is so by its parent, which has a column. */
static void
add_state(struct tri_page *page, const struct tr_actor_info *info)
{
    char ref[TR_REF_TEXT_SIZE];
    bool supervised = info->supervisor != TR_NOBODY;
    if (info->state == 0 && !supervised)
        tri_page_add(page, "-");
    tri_page_add(page, "%s%s", supervised ? "supervised" : "", supervised && info->state != 0 ? "," : "");
    tri_form_states(page, info->state, "");
    if (info->muted_by != TR_NOBODY)
        tri_page_add(page, " by %s", tr_ref_text(info->muted_by, ref));
}

static void
add_names(struct tri_page *page, const struct tr_actor_info *info)
{
    for (unsigned i = 0; i < TR_REGISTERED_TOLD && info->registered[i] != NULL; i++) {
        tri_page_add(page, "%s\"", i == 0 ? "  " : " ");
        tri_page_add_plain(page, info->registered[i]);
        tri_page_add(page, "\"");
    }
    if (info->registered_count > TR_REGISTERED_TOLD)
        tri_page_add(page, " and %u more", info->registered_count - TR_REGISTERED_TOLD);
}

void
tri_people_add_actor(struct tri_page *page, const struct tr_actor_info *info)
{
    char ref[TR_REF_TEXT_SIZE], parent[TR_REF_TEXT_SIZE], waits_for[TR_REF_TEXT_SIZE];
    char waiting[TEXT_SIZE], handled[TEXT_SIZE], busy[TEXT_SIZE], age[TEXT_SIZE];
    snprintf(waiting, sizeof(waiting), "%" PRIu32, info->waiting);
    snprintf(handled, sizeof(handled), "%" PRIu64, info->handled);
    tri_page_add(page, ACTOR_COLUMNS, tr_ref_text(info->ref, ref), tr_ref_text(info->parent, parent),
                 tr_ref_text(info->waits_for, waits_for), waiting, handled, time_text(busy, info->busy_ns / 1000000),
                 time_text(age, info->age_ms));
    tri_page_add_plain(page, info->name);
    tri_page_add(page, "  ");
    add_state(page, info);
    add_names(page, info);
    tri_page_add(page, "\n");
}

static void
add_running(struct tri_page *page, const struct tr_worker_info *info)
{
    char ref[TR_REF_TEXT_SIZE];
    if (info->running == NULL) {
        tri_page_add(page, "-");
        return;
    }
    tri_page_add_plain(page, info->running);
    if (info->actor != TR_NOBODY)
        tri_page_add(page, " %s tag %" PRIu32, tr_ref_text(info->actor, ref), info->tag);
}

void
tri_people_add_stuck(struct tri_page *page, const struct tr_worker_info *info)
{
    if (!info->stuck)
        return;
    tri_page_add(page, "worker %u is stuck, and its actors are left out; it runs: ", info->worker);
    add_running(page, info);
    tri_page_add(page, "\n");
}

#define WORKER_COLUMNS "%-6s %8s %8s %12s %12s %8s %10s %10s %6s  "

void
tri_people_begin_workers(struct tri_page *page)
{
    tri_page_add(page, WORKER_COLUMNS "%s\n", "WORKER", "ACTORS", "WAITING", "SENT", "RECEIVED", "DEAD", "CPU", "AGE",
                 "BUSY", "RUNS");
}

void
tri_people_add_worker(struct tri_page *page, const struct tr_worker_info *info)
{
    char number[TEXT_SIZE], actors[TEXT_SIZE], waiting[TEXT_SIZE], sent[TEXT_SIZE], received[TEXT_SIZE];
    char dead[TEXT_SIZE], cpu[TEXT_SIZE], age[TEXT_SIZE], busy[TEXT_SIZE];
    uint64_t cpu_ms = info->cpu_ns / 1000000;
    snprintf(number, sizeof(number), "%u", info->worker);
    snprintf(actors, sizeof(actors), "%" PRIu64, info->actors);
    snprintf(waiting, sizeof(waiting), "%" PRIu64, info->waiting);
    snprintf(sent, sizeof(sent), "%" PRIu64, info->sent);
    snprintf(received, sizeof(received), "%" PRIu64, info->received);
    snprintf(dead, sizeof(dead), "%" PRIu64, info->dead_letters);
    snprintf(busy, sizeof(busy), "%" PRIu64 "%%", info->age_ms > 0 ? cpu_ms * 100 / info->age_ms : 0);
    tri_page_add(page, WORKER_COLUMNS, number, actors, info->stuck ? "?" : waiting, sent, received, dead,
                 time_text(cpu, cpu_ms), time_text(age, info->age_ms), busy);
    tri_page_add(page, "%s", info->stuck ? "STUCK: " : "");
    add_running(page, info);
    tri_page_add(page, "\n");
}

void
tri_people_add_memory(struct tri_page *page, const struct tri_memory_info *info)
{
    if (info->limit == 0)
        return;
    tri_page_add(page,
                 "memory: %" PRIu64 " of %" PRIu64 " bytes%s; the limit was reached %" PRIu64 " times, %" PRIu64
                 " calls were refused\n",
                 info->bytes, info->limit, info->at_limit ? ", AT THE LIMIT" : "", info->reached, info->refused);
}
