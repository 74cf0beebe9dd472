/*
 * Slow peers: the first byte, a rate of what is received, and writes that the peer does not take.
 *
 * Neither reading nor writing does anything for it. A timer looks now and then at the counts that a socket has anyway.
 *
 * Receiving has a clock that runs only while bytes of the peer are awaited: the connection is open, the peer has not
 * ended, and neither the user (a pause, tr_socket_set_awaits()) nor the owner's credit nor a pipe that is full keeps us
 * from taking them, and no handshake is under way, which has a time of its own. Whatever changes that looks at the
 * clock (tri_pace_look()). What has run is kept to the nanosecond, so that a socket which is paused and resumed all the
 * time still comes to the end of its interval. A clock that stands has no timer.
 *
 *   connection --> FIRST_BYTE --a byte came--> GRACE --over--> RATE --fast enough--> RATE ...
 *                       |                                        |
 *                       +--not in time--> too slow <--too slow---+
 *
 * Where there is a rate, the first byte is looked for once in an interval, so that its grace time begins soon after it.
 *
 * Timers of the loop come before its poll: after a long callback of another actor a timer is due while the bytes that
 * came in time are still in the kernel. So whoever seems to be too slow gets one more look, after the next poll.
 *
 * Writing: the timer starts when bytes begin to wait for room in the kernel. When it is due, the peer has taken
 * something if bytes have left our queue since, or if the kernel says so of those that it holds (progress.h). What
 * waits for our own sake (a cork, an owner without credit, a system without memory) is nothing that the peer has to
 * take.
 */
#include "pace.h"

#include "queue.h"
#include "retry.h"
#include "secure.h"
#include "turn.h"

#include <assert.h>
#include <stdlib.h>
#include <troupe/core/delay.h>

#define NS_PER_MS UINT64_C(1000000)
#define AGAIN_MS 1u

enum phase {
    ANY_PACE,   /* nothing is demanded any more */
    FIRST_BYTE, /* none has come since the phase began */
    GRACE,
    RATE,
};

struct tri_pace {
    tr_socket *socket;
    uint64_t first_byte_ms, interval_ms, grace_ms, write_ms; /* of the options */
    uint32_t rate;
    enum tri_socket_call verdict;

    /* Receiving. */
    struct tri_timer receiving; /* started: the clock runs */
    enum phase phase;
    bool awaits;         /* the user does */
    bool looks_again;    /* it seemed to be too slow */
    uint64_t left_ns;    /* of the phase, or of one look for the first byte; when the clock was started */
    uint64_t started_ns; /* when that was */
    uint64_t bytes;      /* received when the phase began */
    uint64_t to_wait_ms; /* for the first byte, when this look is over */

    /* Writing. */
    struct tri_timer writing;
    uint64_t gone; /* bytes, at the last look */
    uint64_t moved_ms;
    bool hurries; /* nothing was taken in time: this is one more look */
    struct tri_progress progress;
};

static struct tri_timers *
timers_of(const struct tri_pace *pace)
{
    return &pace->socket->home->worker->timers;
}

/* Its place is kept. */
static void
start_at(struct tri_pace *pace, struct tri_timer *timer, uint64_t due_ms)
{
    tr_status status = tri_timer_start_at(timers_of(pace), timer, due_ms);
    assert(status == TR_OK);
    (void)status; /* in a Release build nobody asks */
}

static void
give_up(struct tri_pace *pace, enum tri_socket_call call)
{
    pace->verdict = call;
    tri_socket_step_now(pace->socket, TRI_STEP(SLOW), TRI_TAG_ON_TIMEOUT);
}

enum tri_socket_call
tri_pace_verdict(const tr_socket *socket)
{
    return socket->extra->pace->verdict;
}

/* The clock of receiving. */

static bool
is_awaited(const struct tri_pace *pace)
{
    const tr_socket *socket = pace->socket;
    const struct tri_pipe *pipe = socket->extra->pipe;
    return pace->awaits && tri_socket_is_open(socket) && !tri_socket_is_read_out(socket) &&
           !tri_secure_is_shaking(socket) &&
           !tri_socket_has_any(socket, TRI_SOCKET_PAUSED | TRI_SOCKET_PRESSED | TRI_SOCKET_HALTED) &&
           !tri_socket_lacks_credit(socket) && (pipe == NULL || !tri_pipe_is_full(pipe));
}

static void
run(struct tri_pace *pace)
{
    pace->started_ns = tri_clock_now_ns();
    start_at(pace, &pace->receiving, tri_clock_after((pace->left_ns + NS_PER_MS - 1) / NS_PER_MS));
}

static void
stand(struct tri_pace *pace)
{
    uint64_t ran_ns = tri_clock_now_ns() - pace->started_ns;
    tri_timer_stop(timers_of(pace), &pace->receiving);
    pace->left_ns -= ran_ns < pace->left_ns ? ran_ns : pace->left_ns;
}

void
tri_pace_look_limited(tr_socket *socket)
{
    struct tri_pace *pace = socket->extra->pace;
    bool runs = pace->receiving.place > 0;
    bool shall = pace->phase != ANY_PACE && is_awaited(pace);
    if (shall && !runs)
        run(pace);
    else if (runs && !shall)
        stand(pace);
}

/* The phases. */

static void
enter(struct tri_pace *pace, enum phase phase, uint64_t duration_ms)
{
    pace->phase = phase;
    pace->looks_again = false;
    pace->bytes = pace->socket->bytes_read;
    pace->left_ns = duration_ms * NS_PER_MS;
}

static void
demand_rate(struct tri_pace *pace)
{
    if (pace->rate == 0)
        enter(pace, ANY_PACE, 0);
    else if (pace->grace_ms > 0)
        enter(pace, GRACE, pace->grace_ms);
    else
        enter(pace, RATE, pace->interval_ms);
}

/* For the time that is left, or with a rate for an interval of it. */
static void
look_for_first_byte(struct tri_pace *pace)
{
    uint64_t look_ms = pace->to_wait_ms;
    if (pace->rate > 0 && look_ms > pace->interval_ms)
        look_ms = pace->interval_ms;
    pace->to_wait_ms -= look_ms;
    pace->left_ns = look_ms * NS_PER_MS;
}

static void
begin_anew(struct tri_pace *pace)
{
    if (pace->first_byte_ms == 0) {
        demand_rate(pace);
        return;
    }
    enter(pace, FIRST_BYTE, 0);
    pace->to_wait_ms = pace->first_byte_ms;
    look_for_first_byte(pace);
}

/* true: it gets one more look. */
static bool
may_look_again(struct tri_pace *pace)
{
    if (pace->looks_again)
        return false;
    pace->looks_again = true;
    pace->left_ns = AGAIN_MS * NS_PER_MS;
    return true;
}

/* The phase, or the look, is over. false: the peer is too slow. */
static bool
go_on(struct tri_pace *pace)
{
    uint64_t received = pace->socket->bytes_read - pace->bytes;
    if (pace->phase == GRACE) {
        enter(pace, RATE, pace->interval_ms);
        return true;
    }
    if (pace->phase == RATE) {
        if (received * 1000 < pace->rate * pace->interval_ms)
            return may_look_again(pace);
        enter(pace, RATE, pace->interval_ms);
        return true;
    }
    if (received > 0) {
        demand_rate(pace);
        return true;
    }
    if (pace->to_wait_ms == 0)
        return may_look_again(pace);
    look_for_first_byte(pace);
    return true;
}

static void
on_receiving(struct tri_timer *timer)
{
    struct tri_pace *pace = TRI_CONTAINER_OF(timer, struct tri_pace, receiving);
    bool first = pace->phase == FIRST_BYTE;
    if (is_awaited(pace) && !go_on(pace))
        give_up(pace, first ? TRI_CALL_FIRST_BYTE : TRI_CALL_READ);
    else
        tri_pace_look_limited(pace->socket); /* its peer may have ended */
}

void
tr_socket_set_awaits(tr_socket *socket, bool awaits)
{
    TRI_CHECK_SOCKET(socket);
    if (socket == NULL || !tri_pace_is_limited(socket))
        return;
    struct tri_pace *pace = socket->extra->pace;
    tri_timer_stop(timers_of(pace), &pace->receiving);
    pace->awaits = awaits;
    begin_anew(pace);
    tri_pace_look_limited(socket);
}

/* Writing. */

/* Bytes that have gone to the kernel. */
static uint64_t
gone_from(const tr_socket *socket)
{
    return socket->bytes_written - (socket->writer != NULL ? socket->writer->buffered : 0);
}

void
tri_pace_wait_limited(tr_socket *socket)
{
    struct tri_pace *pace = socket->extra->pace;
    if (pace->write_ms == 0 || pace->writing.place > 0)
        return;
    pace->gone = gone_from(socket);
    pace->hurries = false;
    pace->moved_ms = tri_clock_begin_ms();
    start_at(pace, &pace->writing, pace->moved_ms + pace->write_ms);
}

/* When nothing will have been taken for the whole time. The kernel is asked at each look, so that the next one knows
 * what it has to compare with. */
static uint64_t
next_due(struct tri_pace *pace)
{
    const tr_socket *socket = pace->socket;
    uint64_t now_ms = tri_clock_begin_ms(), gone = gone_from(socket);
    bool is_for_us = tri_socket_lacks_credit(socket) || tri_retry_is_due(socket) || tri_writer_is_corked(socket);
    if (gone != pace->gone || is_for_us)
        pace->moved_ms = now_ms;
    pace->gone = gone;
    (void)tri_progress_look(&pace->progress, socket->fd, now_ms, &pace->moved_ms);
    return pace->moved_ms + pace->write_ms;
}

static void
on_writing(struct tri_timer *timer)
{
    struct tri_pace *pace = TRI_CONTAINER_OF(timer, struct tri_pace, writing);
    if (!tri_socket_has_any(pace->socket, TRI_SOCKET_WRITING) && !tri_retry_is_due(pace->socket))
        return; /* nothing waits for the peer: the next that does starts it again */
    uint64_t due_ms = next_due(pace);
    bool in_time = due_ms > tri_clock_ms();
    if (!in_time && pace->hurries) {
        give_up(pace, TRI_CALL_WRITE);
        return;
    }
    pace->hurries = !in_time;
    start_at(pace, &pace->writing, in_time ? due_ms : tri_clock_after(AGAIN_MS));
}

/* Life. */

void
tri_pace_begin_limited(tr_socket *socket)
{
    struct tri_pace *pace = socket->extra->pace;
    pace->awaits = true;
    pace->progress = (struct tri_progress){0};
    begin_anew(pace);
    tri_pace_look_limited(socket);
}

void
tri_pace_end(tr_socket *socket)
{
    if (!tri_pace_is_limited(socket))
        return;
    struct tri_pace *pace = socket->extra->pace;
    tri_timer_stop(timers_of(pace), &pace->receiving);
    tri_timer_stop(timers_of(pace), &pace->writing);
}

void
tri_pace_free(tr_socket *socket)
{
    struct tri_pace *pace = socket->extra->pace;
    if (pace == NULL)
        return;
    tri_timer_let_go(timers_of(pace), &pace->receiving);
    tri_timer_let_go(timers_of(pace), &pace->writing);
    free(pace);
    socket->extra->pace = NULL;
}

tr_status
tri_pace_new(tr_socket *socket, const struct tr_socket_options *options)
{
    struct tri_pace *pace = calloc(1, sizeof(*pace));
    if (pace == NULL)
        return TR_ENOMEM;
    pace->socket = socket;
    pace->first_byte_ms = options->first_byte_timeout_ms;
    pace->rate = options->min_rate;
    pace->interval_ms = options->min_rate_interval_ms != 0 ? options->min_rate_interval_ms : TR_MIN_RATE_INTERVAL_MS;
    pace->grace_ms = options->min_rate_grace_ms;
    pace->write_ms = options->write_timeout_ms;
    pace->receiving.fire = on_receiving;
    pace->writing.fire = on_writing;
    socket->extra->pace = pace;
    if (tri_timer_keep(timers_of(pace), &pace->receiving) == TR_OK &&
        tri_timer_keep(timers_of(pace), &pace->writing) == TR_OK)
        return TR_OK;
    tri_pace_free(socket);
    return TR_ENOMEM;
}
