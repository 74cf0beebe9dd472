/*
 * Two workers that play steps, as those of Node's cluster do (cluster.mjs): servers of each, with their connections.
 *
 * Standard input has a step a line; standard output gets "> " and the outcome of each: "ok PORT", "ok" or Node's code.
 *
 *   WORKER listen NAME HOST PORT [x]      x: exclusive
 *   WORKER listen NAME PATH [x]
 *   WORKER close NAME
 */
#include "hands.h"
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <troupe/net/server.h>

#define NAMES 26u

/* A server of a worker, by its name, which is a letter. */
struct player {
    tr_server *server;
    struct tr_listen_options listen;
    tr_status status;
    uint16_t port;
    unsigned settled, closed; /* atomic */
};

static struct player players[2][NAMES];

static void
count_one(unsigned *count)
{
    __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
}

static void
on_listening(tr_server *server)
{
    struct player *player = tr_server_data(server);
    struct tr_address at;
    tr_server_address(server, &at);
    player->port = at.port;
    player->status = TR_OK;
    count_one(&player->settled);
}

static void
on_failure(tr_server *server, const struct tr_error *error)
{
    struct player *player = tr_server_data(server);
    player->status = error->status;
    count_one(&player->settled);
}

static void
on_end(tr_server *server)
{
    count_one(&((struct player *)tr_server_data(server))->closed);
}

static const struct tr_server_events server_events = {.listening = on_listening, .error = on_failure, .close = on_end};

static void
listen_there(tr_actor *self, void *argument)
{
    struct player *player = argument;
    struct tr_server_options options = {.events = &server_events, .data = player, .own_worker = true};
    assert_int_equal(tr_server_spawn(self, &options, &player->server), TR_OK);
    assert_int_equal(tr_server_listen(player->server, &player->listen), TR_OK);
}

static void
close_there(tr_actor *self, void *argument)
{
    (void)self;
    assert_int_equal(tr_server_close(((struct player *)argument)->server), TR_OK);
}

static bool
has_come(void *argument)
{
    return __atomic_load_n((unsigned *)argument, __ATOMIC_SEQ_CST) > 0;
}

static void
do_and_await(unsigned worker, void (*what)(tr_actor *self, void *player), struct player *player, unsigned *event)
{
    __atomic_store_n(event, 0, __ATOMIC_SEQ_CST);
    on_worker(worker, what, player);
    assert_true(tests_wait_until(has_come, event, TESTS_LIMIT_MS));
}

static void
play_step(char *line)
{
    char *words[6] = {strtok(line, " \n")};
    for (unsigned i = 1; i < 6 && words[i - 1] != NULL; i++)
        words[i] = strtok(NULL, " \n");
    unsigned worker = (unsigned)atoi(words[0]);
    struct player *player = &players[worker][words[2][0] - 'a'];
    if (strcmp(words[1], "close") == 0) {
        do_and_await(worker, close_there, player, &player->closed);
        printf("> ok\n");
        return;
    }
    bool is_path = words[3][0] == '/';
    const char *last = words[is_path ? 4 : 5];
    player->listen = (struct tr_listen_options){.exclusive = last != NULL && last[0] == 'x'};
    if (is_path)
        player->listen.path = words[3];
    else
        player->listen.host = words[3], player->listen.port = (uint16_t)atoi(words[4]);
    do_and_await(worker, listen_there, player, &player->settled);
    if (player->status == TR_OK)
        printf("> ok %u\n", player->port);
    else
        printf("> %s\n", tr_status_code(player->status));
}

static void
play_steps(void **state)
{
    char line[512];
    (void)state;
    hands_open(2);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        play_step(line);
        fflush(stdout);
    }
    hands_close();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(play_steps)};
    return cmocka_run_group_tests(tests, hands_warm_up, NULL);
}
