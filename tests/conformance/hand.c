/*
 * A hand: the runner's own actor on each worker. It is the parent of what lives there, runs errands, keeps the time of
 * sleeping lists, and is, on the first worker, the owner of all sockets in the remote mode.
 */
#include "stage.h"

#include <stdlib.h>
#include <string.h>
#include <troupe/actors/tracing.h>

#define TICK_MS 5u

static void
rest_free(void *argument)
{
    struct rest *rest = argument;
    tr_slice_release(rest->chunk);
    free(rest);
}

void
hand_sleep(struct play *play, const struct rest *rest, uint64_t ms)
{
    tr_actor *self = play->selves[play->baton.holder];
    struct rest *copy = malloc(sizeof(*copy));
    if (copy == NULL)
        abort();
    *copy = *rest;
    tr_slice_hold(copy->chunk);
    tr_message message = tr_message_pointer(TAG_REST, copy, sizeof(*copy), rest_free);
    if (tr_send_after(self, tr_self(self), play->scale * ms, &message, NULL) != TR_OK)
        abort();
    play->sleeping++;
    tr_runtime_hold(play->runtime);
}

/* Did data still come in the last quarter of the sleep? Then it was too short for this machine, or this build. */
static bool
is_hurried(const struct play *play, const struct rest *rest)
{
    uint64_t slept_ms = play->scale * rest->list->actions[rest->from - 1].ms;
    return now_ms() < play->last_data_ms + slept_ms / 4;
}

static void
wake(struct play *play, unsigned worker, struct rest *rest)
{
    if (baton_take(play, worker)) {
        play->sleeping--;
        play->disturbed |= is_hurried(play, rest);
        perform(play, rest->list, rest->from, rest->self, rest->chunk.data != NULL ? &rest->chunk : NULL);
        tr_runtime_release(play->runtime);
        baton_give(play);
    }
    rest_free(rest);
}

/* Timers are libuv's: when one has come the loop has turned. */
static void
turn(tr_actor *self)
{
    tr_message message = tr_message_signal(TAG_TURNED);
    if (tr_send_after(self, tr_self(self), 1, &message, NULL) != TR_OK)
        abort();
}

static void
connected(struct play *play, struct wrapping *wrapping)
{
    if (!play->options->remote) {
        local_wrapped(wrapping);
        wrapping_free(wrapping);
    } else {
        remote_wrapped(wrapping);
    }
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    const struct hand_place *place = state;
    struct play *play = place->play;
    struct wrapping *wrapping;
    enum tr_event event;
    switch (message->tag) {
    case TAG_ERRAND: baton_serve(play, place->worker); break;
    case TAG_STILL:
        tr_trace_mark(self, "still", 0);
        turn(self);
        break;
    case TAG_PING: turn(self); break;
    case TAG_TURNED: baton_pong(play); break;
    case TAG_REST: wake(play, place->worker, tr_message_take_pointer(message)); break;
    case TAG_WRAP: wrapping_begin(play, place->worker, tr_message_take_pointer(message)); break;
    case TAG_CONNECTED: connected(play, tr_message_take_pointer(message)); break;
    case TAG_ADOPTED:
        wrapping = tr_message_take_pointer(message);
        remote_adopted(wrapping);
        wrapping_free(wrapping);
        break;
    case TAG_LOOKED_UP: look_up_answer(play, self, tr_message_data(message)); break;
    case TAG_CHECKED:
    case TAG_WRITTEN:
    case TAG_INFO: remote_answer(play, message); break;
    default:
        if (tr_event_of(message, &event))
            remote_event(play, event, message);
    }
}

/* Whatever keeps the worker from its loop, be it that others use the processor, makes it late. */
static void
tick(uv_timer_t *timer)
{
    struct metronome *metronome = timer->data;
    uint64_t now = uv_hrtime(), late = now > metronome->due_ns ? now - metronome->due_ns : 0;
    if (late > atomic_load_explicit(&metronome->latest_ns, memory_order_relaxed))
        atomic_store_explicit(&metronome->latest_ns, late, memory_order_relaxed);
    metronome->due_ns = now + TICK_MS * 1000000u;
}

/* The runtime's end closes it. */
static void
start_metronome(tr_actor *self, struct metronome *metronome)
{
    uv_timer_init(tr_actor_loop(self), &metronome->timer);
    metronome->timer.data = metronome;
    metronome->due_ns = uv_hrtime() + TICK_MS * 1000000u;
    uv_timer_start(&metronome->timer, tick, TICK_MS, TICK_MS);
}

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    struct hand_place *place = state;
    memcpy(place, argument, sizeof(*place));
    start_metronome(self, &place->play->metronomes[place->worker]);
    place->play->selves[place->worker] = self;
    place->play->hands[place->worker] = tr_self(self);
    return TR_OK;
}

const struct tr_behavior hand_behavior = {
    .name = "hand",
    .state_size = sizeof(struct hand_place),
    .init = init,
    .receive = receive,
};
