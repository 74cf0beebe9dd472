/*
 * Concurrent sorted list: one actor has the list, and clients put numbers in, look for numbers and ask how many there
 * are. Each client has numbers of its own, so it knows which of them are there; and it never sees fewer than it saw
 * before.
 */
#include "random.h"
#include "savina.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define NUMBERS 64u /* of each client */
#define WRITES_PERCENT 10u
#define SIZES_PERCENT 5u

struct size {
    unsigned clients, calls; /* calls of each client */
    uint64_t seed;
};

#define LIST(X)                                                                                                        \
    X(LIST_PLAY, list_play, SIGNAL)                                                                                    \
    X(LIST_ADD, list_add, VALUE(uint64_t))                                                                             \
    X(LIST_HAS, list_has, VALUE(uint64_t))                                                                             \
    X(LIST_YES, list_yes, SIGNAL)                                                                                      \
    X(LIST_NO, list_no, SIGNAL)                                                                                        \
    X(LIST_COUNT, list_count, SIGNAL)                                                                                  \
    X(LIST_COUNTED, list_counted, VALUE(uint64_t))                                                                     \
    X(LIST_OVER, list_over, VALUE(uint64_t))

TR_PROTOCOL(list, LIST, 1);

/* The list. */

struct node {
    struct node *next;
    uint64_t number;
};

struct list {
    struct node *first;
    uint64_t count;
};

/* Where the number is, or would be. */
static struct node **
place_of(struct list *list, uint64_t number)
{
    struct node **place = &list->first;
    while (*place != NULL && (*place)->number < number)
        place = &(*place)->next;
    return place;
}

static bool
has(struct list *list, uint64_t number)
{
    struct node *const *place = place_of(list, number);
    return *place != NULL && (*place)->number == number;
}

/* true: it was not there. */
static bool
add(struct list *list, uint64_t number)
{
    if (has(list, number))
        return false;
    struct node **place = place_of(list, number), *node = malloc(sizeof(*node));
    assert_non_null(node);
    *node = (struct node){*place, number};
    *place = node;
    list->count++;
    return true;
}

static void
list_receive(tr_actor *self, void *state, tr_message *message)
{
    struct list *list = state;
    bool yes = false;
    switch (list_tag_of(self, message)) {
    case LIST_ADD: yes = add(list, *list_add(message)); break;
    case LIST_HAS: yes = has(list, *list_has(message)); break;
    case LIST_COUNT: savina_reply(self, list_counted_message(&list->count)); return;
    default: fail(); return;
    }
    savina_reply(self, yes ? list_yes_message() : list_no_message());
}

/* It has been in order, and as long as it said. */
static void
list_stopped(tr_actor *self, void *state)
{
    struct list *list = state;
    uint64_t count = 0;
    (void)self;
    while (list->first != NULL) {
        struct node *node = list->first;
        list->first = node->next;
        assert_true(list->first == NULL || list->first->number > node->number);
        free(node);
        count++;
    }
    assert_int_equal(count, list->count);
}

static const struct tr_behavior list_behavior = {
    .name = "list", .state_size = sizeof(struct list), .receive = list_receive, .stopped = list_stopped};

/* Clients. */

struct part {
    struct size size;
    tr_ref list;
    unsigned number;
};

struct client {
    struct part part;
    uint64_t seed;
    unsigned calls;
    bool expected;    /* of the call that is under way, if it is no count */
    uint64_t counted; /* the most that it has seen */
    uint64_t added;
    bool there[NUMBERS];
};

static void on_answer(tr_actor *self, void *context, const struct tr_answer *answer);

static void
call(tr_actor *self, struct client *client)
{
    unsigned kind = random_below(&client->seed, 100), index = random_below(&client->seed, NUMBERS);
    uint64_t number = (uint64_t)index * client->part.size.clients + client->part.number;
    bool writes = kind < WRITES_PERCENT;
    client->calls++;
    if (kind >= 100 - SIZES_PERCENT) {
        savina_ask(self, client->part.list, list_count_message(), on_answer);
        return;
    }
    client->expected = writes != client->there[index];
    client->added += writes && !client->there[index];
    client->there[index] |= writes;
    savina_ask(self, client->part.list, writes ? list_add_message(&number) : list_has_message(&number), on_answer);
}

static void
check(struct client *client, const tr_message *answer)
{
    const uint64_t *counted = list_counted(answer);
    if (counted == NULL) {
        assert_int_equal(list_peek(answer), client->expected ? LIST_YES : LIST_NO);
        return;
    }
    assert_true(*counted >= client->counted && *counted >= client->added);
    client->counted = *counted;
}

static void
on_answer(tr_actor *self, void *context, const struct tr_answer *answer)
{
    struct client *client = context;
    assert_int_equal(answer->outcome, TR_ANSWERED);
    check(client, answer->message);
    if (client->calls < client->part.size.calls) {
        call(self, client);
        return;
    }
    assert_int_equal(list_over_send(self, tr_parent(self), &client->added), TR_OK);
    tr_exit(self);
}

static tr_status
client_init(tr_actor *self, void *state, const void *argument)
{
    struct client *client = state;
    client->part = *(const struct part *)argument;
    client->seed = client->part.size.seed + client->part.number;
    call(self, client);
    return TR_OK;
}

static const struct tr_behavior client_behavior = {
    .name = "client", .state_size = sizeof(struct client), .init = client_init, .receive = ignore};

/* The director: when the clients have ended it counts, and has the list end. */

struct director {
    struct size size;
    struct savina_play play;
    tr_ref list;
    uint64_t added;
};

static tr_status
director_init(tr_actor *self, void *state, const void *argument)
{
    struct director *director = state;
    (void)self;
    director->size = *(const struct size *)argument;
    return TR_OK;
}

static void
play(tr_actor *self, struct director *director)
{
    savina_begin(self, &director->play);
    director->list = savina_cast(self, &director->play, &list_behavior, 4, NULL, 0);
    for (unsigned i = 0; i < director->size.clients; i++) {
        struct part part = {director->size, director->list, i};
        savina_cast(self, &director->play, &client_behavior, i, &part, sizeof(part));
    }
}

static void
on_counted(tr_actor *self, void *context, const struct tr_answer *answer)
{
    const struct director *director = context;
    assert_int_equal(answer->outcome, TR_ANSWERED);
    assert_non_null(list_counted(answer->message));
    assert_int_equal(*list_counted(answer->message), director->added);
    assert_int_equal(tr_stop(self, director->list, TR_STOP_DRAIN), TR_OK);
}

static void
one_has_ended(tr_actor *self, struct director *director, const tr_message *message)
{
    savina_one_has_ended(&director->play, message);
    if (director->play.cast == 1)
        savina_ask(self, director->list, list_count_message(), on_counted);
    else if (director->play.cast == 0)
        savina_end(self, &director->play, list_over_message(&director->added));
}

static void
director_receive(tr_actor *self, void *state, tr_message *message)
{
    struct director *director = state;
    switch (list_tag_of(self, message)) {
    case LIST_PLAY: play(self, director); break;
    case LIST_OVER: director->added += *list_over(message); break;
    default: one_has_ended(self, director, message);
    }
}

static const struct tr_behavior director_behavior = {
    .name = "director", .state_size = sizeof(struct director), .init = director_init, .receive = director_receive};

static void
program(tr_runtime *runtime, const void *argument)
{
    const struct size *size = argument;
    tr_message answer = savina_direct(runtime, &director_behavior, size, sizeof(*size), list_play_message());
    assert_non_null(list_over(&answer));
    assert_in_range(*list_over(&answer), 1, size->clients * NUMBERS);
    tr_message_drop(&answer);
}

static void
a_client_finds_what_it_has_put_in_and_the_list_is_always_sorted_on_many_workers(void **state)
{
    (void)state;
    savina_on_workers(program, &(struct size){.clients = 20, .calls = 300, .seed = 12});
}

static void
a_client_finds_what_it_has_put_in_and_the_list_is_always_sorted_under_seeds(void **state)
{
    (void)state;
    savina_under_seeds(program, &(struct size){.clients = 6, .calls = 15, .seed = 12});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_finds_what_it_has_put_in_and_the_list_is_always_sorted_on_many_workers),
        cmocka_unit_test(a_client_finds_what_it_has_put_in_and_the_list_is_always_sorted_under_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
