/*
 * The memory limit of a runtime.
 *
 * One word says whether the runtime is at its limit. It is, from when the level (level.h) has come to the limit until
 * it is below seven eighths of it, so that who waits for the end of it has something to go on with. The word changes
 * under one lock of the process, and seldom. Each worker follows at the end of its turn, and within a turn as soon as
 * it has itself added TRI_LEVEL_STEP; its layer hears of that and refuses sends and reads no sockets meanwhile. Nothing
 * looks at the level for each message.
 *
 *   below the limit --the level >= limit, seen by a worker that has added to it--> at the limit
 *   at the limit --the level < 7/8 limit, seen by whoever has subtracted--> below it; all workers are woken
 *
 * That somebody sees each fall: whoever subtracts from the level looks whether anybody is at a limit, and whoever comes
 * to a limit looks at the level once more; each does the first, then a full fence, then the second (V1, V2).
 * That a worker sees the end of it: it looks at the word after the doorbell's fence, and the nudge ends its sleep
 * anyway (V3, V4).
 *
 * Why the level falls without anything new: at the limit messages that wait are handled as ever, what is to be written
 * is written, and both give back what they hold. What the program itself keeps in buffers stays until it lets go.
 *
 * Invariants
 *   - a worker that sleeps, or whose step is over, has nothing in its shard;
 *   - no word of a runtime changes, and none of its workers is nudged, after tri_ceiling_end().
 */
#include "doorbell.h"
#include "worker_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <troupe/core/ceiling.h>
#include <troupe/core/say.h>

#define SAY_EVERY_MS 60000u /* of all runtimes */

static uv_once_t once = UV_ONCE_INIT;
static uv_mutex_t lock;
static struct tri_runtime *limited; /* under the lock: those whose limits hold */
static uint64_t said_ms;            /* under the lock: when a limit was last told on stderr; 0: never */

static void
init_lock(void)
{
    if (uv_mutex_init(&lock) != 0)
        abort(); /* it needs no memory */
}

static uint64_t
low_water(const struct tri_runtime *runtime)
{
    uint64_t limit = runtime->options.memory_limit;
    return limit - limit / 8;
}

/* What the level says the word should be. */
static bool
shall_be_reached(const struct tri_runtime *runtime)
{
    uint64_t bytes = tri_level_bytes();
    return bytes >= runtime->options.memory_limit || (tri_ceiling_is_reached(runtime) && bytes >= low_water(runtime));
}

/* Under the lock: is it to be told now? */
static bool
is_to_be_said(void)
{
    uint64_t now_ms = tri_clock_ms();
    if (said_ms != 0 && now_ms < said_ms + SAY_EVERY_MS)
        return false;
    said_ms = now_ms;
    return true;
}

static void
reach(struct tri_runtime *runtime)
{
    ck_pr_inc_64(&runtime->limit_reached);
    ck_pr_inc_uint(&tri_level.reached);
    ck_pr_store_uint(&runtime->at_limit, 1);
    ck_pr_fence_memory(); /* V2: that somebody waits is seen before the level is; pairs with V1 in level.c */
}

static void
leave(struct tri_runtime *runtime)
{
    ck_pr_store_uint(&runtime->at_limit, 0);
    ck_pr_dec_uint(&tri_level.reached);
    tri_doorbell_nudge_all(runtime); /* V4: the word before the nudge; pairs with V3 in worker.c */
}

/* Under the lock. true: it is to be told. */
static bool
decide(struct tri_runtime *runtime)
{
    bool say = false;
    if (!tri_ceiling_is_reached(runtime) && shall_be_reached(runtime)) {
        reach(runtime);
        say = is_to_be_said();
    }
    if (tri_ceiling_is_reached(runtime) && !shall_be_reached(runtime))
        leave(runtime);
    return say;
}

static void
tell(uint64_t limit)
{
    tri_say("%" PRIu64 " bytes are in use, and the memory limit is %" PRIu64
            ": until they are fewer, sends are refused "
            "and sockets not read",
            tri_level_bytes(), limit);
}

bool
tri_ceiling_look(struct tri_runtime *runtime)
{
    bool reached = tri_ceiling_is_reached(runtime), say = false;
    if (runtime->options.memory_limit == 0 || TRI_LIKELY(shall_be_reached(runtime) == reached))
        return reached;
    uv_mutex_lock(&lock);
    if (runtime->is_limited)
        say = decide(runtime);
    reached = tri_ceiling_is_reached(runtime);
    uv_mutex_unlock(&lock);
    if (say)
        tell(runtime->options.memory_limit);
    return reached;
}

/* Somebody has subtracted while a limit was reached. */
static void
fell(void)
{
    uv_mutex_lock(&lock);
    for (struct tri_runtime *runtime = limited; runtime != NULL; runtime = runtime->next_limited)
        if (tri_ceiling_is_reached(runtime) && !shall_be_reached(runtime))
            leave(runtime);
    uv_mutex_unlock(&lock);
}

void
tri_ceiling_refuse(struct tri_runtime *runtime)
{
    ck_pr_inc_64(&runtime->limit_refused);
}

/* Life. */

void
tri_ceiling_begin(struct tri_runtime *runtime)
{
    if (runtime->options.memory_limit == 0)
        return;
    uv_once(&once, init_lock);
    uv_mutex_lock(&lock);
    tri_level.fell = fell;
    runtime->is_limited = true;
    runtime->next_limited = limited;
    limited = runtime;
    ck_pr_inc_uint(&tri_level.watched);
    uv_mutex_unlock(&lock);
}

void
tri_ceiling_end(struct tri_runtime *runtime)
{
    if (runtime->options.memory_limit == 0)
        return;
    uv_once(&once, init_lock); /* the start may have failed before the limit held */
    uv_mutex_lock(&lock);
    if (runtime->is_limited) {
        struct tri_runtime **link = &limited;
        while (*link != runtime)
            link = &(*link)->next_limited;
        *link = runtime->next_limited;
        ck_pr_dec_uint(&tri_level.watched);
        if (tri_ceiling_is_reached(runtime))
            leave(runtime);
        runtime->is_limited = false;
    }
    uv_mutex_unlock(&lock);
}

/* The worker. */

static void
follow(struct tri_worker *worker, bool reached)
{
    if (worker->at_limit == reached)
        return;
    worker->at_limit = reached;
    if (reached)
        tri_trace_memory_limit(worker->trace, tri_level_bytes());
    else
        tri_trace_memory_free(worker->trace, tri_level_bytes());
    if (worker->layer->at_limit != NULL)
        worker->layer->at_limit(worker, reached);
}

/* In the middle of anything: that it is over waits for the end of the turn. */
static void
grown(struct tri_level_shard *shard)
{
    struct tri_worker *worker = TRI_CONTAINER_OF(shard, struct tri_worker, level);
    if (tri_ceiling_look(worker->runtime))
        follow(worker, true);
}

void
tri_ceiling_settle(struct tri_worker *worker)
{
    if (worker->layer->settle != NULL)
        worker->layer->settle(worker);
    tri_level_publish(&worker->level);
    follow(worker, tri_ceiling_look(worker->runtime));
}

void
tri_ceiling_open(struct tri_worker *worker)
{
    worker->limited = worker->runtime->options.memory_limit != 0;
    worker->level.grown = grown;
}

void
tri_ceiling_close(struct tri_worker *worker)
{
    tri_level_end(&worker->level);
}
