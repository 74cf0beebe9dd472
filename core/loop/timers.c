/*
 * Timers: a binary heap over one libuv timer.
 *
 * An entry of the heap holds its key, the time and a running number, so that sifting touches the array and not the
 * timers; a timer knows its place, so that it can be stopped. Equal times fire in the order of their start.
 *
 * The handle is armed for the first entry or earlier, never later. Starting a timer arms it again only if that one is
 * the first; stopping one leaves it as it is, at the price of one wake-up that finds nothing to do.
 *
 * A round fires what is due and was started before the round: the running number tells. It does so in portions, one in
 * each turn of the loop, so that the mail and the sockets of the worker get their turns however much is due at once: an
 * idle handle, which keeps the loop from blocking, drives the portions after the first. What a callback starts
 * without a delay is left for a millisecond later, because libuv 1.44 runs a handle that its callback armed without a
 * delay again in the same turn, for ever. So the loop lives whatever callbacks start.
 *
 * Where a worker is stepped (steps.h) there is no handle to arm: whoever steps it asks when the next is due, and fires
 * one at a time.
 *
 * A timeout that comes up and was touched is put back for the time that the touch asks for. Its place in
 * the array has just been left, so nothing can fail there.
 *
 * Invariants
 *   - heap[timer->place - 1].timer == timer for each timer that is started;
 *   - count + reserved <= room, and reserved counts the timers that are kept and not started.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <troupe/core/status_from.h>
#include <troupe/core/timers.h>

#define ROOM_FIRST 64u
#define PORTION 512u

struct tri_timers_entry {
    uint64_t due_ms;
    uint64_t order; /* which start this was */
    struct tri_timer *timer;
};

static bool
comes_before(const struct tri_timers_entry *a, const struct tri_timers_entry *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void
put_at(struct tri_timers *timers, size_t index, struct tri_timers_entry entry)
{
    timers->heap[index] = entry;
    entry.timer->place = index + 1;
}

static void
sift_up(struct tri_timers *timers, size_t index, struct tri_timers_entry entry)
{
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (!comes_before(&entry, &timers->heap[parent]))
            break;
        put_at(timers, index, timers->heap[parent]);
        index = parent;
    }
    put_at(timers, index, entry);
}

static void
sift_down(struct tri_timers *timers, size_t index, struct tri_timers_entry entry)
{
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= timers->count)
            break;
        if (child + 1 < timers->count && comes_before(&timers->heap[child + 1], &timers->heap[child]))
            child++;
        if (!comes_before(&timers->heap[child], &entry))
            break;
        put_at(timers, index, timers->heap[child]);
        index = child;
    }
    put_at(timers, index, entry);
}

/* The invariants, as far as an entry and its neighbours show them. Debug builds call it. */
static void
check_entry(const struct tri_timers *timers, size_t index)
{
#ifndef NDEBUG
    assert(timers->count + timers->reserved <= timers->room);
    if (index >= timers->count)
        return;
    const struct tri_timers_entry *entry = &timers->heap[index];
    assert(entry->timer->place == index + 1);
    assert(index == 0 || comes_before(&timers->heap[(index - 1) / 2], entry));
    for (size_t child = 2 * index + 1; child < timers->count && child <= 2 * index + 2; child++)
        assert(comes_before(entry, &timers->heap[child]));
#else
    (void)timers;
    (void)index;
#endif
}

static void
remove_at(struct tri_timers *timers, size_t index)
{
    timers->heap[index].timer->place = 0;
    timers->reserved += timers->heap[index].timer->kept;
    struct tri_timers_entry last = timers->heap[--timers->count];
    if (index < timers->count && index > 0 && comes_before(&last, &timers->heap[(index - 1) / 2]))
        sift_up(timers, index, last);
    else if (index < timers->count)
        sift_down(timers, index, last);
    check_entry(timers, index);
}

static tr_status
make_room(struct tri_timers *timers)
{
    if (timers->count + timers->reserved < timers->room)
        return TR_OK;
    size_t room = timers->room > 0 ? 2 * timers->room : ROOM_FIRST;
    struct tri_timers_entry *heap = realloc(timers->heap, room * sizeof(*heap));
    if (heap == NULL)
        return TR_ENOMEM;
    timers->heap = heap;
    timers->room = room;
    return TR_OK;
}

static void on_wake(uv_timer_t *handle);

static void
arm_for_first(struct tri_timers *timers, uint64_t least_ms)
{
    uint64_t due_ms = timers->heap[0].due_ms;
    if (due_ms >= timers->armed_ms || timers->stepped)
        return;
    uint64_t now_ms = tri_clock_of_loop_ms(timers->loop);
    timers->armed_ms = due_ms;
    uv_timer_start(&timers->handle, on_wake, due_ms > now_ms ? due_ms - now_ms : least_ms, 0);
}

/* Puts a timer into the heap, which has room. */
static void
insert(struct tri_timers *timers, struct tri_timer *timer, uint64_t due_ms)
{
    /* With a time of the past it would come before others that are due longer and were started earlier. */
    uint64_t least_ms = tri_clock_of_loop_ms(timers->loop) + timers->stepped;
    struct tri_timers_entry entry = {due_ms > least_ms ? due_ms : least_ms, timers->started++, timer};
    timer->due_ms = due_ms;
    timers->reserved -= timer->kept;
    sift_up(timers, timers->count++, entry);
    check_entry(timers, timer->place - 1);
}

/* Fires what is due and belongs to the round, PORTION at the most. true: there may be more. */
static bool
fire_portion(struct tri_timers *timers)
{
    uint64_t now_ms = tri_clock_of_loop_ms(timers->loop);
    unsigned fired = 0;
    for (; fired < PORTION && timers->count > 0; fired++) {
        const struct tri_timers_entry *first = &timers->heap[0];
        if (first->due_ms > now_ms || first->order >= timers->round)
            break;
        struct tri_timer *timer = first->timer;
        remove_at(timers, 0);
        timer->fire(timer);
    }
    return fired == PORTION;
}

static void
end_round(struct tri_timers *timers)
{
    timers->armed_ms = TRI_CLOCK_NEVER;
    if (timers->count > 0)
        arm_for_first(timers, 1);
}

static void
on_rest(uv_idle_t *handle)
{
    struct tri_timers *timers = handle->data;
    if (fire_portion(timers) || uv_is_closing((uv_handle_t *)handle))
        return;
    uv_idle_stop(handle);
    end_round(timers);
}

static void
on_wake(uv_timer_t *handle)
{
    struct tri_timers *timers = handle->data;
    timers->round = timers->started;
    if (!fire_portion(timers))
        end_round(timers);
    else if (!uv_is_closing((uv_handle_t *)handle))
        uv_idle_start(&timers->rest, on_rest);
}

tr_status
tri_timers_open(struct tri_timers *timers, uv_loop_t *loop)
{
    *timers = (struct tri_timers){.loop = loop, .stepped = tri_clock_is_virtual(), .armed_ms = TRI_CLOCK_NEVER};
    int error = uv_timer_init(loop, &timers->handle);
    timers->handle.data = timers->rest.data = timers;
    uv_idle_init(loop, &timers->rest); /* cannot fail */
    return tri_status_from_uv(error);
}

uint64_t
tri_timers_next_ms(const struct tri_timers *timers)
{
    return timers->count > 0 ? timers->heap[0].due_ms : TRI_CLOCK_NEVER;
}

void
tri_timers_fire_one(struct tri_timers *timers)
{
    assert(timers->stepped && tri_timers_next_ms(timers) <= tri_clock_of_loop_ms(timers->loop));
    struct tri_timer *timer = timers->heap[0].timer;
    remove_at(timers, 0);
    timer->fire(timer);
}

void
tri_timers_close(struct tri_timers *timers)
{
    while (timers->count > 0)
        remove_at(timers, timers->count - 1);
    free(timers->heap);
    timers->heap = NULL;
    timers->room = 0;
    uv_close((uv_handle_t *)&timers->handle, NULL);
    uv_close((uv_handle_t *)&timers->rest, NULL);
}

tr_status
tri_timer_start(struct tri_timers *timers, struct tri_timer *timer, uint64_t delay_ms)
{
    return tri_timer_start_at(timers, timer, tri_clock_after(delay_ms));
}

tr_status
tri_timer_start_at(struct tri_timers *timers, struct tri_timer *timer, uint64_t due_ms)
{
    assert(timer->place == 0);
    assert(!uv_is_closing((uv_handle_t *)&timers->handle));
    if (!timer->kept && make_room(timers) != TR_OK)
        return TR_ENOMEM;
    insert(timers, timer, due_ms);
    arm_for_first(timers, 0);
    return TR_OK;
}

tr_status
tri_timer_keep(struct tri_timers *timers, struct tri_timer *timer)
{
    if (timer->kept)
        return TR_OK;
    if (timer->place == 0 && make_room(timers) != TR_OK)
        return TR_ENOMEM;
    timers->reserved += timer->place == 0;
    timer->kept = true;
    return TR_OK;
}

void
tri_timer_let_go(struct tri_timers *timers, struct tri_timer *timer)
{
    tri_timer_stop(timers, timer);
    timers->reserved -= timer->kept;
    timer->kept = false;
}

void
tri_timer_stop(struct tri_timers *timers, struct tri_timer *timer)
{
    if (timer->place > 0)
        remove_at(timers, timer->place - 1);
}

static uint64_t
due_of(const struct tri_timeout *timeout)
{
    uint64_t due_ms = timeout->touched_ms + timeout->duration_ms;
    return due_ms >= timeout->touched_ms ? due_ms : TRI_CLOCK_NEVER;
}

static void
fire_or_put_back(struct tri_timer *timer)
{
    struct tri_timeout *timeout = (struct tri_timeout *)timer; /* its first member */
    uint64_t due_ms = due_of(timeout);
    if (due_ms > tri_clock_of_loop_ms(timeout->timers->loop))
        insert(timeout->timers, timer, due_ms);
    else
        timeout->fire(timeout);
}

tr_status
tri_timeout_start(struct tri_timers *timers, struct tri_timeout *timeout, uint64_t duration_ms)
{
    timeout->timers = timers;
    timeout->duration_ms = duration_ms;
    tri_timeout_touch(timeout);
    timeout->timer.fire = fire_or_put_back;
    return tri_timer_start_at(timers, &timeout->timer, due_of(timeout));
}

void
tri_timeout_stop(struct tri_timers *timers, struct tri_timeout *timeout)
{
    tri_timer_stop(timers, &timeout->timer);
}
