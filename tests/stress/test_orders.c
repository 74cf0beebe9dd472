/*
 * Random orders to random sockets: nothing is lost, nothing comes out of order, nothing stays open.
 *
 * In each play two actors, the hands of two workers, write to two sinks, sockets on random workers, into which two
 * sources each are led as well. A source is
 *   toggled  a socket whose own data callback writes to the sink, and which now and then is piped to it instead, by its
 *            own callback or by an order of somebody else's, and unpiped again;
 *   owned    a socket whose data events go to a hand, which writes them to the sink;
 *   afar     a socket made, connected and piped by orders, in one callback or in two.
 * Between the orders come pauses, corks, other owners, questions, and messages that fill mailboxes and batches. In a
 * third of the plays a sink is destroyed in the middle.
 *
 * Provoked: pipes that are opened, used, ended and taken apart while messages wait for the other socket, and while none
 * does; orders around the 64th message of a batch; connections that are there before anybody listens; ends of streams
 * with unanswered events; sockets that vanish while everything of this is on its way to them. At the end each of these
 * must have happened (`seen`).
 *
 * Checked: every byte says from whom it is (two bits) and which of his it is (six bits), so each sink's peer sees
 * whether one is missing or out of its place. Whatever is not destroyed gets all of it. Every question is answered. All
 * sockets close, and no descriptor is left.
 *
 * TROUPE_STRESS_SEEDS says how many seeds are played, TROUPE_STRESS_FIRST the first one.
 */
#include "hands.h"
#include "helpers.h"
#include "orders_hands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <ck_pr.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define SEEDS 60u

/* The peers: this thread. */

static void
unblock(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void
close_peer(int *peer)
{
    if (*peer >= 0)
        close(*peer);
    *peer = -1;
}

static void
feed(struct source *source)
{
    unsigned char data[700];
    if (source->peer < 0 && source->listening >= 0) {
        source->peer = accept(source->listening, NULL, NULL);
        if (source->peer >= 0)
            unblock(source->peer);
    }
    if (source->peer < 0 || source->ended)
        return;
    size_t size = 1 + draw(HERE, sizeof(data));
    size = size < source->size - source->sent ? size : (size_t)(source->size - source->sent);
    fill(data, size, origin_of(source), source->sent);
    ssize_t sent = send(source->peer, data, size, MSG_NOSIGNAL);
    if (sent > 0)
        source->sent += (uint64_t)sent;
    bool broken = sent < 0 && errno != EAGAIN;
    if (source->sent == source->size || broken) {
        shutdown(source->peer, SHUT_WR);
        source->ended = true;
        if (source->kind == AFAR || broken)
            close_peer(&source->peer);
    }
}

static uint64_t
sum(const uint64_t counts[ORIGINS])
{
    return counts[0] + counts[1] + counts[2] + counts[3];
}

static void
drain(struct sink *sink)
{
    unsigned char data[4096];
    ssize_t size;
    while (sink->peer >= 0 && (size = recv(sink->peer, data, sizeof(data), 0)) != -1) {
        if (size == 0) {
            close_peer(&sink->peer);
            break;
        }
        check_bytes(sink, data, (size_t)size);
    }
    if (sink->peer >= 0 && errno != EAGAIN)
        close_peer(&sink->peer);
    if (!sink->destroyed && !sink->asked_to_end && sum(sink->received) == sum(sink->expected)) {
        sink->asked_to_end = true;
        give_order(draw(HERE, WORKERS), END, (unsigned)(sink - sinks), 0);
        shutdown(sink->peer, SHUT_WR);
    }
}

/* A play. */

static void
open_sink(struct sink *sink)
{
    int fds[2];
    hands_pair(fds);
    *sink = (struct sink){.worker = draw(HERE, WORKERS), .fd = fds[0], .peer = fds[1]};
    unblock(sink->peer);
    on_worker(sink->worker, adopt_sink, sink);
    opened++;
}

static void
open_source(struct source *source, unsigned index)
{
    static const uint32_t credits[] = {1, 2, 4, 16};
    *source = (struct source){
        .kind = (enum kind)draw(HERE, KINDS),
        .worker = draw(HERE, WORKERS),
        .owner = draw(HERE, WORKERS),
        .index = index,
        .sink = &sinks[index % SINKS],
        .peer = -1,
        .listening = -1,
        .size = 1 + draw(HERE, 4000),
        .credit = credits[draw(HERE, 4)],
        .split = draw(HERE, 2) == 0,
    };
    source->sink->expected[origin_of(source)] = source->size;
    opened++;
    if (source->kind == AFAR) {
        source->listening = tests_peer_listen(&source->port);
        assert_true(source->listening >= 0);
        unblock(source->listening);
        give_order(source->owner, MAKE, index, 0);
        return;
    }
    int fds[2];
    hands_pair(fds);
    source->fd = fds[0];
    source->peer = fds[1];
    unblock(source->peer);
    on_worker(source->worker, adopt_source, source);
}

/* One that the source's kind allows. */
static void
order_at_random(unsigned which)
{
    const struct source *source = &sources[which];
    unsigned worker = draw(HERE, WORKERS), kind = draw(HERE, 6);
    if (source->kind == AFAR && (worker != source->owner || !source->split)) /* its name is known to its maker alone */
        return;
    if (kind == 0)
        give_order(worker, FILL_UP, which, draw(HERE, MANY_MESSAGES));
    else if (kind == 1)
        give_order(worker, PAUSE, which, 0);
    else if (source->kind == AFAR) /* resumed before it is piped it would lose what comes, as it was told to */
        give_order(worker, PIPE_AFAR, which, 0);
    else if (kind == 2)
        give_order(worker, RESUME, which, 0);
    else if (source->kind == TOGGLED)
        give_order(worker, kind < 5 ? PIPE : UNPIPE, which, 0);
    else
        give_order(worker, OWN, which, 0);
}

/* What a hand is to write to a sink, in pieces. */
static void
order_write(uint64_t left[WORKERS][SINKS])
{
    unsigned worker = draw(HERE, WORKERS), which = draw(HERE, SINKS);
    unsigned count = 1 + draw(HERE, 500);
    if (count > left[worker][which])
        count = (unsigned)left[worker][which];
    left[worker][which] -= count;
    if (count > 0)
        give_order(worker, draw(HERE, 5) == 0 ? CORK : WRITE, which, count);
}

static bool
all_is_ordered(uint64_t left[WORKERS][SINKS])
{
    uint64_t rest = 0;
    for (unsigned i = 0; i < WORKERS * SINKS; i++)
        rest += left[i / SINKS][i % SINKS];
    for (unsigned i = 0; i < SOURCES; i++)
        rest += sources[i].ended ? 0 : 1;
    return rest == 0;
}

static void
destroy_one(void)
{
    unsigned which = draw(HERE, SINKS);
    if (sinks[which].destroyed || sinks[which].asked_to_end)
        return;
    sinks[which].destroyed = true;
    see(DESTROYED);
    give_order(draw(HERE, WORKERS), DESTROY, which, 0);
}

static bool
all_closed(void)
{
    return ck_pr_load_uint(&closed) == opened && ck_pr_load_uint(&answered) == ck_pr_load_uint(&asked);
}

/* Whatever was paused goes on, and an afar source that nobody has piped yet is piped. */
static void
go_on(void)
{
    for (unsigned i = 0; i < SOURCES; i++)
        give_order(sources[i].owner, sources[i].kind == AFAR ? PIPE_AFAR : RESUME, i, 0);
}

static void
move_peers(void)
{
    for (unsigned i = 0; i < SOURCES; i++)
        feed(&sources[i]);
    for (unsigned i = 0; i < SINKS; i++)
        drain(&sinks[i]);
}

static void
act(uint64_t left[WORKERS][SINKS], bool destroys)
{
    for (unsigned step = 0; step < 10000 && !all_is_ordered(left); step++) {
        order_write(left);
        if (draw(HERE, 3) == 0)
            order_at_random(draw(HERE, SOURCES));
        if (destroys && draw(HERE, 50) == 0)
            destroy_one();
        move_peers();
        if (step % 64 == 63)
            go_on();
    }
}

static void
finish(void)
{
    uint64_t limit = uv_hrtime() + TESTS_LIMIT_MS * UINT64_C(1000000);
    for (unsigned turn = 0; !all_closed() && uv_hrtime() < limit; turn++) {
        struct pollfd wait[SINKS];
        move_peers();
        if (turn % 16 == 0)
            go_on();
        for (unsigned i = 0; i < SINKS; i++)
            wait[i] = (struct pollfd){.fd = sinks[i].peer, .events = POLLIN};
        poll(wait, SINKS, 1);
    }
}

static void
check_sinks(void)
{
    for (unsigned i = 0; i < SOURCES; i++)
        if (__atomic_load_n(&sources[i].by_event, __ATOMIC_RELAXED) < sources[i].sink->received[origin_of(&sources[i])])
            see(BY_PIPE);
    for (unsigned i = 0; i < SINKS; i++)
        for (unsigned origin = 0; origin < ORIGINS && !sinks[i].destroyed; origin++)
            assert_int_equal(sinks[i].received[origin], sinks[i].expected[origin]);
}

static void
play(unsigned seed)
{
    uint64_t left[WORKERS][SINKS];
    for (unsigned i = 0; i <= WORKERS; i++)
        chance[i] = (seed * UINT64_C(3) + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    memset(written, 0, sizeof(written));
    opened = closed = asked = answered = 0;
    hands_receive = orders_receive;
    for (unsigned i = 0; i < SINKS; i++)
        open_sink(&sinks[i]);
    for (unsigned i = 0; i < WORKERS * SINKS; i++)
        sinks[i % SINKS].expected[i / SINKS] = left[i / SINKS][i % SINKS] = draw(HERE, 4000);
    for (unsigned i = 0; i < SOURCES; i++)
        open_source(&sources[i], i);
    act(left, draw(HERE, 3) == 0);
    finish();
    assert_int_equal(ck_pr_load_uint(&closed), opened);
    assert_int_equal(ck_pr_load_uint(&answered), ck_pr_load_uint(&asked));
    move_peers();
    check_sinks();
    for (unsigned i = 0; i < SOURCES; i++) {
        close_peer(&sources[i].peer);
        close_peer(&sources[i].listening);
    }
    for (unsigned i = 0; i < SINKS; i++)
        close_peer(&sinks[i].peer);
}

static unsigned
number(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void
random_orders_lose_nothing_keep_their_order_and_leave_nothing_open(void **state)
{
    unsigned first = number("TROUPE_STRESS_FIRST", 1), seeds = number("TROUPE_STRESS_SEEDS", SEEDS);
    (void)state;
    for (unsigned seed = first; seed < first + seeds; seed++) {
        if (seed % 10 == 1 || seeds < 10)
            print_message("seed %u\n", seed);
        hands_open(WORKERS);
        play(seed);
        hands_close();
    }
    for (unsigned i = 0; i < KINDS_SEEN; i++)
        print_message("%s: %llu\n", seen_names[i], (unsigned long long)seen[i]);
    for (unsigned i = 0; i < KINDS_SEEN && seeds >= SEEDS; i++)
        assert_true(seen[i] > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_orders_lose_nothing_keep_their_order_and_leave_nothing_open),
    };
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
