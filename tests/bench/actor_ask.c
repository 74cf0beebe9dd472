/*
 * ask: an actor asks another of its worker, n times, each when the answer to the one before has come.
 * monitor: an actor makes a child, monitors it, tells it to end, and makes the next when the notice is there.
 */
#include "actor_bench.h"

#include <troupe/actors/ask.h>
#include <troupe/actors/watch.h>

enum { GO, QUESTION, ANSWER };

struct asker {
    uint64_t index;
    uint64_t left;
};

static void ask_again(tr_actor *self, struct asker *asker);

static void
on_answer(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct asker *asker = context;
    must("answer", answer->status);
    must_equal("answers", number_of(answer->message), asker->left);
    if (--asker->left == 0)
        finish();
    else
        ask_again(self, asker);
}

static void
ask_again(tr_actor *self, struct asker *asker)
{
    struct tr_ask_options options = {.timeout_ms = 60000, .done = on_answer, .context = asker};
    tr_message question = tr_message_copy(QUESTION, &asker->left, sizeof(asker->left));
    must("ask", tr_ask(self, actors[1], &question, &options));
}

static void
asker_receive(tr_actor *self, void *state, tr_message *message)
{
    struct asker *asker = state;
    asker->left = number_of(message);
    ask_again(self, asker);
}

static void
asked_receive(tr_actor *self, void *state, tr_message *message)
{
    uint64_t number = number_of(message);
    tr_message answer = tr_message_copy(ANSWER, &number, sizeof(number));
    (void)state;
    must("reply", tr_reply(self, &answer));
}

static const struct tr_behavior asker_behavior = {
    .name = "asker", .state_size = sizeof(struct asker), .init = init_index, .receive = asker_receive};
static const struct tr_behavior asked_behavior = {
    .name = "asked", .state_size = sizeof(uint64_t), .init = init_index, .receive = asked_receive};

void
set_up_ask(void)
{
    make_table(2);
    actors[0] = spawn_on(0, &asker_behavior, 0);
    actors[1] = spawn_on(0, &asked_behavior, 1);
    start(actors[0], GO, n);
}

struct watcher {
    uint64_t index;
    uint64_t left;
};

static void
end_at_once(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    (void)message;
    tr_exit(self);
}

static void
watcher_receive(tr_actor *self, void *state, tr_message *message)
{
    static const struct tr_behavior mayfly = {.name = "mayfly", .receive = end_at_once};
    struct watcher *watcher = state;
    tr_ref child;
    if (message->tag == GO)
        watcher->left = number_of(message);
    else if (--watcher->left == 0)
        finish();
    if (watcher->left == 0)
        return;
    must("spawn", tr_spawn(self, &mayfly, NULL, &child));
    must("monitor", tr_monitor_start(self, child, NULL));
    tell(self, child, GO, 0);
}

static const struct tr_behavior watcher_behavior = {
    .name = "watcher", .state_size = sizeof(struct watcher), .init = init_index, .receive = watcher_receive};

void
set_up_monitor(void)
{
    start(spawn_on(0, &watcher_behavior, 0), GO, n);
}
