#include "puppet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>
#include <troupe/actors/group.h>

#define NOTES 1024u

struct order {
    void (*act)(tr_actor *self, void *argument);
    void *argument;
    uv_sem_t *done;
};

static struct puppet_note notes[NOTES];
static struct tally taken, given;
struct tally puppet_stopped;

void
puppet_forget(void)
{
    taken = given = puppet_stopped = (struct tally){0};
    memset(notes, 0, sizeof(notes));
}

static void
note(const tr_message *message)
{
    uint64_t place = __atomic_fetch_add(&taken.count, 1, __ATOMIC_RELAXED);
    struct puppet_note *to = &notes[place % NOTES];
    *to = (struct puppet_note){.tag = message->tag, .from = message->from};
    if (message->tag < TR_TAG_RESERVED && tr_message_size(message) >= sizeof(to->number))
        memcpy(&to->number, tr_message_data(message), sizeof(to->number));
    if (message->tag == TR_TAG_GROUP) {
        const struct tr_group_event *event = tr_message_data(message);
        *to = (struct puppet_note){
            .tag = message->tag, .from = event->member, .monitor = event->watch, .number = event->change};
    }
    if (message->tag == TR_TAG_DOWN || message->tag == TR_TAG_LINK_DOWN) {
        const struct tr_down *down = tr_message_data(message);
        to->from = down->actor;
        to->status = down->status;
        to->monitor = down->monitor;
        snprintf(to->text, sizeof(to->text), "%s", down->text);
    }
    tally_add(&given, 1);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    if (message->tag == PUPPET_SIGNAL) {
        uv_sem_post((uv_sem_t *)(uintptr_t)message->payload.words[0]);
        return;
    }
    if (message->tag != PUPPET_DO) {
        note(message);
        return;
    }
    const struct order *order = tr_message_data(message);
    order->act(self, order->argument);
    if (order->done != NULL)
        uv_sem_post(order->done);
}

static void
stopped(tr_actor *self, void *state)
{
    (void)self;
    (void)state;
    tally_add(&puppet_stopped, 1);
}

const struct tr_behavior puppet_behavior = {.name = "puppet", .receive = receive, .stopped = stopped};

tr_ref
puppet_spawn(tr_runtime *runtime, unsigned worker)
{
    return stage_spawn(runtime, &puppet_behavior, worker, NULL);
}

void
puppet_order(tr_runtime *runtime, tr_ref puppet, void (*act)(tr_actor *self, void *argument), void *argument)
{
    struct order order = {.act = act, .argument = argument};
    stage_send(runtime, puppet, PUPPET_DO, &order, sizeof(order));
}

void
puppet_do(tr_runtime *runtime, tr_ref puppet, void (*act)(tr_actor *self, void *argument), void *argument)
{
    uv_sem_t done;
    assert_int_equal(uv_sem_init(&done, 0), 0);
    struct order order = {act, argument, &done};
    stage_send(runtime, puppet, PUPPET_DO, &order, sizeof(order));
    uv_sem_wait(&done);
    uv_sem_destroy(&done);
}

struct signal {
    tr_ref to;
    uv_sem_t *done;
};

static void
send_signal(tr_actor *self, void *argument)
{
    const struct signal *signal = argument;
    assert_int_equal(tr_tell(self, signal->to, PUPPET_SIGNAL, &signal->done, sizeof(signal->done)), TR_OK);
}

void
puppet_settle(tr_runtime *runtime, tr_ref from, tr_ref to)
{
    uv_sem_t done;
    assert_int_equal(uv_sem_init(&done, 0), 0);
    struct signal signal = {to, &done};
    puppet_do(runtime, from, send_signal, &signal);
    uv_sem_wait(&done);
    uv_sem_destroy(&done);
}

const struct puppet_note *
puppet_await(unsigned count)
{
    tally_await(&given, count);
    return &notes[count - 1];
}

unsigned
puppet_count(void)
{
    return (unsigned)tally_read(&given);
}

const struct puppet_note *
puppet_note(unsigned number)
{
    return &notes[number];
}
