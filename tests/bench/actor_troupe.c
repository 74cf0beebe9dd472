/*
 * actor-troupe: what sending, spawning and keeping actors costs.
 *
 *   actor-troupe BENCH [--n N] [--actors A] [--workers W] [--trace DIR]
 *
 * Runs one bench, prints "ns_per_op X", the time of the work divided by N, and for idle "bytes_per_actor X" too. An
 * unknown bench ends with status 77. Every bench counts what its actors did, and a run that did not do all of it is a
 * failure.
 *
 *   pingpong, pingpong-x  two actors pass a countdown from N to 0; -x: on two workers
 *   ring                  A actors in a circle pass a countdown
 *   count, count-x        a producer sends N numbers to a counter; -x: from another worker
 *   fanin                 A producers on all workers send to one counter
 *   big                   A actors each ping a random other and wait for its pong, again and again
 *   bank                  a teller keeps 100 transfers between A accounts under way; an account that waits for a credit
 *                         to arrive defers debits
 *   publish               a publisher on the first worker tells a group of A members on all workers, and waits until
 *   each of
 *                         them has it; an operation is one member's
 *   spawn                 an actor is made, is sent a message, answers and ends; in batches
 *   idle                  an actor is made, answers a message and lives on
 *   ask                   an actor asks another, and is answered
 *   monitor               an actor is made, monitored, and ends; the notice comes
 *   whereis               an actor on each of W workers looks up a random one of A names, N times; no messages
 *
 * With --trace it records all events, however many there are: TR_TRACE=DIR would stop at 1 GiB.
 *
 * main() makes the actors, writes their names into the table `actors`, which nobody changes from then on, and sends the
 * first messages. The last actor to finish stops the clock and lets main() go on.
 */
#include "actor_bench.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH 10000u
#define STOP_MS 10000u
#define NOT_SUPPORTED 77
#define TRACE_BYTES (UINT64_C(1) << 40)
#define TRACE_WAIT_MS 60000 /* for the disk */

/* The run: set before the first message, but for ended_ns. */
uint64_t n = 1000000;
uint64_t actor_count; /* 0: the bench's own choice */
unsigned workers = 1;
static const char *trace;
static tr_runtime *runtime;
tr_ref *actors;
static tr_ref collector; /* the one that ends the bench, where there is one apart from the others */
static uint64_t began_ns, ended_ns;

void
fail(const char *what, const char *why)
{
    fprintf(stderr, "actor-troupe: %s: %s\n", what, why);
    exit(1);
}

static uint64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void
finish(void)
{
    ended_ns = now_ns();
    tr_runtime_quit(runtime);
}

tr_ref
spawn_on(unsigned worker, const struct tr_behavior *behavior, uint64_t index)
{
    struct tr_spawn_options options = {
        .placement = TR_PLACE_WORKER, .worker = worker, .argument = &index, .argument_size = sizeof(index)};
    tr_ref ref;
    must("spawn", tr_runtime_spawn(runtime, behavior, &options, &ref));
    return ref;
}

void
make_table(uint64_t size)
{
    actors = calloc(size, sizeof(*actors));
    if (actors == NULL)
        fail("table", "not enough memory");
}

void
start(tr_ref to, uint32_t tag, uint64_t number)
{
    if (began_ns == 0)
        began_ns = now_ns();
    tr_message message = tr_message_copy(tag, &number, sizeof(number));
    must("start", tr_runtime_send(runtime, to, &message));
}

/* pingpong, ring: each passes the countdown to the next in the table, whose end is its beginning. */

struct passer {
    uint64_t index;
};

static void
passer_receive(tr_actor *self, void *state, tr_message *message)
{
    struct passer *passer = state;
    uint64_t left = number_of(message);
    if (left == 0)
        finish();
    else
        tell(self, actors[passer->index + 1], 0, left - 1);
}

static const struct tr_behavior passer_behavior = {
    .name = "passer", .state_size = sizeof(struct passer), .init = init_index, .receive = passer_receive};

static void
set_up_passers(uint64_t count, unsigned on_workers)
{
    make_table(count + 1);
    for (uint64_t i = 0; i < count; i++)
        actors[i] = spawn_on((unsigned)(i * on_workers / count), &passer_behavior, i);
    actors[count] = actors[0];
    start(actors[0], 0, n);
}

static void
set_up_pingpong(void)
{
    set_up_passers(2, 1);
}

static void
set_up_pingpong_across(void)
{
    set_up_passers(2, 2);
}

static void
set_up_ring(void)
{
    set_up_passers(actor_count, workers);
}

/*
 * count, fanin: producers send numbers to the counter, which stands first in the table. After every batch a producer
 * asks the counter for leave to go on, and it has at most BATCHES_UNDER_WAY without an answer: so it yields, and the
 * counter's mailbox stays small however many producers there are.
 */

#define NUMBERS_PER_BATCH 64u
#define BATCHES_UNDER_WAY 8u

enum { PRODUCE, NUMBER, MAY_I_GO_ON, GO_ON, PRODUCED };

struct counter {
    uint64_t index;
    uint64_t received;
    uint64_t finished; /* producers */
};

static void
counter_receive(tr_actor *self, void *state, tr_message *message)
{
    struct counter *counter = state;
    switch (message->tag) {
    case NUMBER: counter->received++; break;
    case MAY_I_GO_ON: tell(self, message->from, GO_ON, 0); break;
    case PRODUCED:
        if (++counter->finished < actor_count)
            break;
        must_equal("numbers", counter->received, n / actor_count * actor_count);
        finish();
        break;
    }
}

static const struct tr_behavior counter_behavior = {
    .name = "counter", .state_size = sizeof(struct counter), .init = init_index, .receive = counter_receive};

struct producer {
    uint64_t index;
    uint64_t sent;
    bool finished;
};

static void
produce_batch(tr_actor *self, struct producer *producer)
{
    uint64_t share = n / actor_count;
    if (producer->finished)
        return;
    for (unsigned i = 0; i < NUMBERS_PER_BATCH && producer->sent < share; i++)
        tell(self, actors[0], NUMBER, ++producer->sent);
    producer->finished = producer->sent == share;
    tell(self, actors[0], producer->finished ? PRODUCED : MAY_I_GO_ON, 0);
}

static void
producer_receive(tr_actor *self, void *state, tr_message *message)
{
    unsigned batches = message->tag == PRODUCE ? BATCHES_UNDER_WAY : 1;
    for (unsigned i = 0; i < batches; i++)
        produce_batch(self, state);
}

static const struct tr_behavior producer_behavior = {
    .name = "producer", .state_size = sizeof(struct producer), .init = init_index, .receive = producer_receive};

static void
set_up_producers(uint64_t count, unsigned first_worker)
{
    actor_count = count;
    make_table(count + 1);
    actors[0] = spawn_on(0, &counter_behavior, 0);
    for (uint64_t i = 1; i <= count; i++)
        actors[i] = spawn_on((unsigned)((first_worker + i - 1) % workers), &producer_behavior, i);
    for (uint64_t i = 1; i <= count; i++)
        start(actors[i], PRODUCE, 0);
}

static void
set_up_count(void)
{
    set_up_producers(1, 0);
}

static void
set_up_count_across(void)
{
    set_up_producers(1, 1);
}

static void
set_up_fanin(void)
{
    set_up_producers(actor_count, 0);
}

/* big: everybody pings somebody. */

enum { BEGIN, PING, PONG, FINISHED };

struct pinger {
    uint64_t index;
    uint64_t seed;
    uint64_t left;
};

static uint64_t
pings_of_each(void)
{
    return n / 2 / actor_count + 1;
}

static void
ping_somebody(tr_actor *self, struct pinger *pinger)
{
    tell(self, actors[random_other(&pinger->seed, actor_count, pinger->index)], PING, 0);
}

static void
pinger_receive(tr_actor *self, void *state, tr_message *message)
{
    struct pinger *pinger = state;
    switch (message->tag) {
    case PING: tell(self, message->from, PONG, 0); return;
    case BEGIN:
        pinger->seed = seed_of(pinger->index);
        pinger->left = pings_of_each();
        break;
    case PONG:
        if (--pinger->left == 0) {
            tell(self, collector, FINISHED, 0);
            return;
        }
        break;
    }
    ping_somebody(self, pinger);
}

static const struct tr_behavior pinger_behavior = {
    .name = "pinger", .state_size = sizeof(struct pinger), .init = init_index, .receive = pinger_receive};

struct collecting {
    uint64_t index;
    uint64_t finished;
};

static void
collector_receive(tr_actor *self, void *state, tr_message *message)
{
    struct collecting *collecting = state;
    (void)self;
    (void)message;
    if (++collecting->finished == actor_count)
        finish();
}

static const struct tr_behavior collector_behavior = {
    .name = "collector", .state_size = sizeof(struct collecting), .init = init_index, .receive = collector_receive};

static void
set_up_big(void)
{
    make_table(actor_count);
    collector = spawn_on(0, &collector_behavior, 0);
    for (uint64_t i = 0; i < actor_count; i++)
        actors[i] = spawn_on((unsigned)(i % workers), &pinger_behavior, i);
    for (uint64_t i = 0; i < actor_count; i++)
        start(actors[i], BEGIN, 0);
}

/*
 * publish: the last member of each worker, which each message reaches last there, tells the publisher; when all have,
 * the publisher publishes the next.
 */

enum { PUBLISH, NEWS, HEARD };

static tr_group *group;

struct hearer {
    uint64_t index;
    uint64_t heard;
};

static tr_status
hearer_init(tr_actor *self, void *state, const void *argument)
{
    tr_status status = init_index(self, state, argument);
    return status == TR_OK ? tr_group_join(self, group) : status;
}

static void
hearer_receive(tr_actor *self, void *state, tr_message *message)
{
    struct hearer *hearer = state;
    hearer->heard++;
    if (hearer->index + workers >= actor_count)
        tell(self, message->from, HEARD, hearer->heard);
}

static const struct tr_behavior hearer_behavior = {
    .name = "hearer", .state_size = sizeof(struct hearer), .init = hearer_init, .receive = hearer_receive};

struct publisher {
    uint64_t index;
    uint64_t published, heard;
};

static void
publisher_receive(tr_actor *self, void *state, tr_message *message)
{
    struct publisher *publisher = state;
    if (message->tag == HEARD) {
        must_equal("messages", number_of(message), publisher->published);
        if (++publisher->heard < workers)
            return;
        publisher->heard = 0;
    }
    if (publisher->published * actor_count >= n) {
        finish();
        return;
    }
    tr_message news = tr_message_copy(NEWS, &publisher->published, sizeof(publisher->published));
    publisher->published++;
    must("publish", tr_group_publish(self, group, &news));
}

static const struct tr_behavior publisher_behavior = {
    .name = "publisher", .state_size = sizeof(struct publisher), .init = init_index, .receive = publisher_receive};

static void
set_up_publish(void)
{
    must("group", tr_group_open(runtime, NULL, NULL, &group));
    for (uint64_t i = 0; i < actor_count; i++)
        spawn_on((unsigned)(i % workers), &hearer_behavior, i);
    start(spawn_on(0, &publisher_behavior, 0), PUBLISH, 0);
}

/* spawn, idle: a parent makes children in batches; when all have answered it makes the next. */

enum { MAKE, ANSWER_ME, ANSWER };

static void
answer_and_end(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tell(self, message->from, ANSWER, number_of(message));
    tr_exit(self);
}

static void
answer_and_stay(tr_actor *self, void *state, tr_message *message)
{
    (void)state;
    tell(self, message->from, ANSWER, number_of(message));
}

static const struct tr_behavior mayfly_behavior = {.name = "mayfly", .receive = answer_and_end};
static const struct tr_behavior idler_behavior = {.name = "idler", .receive = answer_and_stay};

struct parent {
    uint64_t index;
    uint64_t made, answered;
};

static void
make_children(tr_actor *self, struct parent *parent, const struct tr_behavior *behavior)
{
    for (unsigned i = 0; i < BATCH && parent->made < n; i++) {
        tr_ref child;
        must("spawn", tr_spawn(self, behavior, NULL, &child));
        tell(self, child, ANSWER_ME, parent->made++);
    }
}

static void
parent_receive(tr_actor *self, struct parent *parent, const tr_message *message, const struct tr_behavior *behavior)
{
    if (message->tag == ANSWER)
        parent->answered++;
    if (parent->answered == n)
        finish();
    else if (parent->answered == parent->made)
        make_children(self, parent, behavior);
}

static void
mayfly_parent_receive(tr_actor *self, void *state, tr_message *message)
{
    parent_receive(self, state, message, &mayfly_behavior);
}

static void
idler_parent_receive(tr_actor *self, void *state, tr_message *message)
{
    parent_receive(self, state, message, &idler_behavior);
}

static void
set_up_spawn(void)
{
    static const struct tr_behavior behavior = {
        .name = "parent", .state_size = sizeof(struct parent), .init = init_index, .receive = mayfly_parent_receive};
    start(spawn_on(0, &behavior, 0), MAKE, 0);
}

static void
set_up_idle(void)
{
    static const struct tr_behavior behavior = {
        .name = "parent", .state_size = sizeof(struct parent), .init = init_index, .receive = idler_parent_receive};
    start(spawn_on(0, &behavior, 0), MAKE, 0);
}

/* whereis: everybody has a name, and one on each worker looks them up. */

#define NAME_BYTES 32u

static void
name_of(uint64_t index, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "member/%" PRIu64, index);
}

static tr_status
named_init(tr_actor *self, void *state, const void *argument)
{
    uint64_t *index = state;
    char name[NAME_BYTES];
    init_index(self, state, argument);
    name_of(*index, name);
    return tr_name_register(self, name);
}

static void
named_receive(tr_actor *self, void *state, tr_message *message)
{
    (void)self;
    (void)state;
    (void)message;
}

static const struct tr_behavior named_behavior = {
    .name = "named", .state_size = sizeof(uint64_t), .init = named_init, .receive = named_receive};

static char (*names)[NAME_BYTES];

static void
searcher_receive(tr_actor *self, void *state, tr_message *message)
{
    uint64_t seed = seed_of(*(uint64_t *)state), found = 0;
    (void)message;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t index = random_next(&seed) % actor_count;
        found += tr_whereis(self, names[index]) == actors[index];
    }
    must_equal("names found", found, n);
    tell(self, collector, FINISHED, 0);
}

static const struct tr_behavior searcher_behavior = {
    .name = "searcher", .state_size = sizeof(uint64_t), .init = init_index, .receive = searcher_receive};

static void
searches_receive(tr_actor *self, void *state, tr_message *message)
{
    struct collecting *collecting = state;
    (void)self;
    (void)message;
    if (++collecting->finished == workers)
        finish();
}

static void
set_up_whereis(void)
{
    static const struct tr_behavior behavior = {
        .name = "searches", .state_size = sizeof(struct collecting), .init = init_index, .receive = searches_receive};
    make_table(actor_count);
    names = calloc(actor_count, sizeof(*names));
    if (names == NULL)
        fail("names", "not enough memory");
    collector = spawn_on(0, &behavior, 0);
    for (uint64_t i = 0; i < actor_count; i++) {
        actors[i] = spawn_on((unsigned)(i % workers), &named_behavior, i);
        name_of(i, names[i]);
    }
    for (unsigned i = 0; i < workers; i++)
        start(spawn_on(i, &searcher_behavior, i), BEGIN, 0);
}

/* The program. */

struct bench {
    const char *name;
    void (*set_up)(void);
    unsigned least_workers;
    uint64_t default_actors, least_actors;
};

static const struct bench benches[] = {
    {"pingpong", set_up_pingpong, 1, 2, 1},
    {"pingpong-x", set_up_pingpong_across, 2, 2, 1},
    {"ring", set_up_ring, 1, 100, 1},
    {"count", set_up_count, 1, 1, 1},
    {"count-x", set_up_count_across, 2, 1, 1},
    {"fanin", set_up_fanin, 1, 8, 1},
    {"big", set_up_big, 1, 120, 2},
    {"bank", set_up_bank, 1, 1000, 2},
    {"publish", set_up_publish, 1, 10000, 2},
    {"spawn", set_up_spawn, 1, 1, 1},
    {"idle", set_up_idle, 1, 1, 1},
    {"ask", set_up_ask, 1, 2, 1},
    {"monitor", set_up_monitor, 1, 1, 1},
    {"whereis", set_up_whereis, 1, 1000, 1},
};

static const struct bench *
find_bench(const char *name)
{
    for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
        if (strcmp(benches[i].name, name) == 0)
            return &benches[i];
    return NULL;
}

static void
read_options(int argc, char **argv)
{
    for (int i = 2; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--n") == 0)
            n = value;
        else if (strcmp(argv[i], "--actors") == 0)
            actor_count = value;
        else if (strcmp(argv[i], "--workers") == 0)
            workers = (unsigned)value;
        else if (strcmp(argv[i], "--trace") == 0)
            trace = argv[i + 1];
        else
            fail(argv[i], "unknown option");
    }
}

static void
check_options(const struct bench *bench)
{
    if (actor_count == 0)
        actor_count = bench->default_actors;
    if (workers < bench->least_workers)
        workers = bench->least_workers;
    if (actor_count < bench->least_actors)
        fail("--actors", "too few");
    if (n == 0)
        fail("--n", "must be above 0");
}

static void
start_runtime(void)
{
    struct tr_runtime_options options = {.workers = workers};
    if (trace != NULL)
        options.trace = (struct tr_trace_options){
            .mode = TR_TRACE_FILE, .directory = trace, .limit_bytes = TRACE_BYTES, .wait_ms = TRACE_WAIT_MS};
    must("start", tr_runtime_start(&options, &runtime));
}

/* Bytes of memory that the process has touched. */
static int64_t
resident_bytes(void)
{
    int64_t pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%*d %" SCNd64, &pages) != 1)
        fail("/proc/self/statm", "cannot be read");
    fclose(statm);
    return pages * sysconf(_SC_PAGESIZE);
}

int
main(int argc, char **argv)
{
    const struct bench *bench = argc > 1 ? find_bench(argv[1]) : NULL;
    if (bench == NULL) {
        fprintf(stderr, "usage: actor-troupe BENCH [--n N] [--actors A] [--workers W] [--trace DIR]\n");
        return NOT_SUPPORTED;
    }
    read_options(argc, argv);
    check_options(bench);
    start_runtime();

    int64_t before = resident_bytes();
    bench->set_up();
    if (tr_runtime_wait(runtime) != 0)
        fail(bench->name, "interrupted");
    printf("ns_per_op %.2f\n", (double)(ended_ns - began_ns) / (double)n);
    if (strcmp(bench->name, "idle") == 0)
        printf("bytes_per_actor %.0f\n", (double)(resident_bytes() - before) / (double)n);

    must("stop", tr_runtime_stop(runtime, STOP_MS, NULL));
    free(actors);
    free(names);
    return 0;
}
