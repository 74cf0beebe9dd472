/*
 * The baton: who holds it may act on the play and write logs.
 *
 * Every handler of an event takes it first, so handlers of all workers run one after the other. A handler that acts on
 * an endpoint of another worker has that worker run an errand and waits until it is done. That other worker may be
 * waiting for the baton itself, at the beginning of a handler; then it runs the errand there, which the library
 * allows: inside any callback one may act on all sockets of the same worker. So nobody waits for ever.
 *
 * At most one errand exists at a time, since only the holder sends any. While it runs the holder is the worker that
 * runs it. Afterwards that worker stands by until the baton is free again: so nothing happens to its endpoints between
 * two actions of a list.
 */
#include "stage.h"

#include <assert.h>

void
baton_init(struct baton *baton)
{
    *baton = (struct baton){.holder = NOBODY};
    uv_mutex_init(&baton->lock);
    uv_cond_init(&baton->changed);
}

void
baton_fini(struct baton *baton)
{
    uv_cond_destroy(&baton->changed);
    uv_mutex_destroy(&baton->lock);
}

/* Under the lock, which it lets go meanwhile. */
static void
run_errand(struct play *play)
{
    struct baton *baton = &play->baton;
    struct errand *errand = baton->errand;
    baton->errand = NULL;
    baton->holder = (int)errand->worker;
    uv_mutex_unlock(&baton->lock);
    errand->run(play, errand->argument);
    uv_mutex_lock(&baton->lock);
    baton->holder = errand->from;
    errand->done = true;
    uv_cond_broadcast(&baton->changed);
}

static bool
is_for(const struct baton *baton, unsigned worker)
{
    return baton->errand != NULL && baton->errand->worker == worker;
}

bool
baton_take(struct play *play, unsigned worker)
{
    struct baton *baton = &play->baton;
    uv_mutex_lock(&baton->lock);
    while (!baton->over && baton->holder != NOBODY && baton->holder != (int)worker)
        if (is_for(baton, worker))
            run_errand(play);
        else
            uv_cond_wait(&baton->changed, &baton->lock);
    bool taken = !baton->over;
    if (taken) {
        baton->holder = (int)worker;
        baton->depth++;
    }
    uv_mutex_unlock(&baton->lock);
    return taken;
}

void
baton_take_outside(struct play *play)
{
    struct baton *baton = &play->baton;
    uv_mutex_lock(&baton->lock);
    while (baton->holder != NOBODY)
        uv_cond_wait(&baton->changed, &baton->lock);
    baton->holder = OUTSIDE;
    baton->depth++;
    uv_mutex_unlock(&baton->lock);
}

void
baton_give(struct play *play)
{
    struct baton *baton = &play->baton;
    if (baton->depth == 1)
        lates_flush(play);
    uv_mutex_lock(&baton->lock);
    if (--baton->depth == 0) {
        baton->holder = NOBODY;
        baton->turn++;
    }
    uv_cond_broadcast(&baton->changed);
    uv_mutex_unlock(&baton->lock);
}

/* As from outside: what an actor sends would not leave this worker before the handler returns. */
static void
knock(struct play *play, unsigned worker, uint32_t tag)
{
    tr_message message = tr_message_signal(tag);
    tr_status status = tr_runtime_send(play->runtime, play->hands[worker], &message);
    assert(status == TR_OK);
    (void)status;
}

void
baton_errand(struct play *play, unsigned worker, void (*run)(struct play *play, void *argument), void *argument)
{
    struct baton *baton = &play->baton;
    struct errand errand = {.worker = worker, .from = baton->holder, .run = run, .argument = argument};
    uv_mutex_lock(&baton->lock);
    assert(baton->errand == NULL);
    baton->errand = &errand;
    uv_cond_broadcast(&baton->changed);
    uv_mutex_unlock(&baton->lock);
    knock(play, worker, TAG_ERRAND);
    uv_mutex_lock(&baton->lock);
    while (!errand.done)
        uv_cond_wait(&baton->changed, &baton->lock);
    uv_mutex_unlock(&baton->lock);
}

void
baton_serve(struct play *play, unsigned worker)
{
    struct baton *baton = &play->baton;
    uv_mutex_lock(&baton->lock);
    uint64_t turn = baton->turn;
    if (is_for(baton, worker)) {
        run_errand(play);
        while (baton->turn == turn)
            if (is_for(baton, worker))
                run_errand(play);
            else
                uv_cond_wait(&baton->changed, &baton->lock);
    }
    uv_mutex_unlock(&baton->lock);
}

void
baton_ping(struct play *play)
{
    struct baton *baton = &play->baton;
    for (unsigned round = 0; round < 2; round++) {
        uv_mutex_lock(&baton->lock);
        baton->pongs = 0;
        uv_mutex_unlock(&baton->lock);
        for (unsigned i = 0; i < play->workers; i++)
            knock(play, i, round == 0 ? TAG_STILL : TAG_PING);
        uv_mutex_lock(&baton->lock);
        while (baton->pongs < play->workers)
            uv_cond_wait(&baton->changed, &baton->lock);
        uv_mutex_unlock(&baton->lock);
    }
}

void
baton_pong(struct play *play)
{
    uv_mutex_lock(&play->baton.lock);
    play->baton.pongs++;
    uv_cond_broadcast(&play->baton.changed);
    uv_mutex_unlock(&play->baton.lock);
}
