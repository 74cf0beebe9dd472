/*
 * The life of a play.
 *
 * The thread that plays only sets the scene, waits until the play is over, and clears up; all else happens on the
 * workers. It is over when nothing was logged for a while. On a machine that is busy with other things that may also
 * mean that the workers did not get to run: so before the word is spoken every worker must have been through its loop,
 * and nothing may have come of it.
 *
 * Such a machine may also change the order of what happens: what is to come before the end of a timeout comes after it
 * when a worker was kept from running between the two. So each worker has a metronome, and a play in which one came
 * late by more than a part of the smallest gap in a scenario was disturbed: what came of it says nothing of the
 * library. Nor does a play in which data still came when the rest of a list was about due: what was to come before is
 * not through. It is to be played again with a larger scale, by which all its times are multiplied, and that part with
 * them.
 */
#include "stage.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SETTLE_MS 40u
#define STUCK_MS 30000u
#define LATE_MS 15u /* gaps are 50 ms and more: what comes late three times in a row still keeps its order */
#define STOP_MS 5000u
#define TRACE_WAIT_MS 5000

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

/* Clients live on one worker: so they connect in the order of the calls, which is that of the numbers of accepted
 * connections. */
static void
add_client(struct play *play, const struct client_setup *setup, const char *name)
{
    struct endpoint *endpoint = endpoint_add(play, name, false, 0, NULL);
    endpoint->allow_half_open = setup->allow_half_open;
    endpoint->no_data = setup->no_data;
    endpoint->worker = play->options->remote ? 0 : 1 % play->workers;
    endpoint->home = 1 % play->workers;
    baton_errand(play, endpoint->worker, make, endpoint);
}

static void
add_clients(struct play *play)
{
    for (size_t i = 0; i < play->scenario->client_count; i++) {
        const struct client_setup *setup = &play->scenario->clients[i];
        if (!setup->has_count)
            add_client(play, setup, setup->name);
        for (unsigned k = 1; setup->has_count && k <= setup->count; k++) {
            char name[300];
            snprintf(name, sizeof(name), "%s#%u", setup->name, k);
            add_client(play, setup, name);
        }
    }
}

static void
add_servers(struct play *play)
{
    bool neighbours = servers_are_neighbours(play);
    for (size_t i = 0; i < play->scenario->server_count; i++) {
        const struct server_setup *setup = &play->scenario->servers[i];
        struct endpoint *endpoint = endpoint_add(play, setup->name, true, 0, setup);
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

static bool
is_busy(const struct play *play)
{
    for (const struct endpoint *endpoint = play->endpoints; endpoint != NULL; endpoint = endpoint->next)
        if (endpoint->state == STATE_OPEN || endpoint->state == STATE_OPENING)
            return true;
    return false;
}

/* How a play ends. */
struct ending {
    const char *how;
    uint64_t due_ms; /* when, if nothing happens until then */
};

/* Under the lock: as it looks now. */
static struct ending
expected_end(const struct play *play, uint64_t stuck_ms)
{
    if (play->problem[0] != '\0')
        return (struct ending){"broken", 0};
    if (play->baton.holder != NOBODY || play->sleeping > 0)
        return (struct ending){"stuck", stuck_ms};
    struct ending closed = {"closed", play->last_ms + play->scale * SETTLE_MS};
    struct ending quiet = {"quiet", play->last_ms + play->scale * play->scenario->quiet_ms};
    struct ending first = !is_busy(play) && closed.due_ms <= quiet.due_ms ? closed : quiet;
    return first.due_ms < stuck_ms ? first : (struct ending){"stuck", stuck_ms};
}

/* Whoever gives the baton back ends the wait: then it is to be looked at again. */
static void
wait_under_lock(struct play *play, uint64_t until_ms)
{
    uint64_t now = now_ms();
    if (now < until_ms)
        uv_cond_timedwait(&play->baton.changed, &play->baton.lock, (until_ms - now) * 1000000u);
}

static struct ending
wait_for_due(struct play *play, uint64_t stuck_ms, uint64_t *turn)
{
    struct ending end;
    uv_mutex_lock(&play->baton.lock);
    while ((end = expected_end(play, stuck_ms)).due_ms > now_ms())
        wait_under_lock(play, end.due_ms);
    *turn = play->baton.turn;
    uv_mutex_unlock(&play->baton.lock);
    return end;
}

/* Then nobody acts any more: what is told from now on is in no log. */
static bool
nothing_happened(struct play *play, uint64_t turn)
{
    uv_mutex_lock(&play->baton.lock);
    bool nothing = play->baton.holder == NOBODY && play->baton.turn == turn;
    play->baton.over = nothing;
    uv_cond_broadcast(&play->baton.changed);
    uv_mutex_unlock(&play->baton.lock);
    return nothing;
}

static const char *
wait_for_end(struct play *play)
{
    uint64_t stuck_ms = now_ms() + play->scale * STUCK_MS, turn;
    for (;;) {
        struct ending end = wait_for_due(play, stuck_ms, &turn);
        if (end.due_ms == stuck_ms)
            return end.how;
        baton_ping(play);
        if (nothing_happened(play, turn))
            return end.how;
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

#define RESTS_MOST 100u

/* What still happens is logged; if that does not end, up to now. */
static void
come_to_rest(struct play *play)
{
    uint64_t turn;
    unsigned tries = 0;
    do {
        uv_mutex_lock(&play->baton.lock);
        turn = play->baton.turn;
        uv_mutex_unlock(&play->baton.lock);
        baton_ping(play);
    } while (!nothing_happened(play, turn) && ++tries < RESTS_MOST);
}

/* The caller holds the runtime until here. */
static const char *
wait_for_idle(struct play *play)
{
    struct idler idler = {.play = play};
    uint64_t end_ms = now_ms() + play->scale * play->scenario->quiet_ms;
    if (uv_thread_create(&idler.thread, wait_idle, &idler) != 0)
        abort();
    tr_runtime_release(play->runtime);
    uv_mutex_lock(&play->baton.lock);
    while (!idler.is_idle && now_ms() < end_ms)
        wait_under_lock(play, end_ms);
    bool is_idle = idler.is_idle;
    uv_mutex_unlock(&play->baton.lock);
    tr_runtime_quit(play->runtime);
    uv_thread_join(&idler.thread);
    come_to_rest(play);
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

/* Where the trace of this play is. One that is played again has a larger scale, and a trace of its own. */
static void
trace_path(const struct play *play, char path[PATH_MAX])
{
    int length = snprintf(path, PATH_MAX, "%s/%s-%s", play->options->traces, play->scenario->name,
                          transport_names[play->transport]);
    if (play->scale > 1 && length > 0 && length < PATH_MAX)
        snprintf(path + length, PATH_MAX - (size_t)length, "-x%u", play->scale);
}

/* Beside the trace: what each endpoint was told. */
static void
leave_told(struct play *play)
{
    char path[PATH_MAX], file[PATH_MAX + 8];
    if (play->options->traces == NULL)
        return;
    json_t *told = json_object();
    for (struct endpoint *endpoint = play->endpoints; endpoint != NULL; endpoint = endpoint->next)
        json_object_set(told, endpoint->name, endpoint->told);
    trace_path(play, path);
    snprintf(file, sizeof(file), "%s.json", path);
    if (json_dump_file(told, file, JSON_COMPACT) != 0)
        trouble(play, "%s cannot be written", file);
    json_decref(told);
}

static json_t *
collect(struct play *play, const char *how)
{
    json_t *logs = json_object();
    lates_end(play);
    for (struct endpoint *endpoint = play->endpoints; endpoint != NULL; endpoint = endpoint->next)
        json_object_set_new(logs, endpoint->name, server_order_connections(log_take(&endpoint->log)));
    return json_pack("{s:s,s:o}", "ended", how, "logs", logs);
}

/* Was a worker kept from running for so long that times may have lost their order? */
static bool
was_disturbed(struct play *play)
{
    uint64_t most_ns = (uint64_t)LATE_MS * play->scale * 1000000u;
    for (unsigned i = 0; i < play->workers; i++)
        if (atomic_load_explicit(&play->metronomes[i].latest_ns, memory_order_relaxed) > most_ns)
            return true;
    return false;
}

static json_t *
perform_all(struct play *play)
{
    if (play->scenario->loop)
        tr_runtime_hold(play->runtime);
    bool began = begin(play);
    const char *how = began && play->scenario->loop ? wait_for_idle(play) : wait_for_end(play);
    ring_off(play);
    play->disturbed |= was_disturbed(play);
    leave_told(play);
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
    char trace[PATH_MAX];
    struct tr_runtime_options options = {
        .workers = play->options->workers, .pinning = TR_PINNING_NEVER, .spin_us = -1, .watchdog_ms = -1};
    if (play->options->traces != NULL) {
        trace_path(play, trace);
        options.trace.mode = TR_TRACE_FILE;
        options.trace.directory = trace;
        options.trace.wait_ms = TRACE_WAIT_MS;
    }
    tr_status status = tr_runtime_start(&options, &play->runtime);
    if (status != TR_OK)
        return status;
    play->workers = tr_runtime_workers(play->runtime);
    play->hands = calloc(play->workers, sizeof(*play->hands));
    play->selves = calloc(play->workers, sizeof(*play->selves));
    play->metronomes = calloc(play->workers, sizeof(*play->metronomes));
    play->seen = calloc(play->scenario->rule_count + 1, sizeof(*play->seen));
    if (play->hands == NULL || play->selves == NULL || play->metronomes == NULL || play->seen == NULL)
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
    secure_end(play);
    endpoints_free(play);
    addresses_free(play);
    free(play->hands);
    free(play->selves);
    free(play->metronomes);
    free(play->seen);
    directory_remove(play->directory);
    baton_fini(&play->baton);
}

struct played
play(const struct scenario *scenario, enum transport transport, const struct play_options *options, unsigned scale)
{
    struct play play = {.scenario = scenario, .transport = transport, .options = options, .scale = scale};
    struct played played = {0};
    play.last_late = &play.lates;
    baton_init(&play.baton);
    tr_status status;
    if (!make_directory(&play))
        trouble(&play, "no directory could be made: %s", strerror(errno));
    else if ((status = secure_prepare(&play)) != TR_OK || (status = addresses_prepare(&play)) != TR_OK ||
             (status = open_house(&play)) != TR_OK)
        trouble(&play, "the play could not begin: %s", tr_status_code(status));
    else
        played.result = perform_all(&play);
    close_house(&play);
    if (play.problem[0] != '\0') {
        json_decref(played.result);
        played.result = NULL;
        snprintf(played.problem, sizeof(played.problem), "%s", play.problem);
    }
    played.disturbed = play.disturbed;
    clear(&play);
    return played;
}
