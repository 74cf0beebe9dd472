#include "forms.h"

#include <inttypes.h>

static void
add_json_ref(struct tri_page *page, const char *key, tr_ref ref)
{
    char text[TR_REF_TEXT_SIZE];
    if (ref == TR_NOBODY)
        tri_page_add(page, ",\"%s\":null", key);
    else
        tri_page_add(page, ",\"%s\":\"%s\"", key, tr_ref_text(ref, text));
}

static void
add_json_names(struct tri_page *page, const struct tr_actor_info *info)
{
    tri_page_add(page, ",\"names\":[");
    for (unsigned i = 0; i < TR_REGISTERED_TOLD && info->registered[i] != NULL; i++) {
        tri_page_add(page, "%s", i > 0 ? "," : "");
        tri_page_add_quoted(page, info->registered[i]);
    }
    tri_page_add(page, "],\"name_count\":%u", info->registered_count);
}

void
tri_json_add_actor(struct tri_page *page, const struct tr_actor_info *info)
{
    tri_page_add(page, "{\"class\":");
    tri_page_add_quoted(page, info->name);
    add_json_ref(page, "ref", info->ref);
    add_json_ref(page, "parent", info->parent);
    add_json_ref(page, "supervisor", info->supervisor);
    add_json_ref(page, "waits_for", info->waits_for);
    add_json_ref(page, "muted_by", info->muted_by);
    add_json_names(page, info);
    tri_page_add(page,
                 ",\"worker\":%u,\"waiting\":%" PRIu32 ",\"handled\":%" PRIu64 ",\"busy_ns\":%" PRIu64
                 ",\"age_ms\":%" PRIu64 ",\"state\":[",
                 tr_ref_worker(info->ref), info->waiting, info->handled, info->busy_ns, info->age_ms);
    tri_form_states(page, info->state, "\"");
    tri_page_add(page, "]}");
}

static void
add_json_running(struct tri_page *page, const struct tr_worker_info *info)
{
    if (info->running == NULL) {
        tri_page_add(page, ",\"running\":null");
        return;
    }
    tri_page_add(page, ",\"running\":{\"name\":");
    tri_page_add_quoted(page, info->running);
    add_json_ref(page, "actor", info->actor);
    tri_page_add(page, ",\"tag\":%" PRIu32 "}", info->tag);
}

void
tri_json_add_worker(struct tri_page *page, const struct tr_worker_info *info)
{
    tri_page_add(page,
                 "{\"worker\":%u,\"stuck\":%s,\"actors\":%" PRIu64 ",\"waiting\":%" PRIu64 ",\"spawned\":%" PRIu64
                 ",\"sent\":%" PRIu64 ",\"outside\":%" PRIu64 ",\"received\":%" PRIu64 ",\"refused\":%" PRIu64,
                 info->worker, info->stuck ? "true" : "false", info->actors, info->waiting, info->spawned, info->sent,
                 info->outside, info->received, info->refused);
    tri_page_add(page,
                 ",\"dead_letters\":%" PRIu64 ",\"notices_lost\":%" PRIu64 ",\"wakes\":%" PRIu64 ",\"sleeps\":%" PRIu64
                 ",\"stalls\":%" PRIu64 ",\"cpu_ns\":%" PRIu64 ",\"waited_ns\":%" PRIu64 ",\"age_ms\":%" PRIu64,
                 info->dead_letters, info->notices_lost, info->wakes, info->sleeps, info->stalls, info->cpu_ns,
                 info->waited_ns, info->age_ms);
    add_json_running(page, info);
    tri_page_add(page, "}");
}

void
tri_json_add_memory(struct tri_page *page, const struct tri_memory_info *info)
{
    tri_page_add(page,
                 "{\"bytes\":%" PRIu64 ",\"limit\":%" PRIu64 ",\"at_limit\":%s,\"reached\":%" PRIu64
                 ",\"refused\":%" PRIu64 "}",
                 info->bytes, info->limit, info->at_limit ? "true" : "false", info->reached, info->refused);
}
