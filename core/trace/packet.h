/*
 * A packet while it is written: how it begins, and how it grows.
 *
 * The file is the memory: when the process is killed, the system keeps what was stored. The order of the stores makes
 * it readable: what is written is whole before content_size counts it.
 *
 * Thread: that of the stream whose packet it is; for the names', under the lock of names.
 */
#ifndef TROUPE_CORE_TRACE_PACKET_H
#define TROUPE_CORE_TRACE_PACKET_H

#include <ck_pr.h>
#include <stdint.h>
#include <string.h>
#include <troupe/core/trace_format.h>

#include "segment.h"

/* The packet ends at `end` from now on: what lies before it is whole, whenever the process dies. */
static inline void
tri_packet_commit(struct tri_trace_packet *packet, const void *end)
{
    ck_pr_fence_store(); /* C1: the event before its count; pairs with the reader of the file, a process of its own */
    ck_pr_store_64(&packet->content_size, (uint64_t)((const char *)end - (const char *)packet) * 8);
}

/* A packet of no content, in a segment that is not shown yet. lost: events of the stream that were lost before it. */
static inline void
tri_packet_begin(const struct tri_segments *segments, struct tri_segment *segment, const uint8_t uuid[16],
                 unsigned class, unsigned number, uint64_t lost)
{
    struct tri_trace_packet *packet = segment->packet;
    memset(packet, 0, sizeof(*packet));
    packet->magic = TRI_TRACE_MAGIC;
    memcpy(packet->uuid, uuid, sizeof(packet->uuid));
    packet->stream_id = class;
    packet->stream_instance_id = number;
    packet->packet_size = (uint64_t)segments->bytes * 8;
    packet->packet_seq_num = segment->sequence;
    packet->events_discarded = lost;
    packet->worker = number;
}

#endif
