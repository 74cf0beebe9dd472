/*
 * Pressure on a mailbox reaches the wire: sockets whose data callback sends to an actor that does not keep up. The
 * peers are descriptors that the test itself writes to, without blocking.
 */
#include "bytes.h"
#include "counters.h"
#include "counting.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <troupe/actors/inspect.h>
#include <troupe/net/remote.h>
#include <troupe/net/socket.h>
#include <unistd.h>

enum { GO = 1, HOLD, ROUND, END, DATA }; /* DATA + n: of socket n */

#define SOCKETS 3u
#define LIMIT 64u         /* messages: crowded with 32, and 16 reads of each socket may be under way */
#define PIECE (1u << 16)  /* the most that one read brings */
#define KERNEL (2u << 20) /* more than the kernel holds of one connection */
#define TRIES_IN_VAIN 20u /* to write, with a hundred turns between: then the peer stands still */

static struct tally adopted, held, let_go, ended, rounds, wrong;
static uint64_t taken[SOCKETS]; /* bytes; the consumer's, or read when the runtime has ended */
static int fds[SOCKETS][2];

static int
reset(void **state)
{
    (void)state;
    adopted = held = let_go = ended = rounds = wrong = (struct tally){0};
    memset(taken, 0, sizeof(taken));
    return 0;
}

/* The consumer. */

static void
take(tr_message *message)
{
    uint32_t number = message->tag - DATA;
    size_t size = tr_message_size(message);
    if (!bytes_match(tr_message_data(message), size, number, taken[number]))
        tally_add(&wrong, 1);
    taken[number] += size;
}

/* Stands still, with its worker, until it is let go. */
static void
standing_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    if (message->tag == HOLD) {
        tally_add(&held, 1);
        tally_await(&let_go, 1);
    } else if (message->tag == END) {
        tally_add(&ended, 1);
    } else {
        take(message);
    }
}

/* Is crowded until it is let go, by messages of its own. */
static void
crowded_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == HOLD) {
        for (unsigned i = 0; i < LIMIT; i++)
            tr_tell(self, tr_self(self), ROUND, NULL, 0);
        tally_add(&held, 1);
    } else if (message->tag == ROUND && tally_read(&let_go) == 0) {
        tr_send(self, tr_self(self), message);
    } else if (message->tag == END) {
        tally_add(&ended, 1);
    } else if (message->tag >= DATA) {
        take(message);
    }
}

#define BEHAVIOR(receives, limits)                                                                                     \
    {                                                                                                                  \
        .name = #receives, .receive = receives, .stopped = count_stopped, .mailbox = limits                            \
    }
#define LIMITS(...) __VA_ARGS__

static const struct tr_behavior standing =
    BEHAVIOR(standing_receive, LIMITS({.messages = LIMIT + SOCKETS * 16, .policy = TR_MAILBOX_REFUSE}));
static const struct tr_behavior crowded =
    BEHAVIOR(crowded_receive, LIMITS({.messages = 2 * LIMIT, .policy = TR_MAILBOX_REFUSE}));
static const struct tr_behavior mutes =
    BEHAVIOR(crowded_receive, LIMITS({.messages = 2 * LIMIT, .policy = TR_MAILBOX_MUTE}));

/* The sockets. */

enum naming { NOT_AT_ALL, BY_OPTION, BY_CALL, FROM_AFAR };

struct order {
    tr_ref to, director;
    enum naming naming;
};

static void
on_data(tr_socket *socket, tr_slice data)
{
    const struct order *order = tr_socket_state(socket);
    tr_slice_hold(data);
    tr_message message = tr_message_slice(DATA + (uint32_t)(uintptr_t)tr_socket_data(socket), data);
    if (tr_send(tr_socket_actor(socket), order->to, &message) != TR_OK) {
        tr_message_drop(&message);
        tally_add(&wrong, 1);
    }
}

static void
on_end(tr_socket *socket)
{
    const struct order *order = tr_socket_state(socket);
    tr_message message = tr_message_signal(END);
    if (tr_send(tr_socket_actor(socket), order->to, &message) != TR_OK)
        tally_add(&wrong, 1);
}

static const struct tr_socket_events events = {.data = on_data, .end = on_end};

static void
adopt(tr_actor *self, const struct order *order, uintptr_t number)
{
    struct tr_socket_options options = {.events = &events,
                                        .data = (void *)number,
                                        .state_size = sizeof(*order),
                                        .consumer = order->naming == BY_OPTION ? order->to : TR_NOBODY};
    tr_socket *socket;
    assert_int_equal(tr_socket_adopt(self, fds[number][0], TR_READABLE | TR_WRITABLE, &options, &socket), TR_OK);
    *(struct order *)tr_socket_state(socket) = *order;
    if (order->naming == BY_CALL)
        assert_int_equal(tr_socket_set_consumer(socket, order->to), TR_OK);
    if (order->naming == FROM_AFAR)
        assert_int_equal(
            tr_tell(self, order->director, GO, (tr_ref[]){tr_socket_ref(socket), order->to}, 2 * sizeof(tr_ref)),
            TR_OK);
}

/* Names the consumer of each socket, and hears from it that it knows. */
static void
director_receive(tr_actor *self, void *state, tr_message *message)
{
    unsigned *known = state;
    const tr_ref *refs = tr_message_data(message);
    if (message->tag == GO) {
        assert_int_equal(tr_remote_set_consumer(self, refs[0], refs[1]), TR_OK);
        assert_int_equal(tr_remote_socket_info(self, refs[0], ROUND, 0), TR_OK);
    } else if (++*known == SOCKETS) {
        tally_add(&adopted, 1);
    }
}

static const struct tr_behavior director = {
    .name = "director", .state_size = sizeof(unsigned), .receive = director_receive};

static void
keeper_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == GO) {
        const struct order *order = tr_message_data(message);
        for (uintptr_t i = 0; i < SOCKETS; i++)
            adopt(self, order, i);
        tally_add(&adopted, order->naming != FROM_AFAR);
    } else if (message->payload.words[0] > 1) {
        uint64_t left = message->payload.words[0] - 1;
        tr_message later = tr_message_copy(ROUND, &left, sizeof(left));
        assert_int_equal(tr_send_after(self, tr_self(self), 1, &later, NULL), TR_OK); /* in another turn */
    } else {
        tally_add(&rounds, 1);
    }
}

static const struct tr_behavior keeper = {.name = "keeper", .receive = keeper_receive};

/* The peers. */

static uint64_t written[SOCKETS];

/* Writes what the kernel takes. */
static bool
write_some(unsigned number, uint64_t total)
{
    static char piece[PIECE];
    bool any = false;
    for (ssize_t size = 1; size > 0 && written[number]<total; any |= size> 0) {
        size_t part = total - written[number] < PIECE ? total - written[number] : PIECE;
        bytes_fill(piece, part, number, written[number]);
        size = write(fds[number][1], piece, part);
        if (size < 0)
            assert_int_equal(errno, EAGAIN);
        written[number] += size > 0 ? (uint64_t)size : 0;
    }
    return any;
}

static bool
write_all_some(uint64_t total)
{
    bool any = false;
    for (unsigned i = 0; i < SOCKETS; i++)
        any |= write_some(i, total);
    return any;
}

static void
write_until_all_stand_still(tr_runtime *runtime, tr_ref keeps, uint64_t total)
{
    for (uint64_t in_vain = 0, round = 0; in_vain < TRIES_IN_VAIN; in_vain++) {
        if (write_all_some(total))
            in_vain = 0;
        stage_send(runtime, keeps, ROUND, &(uint64_t){5}, sizeof(uint64_t));
        tally_await(&rounds, ++round);
    }
}

static bool
is_all_written(void *total)
{
    bool all = true;
    write_all_some(*(uint64_t *)total);
    for (unsigned i = 0; i < SOCKETS; i++)
        all &= written[i] == *(uint64_t *)total;
    return all;
}

struct play {
    const struct tr_behavior *consumer;
    unsigned worker; /* of the consumer */
    enum naming naming;
    unsigned director;     /* the worker of who names it from afar */
    uint64_t total, bound; /* bytes of each socket, and what may be taken of them before all stand still */
};

static tr_runtime *
begin(const struct play *play, tr_ref *consumer, tr_ref *keeps)
{
    tr_runtime *runtime = stage_open(2);
    memset(written, 0, sizeof(written));
    for (unsigned i = 0; i < SOCKETS; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
        assert_int_equal(fcntl(fds[i][1], F_SETFL, O_NONBLOCK), 0);
    }
    *consumer = stage_spawn(runtime, play->consumer, play->worker, NULL);
    *keeps = stage_spawn(runtime, &keeper, 0, NULL);
    stage_send(runtime, *consumer, HOLD, NULL, 0);
    tally_await(&held, 1);
    struct order order = {*consumer, TR_NOBODY, play->naming};
    if (play->naming == FROM_AFAR)
        order.director = stage_spawn(runtime, &director, play->director, NULL);
    stage_send(runtime, *keeps, GO, &order, sizeof(order));
    tally_await(&adopted, 1);
    return runtime;
}

struct muted {
    tr_ref by;
    unsigned count;
};

static bool
count_muted(void *context, const struct tr_actor_info *info)
{
    struct muted *muted = context;
    muted->count += (info->state & TR_ACTOR_MUTED) != 0 && info->muted_by == muted->by;
    return true;
}

/* On the worker of the sockets everybody hears at once that the consumer is crowded. */
static void
expect_all_muted(tr_runtime *runtime, tr_ref consumer)
{
    struct muted muted = {.by = consumer};
    assert_int_equal(tr_inspect_actors(runtime, count_muted, &muted), TR_OK);
    assert_int_equal(muted.count, SOCKETS);
}

static void
expect_pressure(struct play play)
{
    struct tr_counters counters;
    tr_ref consumer, keeps;
    tr_runtime *runtime = begin(&play, &consumer, &keeps);
    write_until_all_stand_still(runtime, keeps, play.total);
    for (unsigned i = 0; i < SOCKETS; i++)
        assert_in_range(written[i], PIECE, play.bound);
    if (play.worker == 0)
        expect_all_muted(runtime, consumer);
    tally_add(&let_go, 1);
    assert_true(tests_wait_until(is_all_written, &play.total, TESTS_LIMIT_MS));
    for (unsigned i = 0; i < SOCKETS; i++)
        close(fds[i][1]);
    tally_await(&ended, SOCKETS);
    tr_runtime_counters(runtime, &counters);
    stage_close(runtime);
    assert_int_equal(tally_read(&wrong), 0);
    assert_int_equal(counters.dead_letters, 0);
    for (unsigned i = 0; i < SOCKETS; i++)
        assert_int_equal(taken[i], play.total);
}

static void
a_socket_whose_consumer_is_crowded_leaves_the_bytes_to_the_kernel(void **state)
{
    (void)state;
    for (enum naming naming = BY_OPTION; naming <= BY_CALL; naming++) {
        reset(state);
        expect_pressure(
            (struct play){.consumer = &crowded, .naming = naming, .total = 8u << 20, .bound = 2 * PIECE + KERNEL});
    }
}

static void
a_socket_heeds_the_consumer_that_somebody_elsewhere_names(void **state)
{
    for (unsigned worker = 0; worker < 2; worker++) {
        reset(state);
        expect_pressure((struct play){.consumer = &crowded,
                                      .naming = FROM_AFAR,
                                      .director = worker,
                                      .total = 8u << 20,
                                      .bound = 2 * PIECE + KERNEL});
    }
}

static void
a_consumer_on_another_worker_has_no_more_under_way_than_sixteen_reads(void **state)
{
    (void)state;
    expect_pressure((struct play){
        .consumer = &standing, .worker = 1, .naming = BY_OPTION, .total = 8u << 20, .bound = 17 * PIECE + KERNEL});
}

static void
a_mailbox_that_mutes_needs_no_word_to_the_sockets_that_fill_it(void **state)
{
    (void)state;
    expect_pressure((struct play){.consumer = &mutes, .total = 8u << 20, .bound = 2 * PIECE + KERNEL});
    reset(state);
    expect_pressure((struct play){.consumer = &mutes, .worker = 1, .total = 200u << 20, .bound = 150u << 20});
}

static void
sockets_read_on_when_their_consumer_has_ended(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 2; worker++) {
        reset(state);
        tr_ref consumer, keeps;
        uint64_t total = 8u << 20;
        struct play play = {.consumer = &crowded, .worker = worker, .naming = BY_OPTION, .total = total};
        tr_runtime *runtime = begin(&play, &consumer, &keeps);
        write_until_all_stand_still(runtime, keeps, total);
        assert_int_equal(tr_runtime_stop_actor(runtime, consumer, TR_STOP_NOW), TR_OK);
        assert_true(tests_wait_until(is_all_written, &total, TESTS_LIMIT_MS));
        for (unsigned i = 0; i < SOCKETS; i++)
            close(fds[i][1]);
        stage_close(runtime);
    }
}

/* Bad names. */

static void
names_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    tr_socket *socket;
    tr_ref nobodys = tr_self(self) | (tr_ref)0xfff << 24; /* of worker 4095 */
    struct tr_socket_options options = {.consumer = nobodys};
    assert_int_equal(tr_socket_spawn(self, &options, &socket), TR_EBADREF);
    assert_int_equal(tr_socket_spawn(self, NULL, &socket), TR_OK);
    assert_int_equal(tr_socket_set_consumer(socket, nobodys), TR_EBADREF);
    assert_int_equal(tr_socket_set_consumer(socket, TR_NOBODY), TR_OK);
    assert_int_equal(tr_socket_set_consumer(NULL, tr_self(self)), TR_EINVAL);
    assert_int_equal(tr_remote_set_consumer(self, tr_socket_ref(socket), nobodys), TR_EBADREF);
    assert_int_equal(tr_remote_set_consumer(self, tr_socket_ref(socket), TR_NOBODY), TR_OK);
    tr_socket_destroy(socket, TR_OK);
    tally_add(&adopted, 1);
}

static void
a_consumer_that_no_worker_can_have_is_refused(void **state)
{
    (void)state;
    static const struct tr_behavior names = {.name = "names", .receive = names_receive};
    tr_runtime *runtime = stage_open(1);
    stage_send(runtime, stage_spawn(runtime, &names, 0, NULL), GO, NULL, 0);
    tally_await(&adopted, 1);
    stage_close(runtime);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_socket_whose_consumer_is_crowded_leaves_the_bytes_to_the_kernel, reset),
        cmocka_unit_test_setup(a_socket_heeds_the_consumer_that_somebody_elsewhere_names, reset),
        cmocka_unit_test_setup(a_consumer_on_another_worker_has_no_more_under_way_than_sixteen_reads, reset),
        cmocka_unit_test_setup(a_mailbox_that_mutes_needs_no_word_to_the_sockets_that_fill_it, reset),
        cmocka_unit_test_setup(sockets_read_on_when_their_consumer_has_ended, reset),
        cmocka_unit_test_setup(a_consumer_that_no_worker_can_have_is_refused, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
