#include "hands.h"

#include "counters.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cmocka.h>
#include <uv.h>

tr_runtime *hands_runtime;
tr_ref hands[HANDS_LIMIT];
void (*hands_receive)(tr_actor *self, tr_message *message);

static int fds_before;

#define SETTLING_HOPS 8u

enum { CALL = 1, HOP = 1000 };

struct call {
    void (*run)(tr_actor *self, void *argument);
    void *argument;
    uv_sem_t *done;
};

struct hop {
    unsigned left;
    uv_sem_t *done;
};

/* From hand to hand, each time when its worker's loop has turned once more, and after all that went there before. */
static void
go_on(tr_actor *self, struct hop hop)
{
    if (hop.left-- == 0) {
        uv_sem_post(hop.done);
        return;
    }
    tr_ref other = tr_self(self) == hands[0] ? hands[1] : hands[0];
    tr_message message = tr_message_copy(HOP, &hop, sizeof(hop));
    assert_int_equal(tr_send_after(self, other, 1, &message, NULL), TR_OK);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    struct call call;
    (void)state;
    if (message->tag == HOP) {
        go_on(self, *(const struct hop *)tr_message_data(message));
        return;
    }
    if (message->tag != CALL) {
        if (hands_receive != NULL)
            hands_receive(self, message);
        return;
    }
    memcpy(&call, tr_message_data(message), sizeof(call));
    call.run(self, call.argument);
    uv_sem_post(call.done);
}

void
on_worker(unsigned worker, void (*run)(tr_actor *self, void *argument), void *argument)
{
    uv_sem_t done;
    struct call call = {run, argument, &done};
    tr_message message = tr_message_copy(CALL, &call, sizeof(call));
    assert_int_equal(uv_sem_init(&done, 0), 0);
    assert_int_equal(tr_runtime_send(hands_runtime, hands[worker], &message), TR_OK);
    uv_sem_wait(&done);
    uv_sem_destroy(&done);
}

void
hands_settle(void)
{
    uv_sem_t done;
    struct hop hop = {SETTLING_HOPS, &done};
    tr_message message = tr_message_copy(HOP, &hop, sizeof(hop));
    assert_int_equal(uv_sem_init(&done, 0), 0);
    assert_int_equal(tr_runtime_send(hands_runtime, hands[0], &message), TR_OK);
    uv_sem_wait(&done);
    uv_sem_destroy(&done);
}

static void
ask(tr_actor *self, void *argument)
{
    struct question *question = argument;
    (void)self;
    question->answer = question->holds(question->argument);
}

struct asked {
    unsigned worker;
    struct question question;
};

static bool
holds_there(void *argument)
{
    struct asked *asked = argument;
    on_worker(asked->worker, ask, &asked->question);
    return asked->question.answer;
}

void
await_on_worker(unsigned worker, bool (*holds)(void *argument), void *argument)
{
    struct asked asked = {worker, {holds, argument, false}};
    assert_true(tests_wait_until(holds_there, &asked, TESTS_LIMIT_MS));
}

void
hands_open(unsigned workers)
{
    static const struct tr_behavior hand = {.name = "hand", .receive = receive};
    struct tr_runtime_options options = {.workers = workers};
    fds_before = tests_open_fds();
    assert_int_equal(tr_runtime_start(&options, &hands_runtime), TR_OK);
    for (unsigned i = 0; i < workers; i++) {
        struct tr_spawn_options place = {.placement = TR_PLACE_WORKER, .worker = i};
        assert_int_equal(tr_runtime_spawn(hands_runtime, &hand, &place, &hands[i]), TR_OK);
    }
}

void
hands_close(void)
{
    struct tr_stop_report report;
    tests_counters_add_up(hands_runtime);
    tr_runtime_stop(hands_runtime, TESTS_LIMIT_MS, &report);
    hands_receive = NULL;
    assert_int_equal(report.killed, 0);
    assert_int_equal(tests_open_fds(), fds_before);
}

void
hands_pair(int fds[2])
{
    struct timeval limit = {.tv_sec = TESTS_LIMIT_MS / 1000};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

int
hands_warm_up(void **state)
{
    (void)state;
    hands_open(2);
    return tr_runtime_stop(hands_runtime, TESTS_LIMIT_MS, NULL) == TR_OK ? 0 : -1;
}
