#include "names_play.h"

#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { DO = 1 };

struct order {
    void (*act)(tr_actor *self, void *argument);
    void *argument;
    struct tally *done;
};

static tr_status
player_init(tr_actor *self, void *state, const void *argument)
{
    *(struct player **)state = (struct player *)(uintptr_t)argument;
    (void)self;
    return TR_OK;
}

static void
hear(struct player *player, const tr_message *message)
{
    uint64_t count = tally_read(&player->heard);
    assert_int_equal(tr_message_size(message), sizeof(struct tr_name_change));
    if (count < PLAYER_HEARS)
        memcpy(&player->changes[count], tr_message_data(message), sizeof(struct tr_name_change));
    tally_add(&player->heard, 1);
}

static void
obey(tr_actor *self, const tr_message *message)
{
    struct order order;
    memcpy(&order, tr_message_data(message), sizeof(order));
    order.act(self, order.argument);
    tally_add(order.done, 1);
}

static void
player_receive(tr_actor *self, void *state, tr_message *message)
{
    struct player *player = *(struct player **)state;
    if (message->tag == TR_TAG_NAME) {
        hear(player, message);
    } else if (message->tag == DO) {
        obey(self, message);
    } else {
        if (tally_read(&player->other) == 0)
            player->heard_by_other = tally_read(&player->heard);
        tally_add(&player->other, 1);
    }
}

static void
player_stopped(tr_actor *self, void *state)
{
    (void)self;
    tally_add(&(*(struct player **)state)->has_stopped, 1);
}

static const struct tr_behavior player_behavior = {.name = "player",
                                                   .state_size = sizeof(struct player *),
                                                   .init = player_init,
                                                   .receive = player_receive,
                                                   .stopped = player_stopped};

static void
start(struct player *player, tr_runtime *runtime, unsigned worker, const struct tr_behavior *behavior)
{
    *player = (struct player){.runtime = runtime};
    player->ref = stage_spawn(runtime, behavior, worker, player);
}

void
player_start(struct player *player, tr_runtime *runtime, unsigned worker)
{
    start(player, runtime, worker, &player_behavior);
}

void
player_start_limited(struct player *player, tr_runtime *runtime, unsigned worker,
                     const struct tr_mailbox_limits *limits)
{
    static struct tr_behavior limited; /* one test at a time */
    limited = player_behavior;
    limited.mailbox = *limits;
    start(player, runtime, worker, &limited);
}

void
player_does(struct player *player, void (*act)(tr_actor *self, void *argument), void *argument)
{
    struct tally done = {0};
    struct order order = {.act = act, .argument = argument, .done = &done};
    stage_send(player->runtime, player->ref, DO, &order, sizeof(order));
    tally_await(&done, 1);
}

struct gone {
    struct player *player;
    const char *name;
};

static bool
is_gone(void *argument)
{
    const struct gone *gone = argument;
    return tr_runtime_whereis(gone->player->runtime, gone->name) != gone->player->ref;
}

void
player_stop(struct player *player, enum tr_stop_mode how, const char *name)
{
    struct gone gone = {.player = player, .name = name};
    assert_int_equal(tr_runtime_stop_actor(player->runtime, player->ref, how), TR_OK);
    assert_true(tests_wait_until(is_gone, &gone, TESTS_LIMIT_MS));
}

struct call {
    tr_status (*function)(tr_actor *self, const char *name);
    const char *name;
    tr_status status;
    tr_ref ref;
};

static void
make_call(tr_actor *self, void *argument)
{
    struct call *call = argument;
    call->status = call->function(self, call->name);
}

static tr_status
calls(struct player *player, tr_status (*function)(tr_actor *self, const char *name), const char *name)
{
    struct call call = {.function = function, .name = name};
    player_does(player, make_call, &call);
    return call.status;
}

tr_status
player_registers(struct player *player, const char *name)
{
    return calls(player, tr_name_register, name);
}

tr_status
player_releases(struct player *player, const char *name)
{
    return calls(player, tr_name_release, name);
}

tr_status
player_watches(struct player *player, const char *name)
{
    return calls(player, tr_name_watch, name);
}

tr_status
player_unwatches(struct player *player, const char *name)
{
    return calls(player, tr_name_unwatch, name);
}

static void
look(tr_actor *self, void *argument)
{
    struct call *call = argument;
    call->ref = tr_whereis(self, call->name);
}

tr_ref
player_looks(struct player *player, const char *name)
{
    struct call call = {.name = name};
    player_does(player, look, &call);
    return call.ref;
}

static void
do_nothing(tr_actor *self, void *argument)
{
    (void)self;
    (void)argument;
}

void
player_catches_up(struct player *player)
{
    player_does(player, do_nothing, NULL);
}

void
player_has_heard(struct player *player, uint64_t count, const char *name, tr_ref ref)
{
    tally_await(&player->heard, count);
    player_catches_up(player);
    assert_int_equal(tally_read(&player->heard), count);
    assert_string_equal(player->changes[count - 1].name, name);
    assert_int_equal(player->changes[count - 1].ref, ref);
}
