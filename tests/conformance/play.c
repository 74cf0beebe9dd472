/*
 * The life of a play.
 *
 * The thread that plays only sets the scene, looks from time to time whether the play is over, and clears up; all else
 * happens on the workers. It is over when nothing was logged for a while. On a machine that is busy with other things
 * that may also mean that the workers did not get to run: so before the word is spoken every worker must have been
 * through its loop, and nothing may have come of it.
 */
#include "stage.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETTLE_MS 40u
#define STUCK_MS 30000u
#define LOOK_US 3000u
#define STOP_MS 5000u

/* The scene. */

static void
make(struct play *play, void *argument)
{
    struct endpoint *endpoint = argument;
    tr_status status = endpoint->is_server ? server_make(endpoint) : socket_make(endpoint);
    if (status != TR_OK)
        trouble(play, "%s could not be made: %s", endpoint->name, tr_status_code(status));
}

/* All servers are neighbours if one is to listen on what another one listens on. */
static bool
shares_handles(const struct action_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->actions[i].handle != NULL)
            return true;
    return false;
}

static bool
servers_are_neighbours(const struct play *play)
{
    bool shares = play->options->remote || shares_handles(&play->scenario->start);
    for (size_t i = 0; i < play->scenario->rule_count && !shares; i++)
        shares = shares_handles(&play->scenario->rules[i].list);
    return shares;
}

static void
add_client(struct play *play, const struct client_setup *setup, const char *name, unsigned number)
{
    struct endpoint *endpoint = endpoint_add(play, name, false, NULL);
    endpoint->allow_half_open = setup->allow_half_open;
    endpoint->no_data = setup->no_data;
    endpoint->worker = play->options->remote ? 0 : (number + 1) % play->workers;
    endpoint->home = play->workers > 1 ? 1 + number % (play->workers - 1) : 0;
    baton_errand(play, endpoint->worker, make, endpoint);
}

static void
add_clients(struct play *play)
{
    unsigned number = 0;
    for (size_t i = 0; i < play->scenario->client_count; i++) {
        const struct client_setup *setup = &play->scenario->clients[i];
        if (!setup->has_count)
            add_client(play, setup, setup->name, number++);
        for (unsigned k = 1; setup->has_count && k <= setup->count; k++) {
            char name[300];
            snprintf(name, sizeof(name), "%s#%u", setup->name, k);
            add_client(play, setup, name, number++);
        }
    }
}

static void
add_servers(struct play *play)
{
    bool neighbours = servers_are_neighbours(play);
    for (size_t i = 0; i < play->scenario->server_count; i++) {
        const struct server_setup *setup = &play->scenario->servers[i];
        struct endpoint *endpoint = endpoint_add(play, setup->name, true, setup);
        endpoint->worker = neighbours ? 0 : (unsigned)i % play->workers;
        baton_errand(play, endpoint->worker, make, endpoint);
    }
}

static void
start(struct play *play, void *argument)
{
    (void)argument;
    perform(play, &play->scenario->start, 0, NULL, NULL);
    lates_flush(play);
}

/* false: there was trouble. */
static bool
begin(struct play *play)
{
    baton_take_outside(play);
    add_servers(play);
    add_clients(play);
    play->last_ms = now_ms();
    if (play->problem[0] == '\0')
        baton_errand(play, 0, start, NULL);
    bool began = play->problem[0] == '\0';
    baton_give(play);
    return began;
}

/* The end. */

/* Under the lock. NULL: not yet. */
static const char *
verdict(const struct play *play, uint64_t began_ms)
{
    uint64_t now = now_ms(), quiet_ms = now > play->last_ms ? now - play->last_ms : 0;
    if (now - began_ms > STUCK_MS)
        return "stuck";
    if (play->problem[0] != '\0')
        return "broken";
    if (play->baton.holder != NOBODY || play->sleeping > 0)
        return NULL;
    bool busy = false;
    for (const struct endpoint *endpoint = play->endpoints; endpoint != NULL; endpoint = endpoint->next)
        busy |= endpoint->state == STATE_OPEN || endpoint->state == STATE_OPENING;
    if (!busy && quiet_ms >= SETTLE_MS)
        return "closed";
    return quiet_ms >= play->scenario->quiet_ms ? "quiet" : NULL;
}

static const char *
locked_verdict(struct play *play, uint64_t began_ms, uint64_t *last_ms)
{
    const char *how = NULL;
    uv_mutex_lock(&play->baton.lock);
    if (play->baton.holder == NOBODY) {
        how = verdict(play, began_ms);
        *last_ms = play->last_ms;
    }
    uv_mutex_unlock(&play->baton.lock);
    return how;
}

static const char *
wait_for_end(struct play *play)
{
    uint64_t began_ms = now_ms(), before_ms, after_ms;
    for (;;) {
        const char *how = locked_verdict(play, began_ms, &before_ms);
        if (how != NULL) {
            baton_ping(play);
            const char *again = locked_verdict(play, began_ms, &after_ms);
            if (again != NULL && strcmp(how, again) == 0 && before_ms == after_ms)
                return how;
        }
        usleep(LOOK_US);
    }
}

/* Whether the program would end by itself. */

struct idler {
    struct play *play;
    uv_thread_t thread;
    bool is_idle; /* under the baton's lock */
};

static void
wait_idle(void *argument)
{
    struct idler *idler = argument;
    int got = tr_runtime_wait_idle(idler->play->runtime);
    if (got > 0) { /* a signal for the whole process */
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, got);
        pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
        signal(got, SIG_DFL);
        raise(got);
    }
    uv_mutex_lock(&idler->play->baton.lock);
    idler->is_idle = true;
    uv_cond_broadcast(&idler->play->baton.changed);
    uv_mutex_unlock(&idler->play->baton.lock);
}

/* The caller holds the runtime until here. */
static const char *
wait_for_idle(struct play *play)
{
    struct idler idler = {.play = play};
    uint64_t end_ms = now_ms() + play->scenario->quiet_ms, now;
    if (uv_thread_create(&idler.thread, wait_idle, &idler) != 0)
        abort();
    tr_runtime_release(play->runtime);
    uv_mutex_lock(&play->baton.lock);
    while (!idler.is_idle && (now = now_ms()) < end_ms)
        uv_cond_timedwait(&play->baton.changed, &play->baton.lock, (end_ms - now) * 1000000u);
    bool is_idle = idler.is_idle;
    uv_mutex_unlock(&play->baton.lock);
    tr_runtime_quit(play->runtime);
    uv_thread_join(&idler.thread);
    baton_ping(play);
    return is_idle ? "exits" : "stays";
}

/* Nobody acts any more. */
static void
ring_off(struct play *play)
{
    uv_mutex_lock(&play->baton.lock);
    while (play->baton.holder != NOBODY)
        uv_cond_wait(&play->baton.changed, &play->baton.lock);
    play->baton.over = true;
    uv_cond_broadcast(&play->baton.changed);
    uv_mutex_unlock(&play->baton.lock);
}

static json_t *
collect(struct play *play, const char *how)
{
    json_t *logs = json_object();
    lates_end(play);
    for (struct endpoint *endpoint = play->endpoints; endpoint != NULL; endpoint = endpoint->next)
        json_object_set_new(logs, endpoint->name, log_take(&endpoint->log));
    return json_pack("{s:s,s:o}", "ended", how, "logs", logs);
}

static json_t *
perform_all(struct play *play)
{
    if (play->scenario->loop)
        tr_runtime_hold(play->runtime);
    bool began = begin(play);
    const char *how = began && play->scenario->loop ? wait_for_idle(play) : wait_for_end(play);
    ring_off(play);
    return collect(play, how);
}

/* The house. */

static tr_status
spawn_hands(struct play *play)
{
    tr_status status = TR_OK;
    for (unsigned i = 0; i < play->workers && status == TR_OK; i++) {
        struct hand_place place = {.play = play, .worker = i};
        struct tr_spawn_options options = {
            .placement = TR_PLACE_WORKER, .worker = i, .argument = &place, .argument_size = sizeof(place)};
        status = tr_runtime_spawn(play->runtime, &hand_behavior, &options, NULL);
    }
    return status;
}

/* Threads wait most of the time and there are many: they are not pinned and don't spin. */
static tr_status
open_house(struct play *play)
{
    struct tr_runtime_options options = {
        .workers = play->options->workers, .unpinned = true, .spin_us = -1, .watchdog_ms = -1};
    tr_status status = tr_runtime_start(&options, &play->runtime);
    if (status != TR_OK)
        return status;
    play->workers = tr_runtime_workers(play->runtime);
    play->hands = calloc(play->workers, sizeof(*play->hands));
    play->selves = calloc(play->workers, sizeof(*play->selves));
    play->seen = calloc(play->scenario->rule_count + 1, sizeof(*play->seen));
    if (play->hands == NULL || play->selves == NULL || play->seen == NULL)
        return TR_ENOMEM;
    return spawn_hands(play);
}

static void
close_house(struct play *play)
{
    struct tr_stop_report report = {0};
    tr_runtime_stop(play->runtime, STOP_MS, &report);
    if (report.killed > 0)
        trouble(play, "%llu actors did not stop", (unsigned long long)report.killed);
}

static bool
make_directory(struct play *play)
{
    int used = snprintf(play->directory, sizeof(play->directory), "%s/XXXXXX", play->options->directory);
    return used > 0 && (size_t)used < sizeof(play->directory) && mkdtemp(play->directory) != NULL;
}

static void
clear(struct play *play)
{
    while (play->asks != NULL) {
        struct ask *ask = play->asks;
        play->asks = ask->next;
        free(ask);
    }
    stashes_free(play);
    endpoints_free(play);
    addresses_free(play);
    free(play->hands);
    free(play->selves);
    free(play->seen);
    directory_remove(play->directory);
    baton_fini(&play->baton);
}

json_t *
play(const struct scenario *scenario, enum transport transport, const struct play_options *options, char *problem,
     size_t size)
{
    struct play play = {.scenario = scenario, .transport = transport, .options = options};
    json_t *result = NULL;
    play.last_endpoint = &play.endpoints;
    play.last_late = &play.lates;
    baton_init(&play.baton);
    tr_status status;
    if (!make_directory(&play))
        trouble(&play, "no directory could be made: %s", strerror(errno));
    else if ((status = addresses_prepare(&play)) != TR_OK || (status = open_house(&play)) != TR_OK)
        trouble(&play, "the play could not begin: %s", tr_status_code(status));
    else
        result = perform_all(&play);
    close_house(&play);
    if (play.problem[0] != '\0') {
        json_decref(result);
        result = NULL;
        snprintf(problem, size, "%s", play.problem);
    }
    clear(&play);
    return result;
}
