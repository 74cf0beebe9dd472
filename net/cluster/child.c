/*
 * Children.
 *
 * What comes from the parent is read by an actor, the reader, which lives on a worker of the child's runtime. It sees
 * at once when the parent's side has ended, however much waits before that, and ends the wait of the program's thread.
 * It reads messages only when somebody wants them, and no faster than that one takes them.
 *
 * A process that a child forks is no child. It has the channels to the parent as well, but of what comes there nobody
 * could tell for whom it is.
 */
#include "child_state.h"

#include "channel.h"
#include "cluster_state.h"
#include "deal.h"
#include "tags.h"
#include "worker_net.h"

#include <ck_pr.h>
#include <errno.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/actors/host.h>
#include <troupe/actors/send.h>
#include <troupe/core/descriptors.h>
#include <troupe/core/say.h>
#include <troupe/core/status_from.h>

#define RECORDS_PER_TURN 16
#define PAUSE_MS 5 /* who does not keep up is asked again after that */

enum { READER_TARGET = 1, READER_AGAIN };

/* What READER_TARGET carries. */
struct target {
    tr_ref to;
    uint32_t tag;
};

struct reader;

/* libuv needs it until it has closed it. */
struct reader_poll {
    uv_poll_t handle;
    struct reader *reader;
};

struct reader {
    tr_actor *actor;
    struct reader_poll *poll;
    int events; /* polled for */
    struct target target;
    unsigned char *record; /* TRI_PARCEL_MAX bytes; NULL: nobody wants messages */
    tr_message held;       /* the target had no room for it */
    bool holds;
    bool pauses;    /* READER_AGAIN is on its way */
    bool asked;     /* the parent's side has ended */
    bool exhausted; /* and all that came before was read */
};

struct tr_cluster_child tri_child;
static bool is_child;

bool
tri_child_is_here(void)
{
    return is_child;
}

/* Messages. */

#define BYTES_AT                                                                                                       \
    ((sizeof(struct tr_cluster_message) + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t))

static void
destroy_message(void *address)
{
    struct tr_cluster_message *message = address;
    if (message->fd >= 0)
        tri_close(message->fd);
    free(message);
}

/* Takes the descriptor. A message without memory is refused when it is sent. */
static tr_message
new_message(uint32_t tag, unsigned from, const void *bytes, size_t size, int fd)
{
    struct tr_cluster_message *message = malloc(BYTES_AT + size);
    if (message == NULL) {
        if (fd >= 0)
            tri_close(fd);
        return tr_message_signal(TR_TAG_RESERVED);
    }
    void *copy = (unsigned char *)message + BYTES_AT;
    memcpy(copy, bytes, size);
    *message = (struct tr_cluster_message){.from = from, .fd = fd, .size = size, .bytes = copy};
    return tr_message_pointer(tag, message, BYTES_AT + size, destroy_message);
}

int
tr_cluster_take_fd(tr_message *message)
{
    if (message == NULL || message->kind != TR_PAYLOAD_POINTER || message->payload.pointer.destroy != destroy_message)
        return -1;
    struct tr_cluster_message *came = message->payload.pointer.address;
    int fd = came->fd;
    came->fd = -1;
    return fd;
}

/* The reader. */

static void on_poll(uv_poll_t *handle, int status, int events);

static void
poll_as_wanted(struct reader *reader)
{
    bool reads = reader->record != NULL && !reader->pauses && !reader->exhausted;
    int events = (reads ? UV_READABLE : 0) | (reader->asked ? 0 : UV_DISCONNECT);
    if (events == reader->events)
        return;
    reader->events = events;
    if (events != 0)
        uv_poll_start(&reader->poll->handle, events, on_poll);
    else
        uv_poll_stop(&reader->poll->handle);
}

/* Without memory for the timer it reads on as soon as there is something to read, or the next message comes. */
static void
pause_reading(struct reader *reader)
{
    tr_message again = tr_message_signal(READER_AGAIN);
    reader->pauses = tr_send_after(reader->actor, tr_self(reader->actor), PAUSE_MS, &again, NULL) == TR_OK;
}

/* false: there is no room for it. */
static bool
send_held(struct reader *reader)
{
    tr_status status = tr_send(reader->actor, reader->target.to, &reader->held);
    reader->holds = status == TR_EFULL;
    if (status != TR_OK && !reader->holds)
        tr_message_drop(&reader->held);
    return !reader->holds;
}

static bool
keeps_up(struct reader *reader)
{
    return (!reader->holds || send_held(reader)) && tr_backlog(reader->actor, reader->target.to) == 0;
}

static void
parent_is_over(struct reader *reader)
{
    if (reader->asked)
        return;
    reader->asked = true;
    tr_runtime_quit(tr_actor_runtime(reader->actor));
}

static void
deliver(struct reader *reader, size_t size, const struct tri_channel_record *record)
{
    struct tri_parcel_head head;
    memcpy(&head, reader->record, sizeof(head));
    tri_trace_cluster_receive(tri_actor_worker(reader->actor)->trace, tr_self(reader->actor), (uint16_t)record->count,
                              head.peer, head.trace);
    reader->held = new_message(reader->target.tag, head.peer, reader->record + sizeof(head), size - sizeof(head),
                               record->count > 0 ? record->fds[0] : -1);
    send_held(reader);
}

/* false: there is nothing more to read now. */
static bool
read_one(struct reader *reader)
{
    struct tri_channel_record record;
    ssize_t got = tri_channel_receive(tri_child.mail, reader->record, TRI_PARCEL_MAX, &record);
    if (got == -EAGAIN)
        return false;
    if (got == -EMFILE) {
        tri_say("cluster: a message of the parent is lost, since there are no more descriptors");
        return true;
    }
    if (got > 0 && tri_parcel_is_sound(reader->record, (size_t)got, record.count, tri_child.count)) {
        deliver(reader, (size_t)got, &record);
        return true;
    }
    tri_channel_drop(&record);
    reader->exhausted = true;
    parent_is_over(reader);
    return false;
}

static void
read_some(struct reader *reader)
{
    for (int i = 0; i < RECORDS_PER_TURN; i++) {
        if (!keeps_up(reader)) {
            pause_reading(reader);
            return;
        }
        if (!read_one(reader))
            return;
    }
}

static void
on_poll(uv_poll_t *handle, int status, int events)
{
    struct reader *reader = TRI_CONTAINER_OF(handle, struct reader_poll, handle)->reader;
    struct tri_actor_frame frame = tri_actor_enter(reader->actor, TRI_TAG_ON_MAIL);
    if (status < 0) {
        reader->events = 0;
        reader->exhausted = true;
    }
    if (status < 0 || (events & UV_DISCONNECT) != 0)
        parent_is_over(reader);
    if (status == 0 && (events & UV_READABLE) != 0)
        read_some(reader);
    poll_as_wanted(reader);
    tri_actor_leave(reader->actor, frame);
}

static void
receive(tr_actor *self, void *state, tr_message *message)
{
    struct reader *reader = state;
    (void)self;
    if (message->tag == READER_TARGET) {
        memcpy(&reader->target, tr_message_data(message), sizeof(reader->target));
        if (reader->record == NULL)
            reader->record = malloc(TRI_PARCEL_MAX);
    } else if (message->tag == READER_AGAIN) {
        reader->pauses = false;
        read_some(reader);
    }
    poll_as_wanted(reader);
}

static tr_status
init(tr_actor *self, void *state, const void *argument)
{
    struct reader *reader = state;
    (void)argument;
    struct tri_worker *worker = tri_actor_worker(self);
    reader->actor = self;
    if (tri_net_of(worker) == NULL) /* it describes the events that the reader records */
        return TR_ENOMEM;
    reader->poll = malloc(sizeof(*reader->poll));
    if (reader->poll == NULL)
        return TR_ENOMEM;
    reader->poll->reader = reader;
    int error = uv_poll_init(tr_actor_loop(self), &reader->poll->handle, tri_child.mail);
    if (error != 0) {
        free(reader->poll);
        return tri_status_from_uv(error);
    }
    tri_child.core = worker->runtime; /* whoever has it spawned holds the lock, and waits for this */
    poll_as_wanted(reader);
    return TR_OK;
}

static void
on_closed(uv_handle_t *handle)
{
    free(TRI_CONTAINER_OF(handle, struct reader_poll, handle));
}

static void
stopped(tr_actor *self, void *state)
{
    struct reader *reader = state;
    (void)self;
    if (reader->holds)
        tr_message_drop(&reader->held);
    free(reader->record);
    uv_close((uv_handle_t *)&reader->poll->handle, on_closed);
    uv_mutex_lock(&tri_child.lock);
    tri_child.runtime = NULL;
    tri_child.core = NULL;
    uv_mutex_unlock(&tri_child.lock);
}

static const struct tr_behavior reader_behavior = {
    .name = "cluster",
    .state_size = sizeof(struct reader),
    .init = init,
    .receive = receive,
    .stopped = stopped,
};

/* Under the lock. Sees to it that there is a reader in that runtime. */
static tr_status
have_reader(struct tr_cluster_child *child, tr_runtime *runtime)
{
    if (child->runtime != NULL)
        return child->runtime == runtime ? TR_OK : TR_EINVAL;
    tr_status status = tr_runtime_spawn(runtime, &reader_behavior, NULL, &child->reader);
    if (status == TR_OK)
        child->runtime = runtime;
    return status;
}

/* Public. */

static bool
is_this(const tr_cluster_child *child)
{
    return child == &tri_child && is_child;
}

unsigned
tr_cluster_child_number(const tr_cluster_child *child)
{
    return child != NULL ? child->number : 0;
}

unsigned
tr_cluster_child_count(const tr_cluster_child *child)
{
    return child != NULL ? child->count : 0;
}

int
tr_cluster_child_wait(tr_cluster_child *child, tr_runtime *runtime)
{
    if (!is_this(child) || runtime == NULL)
        return TR_EINVAL;
    uv_mutex_lock(&child->lock);
    tr_status status = have_reader(child, runtime);
    uv_mutex_unlock(&child->lock);
    return status == TR_OK ? tr_runtime_wait(runtime) : status;
}

tr_status
tr_cluster_child_deliver(tr_cluster_child *child, tr_runtime *runtime, tr_ref to, uint32_t tag)
{
    struct target target = {.to = to, .tag = tag};
    if (!is_this(child) || runtime == NULL)
        return TR_EINVAL;
    if (to == TR_NOBODY || tr_ref_worker(to) >= tr_runtime_workers(runtime))
        return TR_EBADREF;
    if (tag >= TR_TAG_RESERVED)
        return TR_EBADTAG;
    tr_message message = tr_message_copy(READER_TARGET, &target, sizeof(target));
    uv_mutex_lock(&child->lock);
    tr_status status = have_reader(child, runtime);
    if (status == TR_OK)
        status = tr_runtime_send(runtime, child->reader, &message);
    uv_mutex_unlock(&child->lock);
    tr_message_drop(&message);
    return status;
}

static tr_status
status_of(int error)
{
    switch (-error) {
    case EAGAIN: return TR_EFULL;
    case ECONNRESET:
    case ENOTCONN: return TR_EPIPE;
    case ETOOMANYREFS: return TR_EMFILE;
    default: return tri_status_from_errno(-error);
    }
}

tr_status
tr_cluster_child_send(tr_cluster_child *child, unsigned to, const void *bytes, size_t size, int fd)
{
    if (!is_this(child) || (bytes == NULL && size > 0) || (to >= child->count && to != TR_CLUSTER_PARENT))
        return TR_EINVAL;
    if (size > TR_CLUSTER_MESSAGE_MAX)
        return TR_EMSGSIZE;
    if (fd < -1)
        return TR_EBADF;
    uint64_t id = tri_child_record_send(child, to, fd);
    int error = tri_parcel_send(child->mail, to, id, bytes, size, fd);
    if (error != 0)
        tri_child_record_refusal(child, to, fd, id);
    return status_of(error);
}

/* The beginning. */

/* In the child of a fork, on its only thread. */
static void
be_no_child(void)
{
    is_child = false;
    tri_bound_source = NULL;
    tri_deal_meter = NULL;
    tri_trace_be_member("", "", 0, NULL);
}

_Noreturn void
tri_child_run(struct tr_cluster *cluster, const struct tri_slot *slot, int orders, int mail)
{
    int (*run)(tr_cluster_child *, void *) = cluster->options.child;
    is_child = true;
    tri_child = (struct tr_cluster_child){
        .number = slot->number, .count = cluster->count, .serial = slot->serial, .orders = orders, .mail = mail};
    tri_lents_close(cluster, false);
    tri_process_signals_close(&cluster->signals);
    tri_deal_meter = &cluster->meters[slot->number];
    if (uv_mutex_init(&tri_child.asking) != 0 || uv_mutex_init(&tri_child.lock) != 0 ||
        tri_process_when_forked(be_no_child) != 0)
        tri_process_exit(EXIT_FAILURE);
    tri_bound_source = tri_child_ask;
    tri_process_exit(run(&tri_child, cluster->options.data));
}
