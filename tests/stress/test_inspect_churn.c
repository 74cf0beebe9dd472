/*
 * Inspecting while actors come and go: on two workers families of actors are born, send each other messages and end,
 * and two threads look all the time, one by the interface and one by the socket. It provokes a worker that answers
 * between any two births and ends, and names that are used again between two portions.
 */
#include "helpers.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>
#include <troupe/actors/inspect.h>

enum { GO = 1, LASTING = 1500, FAMILY = 60 };

static tr_runtime *runtime;
static tr_ref lasting[LASTING];
static struct tally generations, looks, pages, failed, over;
static char path[100];

/* A child on the other worker, and mail for it that may come before it does. */
static void
breed(tr_actor *self, void *state, tr_message *message)
{
    uint64_t left = message->payload.words[0] - 1;
    struct tr_spawn_options options = {.placement = TR_PLACE_WORKER, .worker = 1 - tr_ref_worker(tr_self(self))};
    tr_ref next;
    (void)state;
    tally_add(&generations, 1);
    if (tally_read(&over) == 0) {
        if (left == 0)
            left = FAMILY;
        extern const struct tr_behavior breeder;
        if (tr_spawn(self, &breeder, &options, &next) == TR_OK)
            tr_tell(self, next, GO, &left, sizeof(left));
    }
    tr_exit(self);
}

const struct tr_behavior breeder = {.name = "breeder", .receive = breed, .mailbox = {.bytes = 65536}};
static const struct tr_behavior lasting_behavior = {.name = "lasting", .receive = ignore};

static int
compare(const void *a, const void *b)
{
    tr_ref x = *(const tr_ref *)a, y = *(const tr_ref *)b;
    return x < y ? -1 : x > y;
}

struct seen {
    uint8_t times[LASTING];
};

static bool
note(void *context, const struct tr_actor_info *info)
{
    struct seen *seen = context;
    tr_ref *found = bsearch(&info->ref, lasting, LASTING, sizeof(lasting[0]), compare);
    if (found != NULL)
        seen->times[found - lasting]++;
    else if (strcmp(info->name, "breeder") != 0 && strcmp(info->name, "unborn") != 0)
        tally_add(&failed, 1);
    return true;
}

static void
look_on(void *argument)
{
    (void)argument;
    while (tally_read(&over) == 0) {
        struct seen seen = {{0}};
        tr_status status = tr_inspect_actors(runtime, note, &seen);
        if (status == TR_OK)
            for (unsigned i = 0; i < LASTING; i++)
                if (seen.times[i] != 1)
                    tally_add(&failed, 1);
        tally_add(&looks, status == TR_OK); /* a machine that does other things may leave an answer out */
    }
}

static void
read_on(void *argument)
{
    static const char *const words[] = {"actors\n", "workers\n", "json\n", "metrics\n"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char buffer[65536];
    (void)argument;
    strcpy(address.sun_path, path);
    for (unsigned i = 0; tally_read(&over) == 0; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
            tally_add(&failed, 1);
        (void)!write(fd, words[i % 4], strlen(words[i % 4]));
        shutdown(fd, SHUT_WR);
        uint64_t size = 0;
        for (ssize_t got; (got = read(fd, buffer, sizeof(buffer))) > 0;)
            size += (uint64_t)got;
        close(fd);
        tally_add(size > 0 ? &pages : &failed, 1);
    }
}

static void
who_lives_on_is_seen_exactly_once_while_others_come_and_go(void **state)
{
    char directory[64];
    uv_thread_t threads[2];
    (void)state;
    assert_true(tests_directory_make(directory, sizeof(directory)));
    snprintf(path, sizeof(path), "%s/inspect", directory);
    struct tr_runtime_options options = {.workers = 2, .pinning = TR_PINNING_NEVER, .inspect = path};
    assert_int_equal(tr_runtime_start(&options, &runtime), TR_OK);
    for (unsigned i = 0; i < LASTING; i++)
        lasting[i] = stage_spawn(runtime, &lasting_behavior, i % 2, NULL);
    qsort(lasting, LASTING, sizeof(lasting[0]), compare);
    for (unsigned i = 0; i < 200; i++) {
        uint64_t left = FAMILY;
        stage_send(runtime, stage_spawn(runtime, &breeder, i % 2, NULL), GO, &left, sizeof(left));
    }
    assert_int_equal(uv_thread_create(&threads[0], look_on, NULL), 0);
    assert_int_equal(uv_thread_create(&threads[1], read_on, NULL), 0);
    tally_await(&looks, 30 * tests_stress());
    tally_await(&pages, 30 * tests_stress());
    tally_await(&generations, 10000);
    tally_add(&over, 1);
    uv_thread_join(&threads[0]);
    uv_thread_join(&threads[1]);
    stage_close(runtime);
    assert_int_equal(tally_read(&failed), 0);
    assert_int_equal(rmdir(directory), 0); /* nothing is left in it */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_lives_on_is_seen_exactly_once_while_others_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
