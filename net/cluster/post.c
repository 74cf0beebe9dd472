/*
 * Messages between the parent and its children, and from child to child by way of the parent.
 *
 * The channels are the queues: they keep as much as the system gives them room for, and who finds none is told. Only
 * what one child sends to another may find no room behind the sender's back. It is held then, and nothing more is read
 * from the sender; so it finds no room itself in the end, and nothing is lost or passed by.
 */
#include "cluster_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/core/descriptors.h>
#include <troupe/core/status_from.h>

#define RECORDS_PER_TURN 16

static bool
can_be_sent_to(const struct tr_cluster *cluster, unsigned number)
{
    const struct tri_slot *slot = &cluster->slots[number];
    return slot->state == TRI_SLOT_RUNS && slot->mail >= 0 && !slot->asked;
}

/* From one child to another. */

/* What is on its way from a child to another one. */
struct parcel {
    unsigned from, to;
    uint64_t trace;
    const void *bytes;
    size_t size;
    int fd;
};

static void
close_passed(int fd)
{
    if (fd >= 0)
        tri_close(fd);
}

static void
record_loss(struct tr_cluster *cluster, const struct parcel *parcel)
{
    tri_trace_cluster_lost_outside(cluster->trace, parcel->fd >= 0, parcel->to, parcel->trace);
}

static struct parcel
parcel_of(const struct tri_slot *slot)
{
    const struct tri_held_mail *held = slot->held;
    return (struct parcel){.from = slot->number,
                           .to = held->to,
                           .trace = held->trace,
                           .bytes = held->bytes,
                           .size = held->size,
                           .fd = held->fd};
}

static void
free_held(struct tri_slot *slot)
{
    if (slot->held != NULL)
        close_passed(slot->held->fd);
    free(slot->held);
    slot->held = NULL;
}

void
tri_parcel_forget(struct tr_cluster *cluster, struct tri_slot *slot)
{
    if (slot->held == NULL)
        return;
    struct parcel parcel = parcel_of(slot);
    record_loss(cluster, &parcel);
    free_held(slot);
}

/* false: there is no room. What nobody can get any more is as good as sent. */
static bool
hand_on(struct tr_cluster *cluster, const struct parcel *parcel)
{
    int error = -EPIPE;
    if (can_be_sent_to(cluster, parcel->to))
        error = tri_parcel_send(cluster->slots[parcel->to].mail, parcel->from, parcel->trace, parcel->bytes,
                                parcel->size, parcel->fd);
    if (error != 0 && error != -EAGAIN)
        record_loss(cluster, parcel);
    return error != -EAGAIN;
}

static void
hold(struct tr_cluster *cluster, struct tri_slot *slot, const struct parcel *parcel)
{
    slot->held = malloc(sizeof(*slot->held) + parcel->size);
    if (slot->held == NULL) {
        record_loss(cluster, parcel);
        close_passed(parcel->fd);
        return;
    }
    slot->held->to = parcel->to;
    slot->held->fd = parcel->fd;
    slot->held->trace = parcel->trace;
    slot->held->size = parcel->size;
    memcpy(slot->held->bytes, parcel->bytes, parcel->size);
}

static void
relay(struct tr_cluster *cluster, struct tri_slot *slot, const struct parcel *parcel)
{
    if (hand_on(cluster, parcel))
        close_passed(parcel->fd);
    else
        hold(cluster, slot, parcel);
}

void
tri_parcel_turn(struct tr_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->count; i++) {
        struct tri_slot *slot = &cluster->slots[i];
        if (slot->held == NULL)
            continue;
        struct parcel parcel = parcel_of(slot);
        if (hand_on(cluster, &parcel))
            free_held(slot);
    }
}

bool
tri_parcel_wants_room(const struct tr_cluster *cluster, unsigned number)
{
    for (unsigned i = 0; i < cluster->count; i++)
        if (cluster->slots[i].held != NULL && cluster->slots[i].held->to == number)
            return true;
    return false;
}

/* To the parent. */

static void
receive(struct tr_cluster *cluster, struct tri_slot *slot, size_t size, const struct tri_channel_record *record)
{
    const struct tr_cluster_events *events = cluster->options.events;
    const unsigned char *bytes = cluster->record + sizeof(struct tri_parcel_head);
    struct tri_parcel_head head;
    memcpy(&head, cluster->record, sizeof(head));
    int fd = record->count > 0 ? record->fds[0] : -1;
    size -= sizeof(head);
    if (head.peer != TR_CLUSTER_PARENT) {
        struct parcel parcel = {slot->number, head.peer, head.trace, bytes, size, fd};
        relay(cluster, slot, &parcel);
        return;
    }
    tri_trace_cluster_receive_outside(cluster->trace, TR_NOBODY, fd >= 0, slot->number, head.trace);
    if (events != NULL && events->message != NULL)
        events->message(cluster, slot->number, bytes, size, fd, cluster->options.data);
    else
        close_passed(fd);
}

/* false: there is nothing more to read now. */
static bool
read_one(struct tr_cluster *cluster, struct tri_slot *slot)
{
    struct tri_channel_record record;
    ssize_t got = tri_channel_receive(slot->mail, cluster->record, TRI_PARCEL_MAX, &record);
    if (got == -EAGAIN)
        return false;
    if (got == -EMFILE) /* its descriptor found no room here: the message is lost with it */
        return true;
    if (got == 0 && record.count == 0) {
        tri_close(slot->mail);
        slot->mail = -1;
        return false;
    }
    if (got < 0 || record.too_many ||
        !tri_parcel_is_sound(cluster->record, (size_t)got, record.count, cluster->count)) {
        tri_channel_drop(&record);
        tri_slot_refuse(cluster, slot, "what is no message");
        return false;
    }
    receive(cluster, slot, (size_t)got, &record);
    return slot->mail >= 0;
}

/* What a child that has ended has sent to one that has no room is lost. */
void
tri_parcel_read(struct tr_cluster *cluster, struct tri_slot *slot, bool all)
{
    for (unsigned i = 0; slot->mail >= 0 && (all || (i < RECORDS_PER_TURN && slot->held == NULL)); i++) {
        if (all)
            tri_parcel_forget(cluster, slot);
        if (!read_one(cluster, slot))
            return;
    }
}

/* From the parent. */

static tr_status
status_of(int error)
{
    switch (-error) {
    case EAGAIN: return TR_EFULL;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN: return TR_EGONE;
    case ETOOMANYREFS: return TR_EMFILE;
    default: return tri_status_from_errno(-error);
    }
}

tr_status
tr_cluster_send(tr_cluster *cluster, unsigned number, const void *bytes, size_t size, int fd)
{
    if (cluster == NULL || (bytes == NULL && size > 0) || number >= cluster->count)
        return TR_EINVAL;
    if (size > TR_CLUSTER_MESSAGE_MAX)
        return TR_EMSGSIZE;
    if (fd < -1)
        return TR_EBADF;
    if (!can_be_sent_to(cluster, number))
        return TR_EGONE;
    uint64_t id = tri_cluster_record_send(cluster, number, fd);
    int error = tri_parcel_send(cluster->slots[number].mail, TR_CLUSTER_PARENT, id, bytes, size, fd);
    if (error != 0)
        tri_trace_cluster_lost_outside(cluster->trace, fd >= 0, number, id);
    return status_of(error);
}
