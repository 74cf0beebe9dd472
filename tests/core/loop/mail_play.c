#include "mail_play.h"

#include "mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint32_t *arrived_order;
size_t arrived, order_room;
uint64_t expected_of[1024];
static unsigned disorder;
unsigned cast_refusals;
unsigned cast_buried;
bool cast_answers;
tr_status cast_answered;

static void
answer(struct tri_worker *worker)
{
    struct tri_envelope *envelope;
    if (cast_answers)
        cast_answered = tri_worker_stage(worker, worker->runtime->count - 1, true, &envelope);
}

static void
bury(struct tri_worker *worker, tr_ref to, tr_message *message)
{
    (void)to;
    disorder += message->payload.words[1] != expected_of[message->payload.words[0]]++;
    cast_buried++;
    answer(worker);
}

static bool
deliver(struct tri_worker *worker, tr_ref to, tr_message *message)
{
    uint64_t sender = message->payload.words[0], number = message->payload.words[1];
    (void)to;
    if (cast_refusals > 0) {
        cast_refusals--;
        return false;
    }
    answer(worker);
    disorder += number != expected_of[sender]++;
    if (arrived == order_room) {
        order_room = order_room > 0 ? 2 * order_room : 1024;
        arrived_order = realloc(arrived_order, order_room * sizeof(*arrived_order));
        assert_non_null(arrived_order);
    }
    arrived_order[arrived++] = (uint32_t)sender;
    return true;
}

static const struct tri_layer layer = {.deliver = deliver, .bury = bury};

struct cast *
cast_open(unsigned count, uint32_t lane_limit, uint32_t outside_limit)
{
    struct cast *cast = aligned_alloc(alignof(struct cast), sizeof(*cast));
    assert_non_null(cast);
    memset(cast, 0, sizeof(*cast));
    cast->runtime.count = count;
    cast->runtime.options.lane_limit = lane_limit;
    cast->runtime.options.outside_limit = outside_limit;
    cast->runtime.workers = calloc(count, sizeof(struct tri_worker *));
    for (unsigned i = 0; i < count; i++) {
        struct tri_worker *worker = aligned_alloc(alignof(struct tri_worker), sizeof(*worker));
        memset(worker, 0, sizeof(*worker));
        worker->runtime = &cast->runtime;
        worker->layer = &layer;
        worker->index = i;
        cast->runtime.workers[i] = worker;
        assert_int_equal(tri_mail_open(worker), TR_OK);
    }
    arrived = disorder = cast_refusals = cast_buried = 0;
    cast_answers = false;
    memset(expected_of, 0, sizeof(expected_of));
    return cast;
}

void
cast_close(struct cast *cast)
{
    while (tri_mail_take(cast->runtime.workers[0]) > 0) {
    }
    for (unsigned i = 0; i < cast->runtime.count; i++) {
        tri_mail_close(cast->runtime.workers[i]);
        free(cast->runtime.workers[i]);
    }
    free(cast->runtime.workers);
    free(cast);
    free(arrived_order);
    arrived_order = NULL;
    order_room = 0;
    assert_int_equal(disorder, 0);
}

struct tri_worker *
cast_receiver(struct cast *cast)
{
    return cast->runtime.workers[0];
}

tr_status
send_one(struct cast *cast, unsigned from)
{
    struct tri_worker *worker = cast->runtime.workers[from];
    struct tri_envelope *envelope;
    tr_status status = tri_worker_stage(worker, 0, false, &envelope);
    if (status != TR_OK)
        return status;
    uint64_t words[2] = {from, cast->sent[from]++};
    tr_message message = tr_message_copy(1, words, sizeof(words));
    envelope->to = 1;
    envelope->message.id = 0;
    envelope->message.from = 1;
    tri_message_move(&envelope->message, &message);
    tri_worker_commit(worker, 0);
    return TR_OK;
}

void
send_from(struct cast *cast, unsigned from, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(send_one(cast, from), TR_OK);
    tri_mail_send(cast->runtime.workers[from]);
}

tr_status
post_one(struct cast *cast)
{
    unsigned outside = cast->runtime.count;
    uint64_t words[2] = {outside, cast->sent[outside]};
    tr_message message = tr_message_copy(1, words, sizeof(words));
    tr_status status = tri_worker_post(cast_receiver(cast), 1, &message, false);
    cast->sent[outside] += status == TR_OK;
    return status;
}
