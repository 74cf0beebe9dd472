#include "segment.h"
#include <ck_pr.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef RENAME_EXCHANGE
#include <linux/magic.h>
#include <sys/vfs.h>
#endif
#include <troupe/core/clock.h>
#include <troupe/core/say.h>
#include <troupe/core/status_from.h>
#include <troupe/core/thread.h>
#include <unistd.h>
#include <uv.h>

#include "affinity.h"
#include "write_all.h"

#define NAME_SIZE 48     /* bytes that hold any file's name */
#define PAGE_STEP 4096u  /* no system has smaller pages */
#define OVER_BUDGET (-1) /* among errnos: the trace is as large as it may be */

struct tri_maker {
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t changed;
    struct tri_segments *first, **last; /* the queue */
    bool stopping;
    bool alone; /* constant: there is no thread, and who asks makes it */

    int number;           /* the thread's; 0: it has not begun */
    struct tri_cpus cpus; /* that it may use */
    int apart;            /* it does not use this one; -1: it uses all */

    /* The maker's own. */
    const char *path; /* for what it says */
    bool said;        /* that it could make no file; once is enough */
};

/* -- One file. -- */

static void
name_hidden(const struct tri_segments *segments, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, ".%s", segments->stream); /* one is hidden at a time */
}

static void
name_shown(const struct tri_segments *segments, uint64_t sequence, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "%s.%08" PRIu64, segments->stream, sequence);
}

static bool
rename_segment(const struct tri_segments *segments, struct tri_segment *segment, bool shown)
{
    char hidden_name[NAME_SIZE], shown_name[NAME_SIZE];
    name_hidden(segments, hidden_name);
    name_shown(segments, segment->sequence, shown_name);
    const char *from = shown ? hidden_name : shown_name, *to = shown ? shown_name : hidden_name;
    if (renameat(segments->directory, from, segments->directory, to) != 0)
        return false;
    segment->shown = shown;
    return true;
}

/* What posix_fallocate() answers, once no signal interrupts it. */
static int
reserve_blocks(int fd, size_t bytes)
{
    int error;
    do
        error = posix_fallocate(fd, 0, (off_t)bytes);
    while (error == EINTR);
    return error;
}

/* What becomes of a file whose blocks are reserved. Gives 0, or an errno. */
typedef int use_function(int fd, size_t bytes, void **memory);

static int
map(int fd, size_t bytes, void **memory)
{
    *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return *memory == MAP_FAILED ? errno : 0;
}

static int
fill(int fd, size_t bytes, void **memory)
{
    return tri_write_all(fd, *memory, bytes);
}

/* A hidden file. A limit on the size of files is an answer, no signal. */
static int
make_file(const struct tri_segments *segments, use_function *use, void **memory)
{
    char name[NAME_SIZE];
    struct tri_quiet quiet;
    name_hidden(segments, name);
    int fd = openat(segments->directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return errno;
    tri_quiet_begin(&quiet);
    int error = reserve_blocks(fd, segments->bytes);
    if (error == 0)
        error = use(fd, segments->bytes, memory);
    tri_quiet_end(&quiet);
    close(fd);
    if (error != 0)
        unlinkat(segments->directory, name, 0);
    return error;
}

static bool
take_budget(const struct tri_segments *segments)
{
    int64_t size = (int64_t)segments->bytes;
    if (segments->bytes_left == NULL)
        return true;
    if ((int64_t)ck_pr_faa_64((uint64_t *)segments->bytes_left, (uint64_t)-size) >= size)
        return true;
    ck_pr_add_64((uint64_t *)segments->bytes_left, (uint64_t)size);
    return false;
}

static void
give_budget_back(const struct tri_segments *segments)
{
    if (segments->bytes_left != NULL)
        ck_pr_add_64((uint64_t *)segments->bytes_left, (uint64_t)segments->bytes);
}

/* One more file of those that there may be. */
static int
add_file(const struct tri_segments *segments, use_function *use, void **memory)
{
    if (!take_budget(segments))
        return OVER_BUDGET;
    int error = make_file(segments, use, memory);
    if (error != 0)
        give_budget_back(segments);
    return error;
}

static int
make_segment(struct tri_segments *segments, struct tri_segment *segment)
{
    void *memory = NULL;
    int error = add_file(segments, map, &memory);
    if (error != 0)
        return error;
    segment->packet = memory;
    segment->shown = false;
    return 0;
}

static void
unmap(const struct tri_segments *segments, struct tri_segment *segment)
{
    if (segment->packet != NULL)
        munmap(segment->packet, segments->bytes);
    segment->packet = NULL;
}

/* -- A full segment's mapping, for another one. -- */

/* Does who lists a directory find each name, though two are exchanged meanwhile? These file systems put the other file
 * into the entry of a name. Others make the entry anew in another place (tmpfs, btrfs), and it may be passed over. */
static bool
lists_exchanged_names(int directory)
{
#ifdef RENAME_EXCHANGE
    struct statfs system;
    return fstatfs(directory, &system) == 0 && (system.f_type == EXT4_SUPER_MAGIC || system.f_type == XFS_SUPER_MAGIC);
#else
    (void)directory;
    return false;
#endif
}

static bool
exchange_names(const struct tri_segments *segments, const struct tri_segment *segment)
{
    char hidden_name[NAME_SIZE], shown_name[NAME_SIZE];
    name_hidden(segments, hidden_name);
    name_shown(segments, segment->sequence, shown_name);
#ifdef RENAME_EXCHANGE
    if (renameat2(segments->directory, hidden_name, segments->directory, shown_name, RENAME_EXCHANGE) == 0)
        return true;
#endif
    unlinkat(segments->directory, hidden_name, 0);
    return false;
}

/* A copy takes the place of a segment that is full, which is hidden then. At each moment one of them has the name. */
static bool
replace_by_copy(struct tri_segments *segments, struct tri_segment *segment)
{
    void *memory = segment->packet;
    if (memory == NULL || !segments->exchanges || add_file(segments, fill, &memory) != 0)
        return false;
    segments->exchanges = exchange_names(segments, segment);
    if (!segments->exchanges) {
        give_budget_back(segments);
        return false;
    }
    segment->shown = false;
    return true;
}

/* -- The maker. -- */

/* Where the system knows it, in one call that takes two thirds of the time that as many page faults take. */
static bool
populate(const struct tri_segments *segments, struct tri_segment *segment)
{
#ifdef MADV_POPULATE_WRITE
    return madvise(segment->packet, segments->bytes, MADV_POPULATE_WRITE) == 0;
#else
    (void)segments, (void)segment;
    return false;
#endif
}

/* Takes the page faults, microseconds each, off the writer: it will fill every page. */
static void
touch_pages(const struct tri_segments *segments, struct tri_segment *segment)
{
    if (populate(segments, segment))
        return;
    volatile char *bytes = (volatile char *)segment->packet;
    for (size_t i = 0; i < segments->bytes; i += PAGE_STEP)
        bytes[i] = 0;
}

static void
say_once(struct tri_maker *maker, int error)
{
    if (!maker->said)
        tri_say("the trace in %s gets no further file, so it loses events and counts them: %s", maker->path,
                strerror(error));
    maker->said = true;
}

/* If it fails, tri_segments_next() asks again from time to time. */
static void
make_ahead(struct tri_maker *maker, struct tri_segments *segments)
{
    struct tri_segment *next = &segments->row[segments->next];
    if (replace_by_copy(segments, &segments->old)) {
        *next = segments->old;
        segments->old.packet = NULL;
        return;
    }
    unmap(segments, &segments->old);
    int error = make_segment(segments, next);
    if (error == 0)
        touch_pages(segments, next);
    else if (error != OVER_BUDGET)
        say_once(maker, error);
}

/* Being woken it shall not push aside the worker that woke it, which has a while to go until it needs the file. */
static void
give_way(void)
{
#ifdef SCHED_BATCH
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &(struct sched_param){0});
#endif
}

static void
maker_main(void *argument)
{
    struct tri_maker *maker = argument;
    give_way();
    uv_mutex_lock(&maker->lock);
    maker->cpus = tri_cpus_own();
    maker->number = tri_thread_number();
    while (!maker->stopping) {
        struct tri_segments *segments = maker->first;
        if (segments == NULL) {
            uv_cond_wait(&maker->changed, &maker->lock);
            continue;
        }
        maker->first = segments->asked_after;
        if (maker->first == NULL)
            maker->last = &maker->first;
        uv_mutex_unlock(&maker->lock);
        make_ahead(maker, segments);
        uv_mutex_lock(&maker->lock);
        ck_pr_store_uint(&segments->asked, false);
        uv_cond_broadcast(&maker->changed);
    }
    uv_mutex_unlock(&maker->lock);
}

tr_status
tri_maker_start(struct tri_maker **out, const char *path, bool alone)
{
    struct tri_maker *maker = calloc(1, sizeof(*maker));
    if (maker == NULL)
        return TR_ENOMEM;
    maker->last = &maker->first;
    maker->path = path;
    maker->apart = -1;
    maker->alone = alone;
    int error = uv_mutex_init(&maker->lock);
    if (error != 0)
        goto free_maker;
    error = uv_cond_init(&maker->changed);
    if (error != 0)
        goto destroy_lock;
    error = alone ? 0 : tri_thread_start(&maker->thread, "troupe/trace", 0, maker_main, maker);
    if (error != 0)
        goto destroy_changed;
    *out = maker;
    return TR_OK;

destroy_changed:
    uv_cond_destroy(&maker->changed);
destroy_lock:
    uv_mutex_destroy(&maker->lock);
free_maker:
    free(maker);
    return tri_status_from_uv(error);
}

void
tri_maker_stop(struct tri_maker *maker)
{
    if (maker == NULL)
        return;
    uv_mutex_lock(&maker->lock);
    maker->stopping = true;
    uv_cond_broadcast(&maker->changed);
    uv_mutex_unlock(&maker->lock);
    if (!maker->alone)
        uv_thread_join(&maker->thread);
    uv_cond_destroy(&maker->changed);
    uv_mutex_destroy(&maker->lock);
    tri_cpus_fini(&maker->cpus);
    free(maker);
}

/*
 * Where the caller runs it would have to wait for the maker, or the maker for it: the system leaves the maker on the
 * CPU of the worker that wakes it, even a pinned one's and beside an idle one. Measured: 140 ns a message became 50.
 */
static void
keep_apart(struct tri_maker *maker)
{
    int here = tri_affinity_here();
    if (here == maker->apart || maker->number == 0)
        return;
    tri_cpus_give_but(&maker->cpus, here, maker->number);
    maker->apart = here;
}

static void
ask(struct tri_maker *maker, struct tri_segments *segments)
{
    if (maker->alone) {
        make_ahead(maker, segments);
        return;
    }
    uv_mutex_lock(&maker->lock);
    keep_apart(maker);
    ck_pr_store_uint(&segments->asked, true);
    segments->asked_after = NULL;
    *maker->last = segments;
    maker->last = &segments->asked_after;
    uv_mutex_unlock(&maker->lock);
    uv_cond_broadcast(&maker->changed);
}

/* Waits for what was asked, unless it is late already. false: the maker has it still. */
static bool
await(struct tri_maker *maker, struct tri_segments *segments)
{
    uint64_t end = tri_clock_system_ns() + (segments->late ? 0 : segments->wait_ns), now;
    uv_mutex_lock(&maker->lock);
    while (segments->asked && (now = tri_clock_system_ns()) < end)
        uv_cond_timedwait(&maker->changed, &maker->lock, end - now);
    segments->late = segments->asked;
    uv_mutex_unlock(&maker->lock);
    return !segments->late;
}

/* Has the maker made the next file, or come back without? Waits for a while; what nobody asked for yet is asked for. */
static bool
await_next(struct tri_segments *segments)
{
    if (!await(segments->maker, segments))
        return false;
    if (segments->row[segments->next].packet != NULL)
        return true;
    ask(segments->maker, segments);
    return await(segments->maker, segments);
}

/* -- A stream's segments. -- */

tr_status
tri_segments_open(struct tri_segments **out, struct tri_maker *maker, int directory, const char *stream, size_t bytes,
                  unsigned keep, int64_t *bytes_left, uint64_t wait_ns)
{
    unsigned room = keep > 0 ? keep : 2; /* while all are kept: the current one, and the next */
    struct tri_segments *segments = calloc(1, sizeof(*segments) + room * sizeof(segments->row[0]));
    if (segments == NULL)
        return TR_ENOMEM;
    segments->maker = maker;
    segments->directory = directory;
    segments->bytes = bytes;
    segments->keep = keep;
    segments->bytes_left = bytes_left;
    segments->exchanges = lists_exchanged_names(directory);
    segments->room = room;
    segments->wait_ns = wait_ns;
    snprintf(segments->stream, sizeof(segments->stream), "%s", stream);

    int error = make_segment(segments, &segments->row[0]);
    if (error != 0) {
        free(segments);
        return tri_status_from_errno(error == OVER_BUDGET ? ENOSPC : error);
    }
    *out = segments;
    return TR_OK;
}

void
tri_segments_forget(struct tri_segments *segments)
{
    if (segments == NULL)
        return;
    for (unsigned i = 0; i < segments->room; i++)
        unmap(segments, &segments->row[i]);
    unmap(segments, &segments->old);
    free(segments);
}

void
tri_segments_close(struct tri_segments *segments)
{
    if (segments == NULL)
        return;
    bool hidden = false;
    for (unsigned i = 0; i < segments->room; i++) {
        struct tri_segment *segment = &segments->row[i];
        hidden |= segment->packet != NULL && !segment->shown;
        unmap(segments, segment);
    }
    unmap(segments, &segments->old);
    if (hidden) {
        char name[NAME_SIZE];
        name_hidden(segments, name);
        unlinkat(segments->directory, name, 0);
    }
    free(segments);
}

void
tri_segments_prepare(struct tri_segments *segments)
{
    if (segments->row[segments->next].packet == NULL)
        ask(segments->maker, segments);
}

bool
tri_segments_are_awaited(const struct tri_segments *segments)
{
    return ck_pr_load_uint(&segments->asked);
}

bool
tri_segments_arrived(const struct tri_segments *segments)
{
    return segments->late && !ck_pr_load_uint(&segments->asked); /* await() takes the lock before it looks further */
}

/* No further file can be had: from now on the ring is as large as it is. false: it is too small for that. */
static bool
settle_for_what_there_is(struct tri_segments *segments)
{
    if (segments->keep == 0 || segments->next < 2)
        return false;
    segments->room = segments->next;
    segments->next = 0;
    return true;
}

/* Hides the oldest segment of a full ring, which is the next one. If somebody took its file away it is to be made. */
static bool
reuse(struct tri_segments *segments)
{
    struct tri_segment *oldest = &segments->row[segments->next];
    if (rename_segment(segments, oldest, false))
        return true;
    unmap(segments, oldest);
    oldest->shown = false;
    return await_next(segments) && oldest->packet != NULL;
}

struct tri_segment *
tri_segments_next(struct tri_segments *segments)
{
    if (!await_next(segments))
        return NULL;
    if (segments->row[segments->next].packet == NULL && !settle_for_what_there_is(segments))
        return NULL;
    struct tri_segment *next = &segments->row[segments->next];
    if (next->shown && !reuse(segments))
        return NULL;
    next->sequence = segments->next_sequence;
    return next;
}

bool
tri_segments_show(struct tri_segments *segments, struct tri_segment *segment)
{
    if (!rename_segment(segments, segment, true))
        return false;
    struct tri_segment *before = &segments->row[segments->current];
    if (segments->keep == 0 && before != segment) {
        unmap(segments, &segments->old);
        segments->old = *before;
        before->packet = NULL;
    }
    segments->current = segments->next;
    segments->next = (segments->next + 1) % segments->room;
    segments->next_sequence++;
    return true;
}
