/*
 * trace-troupe: what it costs to record an event, and not to record it.
 *
 *   trace-troupe [--n N] [--rounds R] [--directory DIR] [--kind KIND]
 *
 * An actor on one pinned worker records N events of each kind in a row, without doing anything else. Prints nanoseconds
 * per event, the medians of R rounds in which everything is measured in turn:
 *
 *   message  send and the receive that ends the handler before it, with the message's id, as where one message follows
 *            the other: half of what they take together
 *   small    sleep and wake, of which only the time tells something
 *   mark     tr_trace_mark(), which finds the number of its text
 *
 * in file mode, in flight mode, with all categories switched off, and without a recorder. The first figure is that of
 * the median of BURST events in a row: what the writer pays. The second is that of all N: no server records so much
 * without a pause, so the thread that makes the files may not keep up, and then the writer waits for it. The line of
 * `clock` says what one reading of the clock takes, which is part of each event.
 *
 * Files go into a directory of their own in DIR, by default /tmp, and are removed after each round. A run that loses an
 * event is a failure, since a lost one costs less.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <troupe/actors/actor.h>
#include <troupe/actors/host.h>
#include <troupe/actors/runtime.h>
#include <troupe/actors/send.h>
#include <troupe/actors/trace.h>
#include <troupe/actors/tracing.h>
#include <troupe/core/clock.h>
#include <troupe/core/worker.h>

#include "stream.h"

#define BURST 1200u /* a multiple of what each kind writes in a step */
#define ROUNDS_MAX 99u
#define STOP_MS 10000u
#define WAIT_MS 60000 /* for the disk: nothing is to be lost */
#define LIMIT_BYTES (UINT64_C(64) << 30)

static uint64_t n = 600000;
static unsigned rounds = 15;
static const char *directory = "/tmp", *only_kind;
static uint64_t *bursts; /* nanoseconds of each, of one kind in one round */

static void
fail(const char *what, const char *why)
{
    fprintf(stderr, "trace-troupe: %s: %s\n", what, why);
    exit(1);
}

static void
must(const char *what, tr_status status)
{
    if (status != TR_OK)
        fail(what, tr_status_text(status));
}

/* -- What is measured: each writes so many events. -- */

static void
write_messages(tr_actor *self, const struct tri_worker *worker, unsigned events)
{
    tr_ref ref = tr_self(self);
    for (unsigned i = 0; i < events; i += 2) {
        ck_pr_barrier(); /* the stream is loaded for each message, as where the library records one */
        uint64_t id = worker->trace != NULL ? tri_trace_message_id(worker->trace) : 0;
        tri_trace_send(worker->trace, ref, false, 7, id);
        ck_pr_barrier();
        if (worker->trace != NULL && tri_trace_wants(&worker->trace->head, TRI_CATEGORY_MESSAGES, ref))
            tri_trace_receive_at(worker->trace, tri_ticks(), ref, 1, 7, id);
    }
}

static void
write_small(tr_actor *self, const struct tri_worker *worker, unsigned events)
{
    (void)self;
    for (unsigned i = 0; i < events; i += 2) {
        ck_pr_barrier();
        tri_trace_sleep(worker->trace);
        ck_pr_barrier();
        tri_trace_wake(worker->trace);
    }
}

static void
write_marks(tr_actor *self, const struct tri_worker *worker, unsigned events)
{
    (void)worker;
    for (unsigned i = 0; i < events; i++)
        tr_trace_mark(self, "something the program says", i);
}

static void
read_clock(tr_actor *self, const struct tri_worker *worker, unsigned events)
{
    static volatile uint64_t seen;
    uint64_t sum = 0;
    (void)self, (void)worker;
    for (unsigned i = 0; i < events; i++)
        sum += tri_ticks();
    seen = sum;
    (void)seen;
}

static const struct kind {
    const char *name;
    void (*write)(tr_actor *self, const struct tri_worker *worker, unsigned events);
} kinds[] = {{"message", write_messages}, {"small", write_small}, {"mark", write_marks}, {"clock", read_clock}};

static const struct mode {
    const char *name;
    enum tr_trace_mode mode;
    unsigned categories;
} modes[] = {{"file", TR_TRACE_FILE, TR_TRACE_ALL},
             {"flight", TR_TRACE_FLIGHT, TR_TRACE_ALL},
             {"switched", TR_TRACE_FILE, 0},
             {"off", TR_TRACE_OFF, TR_TRACE_ALL}};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))
#define MODES (sizeof(modes) / sizeof(modes[0]))

/* Nanoseconds per event. */
struct times {
    double usual[ROUNDS_MAX]; /* of the median burst */
    double all[ROUNDS_MAX];
};

static struct times measured[MODES][KINDS];

/* -- Measuring, in an actor. -- */

static int
compare_ns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void
measure(tr_actor *self, const struct kind *kind, struct times *times, unsigned round)
{
    const struct tri_worker *worker = tri_actor_worker(self);
    uint64_t count = n / BURST, began = tri_clock_now_ns(), last = began;
    for (uint64_t i = 0; i < count; i++) {
        kind->write(self, worker, BURST);
        uint64_t now = tri_clock_now_ns();
        bursts[i] = now - last;
        last = now;
    }
    qsort(bursts, count, sizeof(*bursts), compare_ns);
    times->usual[round] = (double)bursts[count / 2] / BURST;
    times->all[round] = (double)(last - began) / (double)(count * BURST);
}

struct order {
    const struct mode *mode;
    unsigned round;
    tr_runtime *runtime;
};

static void
measure_all(tr_actor *self, void *state, tr_message *message)
{
    struct order order;
    memcpy(&order, tr_message_data(message), sizeof(order));
    (void)state;
    for (unsigned i = 0; i < KINDS; i++)
        if (only_kind == NULL || strcmp(only_kind, kinds[i].name) == 0)
            measure(self, &kinds[i], &measured[order.mode - modes][i], order.round);
    const struct tri_trace_stream *stream = tri_actor_worker(self)->trace;
    if (stream != NULL && order.mode->mode == TR_TRACE_FILE && stream->lost > 0)
        fail("events were lost", "the disk is too slow or too small");
    tr_runtime_quit(order.runtime);
}

static const struct tr_behavior measurer = {.name = "measurer", .receive = measure_all};

/* -- One round of one mode is a runtime of its own. -- */

static int
remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status, (void)kind, (void)where;
    return remove(path);
}

static void
run(const struct mode *mode, unsigned round, const char *place)
{
    struct tr_runtime_options options = {
        .workers = 1,
        .pinning = TR_PINNING_ALWAYS,
        .watchdog_ms = -1,
        .trace = {.mode = mode->mode, .directory = place, .limit_bytes = LIMIT_BYTES, .wait_ms = WAIT_MS}};
    tr_runtime *runtime;
    tr_ref ref;
    must("start", tr_runtime_start(&options, &runtime));
    struct order order = {mode, round, runtime};
    if (mode->mode != TR_TRACE_OFF)
        must("categories", tr_trace_categories(runtime, mode->categories));
    must("spawn", tr_runtime_spawn(runtime, &measurer, NULL, &ref));
    tr_message message = tr_message_copy(0, &order, sizeof(order));
    must("send", tr_runtime_send(runtime, ref, &message));
    if (tr_runtime_wait(runtime) != 0)
        fail("run", "interrupted");
    must("stop", tr_runtime_stop(runtime, STOP_MS, NULL));
}

static void
run_all(void)
{
    char place[4096], trace[sizeof(place) + 8];
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < MODES; i++) {
            if (snprintf(place, sizeof(place), "%s/trace-troupe-XXXXXX", directory) >= (int)sizeof(place) ||
                mkdtemp(place) == NULL)
                fail(directory, strerror(errno));
            snprintf(trace, sizeof(trace), "%s/trace", place);
            run(&modes[i], round, trace);
            nftw(place, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        }
}

/* -- The program. -- */

static int
compare_times(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
median(double *times)
{
    qsort(times, rounds, sizeof(*times), compare_times);
    return times[rounds / 2];
}

static void
print(struct times *times, const char *mode, const char *kind)
{
    printf("%-9s %-8s ns_per_event %.2f, of all %.2f\n", mode, kind, median(times->usual), median(times->all));
}

static void
print_all(void)
{
    for (unsigned i = 0; i < MODES; i++)
        for (unsigned j = 0; j < KINDS; j++)
            if ((only_kind == NULL || strcmp(only_kind, kinds[j].name) == 0) &&
                (kinds[j].write != read_clock || modes[i].mode == TR_TRACE_OFF))
                print(&measured[i][j], modes[i].name, kinds[j].name);
}

static void
read_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc)
            fail(argv[i], "usage: trace-troupe [--n N] [--rounds R] [--directory DIR] [--kind KIND]");
        if (strcmp(argv[i], "--n") == 0)
            n = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--rounds") == 0)
            rounds = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--directory") == 0)
            directory = argv[i + 1];
        else if (strcmp(argv[i], "--kind") == 0)
            only_kind = argv[i + 1];
        else
            fail(argv[i], "unknown option");
    }
    if (n < BURST || n > UINT64_C(100000000))
        fail("--n", "is 1200 to 100000000");
    if (rounds == 0 || rounds > ROUNDS_MAX)
        fail("--rounds", "is 1 to 99");
}

int
main(int argc, char **argv)
{
    read_options(argc, argv);
    bursts = calloc(n / BURST, sizeof(*bursts));
    if (bursts == NULL)
        fail("--n", "not enough memory");
    run_all();
    print_all();
    free(bursts);
    return 0;
}
